"""What the offline engine says."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    EngineRequest,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.echo import EchoEngine
from tests.server.drivers import answer, user

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
QUESTION = "What is the weather in Paris?"
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}


def output(value: object = "14 °C") -> dict[str, object]:
    """Make the output of ``CALL``."""
    return {"type": "function_call_output", "call_id": "call_1", "output": value}


def run(items: list[dict[str, Any]], **fields: Any) -> str:
    """Return what the engine says to ``items``, all pieces joined."""
    request = EngineRequest(model="m", items=items, **fields)
    deltas = EchoEngine().run(request, CancelToken())
    return "".join(d.text for d in deltas if isinstance(d, (TextDelta, CallDelta)))


def test_a_text_comes_back_word_by_word() -> None:
    """The pieces are words, so that streaming can be seen, and add up to the echo."""
    pieces = [delta.text for delta in answer("Say  hello.\n") if isinstance(delta, TextDelta)]
    assert pieces == ["You", " said:", " Say", "  hello.", "\n"]


def test_a_question_that_names_a_tool_calls_it() -> None:
    """The worked example of the rules."""
    first, *rest = answer(QUESTION, tools=[WEATHER])
    assert first == CallDelta(name="get_weather")
    assert "".join(delta.text for delta in rest if isinstance(delta, CallDelta)) == (
        '{"city":"Paris"}'
    )


def test_outputs_after_the_question_are_quoted() -> None:
    """Once the tool has answered, its output is told, and it is not called again."""
    said = run([user(QUESTION), CALL, output()], tools=[WEATHER], tool_choice="required")
    assert said == "get_weather returned: 14 °C"


def test_outputs_before_the_question_do_not_count() -> None:
    """The last user message starts anew."""
    said = run([user(QUESTION), CALL, output(), user(QUESTION)], tools=[WEATHER])
    assert said == '{"city":"Paris"}'


def test_every_output_is_quoted_in_order() -> None:
    """Parallel calls come back on a line each; parts of an output are joined."""
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    other = {"type": "custom_tool_call_output", "call_id": "call_2", "output": parts}
    assert run([user("hi"), CALL, output(), other]) == (
        "get_weather returned: 14 °C\nThe tool returned: a\nb"
    )


def test_no_tool_is_called_when_none_is_chosen() -> None:
    """``tool_choice: none`` answers in words."""
    assert run([user(QUESTION)], tools=[WEATHER], tool_choice="none") == f"You said: {QUESTION}"


@pytest.mark.parametrize("role", ["developer", "system", "assistant"])
def test_only_the_users_words_count(role: str) -> None:
    """What other roles say neither is echoed nor calls a tool."""
    other = {"type": "message", "role": role, "content": QUESTION}
    assert run([user("Hi"), other], tools=[WEATHER]) == "You said: Hi"


def test_no_user_message_is_no_error() -> None:
    """An empty context has an answer too, and lone outputs are quoted."""
    assert run([]) == "You said nothing."
    assert run([CALL, output()]) == "get_weather returned: 14 °C"


def test_a_custom_tool_gets_the_quoted_text() -> None:
    """Its input is free text: what is quoted, else all that the user said."""
    tool = {"type": "custom", "name": "shell"}
    assert answer('shell "ls -l"', tools=[tool]) == [
        CallDelta(name="shell", kind="custom"),
        CallDelta("ls"),
        CallDelta(" -l"),
    ]


def test_a_warm_up_says_nothing_and_counts_its_input() -> None:
    """Only the usage comes, without output."""
    request = EngineRequest(model="m", items=[], instructions="You are terse.", generate=False)
    (usage,) = EchoEngine().run(request, CancelToken())
    assert isinstance(usage, UsageDelta)
    assert (usage.input_tokens > 0, usage.output_tokens) == (True, 0)


def test_a_cancelled_run_stops_before_the_next_delta() -> None:
    """Nothing follows the cancel, not even the usage."""
    token = CancelToken()
    deltas = EchoEngine().run(EngineRequest(model="m", items=[user("a b c")]), token)
    next(deltas)
    token.cancel()
    assert list(deltas) == []


def test_a_cancel_ends_the_delay() -> None:
    """A slow engine sleeps in the token, so that a cancel wakes it."""
    token = CancelToken()
    engine = EchoEngine(delta_delay=3600)
    deltas = engine.run(EngineRequest(model="m", items=[user("hi")]), token)
    token.cancel()
    assert list(deltas) == []
