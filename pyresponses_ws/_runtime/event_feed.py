"""The events of a stored response, which the server tells again from any point."""

from __future__ import annotations

import weakref
from collections import deque

from pyresponses_ws import codec
from pyresponses_ws._protocol.kinds import ERROR_TYPES, TERMINAL_TYPES
from pyresponses_ws._protocol.sse import SSEParser
from pyresponses_ws._runtime.api_call import APICall
from pyresponses_ws._runtime.flood import Flood
from pyresponses_ws._transport.base import HTTPCall
from pyresponses_ws.errors import ConnectionLostError, ProtocolError
from pyresponses_ws.events import Event


class EventFeed:
    """Reads one event stream up to the terminal event of its response. One thread at a time.

    It may begin anywhere in the middle, so the order of events is not judged.
    """

    def __init__(self, call: APICall) -> None:
        self._call = call
        self._http: HTTPCall | None = None
        self._parser = SSEParser()
        self._events: deque[Event] = deque()
        # Met behind events that had to be handed over first.
        self._fault: ProtocolError | None = None
        #: Nothing more comes: the terminal event was handed over, or ``close`` was called.
        self.is_over = False
        self._finalizer = weakref.finalize(self, call.claim.drop)
        # At exit the system closes every socket anyway.
        self._finalizer.atexit = False

    def open(self) -> None:
        """Send the request and wait until the answer begins. Raises as ``APICall.fetch`` does."""
        try:
            self._http = self._call.run(_check_stream)
            self._call.watch.note_heard()
        except BaseException:
            self.close()
            raise

    def next_event(self) -> Event:
        """Wait for the next event. Raises ProtocolError, and what ``APICall.fetch`` does."""
        try:
            flood = self._call.watch.flood()
            while not self._events:
                self._receive(flood)
        except BaseException:
            self.close()
            raise
        event = self._events.popleft()
        if event.type in TERMINAL_TYPES or event.type in ERROR_TYPES:
            self._finish()
        return event

    def close(self) -> None:
        """Read no more of it; the connection goes. Idempotent."""
        if self._http is not None and not self.is_over:
            self._http.abort()
        self._finish()

    def _finish(self) -> None:
        self.is_over = True
        self._finalizer.detach()
        self._call.finish()

    def _receive(self, flood: Flood) -> None:
        if self._fault is not None:
            raise self._fault
        assert self._http is not None, "open() comes first"
        # Raises a fault that the parser has kept behind the events that it returned.
        self._parser.receive_data(b"")
        try:
            data = self._http.read()
        except ConnectionLostError:
            # The socket of a client that is being closed was shut down by us.
            self._call.watch.check()
            raise
        if not data:
            reason = "the event stream ended before the response did"
            raise ConnectionLostError(f"the connection was lost: {reason}", reason=reason)
        events: list[Event] = []
        try:
            codec.parse_events(self._parser.receive_data(data), events)
        except ProtocolError as exc:
            self._fault = exc
        if events:
            self._call.watch.note_heard()
        else:
            flood.note_read()
        self._events.extend(events)


def _check_stream(call: HTTPCall) -> HTTPCall:
    """Take the answer for an event stream unless it says that it is something else."""
    kind = call.headers.get("content-type", "text/event-stream")
    if "text/event-stream" not in kind.lower():
        raise ProtocolError(f"the answer is no event stream but {kind[:80]}")
    return call
