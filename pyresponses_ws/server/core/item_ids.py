"""Ids for the items that clients send without one, so that they can be listed and referred to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pyresponses_ws.server.core.ids import ID_PREFIXES
from pyresponses_ws.server.core.kinds import Item


def id_of(response_id: str, place: int, item: Item) -> str:
    """Return the id of an item, or make one of the part that ids of a conversation share, the place
    of the item in the context and what it says.
    """
    given = item.get("id")
    return given if isinstance(given, str) and given else _make_id(response_id, place, item)


def identify(response_id: str, items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items of a context, each with an id."""
    ids = (id_of(response_id, place, item) for place, item in enumerate(items))
    return tuple({**item, "id": item_id} for item, item_id in zip(items, ids, strict=True))


def _make_id(response_id: str, place: int, item: Item) -> str:
    """Make an id of the live shape, with ``00`` for ``01`` and a digest in place of the time."""
    root = response_id.partition("_")[2][:16]
    text = f"{place} {json.dumps({**item, 'id': None}, sort_keys=True)}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{ID_PREFIXES.get(item['type'], 'item')}_{root}00{digest[:32]}"
