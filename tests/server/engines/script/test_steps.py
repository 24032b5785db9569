"""What the steps of a reply become."""

from __future__ import annotations

import dataclasses

import pytest

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    CloseDelta,
    CutDelta,
    Delta,
    FrameDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)
from tests.server.engines.script.playing import ask, make_script_engine, perform, reply, text_of


def deltas_of(steps: str, text: str = "hello", **fields: object) -> list[Delta]:
    """Return what the steps yield, the usage at the end left out."""
    return perform(reply(steps), text, **fields)[:-1]


@pytest.mark.parametrize(
    ("steps", "deltas"),
    [
        ("{text: a b}", [TextDelta("a"), TextDelta(" b")]),
        ("{text: abcde, chunk: 2}", [TextDelta("ab"), TextDelta("cd"), TextDelta("e")]),
        ("{text: a b, chunk: word}", [TextDelta("a"), TextDelta(" b")]),
        ("{text: ''}", []),
        ("{refusal: No.}", [RefusalDelta("No.")]),
        ("{reasoning: Hm}", [ReasoningDelta("Hm", "summary")]),
        ("{reasoning_content: Hm}", [ReasoningDelta("Hm", "content")]),
        ("{item: {type: compaction}}", [ItemDelta({"type": "compaction"})]),
        ("{frame: {a: 1}}", [FrameDelta({"a": 1})]),
        ("{close: 1006}", [CloseDelta(1006)]),
        ("{close: {code: 4000, reason: bye}}", [CloseDelta(4000, "bye")]),
        ("{delay: 0}, {text: a}", [TextDelta("a")]),
        ("{repeat: 2, steps: [{text: a}, {refusal: b}]}", [TextDelta("a"), RefusalDelta("b")] * 2),
    ],
)
def test_a_step_becomes_deltas(steps: str, deltas: list[Delta]) -> None:
    """Words by default; the rest as it is."""
    assert deltas_of(steps) == deltas


def test_a_call_is_opened_then_filled() -> None:
    """Mappings travel as compact JSON, piece by piece; without any they are empty."""
    opened, *pieces = deltas_of("{call: {name: f, namespace: n, arguments: {a: ü, b: 1}}}")
    assert opened == CallDelta(name="f", namespace="n")
    assert len(pieces) > 1
    assert text_of(pieces) == '{"a":"ü","b":1}'
    assert text_of(deltas_of("{call: {name: f}}")) == "{}"


def test_arguments_in_text_are_sent_as_they_are() -> None:
    """Even if they are no JSON; those of a custom tool never are."""
    assert text_of(deltas_of("{call: {name: f, arguments: '{\"a'}}")) == '{"a'
    assert deltas_of("{call: {name: f, arguments: ls -l, custom: true}}") == [
        CallDelta(name="f", kind="custom"),
        CallDelta("ls"),
        CallDelta(" -l"),
    ]


def test_groups_fill_texts_and_arguments() -> None:
    """By number or name; what names none stays, and two dollars are one."""
    assert text_of(deltas_of("{text: '$0 ${1}x $first $9 $$1 $'}")) == "hello hx h $9 $1 $"
    called = deltas_of("{call: {name: f, arguments: {$1: [$1, 2, {a: $first}]}}}")
    assert text_of(called) == '{"$1":["h",2,{"a":"h"}]}'


def test_the_users_text_is_not_filled_again() -> None:
    """What a group found is no template, whatever the user wrote."""
    assert text_of(deltas_of("{text: $0}", "$1 $first")) == "$1 $first"


def test_a_frame_goes_to_the_lane_of_its_turn() -> None:
    """Unless it names another, or with null none."""
    settings = {"stream_id": "l"}
    steps = "{frame: {a: 1}}, {frame: {stream_id: other}}, {frame: {a: 2, stream_id: null}}"
    frames = [delta.frame for delta in deltas_of(steps, settings=settings)]  # type: ignore[union-attr]
    assert frames == [{"a": 1, "stream_id": "l"}, {"stream_id": "other"}, {"a": 2}]


