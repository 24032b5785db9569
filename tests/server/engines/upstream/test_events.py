"""An answer, event by event: all that it told, once, and one end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws.server.engines.base import (
    AnnotationDelta,
    CallDelta,
    CutDelta,
    Delta,
    DoneDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.upstream import events as events_module
from pyresponses_ws.server.engines.upstream.events import Answer, read_usage

Event = dict[str, Any]


def receive(*events: Event | str) -> Answer:
    """Let events come in."""
    answer = Answer()
    for event in events:
        answer.receive_text(event if isinstance(event, str) else json.dumps(event))
    return answer


def told(*events: Event, **response: Any) -> list[Delta]:
    """Return the deltas of an answer that is completed behind these events."""
    answer = receive(*events, completed(**response))
    assert answer.is_over
    assert answer.error is None
    return answer.take_deltas()


def completed(**response: Any) -> Event:
    """Make the last event."""
    return {"type": "response.completed", "response": {"status": "completed", **response}}


def text(piece: str, kind: str = "output_text", **names: Any) -> Event:
    """Make a piece of a text."""
    return {"type": f"response.{kind}.delta", "delta": piece, **names}


def item(kind: str, **fields: Any) -> Event:
    """Make an output item."""
    return {"type": kind, **fields}


def message(content: str, **fields: Any) -> Event:
    """Make a message."""
    parts = [{"type": "output_text", "text": content}]
    return item("message", role="assistant", content=parts, **fields)


def added(value: Event, **names: Any) -> Event:
    """Make the event that adds an item."""
    return {"type": "response.output_item.added", "item": value, **names}


def done(value: Event, **names: Any) -> Event:
    """Make the event that ends an item."""
    return {"type": "response.output_item.done", "item": value, **names}


def call(name: str = "f", arguments: str = "{}") -> Event:
    """Make a call."""
    known = {"id": f"fc_{name}", "call_id": f"call_{name}", "name": name}
    return item("function_call", **known, arguments=arguments)


# --- what servers leave out -----------------------------------------------------------------------


def test_pieces_alone_are_an_answer() -> None:
    """No beginning, no item, no number, no name, no text that is done."""
    assert told(text("Hel"), text("lo")) == [TextDelta("Hel"), TextDelta("lo")]


def test_each_piece_is_told_at_once() -> None:
    """Nothing waits for the end."""
    answer = receive(added(message("", id="m")), text("Hel", item_id="m"))
    assert answer.take_deltas() == [TextDelta("Hel")]
    assert not answer.is_over


@pytest.mark.parametrize(
    "late",
    [
        [{"type": "response.output_text.done", "text": "Hello"}],
        [{"type": "response.content_part.done", "part": {"type": "output_text", "text": "Hello"}}],
        [done(message("Hello"))],
        [],
    ],
)
@pytest.mark.parametrize("early", [[], [text("Hel")], [text("Hel"), text("lo")]])
def test_a_text_is_told_once_in_whichever_form_it_comes(
    early: list[Event], late: list[Event]
) -> None:
    """The rest of it comes as one more piece, from the Response if from nothing else."""
    deltas = told(*early, *late, output=[message("Hello")])
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "Hello"


@pytest.mark.parametrize("output", [None, []])
def test_a_response_without_its_output_takes_nothing_back(output: object) -> None:
    """Some servers leave it empty."""
    assert told(text("Hello"), output=output) == [TextDelta("Hello")]


def test_every_kind_of_text_has_its_delta() -> None:
    """The short names of the reasoning are those of Open Responses."""
    assert told(text("no", "refusal")) == [RefusalDelta("no")]
    assert told(text("hm", "reasoning_summary_text")) == [ReasoningDelta("hm")]
    assert told(text("hm", "reasoning_text")) == [ReasoningDelta("hm", kind="content")]
    assert told(text("hm", "reasoning")) == [ReasoningDelta("hm", kind="content")]


def test_a_call_without_the_end_of_its_arguments_is_whole() -> None:
    """Its end, or that of the response, stands for it."""
    pieces = [text('{"a"', "function_call_arguments"), text(":1}", "function_call_arguments")]
    opened = CallDelta(name="f", call_id="call_f")
    assert told(added(call(arguments="")), *pieces) == [
        opened,
        CallDelta('{"a"'),
        CallDelta(":1}"),
    ]


def test_a_call_whose_end_names_it_is_whole() -> None:
    """No item was added or done."""
    event = {"type": "response.function_call_arguments.done", "arguments": "{}", "name": "f"}
    assert told(event) == [CallDelta("{}", name="f")]


def test_an_empty_message_beside_a_call_is_left_out() -> None:
    """transformers serve ends every answer with one, at the place of the call."""
    empty = message("", id="m")
    deltas = told(
        added(call(arguments=""), output_index=1),
        done(call(), output_index=1),
        added(empty, output_index=1),
        done(empty, output_index=1),
        output=[empty, call()],
    )
    assert deltas == [CallDelta(name="f", call_id="call_f"), CallDelta("{}")]


def test_an_empty_message_that_is_all_there_is_stays() -> None:
    """Reasoning does not count: it is no answer."""
    assert told(done(message(""))) == [TextDelta("")]
    reasoning = item("reasoning", summary=[{"type": "summary_text", "text": "hm"}])
    assert told(done(reasoning), done(message(""))) == [ReasoningDelta("hm"), TextDelta("")]
    assert told() == []


def test_a_message_that_is_told_again_behind_a_call_counts_once() -> None:
    """transformers serve adds it again, under its id, with the text that it had."""
    said = message("Let me see.", id="m")
    deltas = told(
        added(message("", id="m")),
        text("Let me see.", item_id="m"),
        done(said),
        added(call()),
        done(call()),
        added(message("", id="m")),
        {"type": "response.output_text.done", "item_id": "m", "text": "Let me see."},
        done(said),
        output=[said, call()],
    )
    opened = CallDelta(name="f", call_id="call_f")
    assert deltas == [TextDelta("Let me see."), opened, CallDelta("{}")]


# --- what comes twice, or is nobody's -------------------------------------------------------------


def test_an_event_that_comes_twice_counts_once() -> None:
    """By its number; one that all events share says nothing."""
    events = [text(piece, sequence_number=at) for at, piece in enumerate("aab")]
    assert told(events[0], events[1], events[1], events[0], events[2]) == [*map(TextDelta, "aab")]
    assert told(*[text("a", sequence_number=0)] * 2) == [TextDelta("a"), TextDelta("a")]


def test_what_follows_the_end_counts_for_nothing() -> None:
    """A second end too."""
    answer = receive(completed(), completed(), text("late"), {"type": "error"})
    assert (answer.take_deltas(), answer.error) == ([], None)


def test_unknown_events_and_odd_values_are_left_out() -> None:
    """Whatever they are called."""
    odd = [
        {"type": "response.brand_new", "delta": "x"},
        {"type": 5},
        {"no": "type"},
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.content_part.done", "part": {"type": "brand_new"}},
        {"type": "response.output_item.done", "item": "none"},
        {"type": "response.output_item.added", "item": {}},
        {"type": "response.output_text.annotation.added", "annotation": {"a": 1}},
    ]
    assert told(*odd, output=["x", None, {"no": "type"}], usage="many") == []


def test_an_item_of_an_unknown_type_is_told_whole() -> None:
    """Once, though its done form and the Response both have it."""
    whole = item("brand_new_call", id="x_1", data=[1])
    assert told(added(item("brand_new_call", id="x_1")), done(whole), output=[whole]) == [
        ItemDelta(whole)
    ]


def test_an_annotation_follows_its_text() -> None:
    """Told as it comes."""
    note = {"type": "url_citation", "url": "u"}
    event = {"type": "response.output_text.annotation.added", "annotation": note}
    assert told(text("a"), event) == [TextDelta("a"), AnnotationDelta(note)]


def test_an_annotation_is_of_the_part_that_its_event_names() -> None:
    """Its words are behind those of the part before."""
    note = {"type": "url_citation", "url": "u", "start_index": 0, "end_index": 1}
    event = {"type": "response.output_text.annotation.added", "annotation": note}
    pieces = [text("ab", content_index=0), text("c", content_index=1)]
    moved = {**note, "start_index": 2, "end_index": 3}
    assert told(*pieces, {**event, "content_index": 1})[2:] == [AnnotationDelta(moved)]


def test_items_that_interleave_come_one_after_the_other() -> None:
    """The first streams, the second waits."""
    first, second = added(call("f", "")), added(call("g", ""))
    pieces = [
        text(piece, "function_call_arguments", item_id=f"fc_{name}")
        for piece, name in (("1", "f"), ("2", "g"), ("3", "f"))
    ]
    answer = receive(first, second, *pieces)
    opened = [CallDelta(name=name, call_id=f"call_{name}") for name in "fg"]
    assert answer.take_deltas() == [opened[0], CallDelta("1"), CallDelta("3")]
    answer.receive_text(json.dumps(done(call("f", "13"))))
    assert answer.take_deltas() == [opened[1], CallDelta("2")]


def test_too_much_that_waits_fails_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has an end."""
    monkeypatch.setattr(events_module, "MAX_HELD", 1_000)
    pieces = [text("x" * 300, "function_call_arguments", item_id="fc_g")] * 4
    answer = receive(added(call("f", "")), added(call("g", "")), *pieces)
    assert "interleaves" in str(answer.error)


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "boredom"}, "max_output_tokens"),
        (None, "max_output_tokens"),
    ],
)
def test_an_incomplete_response_is_cut(details: object, reason: Any) -> None:
    """An unknown reason counts as the usual one."""
    response = {"status": "incomplete", "incomplete_details": details}
    answer = receive(text("a"), {"type": "response.incomplete", "response": response})
    assert answer.take_deltas() == [TextDelta("a"), CutDelta(reason)]


