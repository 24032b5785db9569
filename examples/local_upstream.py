"""Give an HTTP server the WebSocket mode: a second server stands in front of it.

Needs the extra `server`, and neither a key nor a network: here the embedded server plays the model.
"""

from pyresponses_ws import ResponsesClient
from pyresponses_ws.testing import LocalServer


def main() -> None:
    with (
        # Yours would be llama-server, Ollama or `transformers serve`, at an address that you know.
        LocalServer() as model,
        LocalServer(engine=f"upstream:{model.base_url}") as server,
        ResponsesClient(api_key="any", base_url=server.base_url, transport="websocket") as client,
    ):
        first = client.create(model="any", input="Good morning.", store=False)
        with client.stream(model="any", input="And?", previous_response_id=first.id) as stream:
            print(*stream.text_deltas(), sep="|", end=" ")
        print(f"(over {stream.report.transport})")


if __name__ == "__main__":
    main()
