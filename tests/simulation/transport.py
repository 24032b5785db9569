"""A transport without a socket, by the scheduler's rules: it breaks wherever a socket can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyresponses_ws._transport.base import SEND_TIMED_OUT, Close, Endpoint, TransportClosed
from pyresponses_ws.errors import ConnectError, ConnectionLostError
from tests.simulation.answers import LIMIT
from tests.simulation.peer import STATUSES, Arrival, Peer, Wire

#: Bytes of a frame's head, and of a ping.
HEAD = 6


class SimTransport:
    """One simulated WebSocket; see ``_transport.base.Transport`` for what each method promises."""

    def __init__(self, peer: Peer, note_loss: Callable[[set[str]], None]) -> None:
        self._peer = peer
        self._note_loss = note_loss
        #: Marks of the requests on it that have no ending.
        self.marks: set[str] = set()
        #: Part of a frame is out, so that nothing may follow.
        self._is_half_out = False
        #: The server said that this link is too old.
        self.is_condemned = False
        self._scheduler = peer.scheduler
        self._wire: Wire | None = None
        #: What is on it now; two at a time would mix their frames.
        self._sender: str | None = None
        self.pending_pong: bytes | None = None
        self.last_pong: bytes | None = None
        self.bytes_sent = self.bytes_received = 0
        self.is_aborted = self.is_disposed = False
        self._upload_ends = 0.0
        #: When anything last came, and when the bytes of a request were last on their way.
        self.heard_at = self.moved_at = 0.0
        #: Mark of the request that is being answered, on the link's only lane; when it was out, or
        #: its last event came, and whether any event did.
        self.mark: str | None = None
        self.waits_since = 0.0
        self.has_event = False

    @property
    def is_left(self) -> bool:
        """It was opened, and nobody has closed it."""
        return self._wire is not None and not self.is_disposed

    @property
    def is_sending(self) -> bool:
        return self._sender is not None

    @property
    def is_closing(self) -> bool:
        """Somebody is sending a close frame, which may take a second."""
        return self._sender == "close"

    @property
    def is_live(self) -> bool:
        """The client believes that somebody is there."""
        return self.is_left and not self.is_aborted

    # --- opening --------------------------------------------------------------------------------

    def connect(self, endpoint: Endpoint, *, timeout: float) -> None:
        peer, rng = self._peer, self._peer.rng
        patience = rng.choice((0.0, 0.0, 0.05, timeout / 2))
        if peer.happens():
            self._fail_to_connect(timeout)
        self._pause(patience, "connect")
        if self.is_aborted:
            self._refuse("aborted", stage="tcp")
        self._wire = Wire(peer)
        self.heard_at = self._scheduler.now()

    def _fail_to_connect(self, timeout: float) -> None:
        rng = self._peer.rng
        how = rng.randrange(4)
        if how == 0:
            self._pause(timeout, "connect in vain")
            self._refuse("timed out", stage=rng.choice(("dns", "tcp", "tls", "upgrade")))
        self._pause(rng.choice((0.0, 0.1)), "connect in vain")
        if how == 1:
            self._refuse("refused", stage="tcp")
        status = rng.choice(STATUSES)
        body = {"error": {"message": "No."}} if rng.random() < 0.5 else None
        self._refuse("refused", stage="upgrade", status=status, body=body)

    def _refuse(self, message: str, **facts: Any) -> None:
        self.is_disposed = True
        raise ConnectError(message, **facts)

    def _pause(self, seconds: float, where: str) -> None:
        """Let time pass, unless ``abort`` ends it."""
        scheduler = self._scheduler
        scheduler.wait(lambda: self.is_aborted, scheduler.now() + seconds, where)

    # --- sending --------------------------------------------------------------------------------

    @contextmanager
    def _sending(self, what: str) -> Iterator[Wire]:
        """See that nobody else is on the wire, and that it is there."""
        if self._sender is not None:
            self._scheduler.fail(f"{what} while {self._sender} is on the wire")
        if self._is_half_out and not self.is_aborted:
            self._scheduler.fail(f"{what} behind half a frame")
        self._sender = what
        try:
            self._scheduler.point(what)
            if self._wire is None or self.is_aborted or self.is_disposed:
                raise ConnectionLostError("gone", reason="gone")
            yield self._wire
        finally:
            self._sender = None
            if what == "send":
                self.moved_at = max(self.moved_at, self._scheduler.now())

    def send(
        self, payload: bytes, *, progress_timeout: float, timeout: float | None = None
    ) -> None:
        peer = self._peer
        with self._sending("send") as wire:
            is_gone = wire.ends_at is not None and wire.ends_at <= self._scheduler.now()
            if peer.happens(0.5) or (is_gone and peer.rng.random() < 0.5):
                raise ConnectionLostError("dead", reason="reset")
            if peer.happens(0.5):
                self._send_in_part(wire, progress_timeout, timeout)
            if peer.happens(0.5):
                self._send_slowly(wire, progress_timeout, timeout)
            self.bytes_sent += HEAD + len(payload)
            wire.hear(payload)
            self._note_request(payload)
            if peer.happens(0.3):
                wire.end(self._scheduler.now(), 1006)
                raise ConnectionLostError("reset after the last byte", reason="reset")

    def _note_request(self, payload: bytes) -> None:
        command = json.loads(payload)
        self.marks.add(command["input"])
        self.mark = command["input"] if "stream_id" not in command else None
        self.moved_at = self.waits_since = max(self._scheduler.now(), self._upload_ends)
        self.has_event = False

    def _send_in_part(self, wire: Wire, progress_timeout: float, timeout: float | None) -> None:
        """Get stuck, or be cut, with some bytes out."""
        self.bytes_sent += 1
        self._is_half_out = True
        if self._peer.rng.random() < 0.5:
            wire.end(self._scheduler.now(), 1006)
            raise ConnectionLostError("reset", reason="reset")
        if self._peer.rng.random() < 0.5:
            wire.end(self._scheduler.now() + 0.1, 1006)
        self._pause(min(progress_timeout, timeout or progress_timeout), "send in vain")
        reason = "aborted" if self.is_aborted else SEND_TIMED_OUT
        raise ConnectionLostError("stuck", reason=reason)

    def _send_slowly(self, wire: Wire, progress: float, timeout: float | None) -> None:
        """Take a while; the kernel holds the last bytes back for another while."""
        rng = self._peer.rng
        limit = progress if timeout is None else min(progress, timeout)
        if rng.random() < 0.3:
            wire.end(self._scheduler.now() + rng.choice((0.0, 0.1, 1.0)), 1006)
        wire.ping()
        self._pause(rng.uniform(0.0, 0.9 * limit), "send slowly")
        if self.is_aborted:
            self.bytes_sent += 1
            raise ConnectionLostError("aborted", reason="aborted")
        self._upload_ends = self._scheduler.now() + rng.choice((0.0, 1.0, 30.0))

    def unsent_bytes(self) -> int | None:
        left = self._upload_ends - self._scheduler.now()
        return 0 if left <= 0 else 1 + int(left * 1000)

    def ping(self, payload: bytes = b"") -> None:
        with self._sending("ping") as wire:
            self.bytes_sent += HEAD
            wire.pong()

    def pong(self, payload: bytes) -> None:
        with self._sending("pong"):
            self.bytes_sent += HEAD

    def close(self, code: int, reason: str) -> None:
        try:
            with self._sending("close") as wire:
                self._pause(self._peer.rng.choice((0.0, 0.0, 1.0)), "close")
                wire.hear_close(code, reason)
        except ConnectionLostError:
            return

    # --- receiving ------------------------------------------------------------------------------

    def receive(self) -> list[str]:
        wire = self._wire
        if wire is None:
            self._scheduler.fail("receive without a socket")
        assert wire is not None
        if self.is_disposed:
            # Its opening was interrupted once the reader had started.
            raise TransportClosed(Close(reason="disposed of"))
        self._scheduler.wait(lambda: self.is_aborted or wire.is_due(), wire.next_at(), "receive")
        if self.is_aborted and (not wire.is_due() or self._peer.rng.random() < 0.5):
            raise TransportClosed(Close(reason="aborted"))
        return self._read(wire)

    def _read(self, wire: Wire) -> list[str]:
        """Take what has come: all of it, or only some."""
        texts: list[str] = []
        self.heard_at = self._scheduler.now()
        count = self._peer.rng.choice((1, 3, 1000))
        while len(texts) < count and wire.is_due():
            arrival = wire.take()
            if arrival.close is not None:
                if texts:
                    wire.put_back(arrival)
                    break
                raise TransportClosed(arrival.close)
            self.bytes_received += HEAD + len(arrival.text or "")
            self._note_arrival(arrival)
            self.pending_pong = arrival.ping or self.pending_pong
            self.last_pong = self.last_pong if arrival.pong is None else arrival.pong
            texts += [] if arrival.text is None else [arrival.text]
        return texts

    def _note_arrival(self, arrival: Arrival) -> None:
        if arrival.mark is not None and arrival.mark == self.mark:
            self.waits_since, self.has_event = self._scheduler.now(), True
        self.is_condemned |= LIMIT in (arrival.text or "")
        if arrival.is_last:
            self.marks.discard(arrival.mark or "")

    # --- the end --------------------------------------------------------------------------------

    def abort(self) -> None:
        self.is_aborted = True
        self._scheduler.point("abort")

    def dispose(self) -> None:
        if self._sender is not None:
            self._scheduler.fail(f"disposed of while {self._sender} is on the wire")
        if not self.is_disposed:
            self._note_loss(self.marks)
        self.is_disposed = True
        self._scheduler.point("dispose")
