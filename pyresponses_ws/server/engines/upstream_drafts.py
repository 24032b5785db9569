"""The output items of an upstream, in the order in which they can be told.

Items of an upstream may interleave, while a response here tells one after the other: the first that
has something to tell streams, and those that began behind it wait until it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from pyresponses_ws.server.engines.base import Delta, ItemDelta
from pyresponses_ws.server.engines.upstream_items import CallDraft, Draft, make_draft

Item = dict[str, Any]

#: Items of one response; a real one has some hundreds at most.
MAX_ITEMS = 10_000

#: Types of items that a response here goes on with when another of them follows at once.
_GROWING = frozenset({"message", "reasoning"})


class TooManyItems(Exception):
    """Raised for the item beyond MAX_ITEMS."""


class Drafts:
    """Finds the item that an event is about, and tells of all items in turn.

    Servers name an item by its id, by its place, by both or by neither; some change the id from
    event to event, and some give several items one place, or one id.
    """

    def __init__(self, *, due: Mapping[str, tuple[str, ...]] | None = None) -> None:
        # Details that are told in any case, by type of item.
        self._due = due or {}
        # Every item in the order in which they came; the newest by id, place and type.
        self._all: list[Draft] = []
        self._by_id: dict[tuple[str, str], Draft] = {}
        self._by_place: dict[tuple[str, int], Draft] = {}
        self._newest: dict[str, Draft] = {}
        # Those that have an id, that have a place, and that were added.
        self._named: set[Draft] = set()
        self._placed: set[Draft] = set()
        self._added: set[Draft] = set()
        # Those with something to tell, in the order in which they had it first.
        self._waiting: deque[Draft] = deque()
        self._seen: set[Draft] = set()
        # The one that streams, and the type of the one before it where that may go on.
        self._streaming: Draft | None = None
        self._growing: str | None = None
        #: Something but reasoning was told.
        self.has_told = False

    def __iter__(self) -> Iterator[Draft]:
        return iter(self._all)

    # --- finding ------------------------------------------------------------------------------

    def open(self, kind: str, item_id: str | None, place: int | None) -> Draft:
        """Return the item that is being added; a new one unless it is told again."""
        known = self._known(kind, item_id) or self._begun(kind, item_id, place)
        if known is None or (known.is_done and kind in _GROWING):
            known = self.make(kind, before=known)
        self._added.add(known)
        return self._note(known, item_id, place)

    def find(self, kind: str, item_id: str | None, place: int | None) -> Draft | None:
        """Return the item that another event is about, done or not; None for one never heard of."""
        found = self._known(kind, item_id)
        if found is None and place is not None:
            found = self._by_place.get((kind, place))
            if found is not None and found.is_done and item_id is not None:
                return None
        if found is None:
            found = self._nameless(kind, item_id, place)
        return None if found is None else self._note(found, item_id, place)

    def find_or_make(self, kind: str, item_id: str | None, place: int | None) -> Draft:
        """Return the item that an event with more of it is about; one that is done is over."""
        found = self.find(kind, item_id, place)
        if found is not None and not found.is_done:
            return found
        before = self._known(kind, item_id)
        return self._note(self.make(kind, before=before), item_id, place)

    def make(self, kind: str, *, before: Draft | None = None) -> Draft:
        """Make a further item. Raises TooManyItems."""
        if len(self._all) >= MAX_ITEMS:
            raise TooManyItems
        draft = make_draft(kind, before=before)
        draft.due = self._due.get(kind, ())
        self._all.append(draft)
        self._newest[kind] = draft
        return draft

    def _known(self, kind: str, item_id: str | None) -> Draft | None:
        return None if item_id is None else self._by_id.get((kind, item_id))

    def _begun(self, kind: str, item_id: str | None, place: int | None) -> Draft | None:
        """Return the item whose pieces came before it was added."""
        newest = self._nameless(kind, item_id, place)
        if newest is None or newest.is_done or newest in self._added:
            return None
        return newest

    def _nameless(self, kind: str, item_id: str | None, place: int | None) -> Draft | None:
        """Return the newest item, unless it has a name of a sort of which another is given."""
        newest = self._newest.get(kind)
        is_other = item_id is not None and newest in self._named
        is_elsewhere = place is not None and newest in self._placed
        return None if is_other or is_elsewhere else newest

    def _note(self, draft: Draft, item_id: str | None, place: int | None) -> Draft:
        if item_id is not None:
            self._by_id[draft.kind, item_id] = draft
            self._named.add(draft)
        if place is not None:
            self._by_place[draft.kind, place] = draft
            self._placed.add(draft)
        return draft

    # --- telling ------------------------------------------------------------------------------

    def is_held(self, draft: Draft) -> bool:
        """Say whether what comes of an item has to wait."""
        return not draft.is_done and not (self._waiting and self._waiting[0] is draft)

    def queue(self, draft: Draft) -> None:
        """Let an item have its turn once it has something to tell."""
        if draft not in self._seen and draft.has_deltas:
            self._seen.add(draft)
            self._waiting.append(draft)

    def take_deltas(self) -> list[Delta]:
        """Drain what can be told now."""
        told: list[Delta] = []
        while self._waiting:
            head = self._waiting[0]
            if head.is_full and len(self._waiting) > 1:
                head.close()
            told += self._take(head)
            if not head.is_done:
                break
            self._waiting.popleft()
        return told

    def take_all(self) -> list[Delta]:
        """Drain everything, finished or not, of an answer that came to no good end."""
        told: list[Delta] = []
        while self._waiting:
            head = self._waiting.popleft()
            if head.has_deltas and self._must_wait(head):
                told.append(ItemDelta(head.as_item() | {"status": "incomplete"}))
                head.take_deltas()
            else:
                told += self._take(head)
        return told

    def _must_wait(self, head: Draft) -> bool:
        """Say whether an item would be taken for more of the one before it."""
        return head is not self._streaming and head.kind == self._growing

    def _take(self, head: Draft) -> list[Delta]:
        if not self._must_wait(head):
            deltas = head.take_deltas()
            if deltas:
                self._streaming = head
                is_whole = isinstance(deltas[0], ItemDelta)
                self._growing = head.kind if head.kind in _GROWING and not is_whole else None
                self.has_told = self.has_told or head.kind != "reasoning"
            return deltas
        if not head.is_done or not head.take_deltas():
            return []
        self._growing = None
        return [ItemDelta(head.as_item())]

    def match(self, items: list[Item]) -> Iterator[tuple[Item, Draft]]:
        """Yield the items of a Response, each with the draft that is the same; some are new.

        By id; else calls by what their outputs will name; else by place among those of its type.
        Raises TooManyItems.
        """
        free: dict[str, list[Draft]] = {}
        for draft in self._all:
            free.setdefault(draft.kind, []).append(draft)
        for item in items:
            kind = item["type"]
            item_id = found if isinstance(found := item.get("id"), str) and found else None
            same = self._known(kind, item_id) or _choose(free.get(kind, []), item)
            _take_out(free.get(kind, []), same)
            yield item, same or self._note(self.make(kind), item_id, None)


def _take_out(free: list[Draft], draft: Draft | None) -> None:
    """Drop a draft, and those before it under the same id."""
    while draft is not None:
        if draft in free:
            free.remove(draft)
        draft = draft.before


def _choose(free: list[Draft], item: Item) -> Draft | None:
    """Return the first that tells of the same as ``item``, else the first; None of none."""
    for draft in free:
        if draft.covers(item):
            return draft
    return None if not free or isinstance(free[0], CallDraft) else free[0]
