"""The events of one response, in their order and with their keys."""

from __future__ import annotations

import pytest
from openai.lib.responses_websocket import ResponsesWebSocketAccumulator
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from pyresponses_ws.errors import ServerError
from pyresponses_ws.server.engines.base import (
    AnnotationDelta,
    CallDelta,
    CutDelta,
    Delta,
    DetailDelta,
    DoneDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)
from tests.server.drivers import NOW, Frame, build, make_builder, types

TEXT = [TextDelta("Pong"), TextDelta(". One"), UsageDelta(16, 12)]
CALL = [CallDelta(name="get_weather"), CallDelta('{"city":'), CallDelta('"Paris"}')]

CITATION = {
    "type": "url_citation",
    "url": "https://a.test",
    "title": "A",
    "start_index": 0,
    "end_index": 4,
}

APPROVAL = {"type": "mcp_approval_request", "name": "f", "server_label": "s", "arguments": "{}"}

#: One answer of each kind.
ANSWERS: dict[str, list[Delta]] = {
    "text": TEXT,
    "call": CALL,
    "custom": [CallDelta(name="shell", kind="custom"), CallDelta("ls")],
    "reasoning": [ReasoningDelta("Hm"), ReasoningDelta("."), TextDelta("No.")],
    "refusal": [TextDelta("Well,"), RefusalDelta("I will"), RefusalDelta(" not.")],
    "calls": [*CALL, *CALL],
    "raw reasoning": [
        ReasoningDelta("Short."),
        ReasoningDelta("Lo", "content"),
        ReasoningDelta("ng.", "content"),
        TextDelta("No."),
    ],
    "whole item": [TextDelta("See:"), ItemDelta(APPROVAL), TextDelta("Yes?")],
    "annotated": [TextDelta("Pong"), AnnotationDelta(CITATION), TextDelta(".")],
    "details": [
        *(ReasoningDelta("Hm"), DetailDelta({"encrypted_content": "gA"})),
        *(TextDelta("Well"), DetailDelta({"phase": "commentary"}), TextDelta(".")),
    ],
    "two messages": [TextDelta("Wait."), DoneDelta(), TextDelta("Pong"), DoneDelta(), DoneDelta()],
    "nothing": [],
    "cut": [TextDelta("Once upon"), CutDelta("max_output_tokens"), TextDelta(" a time")],
}


def test_a_text_turn_has_the_live_order() -> None:
    """A message opens, gets its part, its deltas, and closes inside out."""
    assert types(build(TEXT)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_a_call_has_the_live_order() -> None:
    """A function call streams its arguments between added and done."""
    assert types(build(CALL))[2:-1] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]


def test_a_reasoning_item_has_the_live_order() -> None:
    """The summary streams in a part of its own, before the message opens."""
    events = build(ANSWERS["reasoning"])
    assert types(events)[2:9] == [
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
    ]
    assert list(events[2]["item"]) == ["id", "type", "summary"]