def test_a_completed_event_may_say_that_the_response_is_not() -> None:
    """vLLM has one event for every end."""
    answer = receive(completed(status="incomplete"))
    assert answer.take_deltas() == [CutDelta("max_output_tokens")]
    assert receive(completed(status="in_progress")).error is None
    assert receive(completed(status="failed", error={"message": "No."})).error is not None


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "message": "It broke."},
        {"type": "error", "error": {"message": "It broke."}},
        {"type": "response.error", "error": {"message": "It broke."}},
        {"error": {"message": "It broke.", "code": 500}},
        {"error": "It broke."},
        {"object": "error", "message": "It broke."},
        {"type": "response.failed", "response": {"error": {"message": "It broke."}}},
        {"type": "response.done", "response": {"status": "failed", "error": "It broke."}},
    ],
)
def test_an_error_fails_the_turn_and_keeps_what_came(event: Event) -> None:
    """In every shape."""
    answer = receive(text("a"), event)
    assert answer.take_deltas() == [TextDelta("a")]
    assert str(answer.error) == "It broke."
    assert (answer.is_told, answer.is_foreign) == (True, False)


def test_a_cancelled_response_fails_the_turn() -> None:
    """Nobody here asked for that."""
    answer = receive({"type": "response.cancelled", "response": {"status": "cancelled"}})
    assert "'cancelled'" in str(answer.error)


