"""Stored responses: bounded in number and age, by owner."""

from __future__ import annotations

from collections.abc import Sequence

from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.store import MAX_AGE, MAX_RESPONSES, ResponseStore, StoredResponse
from tests.server.drivers import NOW


def put(
    store: ResponseStore, response_id: str, owner: str = "me", items: Sequence[Item] = ()
) -> None:
    """Store a response without output."""
    kept = tuple(items)
    stored = StoredResponse(response={"id": response_id}, items=kept, input=kept, stored_at=NOW)
    store.put(owner, stored)


def list_input(store: ResponseStore, response_id: str) -> list[Item]:
    """Return the input of a stored response of owner ``me``."""
    stored = store.get("me", response_id, NOW)
    assert stored is not None
    return store.list_input(stored)


def message(text: str, **fields: str) -> Item:
    """Make a user message."""
    return {"type": "message", "role": "user", "content": text, **fields}


def test_an_owner_finds_its_own_only() -> None:
    """Somebody else's response is as good as missing."""
    store = ResponseStore()
    put(store, "resp_1")
    assert store.get("me", "resp_1", NOW) is not None
    assert store.get("you", "resp_1", NOW) is None


def test_the_oldest_goes_when_there_are_too_many() -> None:
    """An owner keeps the newest 1,000; other owners are not touched."""
    store = ResponseStore()
    put(store, "resp_x", owner="you")
    for number in range(MAX_RESPONSES + 1):
        put(store, f"resp_{number}")
    assert store.get("me", "resp_0", NOW) is None
    assert store.get("me", "resp_1", NOW) is not None
    assert store.get("you", "resp_x", NOW) is not None


def test_a_response_expires_after_a_day() -> None:
    """24 hours are kept, and not a second more."""
    store = ResponseStore()
    put(store, "resp_1")
    assert store.get("me", "resp_1", NOW + MAX_AGE) is not None
    assert store.get("me", "resp_1", NOW + MAX_AGE + 1) is None
    assert store.get("me", "resp_1", NOW) is None


def test_a_deleted_response_is_gone() -> None:
    """Only its owner can delete it, and only once."""
    store = ResponseStore()
    put(store, "resp_1")
    assert not store.delete("you", "resp_1", NOW)
    assert store.delete("me", "resp_1", NOW)
    assert not store.delete("me", "resp_1", NOW)
    assert store.get("me", "resp_1", NOW) is None
    assert store.weight == 0


def test_the_oldest_goes_when_there_are_too_many_bytes() -> None:
    """Whoever it belongs to; the new one stays."""
    store = ResponseStore(max_bytes=200_000)
    for owner in ("me", "you", "them"):
        put(store, f"resp_{owner}", owner, [message("x" * 90_000)])
    assert store.get("me", "resp_me", NOW) is None
    assert store.get("you", "resp_you", NOW) is not None
    assert store.get("them", "resp_them", NOW) is not None
    assert 180_000 < store.weight <= 200_000


def test_a_response_over_the_bound_is_not_kept() -> None:
    """Nothing can be dropped to make it fit."""
    store = ResponseStore(max_bytes=1_000)
    put(store, "resp_1", items=[message("x" * 2_000)])
    assert store.get("me", "resp_1", NOW) is None
    assert store.weight == 0


def test_shared_history_counts_once() -> None:
    """A chain of responses takes the memory of its longest context, not of their sum."""
    store = ResponseStore()
    history = [message("x" * 10_000)]
    for number in range(100):
        put(store, f"resp_{number}", items=history)
    assert 10_000 < store.weight < 100_000
    for number in range(100):
        store.delete("me", f"resp_{number}", NOW)
    assert store.weight == 0


def test_the_owner_that_was_idle_longest_goes() -> None:
    """A client that draws a new key a request does not fill the memory."""
    store = ResponseStore(max_owners=2)
    for owner in ("a", "b", "a", "c"):
        put(store, f"resp_{owner}", owner)
    assert store.get("b", "resp_b", NOW) is None
    assert store.get("a", "resp_a", NOW) is not None
    assert store.get("c", "resp_c", NOW) is not None


def test_a_second_put_replaces_the_first() -> None:
    """Its old items are let go."""
    store = ResponseStore()
    put(store, "resp_1", items=[message("old", id="msg_1")])
    put(store, "resp_1", items=[message("new", id="msg_2")])
    assert store.find_item("me", "msg_1", NOW) is None
    assert store.find_item("me", "msg_2", NOW) == message("new", id="msg_2")


def test_an_item_is_found_by_its_id_as_long_as_a_response_holds_it() -> None:
    """By its owner only; the newest of an id counts."""
    store = ResponseStore()
    put(store, "resp_1", items=[message("old", id="msg_1")])
    put(store, "resp_2", items=[message("new", id="msg_1")])
    assert store.find_item("you", "msg_1", NOW) is None
    assert store.find_item("me", "msg_1", NOW) == message("new", id="msg_1")
    store.delete("me", "resp_1", NOW)
    assert store.find_item("me", "msg_1", NOW) is not None
    assert store.find_item("me", "msg_1", NOW + MAX_AGE + 1) is None


def test_items_without_an_id_are_listed_with_one() -> None:
    """It leads to the item, the next response of the chain lists it too, the item stays as is."""
    store = ResponseStore()
    asked, again = message("hi"), message("hi")
    put(store, "resp_1", items=[asked])
    put(store, "resp_2", items=[asked, again])
    (first,), (second, third) = (list_input(store, f"resp_{number}") for number in (1, 2))
    assert first == second == {**asked, "id": first["id"]}
    assert third["id"] != first["id"]
    assert store.find_item("me", first["id"], NOW) is asked
    assert "id" not in asked


def test_a_compacted_turn_keeps_what_it_saw() -> None:
    """The input can still be listed; all of it goes with the response."""
    store = ResponseStore()
    asked, summary = message("hi"), message("short", id="cmp_1")
    stored = StoredResponse(
        response={"id": "resp_1"}, items=(summary,), input=(asked,), stored_at=NOW
    )
    store.put("me", stored)
    assert [item["content"] for item in list_input(store, "resp_1")] == ["hi"]
    assert store.find_item("me", "cmp_1", NOW) is summary
    store.delete("me", "resp_1", NOW)
    assert store.weight == 0