def test_the_usage_is_estimated_unless_it_is_told() -> None:
    """A delta is a token, what is no output is none."""
    assert perform(reply("{text: a b}, {frame: {a: 1}}"), "hello")[-1] == UsageDelta(2, 2)
    told = "{usage: {input_tokens: 5, output_tokens: 6, cached_tokens: 1, reasoning_tokens: 2}}"
    assert perform(reply(f"{told}, {{text: a}}"), "hello") == [
        UsageDelta(5, 6, cached_tokens=1, reasoning_tokens=2),
        TextDelta("a"),
    ]
    nested = "{repeat: 1, steps: [{usage: {input_tokens: 1}}]}"
    assert perform(reply(nested), "hello") == [UsageDelta(1, 0)]


def test_a_cut_comes_after_the_usage() -> None:
    """The engine may be stopped as soon as the output is cut."""
    deltas = perform(reply("{text: a b}, {cut: content_filter}"), "hello")
    assert deltas[2:] == [UsageDelta(2, 2), CutDelta("content_filter")]


def test_a_failure_has_the_scripts_facts() -> None:
    """All of them may be left out."""
    facts = "{code: c, message: m, type: t, param: p, status: 418}"
    with pytest.raises(APIError, match=r"^m$") as caught:
        perform(reply(f"{{text: a}}, {{fail: {facts}}}"), "hello")
    error = caught.value
    assert (error.code, error.type, error.param, error.status) == ("c", "t", "p", 418)
    with pytest.raises(APIError, match="failed this response"):
        perform(reply("{fail: {}}"), "hello")


@pytest.mark.parametrize(
    "steps",
    [
        "{hang: true}",
        "{delay: 3600}, {text: b}",
        "{text: b, every: 3600}",
        "{call: {name: f}}, {text: c}",
        "{repeat: 1000000000, steps: [{delay: 3600}]}",
    ],
)
def test_a_cancel_ends_every_step(steps: str) -> None:
    """Whatever waits wakes up, and nothing follows, not even the usage."""
    engine = make_script_engine(reply(f"{{text: a b}}, {steps}"))
    request = ask("hello")
    token = CancelToken()
    deltas = engine.run(dataclasses.replace(request, direction=engine.direct(request)), token)
    assert next(deltas) == TextDelta("a")
    token.cancel()
    assert list(deltas) == []


def test_a_repeat_takes_no_room_for_what_is_to_come() -> None:
    """However often: its deltas are made one at a time."""
    engine = make_script_engine(reply(f"{{repeat: {10**30}, steps: [{{text: a}}]}}"))
    request = ask("hello")
    directed = dataclasses.replace(request, direction=engine.direct(request))
    deltas = engine.run(directed, CancelToken())
    assert [next(deltas) for _ in range(3)] == [TextDelta("a")] * 3


def test_the_servers_delay_comes_before_each_piece() -> None:
    """A step that says ``every`` goes its own way."""
    engine = make_script_engine(reply("{text: a b, every: 0}, {text: c}"), delta_delay=3600)
    request = ask("hello")
    token = CancelToken()
    deltas = engine.run(dataclasses.replace(request, direction=engine.direct(request)), token)
    assert [next(deltas), next(deltas)] == [TextDelta("a"), TextDelta(" b")]
    token.cancel()
    assert list(deltas) == []


class Impatient(CancelToken):
    """Cancels the turn at its second wait; the first is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        if self.waits == 2:
            self.cancel()
        return self.is_set()


@pytest.mark.parametrize(
    "steps",
    [
        "{hang: true}",
        "{delay: 5}, {delay: 5}, {text: a}",
        "{delay: 5}, {text: a, every: 5}",
        "{repeat: 1000000000, steps: [{delay: 5}]}",
        "{repeat: 1000000000, steps: [{delay: 5}, {text: a, every: 5}]}",
    ],
)
def test_a_cancel_during_a_wait_ends_the_turn(steps: str) -> None:
    """At once, however often the steps were to be repeated."""
    engine = make_script_engine(reply(steps))
    request = ask("hello")
    directed = dataclasses.replace(request, direction=engine.direct(request))
    assert list(engine.run(directed, Impatient())) == []
