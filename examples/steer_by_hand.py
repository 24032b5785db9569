"""Change your mind while the model is speaking: the answer ends, and its successor has both wishes.

Needs OPENAI_API_KEY. OPENAI_BASE_URL points it at another server, such as the embedded one.
"""

from pyresponses_ws import ResponsesClient


def main() -> None:
    create = {"type": "response.create", "model": "gpt-6-astra", "input": "Draft a plan."}
    with ResponsesClient() as client, client.connect() as connection:
        connection.send(create)
        is_steered = False
        for event in connection:
            if event.type == "response.output_text.delta":
                print(event.delta, end="")
            elif event.type == "response.created" and not is_steered:
                steer = {"previous_response_id": event.response.id, "input": "Make it short."}
                connection.send({"type": "response.steer", **steer})
                is_steered = True
            elif event.type in ("response.incomplete", "response.completed"):
                details = event.response.incomplete_details
                print(f" [{event.response.status}{f': {details.reason}' if details else ''}]")
                if event.type == "response.completed":
                    break


if __name__ == "__main__":
    main()
