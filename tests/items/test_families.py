"""Items and tools told apart by their type."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.codec import decode_item
from pyresponses_ws.items import ITEMS, TOOLS, ItemReference, ResponseOutputMessage, UnknownItem
from pyresponses_ws.model import tags_of


@pytest.mark.parametrize("family", [ITEMS, TOOLS], ids=["items", "tools"])
def test_a_type_leads_to_the_class_that_declares_it(family: Any) -> None:
    """The table agrees with the ``type`` of the classes."""
    for tag in family.tags:
        assert tag in tags_of(family.class_named(tag))


def test_an_unknown_item_is_kept() -> None:
    """Its keys read as attributes."""
    item = decode_item({"type": "hologram", "id": "h_1", "light": [1, {"a": None}]})
    assert isinstance(item, UnknownItem)
    assert (item.id, item.light) == ("h_1", [1, {"a": None}])  # type: ignore[attr-defined]


def test_an_unknown_tool_stays_a_dict() -> None:
    """Tools have no class for what nobody knows."""
    assert TOOLS.decode({"type": "hammer"}) == {"type": "hammer"}
    assert TOOLS.class_named("hammer") is None


@pytest.mark.parametrize("wire", [{"id": "msg_1"}, {"id": "msg_1", "type": None}])
def test_an_id_alone_is_a_reference(wire: dict[str, Any]) -> None:
    """The type of an item reference may be left out."""
    assert isinstance(decode_item(dict(wire)), ItemReference)
    assert decode_item(dict(wire)).to_dict() == wire


@pytest.mark.parametrize("value", [None, 3, "text", [1]])
def test_what_is_no_object_passes(value: Any) -> None:
    """Nothing raises."""
    assert ITEMS.decode(value) is value


def test_an_output_message_may_be_nearly_empty() -> None:
    """An item that has just begun."""
    item = decode_item({"type": "message", "role": "assistant", "content": [3, {}]})
    assert isinstance(item, ResponseOutputMessage)
    assert item.content == [3, {}]
