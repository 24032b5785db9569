"""Stored responses: in memory, by owner and id."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core.request import Item

#: A development server keeps the last this many an owner, so that a long test run stays small.
MAX_RESPONSES = 1_000

#: Seconds that a response is kept.
MAX_AGE = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class StoredResponse:
    """A finished response and the whole context that a continuation of it starts from."""

    response: dict[str, Any]
    items: tuple[Item, ...]
    stored_at: float


class ResponseStore:
    """Responses with ``store: true``; somebody else's is as good as missing."""

    def __init__(self) -> None:
        self._by_owner: dict[str, OrderedDict[str, StoredResponse]] = {}

    def put(self, owner: str, stored: StoredResponse) -> None:
        """Keep a response; the owner's oldest goes when there are too many."""
        mine = self._by_owner.setdefault(owner, OrderedDict())
        mine[stored.response["id"]] = stored
        if len(mine) > MAX_RESPONSES:
            mine.popitem(last=False)

    def get(self, owner: str, response_id: str, now: float) -> StoredResponse | None:
        """Return a response that is known and young enough."""
        mine = self._by_owner.get(owner, OrderedDict())
        stored = mine.get(response_id)
        if stored is not None and now - stored.stored_at > MAX_AGE:
            del mine[response_id]
            return None
        return stored