def test_raw_reasoning_is_content_of_the_same_item() -> None:
    """Its events are those of a content part; the summary before it is closed first."""
    events = build(ANSWERS["raw reasoning"])
    assert types(events)[6:13] == [
        "response.reasoning_summary_part.done",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    item = events[-1]["response"]["output"][0]
    assert item["summary"] == [{"type": "summary_text", "text": "Short."}]
    assert item["content"] == [{"type": "reasoning_text", "text": "Long."}]


def test_a_whole_item_is_added_and_done_at_once() -> None:
    """It gets an id of its kind, and closes the item before it."""
    events = build(ANSWERS["whole item"])
    added, done = (event for event in events if event.get("output_index") == 1)
    assert [added["item"], types([added, done])] == [
        done["item"],
        ["response.output_item.added", "response.output_item.done"],
    ]
    assert added["item"]["id"].startswith("mcpr_")


@pytest.mark.parametrize("nothing", [{}, {"id": None}, {"id": ""}])
def test_an_item_without_an_id_gets_one(nothing: dict[str, None]) -> None:
    """Null and the empty string are none; it comes first, as in every item."""
    events = build([ItemDelta({**APPROVAL, **nothing})])
    (item,) = events[-1]["response"]["output"]
    assert next(iter(item)) == "id"
    assert item["id"].startswith("mcpr_")


def test_a_stop_lets_the_open_item_finish() -> None:
    """What would open the next one is left out; the response says why it ended."""
    builder = make_builder()
    builder.start()
    builder.add(ReasoningDelta("Hm"))
    builder.stop("steered")
    assert not builder.is_cut
    assert types(builder.add(ReasoningDelta("."))) == ["response.reasoning_summary_text.delta"]
    assert builder.add(TextDelta("No.")) == []
    assert builder.is_cut
    builder.add(UsageDelta(16, 12))
    response = builder.finish(NOW)[-1]["response"]
    assert [item["type"] for item in response["output"]] == ["reasoning"]
    assert response["incomplete_details"] == {"reason": "steered"}
    assert response["usage"]["total_tokens"] == 28


def test_a_stop_before_any_output_lets_the_first_item_finish() -> None:
    """So the service does, it seems."""
    builder = make_builder()
    builder.start()
    builder.stop("steered")
    for delta in (TextDelta("a"), TextDelta("b")):
        assert builder.add(delta)
    assert builder.add(ReasoningDelta("c")) == []
    response = builder.finish(NOW)[-1]["response"]
    assert response["output"][0]["status"] == "completed"
    assert response["incomplete_details"] == {"reason": "steered"}


def test_a_stop_behind_a_whole_item_cuts_at_once() -> None:
    """Nothing is open that could be finished."""
    builder = make_builder()
    builder.start()
    builder.add(ItemDelta({"type": "web_search_call", "status": "completed"}))
    builder.stop("steered")
    assert builder.is_cut


def test_a_refusal_after_text_is_a_second_part() -> None:
    """Parts of one message are numbered; the item holds both."""
    events = build(ANSWERS["refusal"])
    done = next(event for event in events if event["type"] == "response.refusal.done")
    assert (done["content_index"], done["refusal"]) == (1, "I will not.")
    content = events[-1]["response"]["output"][0]["content"]
    assert [part["type"] for part in content] == ["output_text", "refusal"]


@pytest.mark.parametrize("name", ANSWERS)
def test_numbers_run_from_zero_without_a_gap(name: str) -> None:
    """``sequence_number`` counts every event of the response."""
    numbers = [event["sequence_number"] for event in build(ANSWERS[name])]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("name", ANSWERS)
def test_keys_come_by_name_after_type(name: str) -> None:
    """Live events put ``type`` first and sort the rest."""
    for event in build(ANSWERS[name], stream_id="a"):
        keys = list(event)
        assert keys == ["type", *sorted(keys[1:])]


@pytest.mark.parametrize("name", ANSWERS)
def test_the_official_types_and_accumulator_take_every_event(name: str) -> None:
    """Each event validates as openai-python's union has it, and they add up to the Response."""
    accumulator, check = ResponsesWebSocketAccumulator(), TypeAdapter(ResponsesServerEvent)
    events = build(ANSWERS[name])
    for event in events:
        accumulator.add_event(check.validate_python(event, strict=True))
    final = accumulator.get_final_response()
    assert final.id == events[0]["response"]["id"]
    assert len(accumulator.snapshot().output) == len(events[-1]["response"]["output"])


def test_the_lane_is_on_every_event() -> None:
    """A named lane's events all carry it; those of the default lane carry none."""
    assert {event["stream_id"] for event in build(TEXT, stream_id="a")} == {"a"}
    assert not any("stream_id" in event for event in build(TEXT))


def test_padding_fills_deltas_to_sixteen_characters() -> None:
    """Delta and obfuscation together are a multiple of 16, as live."""
    deltas = [event for event in build(TEXT) if event["type"].endswith(".delta")]
    assert [len(event["delta"] + event["obfuscation"]) for event in deltas] == [16, 16]


def test_padding_can_be_refused() -> None:
    """``include_obfuscation: false`` leaves the key out."""
    events = build(TEXT, stream_options={"include_obfuscation": False})
    assert not any("obfuscation" in event for event in events)


def test_a_cut_answer_ends_incomplete() -> None:
    """The item keeps what came before the cut, and the reason is told."""
    final = build(ANSWERS["cut"])[-1]
    assert final["type"] == "response.incomplete"
    assert final["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    item = final["response"]["output"][0]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "Once upon")


def test_a_failure_is_one_event_with_the_error_in_the_response() -> None:
    """``response.failed`` names code and message, and holds only finished items."""
    builder = make_builder()
    builder.add(TextDelta("half"))
    (failed,) = builder.fail(ServerError("It broke.", code="server_error"), NOW)
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "It broke."}
    assert (failed["response"]["output"], failed["response"]["completed_at"]) == ([], None)


def test_a_failure_may_have_an_error_event_before_it() -> None:
    """Over server-sent events the service sends both, and numbers both."""
    builder = make_builder()
    builder.start()
    events = builder.fail(ServerError("It broke."), NOW, with_error=True)
    assert types(events) == ["error", "response.failed"]
    assert [event["sequence_number"] for event in events] == [2, 3]


def test_encrypted_reasoning_comes_only_when_asked_for() -> None:
    """``include`` adds it to added and done, with different values, as live."""
    events = build(ANSWERS["reasoning"], include=["reasoning.encrypted_content"])
    values = [e["item"]["encrypted_content"] for e in events[:9] if "item" in e]
    assert len(set(values)) == 2
    assert "encrypted_content" not in build(ANSWERS["reasoning"])[2]["item"]


def test_ids_share_the_root_of_the_conversation() -> None:
    """Prefix, 50 hex digits, and the first 16 of them in common."""
    events = build(CALL)
    response, item = events[0]["response"]["id"], events[2]["item"]["id"]
    assert (len(response), len(item)) == (len("resp_") + 50, len("fc_") + 50)
    assert response[5:21] == item[3:19]


def test_a_piece_of_a_call_needs_its_name_first() -> None:
    """An engine that starts in the middle is wrong, and is told."""
    with pytest.raises(ValueError, match="before its name"):
        make_builder().add(CallDelta("{}"))


def test_a_call_may_bring_its_own_id() -> None:
    """Of the model or server that made it, which will meet it again."""
    events = build([CallDelta(name="f", call_id="call_theirs"), CallDelta("{}")])
    assert events[-1]["response"]["output"][0]["call_id"] == "call_theirs"


def test_an_annotation_is_told_at_once_and_kept_in_its_part() -> None:
    """With its number in the part, which goes on behind it."""
    events = build(ANSWERS["annotated"])
    told = next(event for event in events if "annotation" in event)
    assert told["type"] == "response.output_text.annotation.added"
    assert (told["annotation"], told["annotation_index"]) == (CITATION, 0)
    (part,) = events[-1]["response"]["output"][0]["content"]
    assert (part["text"], part["annotations"]) == ("Pong.", [CITATION])


def test_two_items_of_one_type_stay_two() -> None:
    """What says that the first is done has no event of its own where nothing is open."""
    output = build(ANSWERS["two messages"])[-1]["response"]["output"]
    assert [item["content"][0]["text"] for item in output] == ["Wait.", "Pong"]


def test_details_are_told_when_their_item_is_done() -> None:
    """In its own done event and in the Response, and of no other item."""
    events = build(ANSWERS["details"])
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]
    assert [item.get("encrypted_content") for item in done] == ["gA", None]
    assert done[1]["phase"] == "commentary"


