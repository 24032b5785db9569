"""Print text as it is written, then what the turn cost on the wire.

Needs OPENAI_API_KEY. OPENAI_BASE_URL points it at another server, such as the embedded one.
"""

from pyresponses_ws import ResponsesClient


def main() -> None:
    with ResponsesClient() as client:
        question = "Tell me a story of three sentences."
        with client.stream(model="gpt-6-astra", input=question) as stream:
            for text in stream.text_deltas():
                print(text, end="", flush=True)
        print()
        report = stream.report
        print(f"{report.events} events over {report.transport}, {report.bytes_received} bytes")


if __name__ == "__main__":
    main()
