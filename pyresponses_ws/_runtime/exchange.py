"""One turn over HTTP: a POST and its event stream, read on the thread that waits for the turn.

What comes is brought into the shape that a link's mailbox has, so that whoever delivers a turn
sees no difference: batches of events, and the loss of the connection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws._protocol.failure_pair import FailurePairs
from pyresponses_ws._protocol.lanes import Lanes
from pyresponses_ws._protocol.sse import SSEParser
from pyresponses_ws._runtime.flood import Flood
from pyresponses_ws._runtime.mailbox import Batch, Letter, Lost, count_bytes
from pyresponses_ws._runtime.tally import Tally
from pyresponses_ws._transport.base import Close, Endpoint, HTTPCall
from pyresponses_ws._transport.refusal import BODY_LIMIT, error_frame, redact_body
from pyresponses_ws.errors import ConnectionLostError, ProtocolError, ResponsesWSError
from pyresponses_ws.events import Event

EVENT_STREAM = "text/event-stream"

#: The terminal event that a whole Response stands for, by its status.
_TERMINALS = {
    "completed": "response.completed",
    "failed": "response.failed",
    "cancelled": "response.cancelled",
}


#: Seconds for which an ``error`` event waits for the failed response that may follow it. Both are
#: written at once, and most servers end the stream after them.
PAIR_WAIT = 0.5


class OverdueError(Exception):
    """What was waited for did not come in time; raised by the check of a call, and met here."""


class Exchange:
    """Sends one request and reads its answer. One thread; ``abort`` is for any."""

    def __init__(
        self, call: HTTPCall, endpoint: Endpoint, tally: Tally, make_flood: Callable[[], Flood]
    ) -> None:
        #: What is on the wire.
        self.call = call
        self._make_flood = make_flood
        self._endpoint = endpoint
        self._tally = tally
        self._has_left = False
        self._parser = SSEParser()
        # The order of a turn's events is judged as on a link, with this turn alone on it.
        self._lanes: Lanes[Exchange] = Lanes()
        self._pairs = FailurePairs()
        # When an error is no longer held back.
        self._held_until = math.inf
        # An answer that is no event stream was read.
        self._is_read = False
        # Met behind events that had to be handed over first.
        self._fault: ProtocolError | None = None

    def send(self, *, on_sent: Callable[[], None]) -> Lost | None:
        """Send the request and wait until the answer begins; None unless the connection was lost.

        Raises ConnectError and ConfigError, with nothing sent, and whatever the check raises.
        """
        self._lanes.begin(None, self)
        try:
            self.call.send(on_sent=on_sent)
        except (ConnectionLostError, OverdueError) as exc:
            return _lost(exc)
        return None

    def receive(self) -> Letter:
        """Wait for the next events, or the loss of the connection. Raises what the check raises."""
        try:
            flood = self._make_flood()
            while True:
                if batch := self._receive_some():
                    return batch
                flood.note_read()
        except (OverdueError, ResponsesWSError) as exc:
            # Whatever ends the wait: an error that came is what there is to tell.
            if held := self._route(self._pairs.take_held()):
                return Batch(held, 0)
            if isinstance(exc, (ConnectionLostError, OverdueError, ProtocolError)):
                return _lost(exc)
            raise

    def check_held(self, now: float) -> None:
        """Raise OverdueError when an error has waited long enough for what may follow it."""
        if self._pairs.held is None:
            self._held_until = math.inf
        elif self._held_until == math.inf:
            self._held_until = now + PAIR_WAIT
        elif now >= self._held_until:
            raise OverdueError("nothing followed an error")

    def leave(self) -> None:
        """Let go of the connection; one whose answer is not over is closed. Idempotent."""
        if self._has_left:
            return
        if not self._lanes.is_quiet:
            self.call.abort()
        self.call.dispose()
        self._tally.http_ended(self.call)
        # Last: interrupted before, it is done again.
        self._has_left = True

    def _receive_some(self) -> Batch | None:
        if self._fault is not None:
            raise self._fault
        if not self._is_good or not self._is_stream:
            return self._receive_whole()
        # Raises a fault that the parser has kept behind the texts that it returned.
        self._parser.receive_data(b"")
        data = self.call.read()
        if not data:
            raise _cut_short()
        texts: list[str] = []
        events: list[Event] = []
        try:
            texts = self._parser.receive_data(data)
            codec.parse_events(texts, events)
        except ProtocolError as exc:
            self._fault = exc
        routed = self._route(self._pairs.receive(events))
        return Batch(routed, count_bytes(texts)) if routed else None

    def _route(self, events: list[Event]) -> list[Event]:
        """Leave out what is nobody's; what stands before a fault is good."""
        routed: list[Event] = []
        try:
            routed.extend(event for event in events if self._lanes.route(event))
        except ProtocolError as exc:
            self._fault = exc
        return routed

    @property
    def _is_good(self) -> bool:
        return 200 <= self.call.status < 300

    @property
    def _is_stream(self) -> bool:
        # Without a type, as from some small servers, what was asked for is what comes.
        return EVENT_STREAM in self.call.headers.get("content-type", EVENT_STREAM).lower()

    def _receive_whole(self) -> Batch:
        """Read an answer that is no stream: a refusal, or a Response in one piece."""
        if self._is_read:
            raise _cut_short()
        self._is_read = True
        body = read_body(self.call, self._make_flood())
        shown = redact_body(body, self._endpoint)
        event = codec.parse_event(
            _decode_whole(body, shown) if self._is_good else self._refusal(body)
        )
        return Batch(self._route([event]), len(body))

    def _refusal(self, body: bytes) -> dict[str, Any]:
        return error_frame(self.call.status, self.call.headers, body, self._endpoint)


def read_body(call: HTTPCall, flood: Flood) -> bytes:
    """Read an answer to its end; of a refusal only so much as can matter."""
    pieces: list[bytes] = []
    size = 0
    while data := call.read():
        flood.note_read()
        pieces.append(data)
        size += len(data)
        if call.status >= 300 and size > BODY_LIMIT:
            call.abort()
            break
    return b"".join(pieces)


def _lost(exc: Exception) -> Lost:
    if isinstance(exc, OverdueError):
        return Lost(Close(reason=str(exc)), is_provoked=True, is_late=True)
    if isinstance(exc, ConnectionLostError):
        return Lost.by(Close(reason=exc.reason, cause=exc), is_provoked=True)
    return Lost(Close(reason="protocol error", cause=exc), is_provoked=True)


def _cut_short() -> ConnectionLostError:
    reason = "the HTTP answer ended before the turn did"
    return ConnectionLostError(f"the connection was lost: {reason}", reason=reason)


def _decode_whole(body: bytes, shown: str) -> dict[str, Any]:
    """Read a Response in one piece as the event that ends its turn.

    Raises ProtocolError with ``shown``, the body without secrets.
    """
    try:
        response = codec.loads(body)
    except ProtocolError:
        response = None
    if not isinstance(response, dict) or response.get("object") != "response":
        raise ProtocolError("the answer is neither an event stream nor a response", text=shown)
    kind = _TERMINALS.get(str(response.get("status")), "response.incomplete")
    return {"type": kind, "response": response}
