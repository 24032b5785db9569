"""A transport without a socket: a test says what comes and sees what was sent."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from pyresponses_ws._transport.base import Close, Endpoint, TransportClosed

Frame = Mapping[str, Any] | str
#: Given a command, returns the frames that answer it.
Answer = Callable[[dict[str, Any]], Iterable[Frame]]

#: Real seconds after which a rendezvous gives up: the code under test never sent.
_PATIENCE = 10.0


def _as_text(frame: Frame) -> str:
    return frame if isinstance(frame, str) else json.dumps(frame)


class ScriptedTransport:
    """Stands in for a WebSocket: ``ResponsesClient(..., transport_factory=lambda: transport)``.

    ``answer`` is called with each command sent, and what it returns arrives as one batch. Without
    it, ``next_command`` waits for a command and ``feed`` makes frames arrive. Any thread.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer
        # Batches of texts, then at most one Close.
        self._inbound: SimpleQueue[list[str] | Close] = SimpleQueue()
        self._outbound: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._sent: deque[dict[str, Any]] = deque()
        #: Raised by ``connect`` and ``send`` instead of working, when set.
        self.connect_error: Exception | None = None
        self.send_error: Exception | None = None
        #: Whether a byte is out when ``send_error`` is raised.
        self.is_send_partial = True
        self.endpoint: Endpoint | None = None
        self.pings = 0
        self.pongs: list[bytes] = []
        #: Close frames that were sent, as (code, reason).
        self.closes: list[tuple[int, str]] = []
        self.is_aborted = False
        self.is_disposed = False
        self.pending_pong: bytes | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        #: What ``unsent_bytes`` reports.
        self.unsent = 0

    # --- the test's side ----------------------------------------------------------------------

    def feed(self, *frames: Frame) -> None:
        """Make frames arrive, all in one batch."""
        self._inbound.put([_as_text(frame) for frame in frames])

    def feed_ping(self, payload: bytes) -> None:
        """Make a ping arrive."""
        self.pending_pong = payload
        self.bytes_received += 2 + len(payload)
        self._inbound.put([])

    def feed_pong(self) -> None:
        """Make a pong arrive."""
        self.bytes_received += 2
        self._inbound.put([])

    def end(self, code: int = 1006, reason: str = "", *, reply_due: bool = False) -> None:
        """End the link, behind everything that was fed before."""
        self._inbound.put(Close(code=code, reason=reason, reply_due=reply_due))

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
        if self.connect_error is not None:
            raise self.connect_error

    def send(self, payload: bytes, *, progress_timeout: float) -> None:
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
        item = self._inbound.get()
        if isinstance(item, Close):
            raise TransportClosed(item)
        self.bytes_received += sum(map(len, item))
        return item

    def ping(self, payload: bytes = b"") -> None:
        self.pings += 1

    def pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def close(self, code: int, reason: str) -> None:
        self.closes.append((code, reason))
        self.end(code, reason)

    def abort(self) -> None:
        self.is_aborted = True
        self.end(reason="aborted")

    def dispose(self) -> None:
        self.is_disposed = True

    def unsent_bytes(self) -> int | None:
        return self.unsent