def test_an_answer_without_an_end_fails_the_turn() -> None:
    """And what came is told."""
    answer = receive(added(call("f", "")), added(message("")), text("a"))
    answer.receive_end()
    assert answer.take_deltas() == [CallDelta(name="f", call_id="call_f"), TextDelta("a")]
    assert "ended before" in str(answer.error)


@pytest.mark.parametrize("data", ["ping", "[1]", '"a"', '{"type": ', "[" * 2_000, "NaN"])
def test_what_is_no_json_object_fails_the_turn(data: str) -> None:
    """It is no event of any server."""
    answer = receive(data)
    assert answer.is_over
    assert "no JSON object" in str(answer.error)


def test_a_call_without_a_name_fails_the_turn() -> None:
    """Leaving it out would change what the model did."""
    answer = receive(text("{}", "function_call_arguments"), completed())
    assert "without a name" in str(answer.error)


def test_a_call_that_was_cut_before_its_name_is_left_out() -> None:
    """The response says itself that it is incomplete."""
    end = {"type": "response.incomplete", "response": {"status": "incomplete"}}
    answer = receive(text("{", "function_call_arguments"), end)
    assert answer.take_deltas() == [CutDelta("max_output_tokens")]


def test_a_response_in_one_piece_is_an_answer() -> None:
    """Of a server that streams nothing."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    answer = Answer()
    response = {"status": "completed", "output": [message("Hi"), call()], "usage": usage}
    answer.receive_whole(json.dumps(response).encode())
    kinds = [type(delta) for delta in answer.take_deltas()]
    assert sorted(kind.__name__ for kind in kinds) == [
        "CallDelta",
        "CallDelta",
        "TextDelta",
        "UsageDelta",
    ]
    assert answer.error is None


def test_an_answer_without_an_event_of_the_api_is_foreign() -> None:
    """Pieces of a chat completion, events of another API, text; one event of ours is enough."""
    chunk = {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "a"}}]}
    for events in ([], [chunk], [{"type": "message_start"}], ["Hello"]):
        answer = receive(*events)
        answer.receive_end()
        assert (answer.is_foreign, answer.is_told) == (True, False)
    known = receive(text("a"), chunk)
    known.receive_end()
    assert known.error is not None
    assert not known.is_foreign


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "neither"),
        (b"[]", "neither"),
        (b"<html>", "neither"),
        (b'{"choices": []}', "neither"),
        (b'{"error": {"message": "Down."}}', "Down."),
        (b'{"object": "error", "message": "Down."}', "Down."),
        (b'{"status": "queued", "output": []}', "'queued'"),
    ],
)
def test_a_body_that_is_no_response_fails_the_turn(body: bytes, words: str) -> None:
    """By the server's own words, where it has any."""
    answer = Answer()
    answer.receive_whole(body)
    assert words in str(answer.error)


