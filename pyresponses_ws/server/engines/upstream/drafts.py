"""The output items of an upstream, in the order in which they can be told.

Items of an upstream may interleave, while a response here tells one after the other: the first that
has something to tell streams, and those that began behind it wait until it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import methodcaller
from typing import Any

from pyresponses_ws.server.engines.base import Delta, DoneDelta
from pyresponses_ws.server.engines.upstream.calls import CallDraft
from pyresponses_ws.server.engines.upstream.items import (
    Draft,
    MessageDraft,
    ReasoningDraft,
    WholeDraft,
)

Item = dict[str, Any]

#: Items of one response; a real one has some hundreds at most.
MAX_ITEMS = 2_000

#: Types of items that a response here goes on with when another of them follows at once.
_GROWING = frozenset({"message", "reasoning"})


_DRAFTS: dict[str, type[Draft]] = {
    "message": MessageDraft,
    "reasoning": ReasoningDraft,
    "function_call": CallDraft,
    "custom_tool_call": CallDraft,
}


def make_draft(kind: str, *, before: Draft | None = None) -> Draft:
    """Make the draft of an item of this type; ``before`` came under the same id, and has ended."""
    return _DRAFTS.get(kind, WholeDraft)(kind, before=before)


class TooManyItems(Exception):
    """Raised for the item beyond MAX_ITEMS."""


class Drafts:
    """Finds the item that an event is about, and tells of all items in turn.

    Servers name an item by its id, by its place, by both or by neither; some change the id from
    event to event, and some give several items one place, or one id.
    """

    def __init__(self) -> None:
        # Every item in the order in which they came; the newest by id, place and type.
        self._all: list[Draft] = []
        self._by_id: dict[tuple[str, str], Draft] = {}
        self._by_place: dict[tuple[str, int], Draft] = {}
        self._newest: dict[str, Draft] = {}
        # An id came twice, so that another one is another item's.
        self._has_stable_ids = False
        # Those that have an id, that have a place, and that were added.
        self._named: set[Draft] = set()
        self._placed: set[Draft] = set()
        self._added: set[Draft] = set()
        # Those with something to tell, in the order in which they had it first.
        self._waiting: deque[Draft] = deque()
        self._seen: set[Draft] = set()
        # The one that streams.
        self._streaming: Draft | None = None
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
        return self.note(known, item_id, place)

    def find(self, kind: str, item_id: str | None, place: int | None) -> Draft | None:
        """Return the item that another event seems to be about, done or not; None for a new one."""
        found = self._known(kind, item_id)
        if found is None and place is not None and not (item_id and self._has_stable_ids):
            found = self._by_place.get((kind, place))
        if found is None:
            found = self._nameless(kind, item_id, place)
        return found

    def find_or_make(self, kind: str, item_id: str | None, place: int | None) -> Draft:
        """Return the item that an event with more of it is about; one that is done is over."""
        found = self.find(kind, item_id, place)
        if found is None or found.is_done:
            return self.follow(kind, item_id, place)
        return self.note(found, item_id, place)

    def follow(self, kind: str, item_id: str | None, place: int | None) -> Draft:
        """Make the item that comes after what came under these names."""
        before = self._known(kind, item_id)
        return self.note(self.make(kind, before=before), item_id, place)

    def is_alias(self, draft: Draft, item_id: str | None) -> bool:
        """Say whether an item was found by its place, under an id that is new."""
        return item_id is not None and self._by_id.get((draft.kind, item_id)) is not draft

    def make(self, kind: str, *, before: Draft | None = None) -> Draft:
        """Make a further item. Raises TooManyItems."""
        if len(self._all) >= MAX_ITEMS:
            raise TooManyItems
        draft = make_draft(kind, before=before)
        self._all.append(draft)
        self._newest[kind] = draft
        return draft

    def _known(self, kind: str, item_id: str | None) -> Draft | None:
        known = None if item_id is None else self._by_id.get((kind, item_id))
        self._has_stable_ids = self._has_stable_ids or known is not None
        return known

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
        at_place = None if place is None else self._by_place.get((kind, place))
        is_elsewhere = place is not None and newest in self._placed and at_place is not newest
        return None if is_other or is_elsewhere else newest

    def note(self, draft: Draft, item_id: str | None, place: int | None) -> Draft:
        """Note the names of an item; return it."""
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
            if head.is_full and head not in self._added and len(self._waiting) > 1:
                head.close()  # A server that does not say when items begin or end.
            told += self._take(head)
            if not head.is_done:
                break
            self._waiting.popleft()
        return told

    def take_all(self) -> list[Delta]:
        """Drain everything, finished or not, of an answer that came to no good end."""
        told: list[Delta] = []
        while self._waiting:
            told += self._take(self._waiting.popleft())
        return told

    def _take(self, head: Draft) -> list[Delta]:
        """Drain an item; one of the type of that before it would seem to be more of that."""
        deltas = head.take_deltas()
        if not deltas:
            return []
        before, self._streaming = self._streaming, head
        self.has_told = self.has_told or head.kind != "reasoning"
        is_further = before not in (None, head) and before.kind == head.kind
        return [DoneDelta(), *deltas] if is_further and head.kind in _GROWING else deltas

    def match(self, items: Sequence[Item]) -> list[tuple[Item, Draft]]:
        """Return the items of a Response, each with the draft that is the same; some are new.

        By id; else those that are equal; else calls by what their outputs will name, and others by
        their place among those of their type. Raises TooManyItems.
        """
        free = list(self._all)
        found = [self._find_named(item, free) for item in items]
        found = [
            draft or self._choose(free, item, methodcaller("equals", item))
            for item, draft in zip(items, found, strict=True)
        ]
        return [
            (
                item,
                draft
                or self._choose(free, item, methodcaller("covers", item))
                or self.make(item["type"]),
            )
            for item, draft in zip(items, found, strict=True)
        ]

    def _find_named(self, item: Item, free: list[Draft]) -> Draft | None:
        draft = self._known(item["type"], _id_of(item))
        _take_out(free, draft)
        return draft

    def _choose(
        self, free: list[Draft], item: Item, is_same: Callable[[Draft], bool]
    ) -> Draft | None:
        """Return a draft that may be the same as ``item``, and take it out."""
        has_name = _id_of(item) is not None and self._has_stable_ids
        chosen = (
            draft
            for draft in free
            if draft.kind == item["type"]
            and not (has_name and draft in self._named)
            and is_same(draft)
        )
        draft = next(chosen, None)
        _take_out(free, draft)
        return draft


def _id_of(item: Item) -> str | None:
    found = item.get("id")
    return found if isinstance(found, str) and found else None


def _take_out(free: list[Draft], draft: Draft | None) -> None:
    """Drop a draft, and those before it under the same id."""
    while draft is not None:
        if draft in free:
            free.remove(draft)
        draft = draft.before
