"""Stored responses: bounded in number and age, by owner."""

from __future__ import annotations

from pyresponses_ws.server.core.store import MAX_AGE, MAX_RESPONSES, ResponseStore, StoredResponse
from tests.server.drivers import NOW


def put(store: ResponseStore, response_id: str, owner: str = "me") -> None:
    """Store a response without items."""
    stored = StoredResponse(response={"id": response_id}, items=(), stored_at=NOW)
    store.put(owner, stored)


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
