"""Stored responses: in memory, by owner and id, within bounds of number, age and bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core.holdings import Holdings
from pyresponses_ws.server.core.kinds import Item

#: A development server keeps the last this many an owner, so that a long test run stays small.
MAX_RESPONSES = 1_000

#: Seconds that a response is kept.
MAX_AGE = 24 * 3600.0

#: Bytes over all owners: room for 16 contexts as large as the largest message, and little enough
#: for a laptop.
MAX_BYTES = 256 * 2**20

#: Owners that hold anything. Without keys every bearer is an owner of its own, so that a client
#: that draws a new one a request would otherwise fill the memory past the other bounds' sight.
MAX_OWNERS = 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredResponse:
    """A finished response and the whole context that a continuation of it starts from."""

    response: dict[str, Any]
    items: tuple[Item, ...]
    #: The whole context that the turn saw, history and own input. Mostly ``items`` begins with it;
    #: a turn that compacted goes on from less.
    input: tuple[Item, ...]
    stored_at: float
    #: Characters of JSON that ``items`` came as, roughly.
    size: int = 0


class ResponseStore:
    """Responses with ``store: true``; somebody else's is as good as missing.

    One thread calls it. What exceeds a bound goes oldest first.
    """

    def __init__(
        self,
        *,
        max_responses: int = MAX_RESPONSES,
        max_age: float = MAX_AGE,
        max_bytes: int = MAX_BYTES,
        max_owners: int = MAX_OWNERS,
    ) -> None:
        self._max_responses = max_responses
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._max_owners = max_owners
        # Everything, oldest first, by owner and id.
        self._all: OrderedDict[tuple[str, str], StoredResponse] = OrderedDict()
        # The ids of each owner, oldest first; the owner that stored last comes last.
        self._by_owner: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._holdings = Holdings()

    @property
    def weight(self) -> int:
        """Bytes that the stored responses take."""
        return self._holdings.weight

    def put(self, owner: str, stored: StoredResponse) -> None:
        """Keep a response; the oldest go when a bound is passed, this one if it alone passes it."""
        response_id: str = stored.response["id"]
        self._drop(owner, response_id)
        self._drop_old(stored.stored_at)
        self._all[owner, response_id] = stored
        self._by_owner.setdefault(owner, OrderedDict())[response_id] = None
        self._by_owner.move_to_end(owner)
        self._holdings.hold(owner, stored.response, _held_by(stored))
        self._shrink(owner)

    def get(self, owner: str, response_id: str, now: float) -> StoredResponse | None:
        """Return a response that is known and young enough."""
        self._drop_old(now)
        return self._all.get((owner, response_id))

    def delete(self, owner: str, response_id: str, now: float) -> bool:
        """Forget a response; return whether there was one."""
        self._drop_old(now)
        return self._drop(owner, response_id)

    def find_item(self, owner: str, item_id: str, now: float) -> Item | None:
        """Return an item of the owner's stored responses, the newest of its id."""
        self._drop_old(now)
        return self._holdings.find(owner, item_id)

    def list_input(self, stored: StoredResponse) -> list[Item]:
        """Return the whole context that the turn of a response saw, every item with an id.

        ``stored`` must be what ``get`` returned, with nothing put since.
        """
        return self._holdings.name(stored.input)

    def _drop_old(self, now: float) -> None:
        """Forget what is too old; responses come in the order of time, so the old are in front."""
        while self._all:
            (owner, response_id), oldest = next(iter(self._all.items()))
            if now - oldest.stored_at <= self._max_age:
                return
            self._drop(owner, response_id)

    def _shrink(self, owner: str) -> None:
        """Bring everything back inside the bounds after a response of ``owner`` came."""
        if len(self._by_owner[owner]) > self._max_responses:
            self._drop(owner, next(iter(self._by_owner[owner])))
        if len(self._by_owner) > self._max_owners:
            idle = next(iter(self._by_owner))
            for response_id in list(self._by_owner[idle]):
                self._drop(idle, response_id)
        while self._holdings.weight > self._max_bytes:
            self._drop(*next(iter(self._all)))

    def _drop(self, owner: str, response_id: str) -> bool:
        stored = self._all.pop((owner, response_id), None)
        if stored is None:
            return False
        self._holdings.release(owner, stored.response, _held_by(stored))
        mine = self._by_owner[owner]
        del mine[response_id]
        if not mine:
            del self._by_owner[owner]
        return True


def _held_by(stored: StoredResponse) -> tuple[Item, ...]:
    """Return the items that a response keeps, in the order of its context."""
    is_longer = stored.items[: len(stored.input)] == stored.input
    return stored.items if is_longer else (*stored.input, *stored.items)
