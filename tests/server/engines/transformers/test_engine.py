"""What the engine makes of a request and of what a model says; without torch."""

from __future__ import annotations

import dataclasses
import sys
import types
from pathlib import Path

import pytest

from pyresponses_ws.errors import APIError, BadRequestError, ConfigError
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    CutDelta,
    Delta,
    EngineRequest,
    ReasoningDelta,
    StartDelta,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.transformers.engine import TransformersEngine
from pyresponses_ws.server.engines.transformers.markup import Markup
from tests.server.drivers import user
from tests.server.engines.transformers.local_models import (
    END,
    HERMES,
    HIDDEN,
    ScriptedModel,
    answer,
    ask,
    make_engine,
)

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def usage_of(deltas: list[Delta]) -> UsageDelta:
    return next(delta for delta in deltas if isinstance(delta, UsageDelta))


def refuse(model: ScriptedModel, text: str = "Say hello", /, **fields: object) -> APIError:
    """Return what a turn is refused with, ahead of its start."""
    with pytest.raises(BadRequestError) as caught:
        next(make_engine(model).run(ask(text, **fields), CancelToken()))
    return caught.value


def test_an_answer_begins_goes_on_and_is_paid_for() -> None:
    """The prompt has three words, and the end of the turn is a token of the answer."""
    assert answer(ScriptedModel()) == [
        StartDelta(),
        TextDelta("Hello"),
        TextDelta(" there"),
        UsageDelta(3, 3),
    ]


def test_the_engine_vets() -> None:
    """So the server waits for its StartDelta."""
    assert make_engine(ScriptedModel()).vets is True


def test_the_model_is_listed_by_its_name() -> None:
    """Whatever name a request has."""
    assert make_engine(ScriptedModel(name="tiny")).models() == ("tiny",)


def test_reasoning_is_told_and_counted() -> None:
    """The tokens that mark it count as reasoning too."""
    deltas = answer(ScriptedModel(["<think>", "Let me", " think", "</think>", "42", END]))
    thoughts = [delta for delta in deltas if isinstance(delta, ReasoningDelta)]
    assert thoughts == [ReasoningDelta(text, kind="content") for text in ("Let me", " think")]
    assert text_of(deltas) == "42"
    assert usage_of(deltas) == UsageDelta(3, 6, reasoning_tokens=4)


def test_reasoning_that_the_template_opened_is_reasoning() -> None:
    """Some templates end with the mark, so that the model does not write it."""
    deltas = answer(ScriptedModel(["Hm.", "</think>", "42", END], opening="<think>\n"))
    assert deltas[1:3] == [ReasoningDelta("Hm.", kind="content"), TextDelta("42")]


def test_a_call_is_told_once_it_is_whole() -> None:
    """Its arguments as the model wrote them."""
    deltas = answer(ScriptedModel([*CALL, END]), tools=[TOOL])
    calls = [delta for delta in deltas if isinstance(delta, CallDelta)]
    assert calls[0] == CallDelta(name="get_weather")
    assert "".join(call.text for call in calls) == '{"city": "Paris"}'
    assert text_of(deltas) == ""


def test_one_call_is_enough_where_calls_are_not_parallel() -> None:
    """Nothing is generated behind it but the token that was under way."""
    model = ScriptedModel([CALL, CALL, "x"])
    deltas = answer(model, tools=[TOOL], parallel_tool_calls=False)
    assert [d.name for d in deltas if isinstance(d, CallDelta) and d.name] == ["get_weather"]
    assert model.made == 2
    assert usage_of(deltas).output_tokens == 1
    assert not any(isinstance(delta, CutDelta) for delta in deltas)


def test_a_call_that_is_demanded_is_begun_for_the_model() -> None:
    """What it begins with is part of the prompt, and comes out as part of the call."""
    model = ScriptedModel([' {"city": "Rome"}}\n</tool_call>', END])
    choice = {"type": "function", "name": "get_weather"}
    deltas = answer(model, tools=[TOOL], tool_choice=choice)
    assert deltas[1] == CallDelta(name="get_weather")
    assert model.begun.get().endswith('<tool_call>\n{"name": "get_weather", "arguments":')


def test_tokens_that_mark_turns_are_not_shown() -> None:
    """They are paid for."""
    deltas = answer(ScriptedModel(["a", HIDDEN, "b", END]))
    assert text_of(deltas) == "ab"
    assert usage_of(deltas).output_tokens == 4


