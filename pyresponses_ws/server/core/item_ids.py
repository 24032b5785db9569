"""Ids for the items that clients send without one, so that they can be listed and referred to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pyresponses_ws.server.core.ids import ID_PREFIXES
from pyresponses_ws.server.core.kinds import Item


def identify(response_id: str, items: Sequence[Item], *, start: int = 0) -> tuple[Item, ...]:
    """Return items of a response's context, each with an id; ``start`` is the place of the first.

    An id made here comes from the part of the response's id that its conversation shares, the
    item's place and what it says, so that every response of the conversation makes the same.
    """
    return tuple(
        item if _has_id(item) else {**item, "id": _make_id(response_id, place, item)}
        for place, item in enumerate(items, start)
    )


def _has_id(item: Item) -> bool:
    return isinstance(item.get("id"), str) and bool(item["id"])


def _make_id(response_id: str, place: int, item: Item) -> str:
    """Make an id of the live shape, with ``00`` for ``01`` and a digest in place of the time."""
    root = response_id.partition("_")[2][:16]
    text = f"{place} {json.dumps({**item, 'id': None}, sort_keys=True)}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{ID_PREFIXES.get(item['type'], 'item')}_{root}00{digest[:32]}"
