"""One item of an upstream becomes deltas, whatever it leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.server.engines.base import (
    AnnotationDelta,
    DetailDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
)
from pyresponses_ws.server.engines.upstream.drafts import make_draft
from pyresponses_ws.server.engines.upstream.items import MessageDraft, read_part

Item = dict[str, Any]
NOTE = {"type": "url_citation", "url": "https://a.test"}


def message(*parts: Item, **extra: Any) -> Item:
    """Make the done form of a message."""
    return {"id": "msg_up", "type": "message", "role": "assistant", "content": list(parts), **extra}


def text_part(text: str, **extra: Any) -> Item:
    """Make a part."""
    return {"type": "output_text", "text": text, **extra}


def settled(item: Item) -> list[Any]:
    """Return the deltas of an item of which only the done form comes."""
    draft = make_draft(item["type"])
    draft.settle_item(item)
    return draft.take_deltas()


def test_a_message_streams_and_ends_with_its_details() -> None:
    """The done form adds the rest of the text, and the phase."""
    draft = make_draft("message")
    draft.add("output_text", 0, "Hel")
    assert draft.take_deltas() == [TextDelta("Hel")]
    draft.settle_item(message(text_part("Hello"), phase="commentary"))
    assert draft.take_deltas() == [TextDelta("lo"), DetailDelta({"phase": "commentary"})]


def test_a_done_form_alone_tells_all() -> None:
    """Parts in their order, annotations behind their text."""
    parts = (text_part("a", annotations=[NOTE]), {"type": "refusal", "refusal": "no"})
    told = [TextDelta("a"), AnnotationDelta(NOTE), RefusalDelta("no")]
    assert settled(message(*parts)) == told
    assert settled(message(parts[0])) == [TextDelta("a"), AnnotationDelta(NOTE)]
    assert settled(message(content="plain")) == [TextDelta("plain")]


def test_an_annotation_waits_for_a_text() -> None:
    """There is nothing that it could stand behind before."""
    draft = make_draft("message")
    assert isinstance(draft, MessageDraft)
    draft.annotate(NOTE)
    draft.annotate("no annotation")
    assert draft.take_deltas() == []
    draft.add("output_text", 0, "a")
    draft.settle_item(message(text_part("a", annotations=[NOTE])))
    assert draft.take_deltas() == [TextDelta("a"), AnnotationDelta(NOTE)]


def cite(start: int, end: int, **extra: Any) -> Item:
    """Make a citation."""
    return {**NOTE, "start_index": start, "end_index": end, **extra}


def test_citations_point_at_their_words_where_parts_are_joined() -> None:
    """Parts of text become one: what comes behind another is further on."""
    file = {"type": "file_citation", "file_id": "f", "index": 2}
    path = {"type": "file_path", "file_id": "f", "index": 2}
    second = text_part("lo you", annotations=[cite(3, 6), file, path])
    deltas = settled(message(text_part("Hel", annotations=[cite(0, 3)]), second))
    told = [cite(0, 3), cite(6, 9), {**file, "index": 5}, path]
    assert [each.annotation for each in deltas if isinstance(each, AnnotationDelta)] == told
    assert [each for each in deltas if isinstance(each, TextDelta)] == [
        TextDelta("Hel"),
        TextDelta("lo you"),
    ]


def test_citations_of_events_point_at_their_words_too() -> None:
    """By the part that the event names; the done form tells them again, which counts once."""
    draft = MessageDraft("message")
    draft.add("output_text", 0, "Hel")
    draft.annotate(cite(0, 3), 0)
    draft.add("output_text", 1, "lo")
    draft.annotate(cite(0, 2), 1)
    parts = (
        text_part("Hel", annotations=[cite(0, 3)]),
        text_part("lo", annotations=[cite(0, 2)]),
    )
    draft.settle_item(message(*parts))
    notes = [each for each in draft.take_deltas() if isinstance(each, AnnotationDelta)]
    assert notes == [AnnotationDelta(cite(0, 3)), AnnotationDelta(cite(3, 5))]


def test_a_refusal_between_two_texts_parts_them() -> None:
    """They stay two parts, and each has the citations of its own words."""
    parts = (
        text_part("One", annotations=[cite(0, 3)]),
        {"type": "refusal", "refusal": "no"},
        text_part("Two", annotations=[cite(1, 2)]),
    )
    assert settled(message(*parts)) == [
        TextDelta("One"),
        AnnotationDelta(cite(0, 3)),
        RefusalDelta("no"),
        TextDelta("Two"),
        AnnotationDelta(cite(1, 2)),
    ]


@pytest.mark.parametrize("told", [0, 1, 2])
def test_two_equal_annotations_are_two(told: int) -> None:
    """However many of them events have told, and whichever part those named."""
    for place in (None, 0, 7):
        draft = MessageDraft("message")
        draft.add("output_text", 0, "abc")
        for _ in range(told):
            draft.annotate(NOTE, place)
        draft.settle_item(message(text_part("abc", annotations=[NOTE, NOTE])))
        notes = [each for each in draft.take_deltas() if isinstance(each, AnnotationDelta)]
        assert notes == [AnnotationDelta(NOTE)] * 2


def test_the_same_words_of_two_parts_are_two_citations() -> None:
    """An event told that of the second part; the done form adds the first, at its own place."""
    draft = MessageDraft("message")
    draft.add("output_text", 0, "abc")
    draft.add("output_text", 1, "abc")
    draft.annotate(cite(0, 3), 1)
    parts = [text_part("abc", annotations=[cite(0, 3)]) for _ in range(2)]
    draft.settle_item(message(*parts))
    notes = [each.annotation for each in draft.take_deltas() if isinstance(each, AnnotationDelta)]
    assert notes == [cite(3, 6), cite(0, 3)]


def test_an_empty_message_says_nothing() -> None:
    """Whether it is to be told depends on what else there is."""
    assert settled(message(text_part(""))) == []


def test_the_parts_of_a_summary_are_paragraphs() -> None:
    """A response here has one part of a kind after the other only."""
    parts = [{"type": "summary_text", "text": text} for text in ("One.", "Two.")]
    item = {"type": "reasoning", "summary": parts, "encrypted_content": "secret"}
    assert settled(item) == [
        ReasoningDelta("One."),
        ReasoningDelta("\n\nTwo."),
        DetailDelta({"encrypted_content": "secret"}),
    ]


def test_reasoning_in_clear_is_content() -> None:
    """As local servers send it."""
    item = {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }
    assert settled(item) == [ReasoningDelta("hm", kind="content")]


def test_reasoning_without_a_text_is_told_whole() -> None:
    """A part that is opened for it would be an empty one."""
    item = {"id": "rs_up", "type": "reasoning", "summary": [], "encrypted_content": "secret"}
    whole = {"type": "reasoning", "encrypted_content": "secret", "summary": []}
    assert settled(item) == [ItemDelta(whole)]


def test_an_item_of_another_type_is_told_whole_and_keeps_its_id() -> None:
    """The upstream may ask for it later. An id that is no text is none."""
    item = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": None}
    assert settled(item) == [ItemDelta(item)]
    assert settled({**item, "id": 5}) == [ItemDelta({k: v for k, v in item.items() if k != "id"})]


def test_only_the_done_form_of_another_type_counts() -> None:
    """What was announced has changed by then."""
    draft = make_draft("mcp_call")
    draft.note({"type": "mcp_call", "status": "in_progress", "arguments": ""})
    draft.settle_item({"type": "mcp_call", "status": "completed", "output": None})
    told = {"type": "mcp_call", "status": "completed", "output": None}
    assert draft.take_deltas() == [ItemDelta(told)]


def test_a_part_without_a_text_is_none() -> None:
    """Whatever it is."""
    odd: list[Any] = [None, 5, {}, {"type": 5}, {"type": "output_text", "text": None}]
    assert [read_part(part) for part in odd] == [None] * 5
    assert read_part({"type": "refusal", "refusal": "no"}) == ("refusal", "no")
