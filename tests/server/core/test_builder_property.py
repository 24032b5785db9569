"""Whatever an engine yields: the events are in order, and every client adds them up alike."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type_unchecked
from openai.lib.responses_websocket import ResponsesWebSocketAccumulator
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from pyresponses_ws._protocol.turn import Turn
from pyresponses_ws.codec import parse_event
from pyresponses_ws.errors import ServerError
from pyresponses_ws.server.core.wire import encode
from tests.server.drivers import NOW, Frame, make_builder, types
from tests.support.fuzz_deltas import ANY_TEXT, WHOLE_TEXT, Step, StopMark, requests, steps

#: What follows ``output_item.added`` and precedes its ``done``, by type of item, as observed live:
#: parts come one after the other, and each closes before the next opens.
_PART = (
    r"(content_part.added ((output_text.delta )|(output_text.annotation.added ))*"
    r"output_text.done content_part.done )"
)
_REFUSAL = r"(content_part.added (refusal.delta )*refusal.done content_part.done )"
_SUMMARY = (
    r"(reasoning_summary_part.added (reasoning_summary_text.delta )*"
    r"reasoning_summary_text.done reasoning_summary_part.done )"
)
_RAW = r"(content_part.added (reasoning_text.delta )*reasoning_text.done content_part.done )"
LIVE_ORDER = {
    "message": f"({_PART}|{_REFUSAL})*",
    "reasoning": f"({_SUMMARY}|{_RAW})*",
    "function_call": r"((function_call_arguments.delta )*function_call_arguments.done )?",
    "custom_tool_call": r"((custom_tool_call_input.delta )*custom_tool_call_input.done )?",
}

_OFFICIAL: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)

ENDS = st.sampled_from(["finish", "fail", "fail with an error event"])


@dataclass(frozen=True)
class Answer:
    """The events of one response as they came off the wire."""

    events: list[Frame]

    @property
    def final(self) -> Frame:
        """The Response of the terminal event."""
        response: Frame = self.events[-1]["response"]
        return response

    def items(self) -> dict[int, list[Frame]]:
        """Return the events of each item, by ``output_index``."""
        by_index = defaultdict(list)
        for each in self.events:
            if "output_index" in each:
                by_index[each["output_index"]].append(each)
        return by_index


def build(given_steps: list[Step], end: str, fields: dict[str, Any]) -> Answer:
    """Feed an answer to a builder; its events go through JSON text."""
    builder = make_builder(**fields)
    events = builder.start()
    for step in given_steps:
        if isinstance(step, StopMark):
            builder.stop("steered")
        else:
            events += builder.add(step)
    if end == "finish":
        events += builder.finish(NOW + 1)
    else:
        error = ServerError("It broke.", code="server_error")
        events += builder.fail(error, NOW + 1, with_error=end != "fail")
    note(events[-1]["type"])
    return Answer([json.loads(encode(each)) for each in events])


def answers(text: st.SearchStrategy[str], ends: Any = ENDS) -> st.SearchStrategy[Answer]:
    """Responses that a builder made."""
    return st.builds(build, steps(text), ends, requests())


def shorten(kind: str) -> str:
    """Drop what all types of events have in common."""
    return kind.removeprefix("response.")


def blank_output(frame: Frame) -> Frame:
    """Return a terminal event whose Response does not tell its output, as some servers' do."""
    return {**frame, "response": {**frame["response"], "output": None}}


def parse_officially(frame: Frame) -> Any:
    """Make an event as the official connection does: of its type, and unchecked."""
    return construct_type_unchecked(type_=ResponsesServerEvent, value=frame)


def take_all(events: list[Frame]) -> Turn:
    """Have our own client take events."""
    turn = Turn()
    turn.mark_sent()
    for each in events:
        turn.receive_event(parse_event(json.dumps(each)))
    return turn


@given(answers(ANY_TEXT))
def test_numbers_run_from_zero_without_a_gap(answer: Answer) -> None:
    """Every event counts, and every event of a lane is marked with it."""
    assert [each["sequence_number"] for each in answer.events] == list(range(len(answer.events)))
    assert len({each.get("stream_id") for each in answer.events}) == 1


@given(answers(ANY_TEXT))
def test_there_is_one_beginning_and_one_end(answer: Answer) -> None:
    """Created, in progress, and one of three terminals; all tell of the same Response."""
    frames = [each for each in answer.events if "response" in each]
    assert types(answer.events)[:2] == ["response.created", "response.in_progress"]
    assert types(frames)[2:] == [f"response.{answer.final['status']}"]
    assert answer.final["status"] in ("completed", "incomplete", "failed")
    assert len({each["response"]["id"] for each in frames}) == 1


@given(answers(ANY_TEXT))
def test_items_come_one_after_the_other(answer: Answer) -> None:
    """An item is done before the next is added; only a failure leaves the last one open."""
    marks = [each for each in answer.events if shorten(each["type"]).startswith("output_item.")]
    expected = [index for index in answer.items() for _ in ("added", "done")]
    is_cut_short = answer.final["status"] == "failed" and len(marks) % 2 == 1
    assert [each["output_index"] for each in marks] == expected[: len(expected) - is_cut_short]
    assert list(answer.items()) == list(range(len(answer.items())))


