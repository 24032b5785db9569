"""What stored responses hold: how many bytes it takes, and the ids by which items are found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core.item_ids import id_of
from pyresponses_ws.server.core.kinds import Item


def weigh(value: Any) -> int:
    """Return the bytes that a JSON value takes in memory."""
    total, left = 0, [value]
    while left:
        value = left.pop()
        total += sys.getsizeof(value)
        if isinstance(value, dict):
            left.extend(value)
            left.extend(value.values())
        elif isinstance(value, (list, tuple)):
            left.extend(value)
    return total


@dataclass
class _Held:
    # The item itself: held here too, so that its address stays its own.
    item: Item
    id: str
    weight: int
    holders: int = 0


class Holdings:
    """The items of stored responses; those that several hold count once.

    The responses of a long conversation share their history, so adding up their sizes would come
    out at a multiple of the memory that they take. An item that came without an id keeps the one
    that it is given here for as long as anybody holds it.
    """

    def __init__(self) -> None:
        #: Bytes of everything held.
        self.weight = 0
        # By address of the item.
        self._held: dict[int, _Held] = {}
        # The newest of each id, by owner and id; older ones of the same id are not found.
        self._by_id: dict[tuple[str, str], _Held] = {}

    def hold(self, owner: str, response: Item, items: Sequence[Item]) -> None:
        """Take in a response and the items of its context, oldest first."""
        self.weight += weigh(response) + sys.getsizeof(items)
        for place, item in enumerate(items):
            held = self._held.get(id(item)) or self._take_in(
                item, id_of(response["id"], place, item)
            )
            held.holders += 1
            self._by_id[owner, held.id] = held

    def release(self, owner: str, response: Item, items: Sequence[Item]) -> None:
        """Let go of what was taken in with the same arguments."""
        self.weight -= weigh(response) + sys.getsizeof(items)
        for item in items:
            held = self._held[id(item)]
            held.holders -= 1
            if held.holders == 0:
                self.weight -= held.weight
                del self._held[id(item)]
                if self._by_id.get((owner, held.id)) is held:
                    del self._by_id[owner, held.id]

    def find(self, owner: str, item_id: str) -> Item | None:
        """Return the newest item of this id that the owner holds."""
        held = self._by_id.get((owner, item_id))
        return None if held is None else held.item

    def name(self, items: Sequence[Item]) -> list[Item]:
        """Return held items with their ids in them."""
        return [
            item if item.get("id") == held.id else {**item, "id": held.id}
            for item in items
            for held in [self._held[id(item)]]
        ]

    def _take_in(self, item: Item, item_id: str) -> _Held:
        held = self._held[id(item)] = _Held(item, item_id, weigh(item))
        self.weight += held.weight
        return held
