"""Input that refers to an earlier item by its id."""

from __future__ import annotations

import pytest

from pyresponses_ws.errors import NotFoundError
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.references import find_in, resolve_references

SAID = {"type": "message", "role": "assistant", "id": "msg_1", "content": []}
ASKED = {"type": "message", "role": "user", "content": "hi"}


def reference(item_id: str) -> Item:
    """Make a reference."""
    return {"type": "item_reference", "id": item_id}


def test_a_reference_becomes_its_item() -> None:
    """In its place; other items stay as they are."""
    items = resolve_references([ASKED, reference("msg_1")], {"msg_1": SAID}.get)
    assert items == (ASKED, SAID)


def test_the_history_of_the_chain_is_searched_first() -> None:
    """Its newest item of the id counts, and the store only after it."""
    older, stored = {**SAID, "content": "older"}, {**SAID, "content": "stored"}
    find = find_in([older, ASKED, SAID], {"msg_1": stored, "msg_2": stored}.get)
    assert resolve_references([reference("msg_1"), reference("msg_2")], find) == (SAID, stored)


def test_a_missing_item_is_a_404_with_a_hint() -> None:
    """Most often the response was not stored."""
    with pytest.raises(NotFoundError) as caught:
        resolve_references([reference("msg_x")], {}.get)
    assert (caught.value.status, caught.value.param) == (404, "input")
    assert str(caught.value) == (
        "Item with id 'msg_x' not found. Items are not persisted when `store` is set to false. "
        "Try again with `store` set to true, or remove this item from your input."
    )