@given(answers(ANY_TEXT))
def test_each_item_has_the_live_order(answer: Answer) -> None:
    """Its events are those of its type, parts numbered from 0; a whole item has no pieces."""
    for index, events in answer.items().items():
        kinds = [shorten(each["type"]) for each in events]
        assert kinds[0] == "output_item.added"
        if index >= len(answer.final["output"]):
            continue  # A failure left it open.
        assert kinds[-1] == "output_item.done"
        middle = "".join(f"{kind} " for kind in kinds[1:-1])
        pattern = LIVE_ORDER.get(events[0]["item"]["type"], "")
        assert re.fullmatch(pattern, middle), (events[0]["item"]["type"], middle)


@given(answers(ANY_TEXT))
def test_parts_are_numbered_from_zero(answer: Answer) -> None:
    """Summary and content of an item each have numbers of their own, without a gap."""
    for events in answer.items().values():
        for name in ("content_index", "summary_index"):
            added = [e[name] for e in events if name in e and e["type"].endswith("part.added")]
            seen = [e[name] for e in events if name in e]
            assert added == list(range(len(added)))
            assert set(seen) == set(added)


@given(answers(ANY_TEXT))
def test_padding_comes_with_each_delta_that_is_padded(answer: Answer) -> None:
    """A delta is never empty; with its padding it fills blocks of sixteen characters."""
    for each in answer.events:
        if each["type"].endswith(".delta"):
            assert each["delta"]
            if "obfuscation" in each:
                assert len(each["delta"] + each["obfuscation"]) % 16 == 0


@given(answers(ANY_TEXT, st.just("finish")))
def test_our_client_rebuilds_the_response_from_its_items(answer: Answer) -> None:
    """Without the output of the terminal event the finished items add up to the same Response."""
    *events, last = answer.events
    assert take_all([*events, blank_output(last)]).response().to_dict() == answer.final


@given(answers(ANY_TEXT, st.just("finish")))
def test_our_client_rebuilds_the_response_from_its_deltas(answer: Answer) -> None:
    """The deltas alone tell all that the items tell, but their ends."""
    *events, last = answer.events
    pieces = [each for each in events if not each["type"].endswith(".done")]
    turn = take_all([*pieces, blank_output(last)])
    # As text and back: a pair of surrogates that was split over two deltas is one character then.
    rebuilt = json.loads(json.dumps(turn.response().to_dict()["output"]))
    ends = ("status", "encrypted_content", "phase")
    told = answer.final["output"]
    assert [_without(item, *ends) for item in rebuilt] == [_without(item, *ends) for item in told]


def _without(item: Frame, *names: str) -> Frame:
    return {name: value for name, value in item.items() if name not in names}


@given(answers(ANY_TEXT))
def test_our_client_keeps_the_response_as_it_is_told(answer: Answer) -> None:
    """Its finished items are those that came; only what a failure left open comes on top."""
    turn = take_all(_plain(answer))
    told = turn.response().to_dict()
    assert _without(told, "output") == _without(answer.final, "output")
    assert [item.to_dict() for item in turn.partial().items] == answer.final["output"]
    if answer.final["output"] or answer.final["status"] != "failed":
        assert told["output"] == answer.final["output"]


def _plain(answer: Answer) -> list[Frame]:
    """Return the events without the ``error`` event, which ends a turn on a WebSocket."""
    return [each for each in answer.events if each["type"] != "error"]


@given(answers(WHOLE_TEXT))
def test_the_official_union_takes_every_event(answer: Answer) -> None:
    """Each validates strictly as one of the types that openai-python knows."""
    for each in answer.events:
        if each["type"] != "error":  # Over SSE it has another shape than the WebSocket's.
            assert _OFFICIAL.validate_python(each, strict=True).type == each["type"]


@given(answers(WHOLE_TEXT))
def test_the_official_accumulator_adds_the_same_items_up(answer: Answer) -> None:
    """What it knows before the terminal event is what that one tells; the Response is kept."""
    accumulator = ResponsesWebSocketAccumulator()
    *events, last = [parse_officially(each) for each in _plain(answer)]
    for each in events:
        accumulator.add_event(each)
    known = accumulator.snapshot().output
    accumulator.add_event(last)
    told = accumulator.snapshot().output
    assert (known[: len(told)], len(told)) == (told, len(answer.final["output"]))
    assert accumulator.get_final_response().to_dict() == last.response.to_dict()


@given(answers(WHOLE_TEXT, st.just("finish")))
def test_the_official_stream_adds_the_same_items_up(answer: Answer) -> None:
    """A terminal event without output is completed from the items that came before it."""
    state = ResponseStreamState[Any](input_tools=omit, text_format=omit)
    *events, last = answer.events
    for each in [*events, blank_output(last)]:
        shown = state.handle_event(parse_officially(each))
    rebuilt = shown[-1].response.to_dict()["output"]
    assert _unparsed(rebuilt) == answer.final["output"]


def _unparsed(value: Any) -> Any:
    """Leave out what the official client adds to a Response by parsing the texts in it."""
    if isinstance(value, list):
        return [_unparsed(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = _without(value, "parsed", "parsed_arguments")
    return {name: _unparsed(each) for name, each in kept.items()}
