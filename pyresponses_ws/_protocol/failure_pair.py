"""An ``error`` event and the ``response.failed`` that follows it, as the one ending that they are.

Over server-sent events the service says a failure twice: with the error, and then with the response
that failed. Over WebSocket it says the second alone, so that is what counts here too. Pure.
"""

from __future__ import annotations

from pyresponses_ws._protocol.kinds import CREATED, ERROR_TYPES
from pyresponses_ws.events import Event

FAILED = "response.failed"


class FailurePairs:
    """Holds an error back until it is known whether the response's own failure follows."""

    def __init__(self) -> None:
        self._has_begun = False
        #: An error that was held back; whoever gets no more events must take it.
        self.held: Event | None = None

    def receive(self, events: list[Event]) -> list[Event]:
        """Return the events to go on with; only the last one is ever held back.

        An error before ``response.created`` is about the request, and nothing follows it.
        """
        if self.held is not None:
            events, self.held = [self.held, *events], None
        if not events:
            return events
        self._has_begun = self._has_begun or events[0].type == CREATED
        if self._has_begun:
            if events[-1].type in ERROR_TYPES:
                self.held = events[-1]
                return events[:-1]
            if events[-1].type == FAILED and len(events) > 1 and events[-2].type in ERROR_TYPES:
                return [*events[:-2], events[-1]]
        return events

    def take_held(self) -> list[Event]:
        """Return the error that was held back: nothing follows it."""
        held, self.held = self.held, None
        return [] if held is None else [held]
