"""Rehearse bad days: a server that answers, refuses and breaks off by the rules of a file.

Needs the extra `server`, and neither a key nor a network. The file is faults.yaml beside this one.
"""

from pathlib import Path

from pyresponses_ws import ResponseInterruptedError, ResponsesClient
from pyresponses_ws.testing import LocalServer

SCRIPT = Path(__file__).with_name("faults.yaml")


def main() -> None:
    with (
        LocalServer(engine=f"script:{SCRIPT}") as server,
        ResponsesClient(api_key="any", base_url=server.base_url) as client,
    ):
        # Refused as overloaded once, and sent again by the client itself.
        story = client.create(model="any", input="A story about Ann, please.")
        print(story.output_text, f"({story.report.attempts} attempts)" if story.report else "")
        try:
            with client.stream(model="any", input="A poem, please.") as stream:
                for text in stream.text_deltas():
                    print(text, end="")
        except ResponseInterruptedError as error:
            print(f" ... and the line went dead ({error.close_code}).")


if __name__ == "__main__":
    main()