def test_text_that_is_held_comes_with_the_end() -> None:
    """A call that is never closed is text."""
    assert text_of(answer(ScriptedModel(["<tool_call>", "{", END]), tools=[TOOL])) == "<tool_call>{"


def test_a_warm_up_generates_nothing() -> None:
    """It is vetted and counted."""
    model = ScriptedModel()
    assert answer(model, generate=False) == [StartDelta(), UsageDelta(3, 0)]
    assert model.options == []


@pytest.mark.parametrize(
    ("wanted", "default", "length", "limit"),
    [
        (5, 100, 1000, 5),
        (None, 100, 1000, 100),
        (None, None, 1000, 997),
        (5000, 100, 1000, 997),
        (None, 5000, 1000, 997),
        (None, 100, None, 100),
        (5000, 100, None, 5000),
        (None, None, None, 4096),
    ],
)
def test_the_answer_has_as_much_room_as_there_is(
    wanted: int | None, default: int | None, length: int | None, limit: int
) -> None:
    """The request says how much, else the model, and the context is the bound of both."""
    model = ScriptedModel(default_length=default, context_length=length)
    assert answer(model, max_output_tokens=wanted)[-1] == UsageDelta(3, 3)
    assert model.options == [{"max_new_tokens": limit}]


def test_the_least_length_gives_way_to_the_limit() -> None:
    """The prompt has taken the room."""
    model = ScriptedModel(context_length=10)
    answer(model, generation_config={"min_new_tokens": 400, "max_new_tokens": 400})
    assert model.options == [{"max_new_tokens": 7, "min_new_tokens": 7}]


@pytest.mark.parametrize("generate", [True, False])
def test_a_prompt_that_leaves_no_room_is_refused(generate: bool) -> None:
    """Before anything was promised, with both numbers."""
    error = refuse(ScriptedModel(context_length=5), "one two three four", generate=generate)
    assert (error.code, error.param, error.status) == ("context_length_exceeded", "input", 400)
    assert "5 tokens" in str(error)


def test_a_prompt_that_is_far_too_long_is_not_even_encoded() -> None:
    """That would take seconds, in which others wait."""
    model = ScriptedModel(context_length=5, least=9)
    error = refuse(model, "one two three four")
    assert error.code == "context_length_exceeded"
    assert "at least 9 tokens" in str(error)
    assert model.encoded == 0


def test_a_text_that_stops_an_answer_may_be_a_hidden_token() -> None:
    """Nobody is shown it, and it counts all the same."""
    model = ScriptedModel(["a", HIDDEN, "b"], stop_strings=[HIDDEN])
    assert answer(model)[1:] == [TextDelta("a"), UsageDelta(3, 2)]


def test_a_text_that_stops_an_answer_may_be_long() -> None:
    """A model's own may be of any length."""
    model = ScriptedModel(["ab"] * 400 + [END], stop_strings=["ab" * 300], default_length=1000)
    assert sum(isinstance(delta, TextDelta) for delta in answer(model)) == 300


def test_a_prompt_may_leave_room_for_one_token() -> None:
    """Which ends the answer, cut."""
    deltas = answer(ScriptedModel(context_length=5), "one two three")
    assert deltas[1:] == [TextDelta("Hello"), UsageDelta(4, 1), CutDelta("max_output_tokens")]


def test_an_answer_that_meets_its_limit_is_cut() -> None:
    """The usage comes first."""
    deltas = answer(ScriptedModel(), max_output_tokens=2)
    assert deltas[-2:] == [UsageDelta(3, 2), CutDelta("max_output_tokens")]


def test_an_answer_that_ends_at_its_limit_is_whole() -> None:
    """Its last token was the end of the turn."""
    assert answer(ScriptedModel(), max_output_tokens=3)[-1] == UsageDelta(3, 3)


@pytest.mark.parametrize("is_default", [True, False])
def test_an_answer_that_stops_at_a_text_is_whole(is_default: bool) -> None:
    """The text is part of it, whoever named it: the request or the model's settings."""
    model = ScriptedModel(["a", " STO", "P!"], stop_strings=["STOP"] if is_default else [])
    config = None if is_default else {"stop_strings": "STOP"}
    deltas = answer(model, max_output_tokens=3, generation_config=config)
    assert text_of(deltas) == "a STOP!"
    assert deltas[-1] == UsageDelta(3, 3)


