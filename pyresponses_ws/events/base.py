"""What every event has, and the event that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyresponses_ws.model import WireModel

__all__ = ["Event", "UnknownEvent"]


class Event(WireModel):
    """One thing that the server says.

    ``sequence_number`` counts within a response, from 0; request-level errors have none.
    ``stream_id`` is there on named lanes only.
    """

    type: str
    sequence_number: int | None = None
    stream_id: str | None = None

    if TYPE_CHECKING:
        # A stream yields events of every class, and the server may add fields to any of them: the
        # usual ``if event.type == "...": event.delta`` shall pass a type checker.

        def __getattr__(self, name: str) -> Any: ...


class UnknownEvent(Event):
    """An event of a type that this version does not know; every key reads as an attribute."""
