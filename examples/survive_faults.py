"""Break the line on purpose: what is repaired without you, and what your own code has to handle.

Needs the extra `server`, and neither a key nor a network.
"""

from pyresponses_ws import ResponseInterruptedError, ResponsesClient
from pyresponses_ws.testing import Cut, FaultProxy, LocalServer, Reset


def tell(client: ResponsesClient, prompt: str) -> None:
    try:
        with client.stream(model="any", input=prompt) as stream:
            for text in stream.text_deltas():
                print(text, end="")
        print()
    except ResponseInterruptedError as error:
        print(f" ... lost after {error.partial.text!r}. Once more:")
        tell(client, prompt)


def main() -> None:
    with (
        LocalServer() as server,
        FaultProxy(server.base_url) as proxy,
        ResponsesClient(api_key="any", base_url=proxy.base_url) as client,
    ):
        proxy.next(Cut(after_text="response.created"))
        answer = client.create(model="any", input="Are you there?")
        print(f"{answer.output_text} (replayed: {answer.report and answer.report.replayed})")
        proxy.inject(Reset(after_text="response.output_text.delta"))
        tell(client, "A poem, please.")


if __name__ == "__main__":
    main()
