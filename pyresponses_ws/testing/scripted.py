"""A transport without a socket: a test says what comes and sees what was sent."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from queue import Empty, SimpleQueue
from threading import Condition
from typing import Any, NamedTuple

from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, Close, Endpoint, TransportClosed

Frame = Mapping[str, Any] | str
#: Given a command, returns the frames that answer it.
Answer = Callable[[dict[str, Any]], Iterable[Frame]]

#: Real seconds after which a rendezvous gives up: the code under test never sent.
_PATIENCE = 10.0


class _Arrival(NamedTuple):
    """What one read brings: text messages, a ping, or the end."""

    texts: list[str]
    size: int = 0
    ping: bytes | None = None
    pong: bytes | None = None
    close: Close | None = None


def _as_text(frame: Frame) -> str:
    return frame if isinstance(frame, str) else json.dumps(frame)


class ScriptedTransport:
    """Stands in for a WebSocket: ``ResponsesClient(..., transport_factory=lambda: transport)``.

    ``answer`` is called with each command sent, and what it returns arrives as one batch. Without
    it, ``next_command`` waits for a command and ``feed`` makes frames arrive. Any thread.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer
        # Guards the four below, and tells of each change.
        self._changed = Condition()
        self._inbound: deque[_Arrival] = deque()
        self._is_connecting = False
        self._is_reading = False
        self._is_aborted = False
        self._outbound: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._sent: deque[dict[str, Any]] = deque()
        #: Raised by ``connect`` and ``send`` instead of working, when set.
        self.connect_error: Exception | None = None
        self.send_error: BaseException | None = None
        #: Called by ``connect`` before it works or fails.
        self.on_connect: Callable[[], object] | None = None
        #: Whether a byte is out when ``send_error`` is raised.
        self.is_send_partial = True
        self.endpoint: Endpoint | None = None
        self.pings = 0
        self.pongs: list[bytes] = []
        #: Close frames that were sent, as (code, reason).
        self.closes: list[tuple[int, str]] = []
        self.is_disposed = False
        self.pending_pong: bytes | None = None
        self.last_pong: bytes | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        #: What ``unsent_bytes`` reports.
        self.unsent = 0

    # --- the test's side ----------------------------------------------------------------------

    def feed(self, *frames: Frame) -> None:
        """Make frames arrive, all in one batch."""
        texts = [_as_text(frame) for frame in frames]
        self._arrive(_Arrival(texts, size=sum(map(len, texts))))

    def feed_ping(self, payload: bytes) -> None:
        """Make a ping arrive."""
        self._arrive(_Arrival([], size=2 + len(payload), ping=payload))

    def feed_pong(self) -> None:
        """Make a pong arrive."""
        self._arrive(_Arrival([], size=2, pong=b""))

    def end(self, code: int = ABNORMAL_CLOSURE, reason: str = "") -> None:
        """End the link, behind everything that was fed before; 1006 is without a close frame."""
        is_said = code != ABNORMAL_CLOSURE
        self._arrive(_Arrival([], close=Close(code=code, reason=reason, reply_due=is_said)))

    def settle(self) -> None:
        """Block until the reader has dealt with everything that was fed. Raises TimeoutError."""
        self._wait_until(lambda: self._is_reading and not self._inbound, "the reader is busy")

    def wait_until_connecting(self) -> None:
        """Block until ``connect`` was called. Raises TimeoutError."""
        self._wait_until(lambda: self._is_connecting, "nobody connects")

    def wait_until_aborted(self) -> None:
        """Block until the link was cut. Raises TimeoutError."""
        self._wait_until(lambda: self._is_aborted, "nobody cut the link")

    def wait_until_disposed(self) -> None:
        """Block until the reader has let go of the link. Raises TimeoutError."""
        self._wait_until(lambda: self.is_disposed, "nobody let go of the link")

    @property
    def is_aborted(self) -> bool:
        """The link was cut from our side."""
        return self._is_aborted

    def _arrive(self, arrival: _Arrival) -> None:
        with self._changed:
            self._inbound.append(arrival)
            self._changed.notify_all()

    def _wait_until(self, condition: Callable[[], bool], failure: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, _PATIENCE):
                raise TimeoutError(failure)

    def next_command(self) -> dict[str, Any]:
        """Wait for the next command that was not taken yet. Raises TimeoutError."""
        try:
            return self._outbound.get(timeout=_PATIENCE)
        except Empty:
            raise TimeoutError("no command was sent") from None

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Every command so far."""
        return list(self._sent)

    # --- the runtime's side -------------------------------------------------------------------

    def connect(self, endpoint: Endpoint, *, timeout: float) -> None:
        self.endpoint = endpoint
        with self._changed:
            self._is_connecting = True
            self._changed.notify_all()
        if self.on_connect is not None:
            self.on_connect()
        if self.connect_error is not None:
            raise self.connect_error

    def send(
        self, payload: bytes, *, progress_timeout: float, timeout: float | None = None
    ) -> None:
        if self.send_error is not None:
            self.bytes_sent += self.is_send_partial
            raise self.send_error
        self.bytes_sent += len(payload)
        command = json.loads(payload)
        self._sent.append(command)
        self._outbound.put(command)
        if self._answer is not None:
            self.feed(*self._answer(command))

    def receive(self) -> list[str]:
        with self._changed:
            self._is_reading = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._inbound)
            self._is_reading = False
            arrival = self._inbound.popleft()
        if arrival.close is not None:
            raise TransportClosed(arrival.close)
        self.bytes_received += arrival.size
        if arrival.ping is not None:
            self.pending_pong = arrival.ping
        if arrival.pong is not None:
            self.last_pong = arrival.pong
        return arrival.texts

    def ping(self, payload: bytes = b"") -> None:
        self.pings += 1

    def pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def close(self, code: int, reason: str) -> None:
        self.closes.append((code, reason))
        self.end(code, reason)

    def abort(self) -> None:
        with self._changed:
            self._is_aborted = True
            self._changed.notify_all()
        self.end(reason="aborted")

    def dispose(self) -> None:
        with self._changed:
            self.is_disposed = True
            self._changed.notify_all()

    def unsent_bytes(self) -> int | None:
        return self.unsent