@pytest.mark.parametrize("name", ["id", "type", "call_id", "name"])
def test_details_cannot_change_what_an_item_is(name: str) -> None:
    """Clients have seen that already."""
    builder = make_builder()
    builder.add(TextDelta("a"))
    with pytest.raises(ValueError, match="details"):
        builder.add(DetailDelta({name: "x"}))


def test_a_refusal_takes_no_annotation() -> None:
    """Only text has a place for them."""
    builder = make_builder()
    builder.add(RefusalDelta("No"))
    with pytest.raises(ValueError, match="annotated"):
        builder.add(AnnotationDelta(CITATION))


def test_usage_is_added_up() -> None:
    """The usage of the terminal event is the engine's, with the total."""
    usage: Frame = build(TEXT)[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (16, 12, 28)


@pytest.mark.parametrize(
    "delta",
    [
        ItemDelta({"type": "program", "at": object()}),
        ItemDelta({"type": "program", "id": ["x"]}),
        ItemDelta({"at": 1}),
        TextDelta(5),
        CallDelta("{}"),
        UsageDelta("a", None),
        AnnotationDelta(CITATION),
        DetailDelta({"phase": "commentary"}),
    ],
)
def test_what_no_engine_may_make_changes_nothing(delta: Delta) -> None:
    """It raises, and the numbers of what follows have no gap."""
    builder = make_builder()
    builder.start()
    with pytest.raises((TypeError, ValueError)):
        builder.add(delta)
    (failed,) = builder.fail(ServerError("No.", code="server_error"), NOW)
    assert (failed["sequence_number"], failed["response"]["output"]) == (2, [])


def test_a_failed_response_says_why_and_not_where_it_was_cut() -> None:
    """Its engine failed behind the cut."""
    builder = make_builder()
    builder.start()
    builder.add(CutDelta("max_output_tokens"))
    response = builder.fail(ServerError("No.", code="server_error"), NOW)[-1]["response"]
    assert response["error"]["code"] == "server_error"
    assert response["incomplete_details"] is None
