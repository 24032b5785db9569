"""Talk to a model of your own over one WebSocket: text, its reasoning, and a call of a tool.

Needs the extras `server` and `transformers`, and the folder of a chat model; no key, no network.
"""

from pathlib import Path

from pyresponses_ws import ResponseFunctionToolCall, ResponsesClient
from pyresponses_ws.testing import LocalServer

#: Half a million parameters, for tests. Any chat model that transformers can load will do.
FOLDER = Path(__file__).resolve().parents[1] / "tests" / "data" / "tiny-chat"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "name": "get_weather", "parameters": CITY}


def main() -> None:
    with (
        LocalServer(engine=f"transformers:{FOLDER}") as server,
        ResponsesClient(api_key="any", base_url=server.base_url) as client,
    ):
        with client.stream(model="tiny-chat", input="think hard") as stream:
            for event in stream:
                if event.type in ("response.reasoning_text.delta", "response.output_text.delta"):
                    print(event.delta, end="")
        asked = client.create(
            model="tiny-chat", input="What is the weather in Paris?", tools=[TOOL]
        )
        for item in asked.output:
            if isinstance(item, ResponseFunctionToolCall):
                print(f"\n{item.name}({item.arguments})")


if __name__ == "__main__":
    main()