# --- usage ----------------------------------------------------------------------------------------


def test_usage_is_read_in_both_spellings() -> None:
    """That of chat completions too, with what it has of details."""
    known = {
        "input_tokens": 5,
        "output_tokens": 3,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 1},
    }
    full = UsageDelta(5, 3, cached_tokens=2, cache_write_tokens=1, reasoning_tokens=1)
    assert read_usage(known) == full
    assert read_usage({"prompt_tokens": 5, "completion_tokens": 3}) == UsageDelta(5, 3)
    details = {"prompt_tokens_details": {"cached_tokens": 2}}
    chat = {"prompt_tokens": 5, "completion_tokens": 3, **details}
    assert read_usage(chat) == UsageDelta(5, 3, cached_tokens=2)


@pytest.mark.parametrize(
    "usage",
    [None, 5, {}, {"input_tokens": 5}, {"input_tokens": "5", "output_tokens": True}],
)
def test_a_usage_that_does_not_count_is_none(usage: object) -> None:
    """The server then estimates."""
    assert read_usage(usage) is None
    assert told(usage=usage) == []


def test_done_forms_of_two_ids_at_one_place_are_two_items() -> None:
    """Though neither says anything."""
    items = [item("reasoning", id=name, summary=[]) for name in ("a", "b")]
    deltas = told(*[done(each, output_index=0) for each in items])
    empty = ItemDelta({"type": "reasoning", "summary": []})
    assert deltas == [empty, DoneDelta(), empty]
