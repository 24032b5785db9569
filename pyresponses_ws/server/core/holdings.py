"""What stored responses hold: how many bytes it takes, and which item an id means."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

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


class Holdings:
    """Values that several holders may share; each counts once.

    The responses of a long conversation share their history, so adding up their sizes would come
    out at a multiple of the memory that they take.
    """

    def __init__(self) -> None:
        #: Bytes of everything held.
        self.weight = 0
        # Number of holders and weight, by address: who holds a value keeps it where it is.
        self._held: dict[int, tuple[int, int]] = {}
        # Number of holders and the newest item, by owner and id of the item.
        self._by_id: dict[tuple[str, str], tuple[int, Item]] = {}

    def hold(self, value: Any) -> None:
        """Count one more holder of a value."""
        holders, weight = self._held.get(id(value)) or (0, weigh(value))
        self._held[id(value)] = (holders + 1, weight)
        self.weight += 0 if holders else weight

    def release(self, value: Any) -> None:
        """Count one holder less of a value that is held."""
        holders, weight = self._held.pop(id(value))
        if holders > 1:
            self._held[id(value)] = (holders - 1, weight)
        else:
            self.weight -= weight

    def hold_items(self, owner: str, items: Iterable[Item]) -> None:
        """Count one more holder of items with ids, and let their ids lead to them."""
        for item in items:
            self.hold(item)
            holders, _ = self._by_id.get((owner, item["id"]), (0, item))
            self._by_id[owner, item["id"]] = (holders + 1, item)

    def release_items(self, owner: str, items: Iterable[Item]) -> None:
        """Count one holder less of items that are held."""
        for item in items:
            self.release(item)
            holders, newest = self._by_id.pop((owner, item["id"]))
            if holders > 1:
                self._by_id[owner, item["id"]] = (holders - 1, newest)

    def find(self, owner: str, item_id: str) -> Item | None:
        """Return the newest item of this id that the owner holds."""
        _, item = self._by_id.get((owner, item_id), (0, None))
        return item
