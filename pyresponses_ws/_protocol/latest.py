"""Which response a connection can continue: the latest completed one of each lane."""

from __future__ import annotations

from typing import Any

from pyresponses_ws.failures import normalize_error

_COMPLETED = frozenset({"response.completed", "response.done"})
_FAILED = frozenset({"error", "response.error", "response.failed"})


class LatestResponses:
    """Response ids by lane, forgotten where the server no longer knows them.

    With ``store: false`` the server keeps only the latest response of each lane, in the memory of
    one connection, and a turn that fails on that lane drops it.
    """

    def __init__(self) -> None:
        # Lane to (id, whether the server stored it); the lane that moved last comes last.
        self._latest: dict[str | None, tuple[str, bool]] = {}

    def receive_event(self, event: Any) -> None:
        """Count in an event of any lane."""
        if event.type in _COMPLETED:
            self._complete(event.stream_id, event.response)
        elif event.type in _FAILED:
            self._fail(event)

    def lose_link(self) -> None:
        """The connection's memory is gone; what was stored stays."""
        self._latest = {lane: entry for lane, entry in self._latest.items() if entry[1]}

    def of_lane(self, lane: str | None) -> str | None:
        """The latest response of one lane."""
        return self._latest.get(lane, (None,))[0]

    def of_any(self) -> str | None:
        """The latest response of whichever lane moved last."""
        return next(reversed(self._latest.values()))[0] if self._latest else None

    def _complete(self, lane: str | None, response: Any) -> None:
        response_id = getattr(response, "id", None)
        if isinstance(response_id, str):
            self._latest.pop(lane, None)
            # Absent means the default, which is to store.
            self._latest[lane] = (response_id, response.store is not False)

    def _fail(self, event: Any) -> None:
        entry = self._latest.get(event.stream_id)
        if entry is None:
            return
        is_stored = entry[1]
        if not is_stored or normalize_error(event).is_previous_response_lost:
            del self._latest[event.stream_id]