def test_settings_reach_the_model() -> None:
    """Those of the create and those of ``generation_config``; the seed goes beside them."""
    model = ScriptedModel()
    answer(model, temperature=0.5, generation_config={"top_k": 7}, seed=11)
    assert model.options == [
        {"do_sample": True, "temperature": 0.5, "top_k": 7, "max_new_tokens": 100}
    ]
    assert model.seeds == [11]


def test_variables_reach_the_template() -> None:
    """No reasoning at all is one that templates know."""
    model = ScriptedModel()
    answer(model, reasoning={"effort": "none"})
    assert "enable_thinking=False" in model.rendered[0]


@pytest.mark.parametrize(
    ("settings", "param"),
    [({"seed": "x"}, "seed"), ({"text": {"format": {"type": "json_object"}}}, "text.format")],
)
def test_what_cannot_be_done_is_refused(settings: dict[str, object], param: str) -> None:
    """Before anything was promised."""
    assert refuse(ScriptedModel(), **settings).param == param


def test_half_of_a_character_is_replaced() -> None:
    """JSON can name one, and no tokenizer reads it, whichever field of a create it comes from."""
    model = ScriptedModel()
    items = [user("a\ud83db \N{GRINNING FACE}"), {"role": "developer", "content": "\udfff"}]
    variables = {"chat_template_kwargs": {"mood": "\ud800"}}
    request = EngineRequest(model="m", items=items, instructions="\udead", settings=variables)
    list(make_engine(model).run(request, CancelToken()))
    told = model.begun.get()
    assert "a\ufffdb \N{GRINNING FACE}" in told
    assert (told.count("\ufffd"), told.encode("utf-8", "ignore").decode()) == (4, told)


def test_a_call_of_no_tool_is_text() -> None:
    """Nothing was offered, so nobody would know what to do with it."""
    assert text_of(answer(ScriptedModel([CALL, END]), tools=[TOOL], tool_choice="none")) == CALL


def test_a_call_of_another_tool_is_a_call() -> None:
    """Whoever offers some tools decides what becomes of one that is not allowed."""
    time = {"type": "function", "name": "time"}
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [time]}
    deltas = answer(ScriptedModel([CALL, END]), tools=[TOOL, time], tool_choice=allowed)
    assert CallDelta(name="get_weather") in deltas


def test_a_call_cannot_be_demanded_of_unknown_markup() -> None:
    """Nobody knows how this model writes one."""
    model = ScriptedModel(markup=Markup())
    assert refuse(model, tools=[TOOL], tool_choice="required").param == "tool_choice"


def test_an_error_of_the_model_fails_its_turn_alone() -> None:
    """What was said before it is told."""
    model = ScriptedModel(error=(1, ValueError("broken")))
    engine = make_engine(model)
    run = engine.run(ask(), CancelToken())
    assert [next(run), next(run)] == [StartDelta(), TextDelta("Hello")]
    with pytest.raises(ValueError, match="broken"):
        next(run)
    model.error = None
    assert text_of(list(engine.run(ask(), CancelToken()))) == "Hello there"


def test_no_memory_is_told_as_overload() -> None:
    """With what to do about it."""
    model = ScriptedModel(error=(0, MemoryError()))
    with pytest.raises(APIError, match="max_output_tokens") as caught:
        answer(model)
    assert (caught.value.status, caught.value.code) == (503, "server_is_overloaded")


def test_a_markup_is_the_model_s_own() -> None:
    """Without marks for reasoning there is none."""
    model = ScriptedModel(["<think>", "a", END], markup=dataclasses.replace(HERMES, think=None))
    assert text_of(answer(model)) == "<think>a"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Before torch is imported."""
    with pytest.raises(ConfigError, match="no such model folder"):
        TransformersEngine(str(tmp_path / "nowhere"))


LOADER = "pyresponses_ws.server.engines.transformers.load"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Make what looks like a model from outside."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("")
    return str(tmp_path)


def test_missing_packages_are_named(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""
    monkeypatch.delitem(sys.modules, LOADER, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"needs torch: pip install 'pyresponses-ws\[server,tran"):
        TransformersEngine(folder)


def test_packages_that_do_not_fit_are_told(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first line of what they say."""
    monkeypatch.setitem(sys.modules, LOADER, types.ModuleType("empty"))
    with pytest.raises(ConfigError, match="cannot import torch and transformers: cannot import"):
        TransformersEngine(folder)
