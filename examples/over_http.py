"""A turn over HTTP alone, and what the server keeps of it.

Needs the extra `server`, and neither a key nor a network. Drop `transport` and the same code uses a
WebSocket where it can.
"""

from pyresponses_ws import NotFoundError, ResponsesClient
from pyresponses_ws.testing import LocalServer


def main() -> None:
    with (
        LocalServer() as server,
        ResponsesClient(api_key="any", base_url=server.base_url, transport="http") as client,
    ):
        with client.stream(model="any", input="Good morning.") as stream:
            for text in stream.text_deltas():
                print(text, end="", flush=True)
        response = stream.get_final_response()
        print(f"\n{stream.report.events} events over {stream.report.transport}")

        assert client.responses.retrieve(response.id) == response
        asked = [item.type for item in client.responses.input_items(response.id)]
        window = client.responses.compact(model="any", previous_response_id=response.id)
        print(f"its input: {asked}; made short: {[item.type for item in window.output]}")

        client.responses.delete(response.id)
        try:
            client.responses.retrieve(response.id)
        except NotFoundError as error:
            print(f"gone: {error.status}")


if __name__ == "__main__":
    main()
