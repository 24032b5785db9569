"""A stored response as an iterator of its events."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from pyresponses_ws._protocol.kinds import ERROR_TYPES, TERMINAL_TYPES, ending_kind
from pyresponses_ws._protocol.turn import Ending
from pyresponses_ws._runtime.event_feed import EventFeed
from pyresponses_ws._runtime.verdict import ending_error
from pyresponses_ws.errors import ResponsesWSError
from pyresponses_ws.failures import normalize_error
from pyresponses_ws.items import Response

if TYPE_CHECKING:
    from pyresponses_ws.events import Event


class StoredStream(Iterator["Event"]):
    """The events of a stored response, from the beginning or after a number; its own iterator.

    It ends as a turn's stream does: after ``response.completed`` or ``response.incomplete`` it
    stops, after ``response.failed`` it raises ResponseFailedError, and an ``error`` event raises
    its APIError at once. When the connection is lost it raises ConnectionLostError; retrieve again
    with ``starting_after=event.sequence_number`` of the last event. One thread at a time.
    """

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        # What is raised once the terminal event has been handed over.
        self._failure: ResponsesWSError | None = None

    def __enter__(self) -> StoredStream:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> StoredStream:
        return self

    def __next__(self) -> Event:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self._feed.is_over:
            raise StopIteration
        event = self._feed.next_event()
        failure = _failure_of(event)
        if event.type in ERROR_TYPES and failure is not None:
            raise failure
        self._failure = failure
        return event

    def close(self) -> None:
        """Read no more of it. The response itself goes on. Idempotent."""
        self._failure = None
        self._feed.close()


def _failure_of(event: Event) -> ResponsesWSError | None:
    """Return what an event raises after, or as, the last one; None for a good one."""
    if event.type not in TERMINAL_TYPES | ERROR_TYPES:
        return None
    response = getattr(event, "response", None)
    response = response if isinstance(response, Response) else None
    kind = ending_kind(event.type, None if response is None else response.status)
    if kind in ("completed", "incomplete"):
        return None
    return ending_error(Ending(kind, event, response, normalize_error(event)))
