"""Input that refers to an earlier item by its id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.kinds import Item

#: Finds an item by its id; None if there is none.
FindItem = Callable[[str], "Item | None"]


def resolve_references(items: Sequence[Item], find: FindItem) -> tuple[Item, ...]:
    """Replace each ``item_reference`` by the item that it names.

    Raises the 404 of one that names nothing, with the hint that unstored items cannot be found.
    """
    return tuple(_resolve(item, find) if _is_reference(item) else item for item in items)


def find_in(history: Sequence[Item], rest: FindItem) -> FindItem:
    """Return a search of the history of the chain first, newest first, then of ``rest``."""
    # Filled by the first search: most creates refer to nothing, some to thousands of items.
    by_id: dict[str, Item] | None = None

    def find(item_id: str) -> Item | None:
        nonlocal by_id
        if by_id is None:
            by_id = {item["id"]: item for item in history if isinstance(item.get("id"), str)}
        return by_id.get(item_id) or rest(item_id)

    return find


def _is_reference(item: Item) -> bool:
    return bool(item["type"] == "item_reference")


def _resolve(reference: Item, find: FindItem) -> Item:
    item = find(reference["id"])
    if item is None:
        raise errors.item_not_found(reference["id"])
    return item
