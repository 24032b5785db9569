"""What the offline engine says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    CutDelta,
    EngineRequest,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.echo import EchoEngine
from tests.server.drivers import Wire, answer, user

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


def test_the_limit_cuts_the_answer() -> None:
    """A piece is a token; the usage is told before the cut, after which nothing counts."""
    request = EngineRequest(model="m", items=[user("hi")], settings={"max_output_tokens": 2})
    deltas = list(EchoEngine().run(request, CancelToken()))
    assert deltas[:2] == [TextDelta("You"), TextDelta(" said:")]
    assert isinstance(deltas[2], UsageDelta)
    assert deltas[2].output_tokens == 2
    assert deltas[3:] == [CutDelta("max_output_tokens")]


@pytest.mark.parametrize("limit", [3, 100])
def test_an_answer_within_the_limit_is_whole(limit: int) -> None:
    """One that just fits, too."""
    request = EngineRequest(model="m", items=[user("hi")], settings={"max_output_tokens": limit})
    *deltas, usage = EchoEngine().run(request, CancelToken())
    assert deltas == answer("hi")
    assert isinstance(usage, UsageDelta)


def test_a_call_is_cut_too() -> None:
    """Its arguments are output like any other."""
    settings = {"max_output_tokens": 3}
    said = run([user(QUESTION)], tools=[WEATHER], settings=settings)
    assert said == '{"city'


def wanted(schema: object) -> dict[str, Any]:
    """Ask for JSON by a schema."""
    made = {"type": "json_schema", "name": "n", "strict": True, "schema": schema}
    return {"text": {"format": made}}


def test_a_schema_makes_the_answer_json() -> None:
    """Filled from the user's words, and streamed in pieces."""
    deltas = answer(QUESTION, settings=wanted(WEATHER["parameters"]))
    assert len(deltas) > 1
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == '{"city":"Paris"}'


def test_outputs_fill_a_schema() -> None:
    """After a call of a tool it is what the tool said that is told."""
    schema = {"properties": {"degrees": {"type": "integer"}}, "required": ["degrees"]}
    said = run([user(QUESTION), CALL, output()], settings=wanted(schema))
    assert said == '{"degrees":14}'


def test_a_schema_does_not_keep_a_tool_from_being_called() -> None:
    """The format is that of text."""
    said = run([user(QUESTION)], tools=[WEATHER], settings=wanted({"type": "array"}))
    assert said == '{"city":"Paris"}'


def test_json_without_a_schema_has_the_answer_in_it() -> None:
    """``json_object`` asks for any object."""
    settings = {"text": {"format": {"type": "json_object"}}}
    assert json.loads(run([user('say "hi"')], settings=settings)) == {
        "answer": 'You said: say "hi"'
    }


@pytest.mark.parametrize(
    "text", [{}, {"format": None}, {"format": 5}, {"format": {"type": "text"}}]
)
def test_any_other_format_is_plain_text(text: dict[str, Any]) -> None:
    """Whatever stands there."""
    assert run([user("hi")], settings={"text": text}) == "You said: hi"


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "name": "a_tool"}])
def test_at_most_one_tool_is_called(choice: object) -> None:
    """Even if the user names them all."""
    offer = [{"type": "function", "name": name} for name in ("a_tool", "b_tool")]
    deltas = answer("a_tool and b_tool and a_tool", tools=offer, tool_choice=choice)
    assert [d.name for d in deltas if isinstance(d, CallDelta) and d.name] == ["a_tool"]


def test_any_output_of_a_tool_counts() -> None:
    """Its type ends in ``_output``, whatever the tool; one that is no text is quoted as JSON."""
    shell = {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "x"}]}
    assert run([user(QUESTION), shell], tools=[WEATHER]) == 'The tool returned: [{"stdout": "x"}]'


def test_the_history_counts_as_much_as_the_input() -> None:
    """The question may be of an earlier turn, when only its outputs are new."""
    wire = Wire()
    first = wire.complete(input=QUESTION, tools=[WEATHER])
    (call,) = first["output"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "14 °C"}
    second = wire.complete(input=[result], tools=[WEATHER], previous_response_id=first["id"])
    assert second["output"][0]["content"][0]["text"] == "get_weather returned: 14 °C"


def test_any_model_is_echoed() -> None:
    """There is no list to choose from."""
    assert Wire().complete(model="gpt-99", input="hi")["model"] == "gpt-99"


KEYS = st.sampled_from(
    [
        "type",
        "name",
        "tools",
        "mode",
        "parameters",
        "role",
        "content",
        "output",
        "call_id",
        "text",
        "format",
        "schema",
    ]
)
WORDS = st.sampled_from(
    [
        "function",
        "custom",
        "namespace",
        "allowed_tools",
        "json_schema",
        "user",
        "function_call_output",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.lists(st.dictionaries(KEYS, JSON, max_size=4), max_size=3)


@given(items=OBJECTS, tools=OBJECTS, choice=JSON, text=st.dictionaries(KEYS, JSON, max_size=3))
def test_nothing_that_a_client_sends_breaks_echo(
    items: list[dict[str, Any]], tools: list[dict[str, Any]], choice: Any, text: dict[str, Any]
) -> None:
    """Requests are checked for what the protocol needs, not for what echo reads in them."""
    request = EngineRequest(
        model="m", items=items, tools=tools, tool_choice=choice, settings={"text": text}
    )
    assert isinstance(list(EchoEngine().run(request, CancelToken()))[-1], UsageDelta)
