"""Ids for the items that clients send without one, so that they can be listed and referred to."""

from __future__ import annotations

from collections.abc import Sequence

from pyresponses_ws.server.core.ids import ID_PREFIXES
from pyresponses_ws.server.core.kinds import Item


def id_of(response_id: str, number: int, item: Item) -> str:
    """Return the id of an item, or make one of the live shape, with ``00`` for ``01``.

    It begins with the part that the ids of a conversation share; ``number`` must be new for it.
    """
    given = item.get("id")
    if isinstance(given, str) and given:
        return given
    root = response_id.partition("_")[2][:16]
    return f"{ID_PREFIXES.get(item['type'], 'item')}_{root}00{number:032x}"


def identify(response_id: str, items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items of a context, each with an id."""
    ids = (id_of(response_id, place, item) for place, item in enumerate(items))
    return tuple({**item, "id": item_id} for item, item_id in zip(items, ids, strict=True))
