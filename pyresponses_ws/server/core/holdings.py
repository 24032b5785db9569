"""What stored responses hold: how many bytes it takes, and the ids by which items are found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core.ids import ID_PREFIXES
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


@dataclass(eq=False)
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
        # Those of each id, by owner and id, the newest last.
        self._by_id: dict[tuple[str, str], list[_Held]] = {}
        # Numbers the ids that are made.
        self._made = 0

    def hold(self, owner: str, response: Item, items: Sequence[Item]) -> None:
        """Take in a response and the items of its context, oldest first."""
        self.weight += weigh(response) + sys.getsizeof(items)
        for item in items:
            held = self._held.get(id(item)) or self._take_in(owner, response["id"], item)
            held.holders += 1

    def release(self, owner: str, response: Item, items: Sequence[Item]) -> None:
        """Let go of what was taken in with the same arguments."""
        self.weight -= weigh(response) + sys.getsizeof(items)
        for item in items:
            held = self._held[id(item)]
            held.holders -= 1
            if held.holders == 0:
                self.weight -= held.weight
                del self._held[id(item)]
                self._forget(owner, held)

    def find(self, owner: str, item_id: str) -> Item | None:
        """Return the newest item of this id that the owner holds."""
        held = self._by_id.get((owner, item_id))
        return held[-1].item if held else None

    def name(self, items: Sequence[Item]) -> list[Item]:
        """Return held items with their ids in them."""
        return [
            item if item.get("id") == held.id else {**item, "id": held.id}
            for item in items
            for held in [self._held[id(item)]]
        ]

    def _take_in(self, owner: str, response_id: str, item: Item) -> _Held:
        held = _Held(item, item.get("id") or self._make_id(response_id, item), weigh(item))
        self._held[id(item)] = held
        self._by_id.setdefault((owner, held.id), []).append(held)
        self.weight += held.weight
        return held

    def _make_id(self, response_id: str, item: Item) -> str:
        """Make an id of the live shape, with the part that a conversation shares and ``00``."""
        self._made += 1
        root = response_id.partition("_")[2][:16]
        return f"{ID_PREFIXES.get(item['type'], 'item')}_{root}00{self._made:032x}"

    def _forget(self, owner: str, held: _Held) -> None:
        twins = self._by_id[owner, held.id]
        twins.remove(held)
        if not twins:
            del self._by_id[owner, held.id]
