"""What every event has, and the event that nobody knows."""

from __future__ import annotations

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


class UnknownEvent(Event):
    """An event of a type that this version does not know; every key reads as an attribute."""
