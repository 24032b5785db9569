"""Items are told apart by what names them, and told one after the other."""

from __future__ import annotations

import pytest

from pyresponses_ws.server.engines.base import CallDelta, Delta, DoneDelta, TextDelta
from pyresponses_ws.server.engines.upstream import drafts as drafts_module
from pyresponses_ws.server.engines.upstream.drafts import Drafts, TooManyItems
from pyresponses_ws.server.engines.upstream.items import Draft

TEXT = "output_text"


def say(drafts: Drafts, draft: Draft, text: str) -> list[Delta]:
    """Let a piece of an item come in; return what can be told."""
    draft.add(draft.channels[0], 0, text)
    drafts.queue(draft)
    return drafts.take_deltas()


def end(drafts: Drafts, draft: Draft) -> list[Delta]:
    """Let an item end."""
    draft.close()
    drafts.queue(draft)
    return drafts.take_deltas()


def open_call(drafts: Drafts, name: str, place: int) -> Draft:
    """Let a call begin."""
    draft = drafts.open("function_call", f"fc_{name}", place)
    draft.note({"name": name, "call_id": f"call_{name}"})
    drafts.queue(draft)
    return draft


def test_an_id_tells_items_of_one_place_apart() -> None:
    """Some servers give every item the place 0."""
    drafts = Drafts()
    first, second = (drafts.open("message", name, 0) for name in ("a", "b"))
    assert first is not second
    assert drafts.find("message", "a", 0) is first
    assert drafts.find("message", "b", 0) is second


def test_a_place_tells_items_apart_whose_ids_change_all_the_time() -> None:
    """Some proxies draw an id for every event."""
    drafts = Drafts()
    first, second = (drafts.open("message", f"a{place}", place) for place in (0, 1))
    assert drafts.find_or_make("message", "x", 0) is first
    assert drafts.find_or_make("message", "y", 1) is second


def test_an_id_that_came_twice_makes_another_one_another_item() -> None:
    """Ids that stay the same are to be trusted more than places."""
    drafts = Drafts()
    first = drafts.find_or_make("message", "a", 0)
    assert drafts.find_or_make("message", "a", 0) is first
    assert drafts.find_or_make("message", "b", 0) is not first


def test_an_event_without_names_is_about_the_newest_item_of_its_type() -> None:
    """Until that is done."""
    drafts = Drafts()
    first = drafts.open("message", None, None)
    drafts.open("reasoning", None, None)
    assert drafts.find_or_make("message", None, None) is first
    first.close()
    assert drafts.find_or_make("message", None, None) is not first


def test_an_item_may_be_added_behind_its_first_pieces() -> None:
    """Or never."""
    drafts = Drafts()
    first = drafts.find_or_make("message", None, 0)
    assert drafts.open("message", "a", 0) is first


def test_an_item_that_is_added_twice_is_one() -> None:
    """But a message that is added again behind its end goes on with another."""
    drafts = Drafts()
    first = drafts.open("message", "a", 0)
    assert drafts.open("message", "a", 0) is first
    first.close()
    again = drafts.open("message", "a", 1)
    assert again is not first
    assert again.before is first


def test_the_second_of_two_calls_waits_for_the_first() -> None:
    """Their pieces come in turn; a response here has one call after the other."""
    drafts = Drafts()
    first, second = open_call(drafts, "f", 0), open_call(drafts, "g", 1)
    assert drafts.take_deltas() == [CallDelta(name="f", call_id="call_f")]
    assert say(drafts, second, "{2") == []
    assert drafts.is_held(second)
    assert say(drafts, first, "{1") == [CallDelta("{1")]
    assert end(drafts, first) == [CallDelta(name="g", call_id="call_g"), CallDelta("{2")]
    assert say(drafts, second, "}") == [CallDelta("}")]


def test_an_item_without_beginning_and_end_makes_room_when_its_text_is_done() -> None:
    """A server that never says more would hold up the rest until the response ends."""
    drafts = Drafts()
    first = drafts.find_or_make("message", "a", 0)
    first.settle(TEXT, 0, "One.")
    drafts.queue(first)
    assert drafts.take_deltas() == [TextDelta("One.")]
    open_call(drafts, "f", 1)
    assert drafts.take_deltas() == [CallDelta(name="f", call_id="call_f")]


def test_a_message_behind_a_message_is_told_apart() -> None:
    """Its text would go on with the first one's; a call needs no such word."""
    drafts = Drafts()
    first, second = (drafts.open("message", name, None) for name in "ab")
    assert say(drafts, first, "1") == [TextDelta("1")]
    assert end(drafts, first) == []
    assert say(drafts, second, "2") == [DoneDelta(), TextDelta("2")]
    assert say(drafts, second, "3") == [TextDelta("3")]


def test_what_waits_is_told_when_the_answer_breaks_off() -> None:
    """It came, and may be of use."""
    drafts = Drafts()
    first, second = open_call(drafts, "f", 0), drafts.open("message", "m", 1)
    assert drafts.take_deltas()
    say(drafts, second, "2")
    assert not first.is_done
    assert drafts.take_all() == [TextDelta("2")]


def test_a_response_names_its_items_by_id_or_by_what_they_say() -> None:
    """What fits nothing is new."""
    drafts = Drafts()
    first, second = drafts.open("message", None, 0), drafts.open("message", None, 1)
    say(drafts, first, "one")
    say(drafts, second, "two")
    items = [
        {"type": "message", "content": [{"type": TEXT, "text": text}]}
        for text in ("two!", "one", "three")
    ]
    matched = [draft for _, draft in drafts.match(items)]
    assert matched[:2] == [second, first]
    assert matched[2] not in (first, second)


def test_there_is_an_end_to_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is kept."""
    monkeypatch.setattr(drafts_module, "MAX_ITEMS", 2)
    drafts = Drafts()
    drafts.make("message")
    drafts.make("message")
    with pytest.raises(TooManyItems):
        drafts.make("message")
