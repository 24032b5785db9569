"""Change your mind while the model is speaking: the answer ends, and its successor has both wishes.

Needs the extra `server`, and neither a key nor a network.
"""

from pyresponses_ws import ResponsesClient
from pyresponses_ws.testing import LocalServer

PLAN = "Draft a plan for a task tracker that two people can build in a week."


def main() -> None:
    with (
        LocalServer(delta_delay=0.05) as server,
        ResponsesClient(api_key="any", base_url=server.base_url) as client,
        client.connect() as connection,
    ):
        connection.send({"type": "response.create", "model": "any", "input": PLAN})
        for event in connection:
            if event.type == "response.output_text.delta":
                print(event.delta, end="")
            elif event.type == "response.created" and event.response.previous_response_id is None:
                steer = {"previous_response_id": event.response.id, "input": "Make it short."}
                connection.send({"type": "response.steer", **steer})
            elif event.type == "response.incomplete" and event.response.incomplete_details:
                print(f" [{event.response.incomplete_details.reason}]")
            elif event.type == "response.completed":
                break


if __name__ == "__main__":
    main()
