"""What every event of a response carries besides its own fields."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


class Envelope:
    """Numbers the events of one response, from 0 with ``response.created`` (observed live).

    Steering events count too; those that follow the end of the response go on counting.
    """

    def __init__(self, lane: str | None = None) -> None:
        self._lane = lane
        self._number = 0

    def wrap(self, body: Body) -> Body:
        """Return the event: ``type`` first, the rest by name, as live; empties ``body`` of it."""
        body["sequence_number"] = self._number
        self._number += 1
        if self._lane is not None:
            body["stream_id"] = self._lane
        kind: Any = body.pop("type")
        return {"type": kind, **dict(sorted(body.items()))}
