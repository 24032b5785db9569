"""Hold one connection by hand: send raw commands, listen with a callback, read every event.

Needs OPENAI_API_KEY. OPENAI_BASE_URL points it at another server, such as the embedded one.
"""

from pyresponses_ws import Event, ResponsesClient


def announce(event: Event) -> None:
    """Called on the connection's dispatcher thread, beside the loop below."""
    print(f"[callback] {event.type}")


def main() -> None:
    with ResponsesClient() as client, client.connect() as connection:
        unsubscribe = connection.on("response.created", announce)
        connection.send({"type": "response.create", "model": "gpt-6-astra", "input": "Say hello."})
        for event in connection:
            print(event.type)
            if event.type == "response.completed":
                break
        unsubscribe()
        print(f"{connection.state}, last response {connection.previous_response_id}")


if __name__ == "__main__":
    main()
