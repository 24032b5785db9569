"""What the tests of every client ask the echo engine, and what it must answer."""

from __future__ import annotations

from typing import Any

from openai.types.responses import Response, ResponseFunctionToolCall

MODEL = "gpt-6-astra"
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Current weather for a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
QUESTION = "What is the weather in Paris?"
#: Long enough to be still streaming when a command that answers its first event arrives.
LONG_TEXT = " ".join(f"word{number}" for number in range(4_000))
#: Long enough for two turns to be streamed side by side.
PAIR_TEXT = " ".join(f"word{number}" for number in range(1_500))
#: A tool call whose arguments are as long as LONG_TEXT.
LONG_QUESTION = f'What is the weather in "{LONG_TEXT}"?'
CLOSING = "Make it short."
ENDS = {"response.completed", "response.incomplete", "response.failed"}

#: openai opens its sockets in a way that websockets 17 deprecates; it is not ours to change.
IGNORE_CONNECT = r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"


def call_of(response: Response) -> ResponseFunctionToolCall:
    """Return the one call of a response."""
    (call,) = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    return call


def answer_call(response: Response, output: str = "14 °C") -> list[Any]:
    """Make the output of the one call of a response."""
    call_id = call_of(response).call_id
    return [{"type": "function_call_output", "call_id": call_id, "output": output}]
