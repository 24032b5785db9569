"""What ``previous_response_id`` may stand for on one connection.

The service keeps the latest response of each lane in the connection's memory (the guide says), and
responses with ``store: true`` beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.request import CALL_KINDS, OUTPUT_KINDS, CreateRequest, Item
from pyresponses_ws.server.core.store import ResponseStore

Lane = str | None


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A response that can be continued, with the whole context up to its end."""

    id: str
    items: tuple[Item, ...]
    owner: str
    lane: Lane


class Chain:
    """The checkpoints of one connection, one a lane, before the store."""

    def __init__(self, *, owner: str, store: ResponseStore) -> None:
        self._owner = owner
        self._store = store
        self._by_lane: dict[Lane, Checkpoint] = {}

    def start(self, request: CreateRequest, now: float) -> Checkpoint | None:
        """Return what the create continues; None starts a new chain and drops the lane's old one.

        Call it when the turn leaves its queue, not before: the turn ahead of it may be its parent.
        Raises PreviousResponseNotFoundError.
        """
        parent_id = request.previous_response_id
        if parent_id is None:
            self._by_lane.pop(request.lane, None)
            return None
        for checkpoint in self._by_lane.values():
            if checkpoint.id == parent_id and checkpoint.owner == self._owner:
                return checkpoint
        return find_stored(self._store, self._owner, parent_id, now)

    def commit(self, checkpoint: Checkpoint) -> None:
        """Make a finished turn its lane's checkpoint."""
        self._by_lane[checkpoint.lane] = checkpoint

    def evict(self, request: CreateRequest, parent: Checkpoint | None) -> None:
        """Forget the parent of a failed continuation, unless it was a fork from another lane."""
        latest = self._by_lane.get(request.lane)
        if latest is not None and parent is not None and latest.id == parent.id:
            del self._by_lane[request.lane]


def find_stored(store: ResponseStore, owner: str, response_id: str, now: float) -> Checkpoint:
    """Return the checkpoint of a stored response. Raises PreviousResponseNotFoundError."""
    stored = store.get(owner, response_id, now)
    if stored is None:
        raise errors.previous_response_not_found(response_id)
    return Checkpoint(id=response_id, items=stored.items, owner=owner, lane=None)


def check_calls(history: Sequence[Item], given: Sequence[Item], tools: Sequence[Item]) -> None:
    """Refuse an output without its call, and a call without its output, as the service does.

    Calls of a tool with ``async: true`` may be answered in any later create (the guide says).
    """
    calls = {item["call_id"]: item for item in history if item["type"] in CALL_KINDS}
    answered = {item["call_id"] for item in history if item["type"] in OUTPUT_KINDS}
    for item in given:
        if item["type"] in CALL_KINDS:
            calls[item["call_id"]] = item
        elif item["type"] in OUTPUT_KINDS:
            _check_output(item, calls)
            answered.add(item["call_id"])
    patient = {tool.get("name") for tool in tools if tool.get("async")}
    for call_id, call in calls.items():
        if call_id not in answered and call.get("name") not in patient:
            message = f"No tool output found for function call {call_id}."
            raise errors.bad_request(message, param="input")


def _check_output(item: Item, calls: dict[str, Item]) -> None:
    if item["call_id"] not in calls:
        message = f"No tool call found for function call output with call_id {item['call_id']}."
        raise errors.bad_request(message, param="input")
