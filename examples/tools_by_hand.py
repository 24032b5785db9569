"""Let the model call a function of yours: run the call, send back its output, read the answer.

Needs OPENAI_API_KEY. OPENAI_BASE_URL points it at another server, such as the embedded one.
"""

import json
from typing import Any

from pyresponses_ws import ResponseFunctionToolCall, ResponsesClient

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "name": "get_weather", "parameters": CITY}
TURN: dict[str, Any] = {"model": "gpt-6-astra", "tools": [TOOL]}


def get_weather(city: str) -> str:
    return f"18 degrees and sunny in {city}"


def answer(call: ResponseFunctionToolCall) -> dict[str, str]:
    output = get_weather(**json.loads(call.arguments))
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}


def main() -> None:
    with ResponsesClient() as client:
        response = client.create(**TURN, input="What is the weather in Paris?")
        while calls := [item for item in response.output if item.type == "function_call"]:
            outputs = [answer(call) for call in calls]
            response = client.create(**TURN, input=outputs, previous_response_id=response.id)
        print(response.output_text)


if __name__ == "__main__":
    main()
