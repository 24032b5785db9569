"""What ``previous_response_id`` may stand for on one connection.

The service keeps the latest response of each lane in the connection's memory (the guide says), and
responses with ``store: true`` beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.lanes import Lane
from pyresponses_ws.server.core.request import CreateRequest
from pyresponses_ws.server.core.store import ResponseStore


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A response that can be continued, with the whole context up to its end."""

    id: str
    items: tuple[Item, ...]
    owner: str
    lane: Lane
    #: Characters of JSON that the items came as, roughly.
    size: int = 0


class Chain:
    """The checkpoints of one connection, one a lane, before the store."""

    def __init__(self, *, owner: str, store: ResponseStore) -> None:
        self._owner = owner
        self._store = store
        self._by_lane: dict[Lane, Checkpoint] = {}

    def find(self, request: CreateRequest, now: float) -> Checkpoint | None:
        """Return what the create continues; None for a new chain.

        Call it when the turn leaves its queue, not before: the turn ahead of it may be its parent.
        Raises PreviousResponseNotFoundError.
        """
        parent_id = request.previous_response_id
        if parent_id is None:
            return None
        for checkpoint in self._by_lane.values():
            if checkpoint.id == parent_id and checkpoint.owner == self._owner:
                return checkpoint
        return find_stored(self._store, self._owner, parent_id, now)

    def start(self, request: CreateRequest) -> None:
        """Note that a turn starts; a new chain drops the lane's old one."""
        if request.previous_response_id is None:
            self._by_lane.pop(request.lane, None)

    def commit(self, checkpoint: Checkpoint) -> None:
        """Make a finished turn its lane's checkpoint."""
        self._by_lane[checkpoint.lane] = checkpoint

    def holds(self, lane: Lane, response_id: str) -> bool:
        """Say whether a response is the latest of its lane."""
        latest = self._by_lane.get(lane)
        return latest is not None and latest.id == response_id

    def evict(self, request: CreateRequest, parent: Checkpoint | None) -> None:
        """Forget the parent of a failed continuation, unless it was a fork from another lane."""
        if parent is not None and self.holds(request.lane, parent.id):
            del self._by_lane[request.lane]


def find_stored(store: ResponseStore, owner: str, response_id: str, now: float) -> Checkpoint:
    """Return the checkpoint of a stored response. Raises PreviousResponseNotFoundError."""
    stored = store.get(owner, response_id, now)
    if stored is None:
        raise errors.previous_response_not_found(response_id)
    return Checkpoint(id=response_id, items=stored.items, owner=owner, lane=None, size=stored.size)
