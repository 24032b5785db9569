"""The bytes of one HTTP call on an open socket: every wait short, and open to a word from above."""

from __future__ import annotations

import re
import socket
import ssl
import time
from typing import Protocol

from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, SEND_TIMED_OUT, Check
from pyresponses_ws._transport.patience import Patience
from pyresponses_ws._transport.tls_stack import count_held
from pyresponses_ws.errors import ConnectionLostError

#: Seconds of one wait, and between two checks where bytes keep coming: so late is a timer heard at
#: worst. ``Check`` and the timers promise half a second; the rest is for a machine that is busy. An
#: idle call so takes less than a thousandth of a processor.
WAIT = 0.1
#: Seconds of the shortest wait: 0 would make the socket non-blocking.
MIN_WAIT = 0.001
#: Bytes of one read, and of one write: over TLS a timeout counts for the whole write.
READ_SIZE = 64 * 1024
SLICE_SIZE = 64 * 1024
#: Most bytes of response head. Heads are under 4 KiB.
HEAD_LIMIT = 64 * 1024

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_HTTP = b"HTTP/1."
#: Where the status begins in a head, and what one begins with that wants no more of the request.
_STATUS_AT = len("HTTP/1.1 ")
_REFUSALS = (b"3", b"4", b"5")


class Owner(Protocol):
    """The call that a wire works for."""

    #: Moves before a byte can be out, and back only if none is; so, if it stands at 0, none is.
    bytes_sent: int
    bytes_received: int
    #: The socket was shut down from our side.
    is_aborted: bool


def lost(reason: str) -> ConnectionLostError:
    """Build the error for a connection that ended before its call did."""
    return ConnectionLostError(
        f"the connection was lost: {reason}", code=ABNORMAL_CLOSURE, reason=reason
    )


class Wire:
    """Sends and receives for one call, on the thread of that call.

    Every method that waits calls the check, whose exception comes out as it is.
    """

    def __init__(
        self, sock: socket.socket, *, owner: Owner, check: Check, send_timeout: float
    ) -> None:
        self._sock = sock
        self._owner = owner
        self._check = check
        self._send_timeout = send_timeout
        self._checked_at = time.monotonic()
        # What has come and nobody has taken yet.
        self._received = bytearray()
        #: Why the request did not go out whole; None if it did.
        self.cut: str | None = None
        sock.settimeout(WAIT)

    def send(self, data: bytes) -> None:
        """Hand all of ``data`` to the kernel.

        Raises BrokenPipeError when the peer takes no more of it, while its answer may still be
        read; ConnectionLostError with SEND_TIMED_OUT when it takes nothing for too long.
        """
        patience = Patience(self._send_timeout, self.unsent_bytes)
        rest = memoryview(data)
        while rest:
            rest = rest[self._send_slice(rest[:SLICE_SIZE], patience) :]
            self._check_if_due()
            if rest:
                self._stop_if_refused()

    def _send_slice(self, piece: memoryview, patience: Patience) -> int:
        """Send some of ``piece``, keeping ``bytes_sent`` true whatever interrupts."""
        owner, sent = self._owner, self._owner.bytes_sent
        is_tls = type(self._sock) is not socket.socket
        # A failed call has put nothing out, unless the kernel took only a part of a TLS record.
        is_exact = not is_tls or self.unsent_bytes() == 0
        while True:
            # A signal may hide from us how much went out, so assume all of it until we know.
            owner.bytes_sent = sent + len(piece)
            try:
                count = self._sock.send(piece)
            except OSError as exc:
                is_exact = is_exact and not (is_tls and is_nothing_yet(exc))
                owner.bytes_sent = sent if is_exact else sent + 1
                if not is_nothing_yet(exc):
                    raise self._cut_by(f"sending failed: {exc}") from exc
                self._wait_for_room(patience)
                continue
            owner.bytes_sent = sent + count
            patience.renew()
            return count

    def _wait_for_room(self, patience: Patience) -> None:
        """Go on after a wait in vain, or raise."""
        self._run_check()
        self._stop_if_refused()
        seconds = patience.step()
        if seconds <= 0:
            raise lost(SEND_TIMED_OUT)
        self._sock.settimeout(min(seconds, WAIT))

    def _stop_if_refused(self) -> None:
        """Raise BrokenPipeError if a refusal has come: nobody will read the rest of the request.

        A peer that refuses a large body answers, and ends the connection under it soon after;
        then the kernel may throw away the answer with the rest.
        """
        self._sock.settimeout(0)
        try:
            self._keep(self._sock.recv(READ_SIZE))
        except OSError as exc:
            if not is_nothing_yet(exc):
                raise self._cut_by(f"sending failed: {exc}") from exc
        finally:
            self._sock.settimeout(WAIT)
        if self._received[_STATUS_AT : _STATUS_AT + 1] in _REFUSALS:
            raise self._cut_by("the peer refused the request before it had come whole")

    def _cut_by(self, reason: str) -> BrokenPipeError:
        self.cut = reason
        return BrokenPipeError(reason)

    def receive_head(self) -> bytes:
        """Return the head of the answer, blank line included, past those with a 1xx status.

        Raises ConnectionLostError, for what is no HTTP/1 too.
        """
        while True:
            head = self._receive_one_head()
            is_interim = head[_STATUS_AT : _STATUS_AT + 1] == b"1"
            if not is_interim or head[_STATUS_AT:].startswith(b"101"):
                return head

    def _receive_one_head(self) -> bytes:
        received, position, began = self._received, 0, time.monotonic()
        while True:
            if not received.startswith(_HTTP[: len(received)]):
                raise lost("the answer is not HTTP")
            if (end := _BLANK_LINE.search(received, position)) is not None:
                break
            if len(received) > HEAD_LIMIT:
                raise lost(f"the head of the answer is over {HEAD_LIMIT} bytes")
            position = max(0, len(received) - 3)
            if not (data := self._receive_more()):
                raise lost(self.cut or "the peer ended it before the answer")
            received += data
            began = self.check_since(began)
        head = bytes(received[: end.end()])
        del received[: end.end()]
        return head

    def receive(self) -> bytes:
        """Return the next bytes of the body as they travelled; b"" at the end of the connection.

        Raises ConnectionLostError when it ends in any other way.
        """
        return self.take_received() or self._receive_more()

    def _receive_more(self) -> bytes:
        """Wait for bytes, and ask the check while there are none.

        Never ahead of a read: whoever comes late finds what came in time.
        """
        while True:
            try:
                is_due = time.monotonic() - self._checked_at >= WAIT
                data = self._receive_now() if is_due else self._sock.recv(READ_SIZE)
            except OSError as exc:
                if not is_nothing_yet(exc):
                    raise lost(self._end_or(f"receiving failed: {exc}")) from exc
                self._run_check()
                continue
            if not data and self._owner.is_aborted:
                raise lost(self._end_or(""))
            self._owner.bytes_received += len(data)
            self._checked_at = time.monotonic()
            return data

    def _receive_now(self) -> bytes:
        self._sock.settimeout(0)
        try:
            return self._sock.recv(READ_SIZE)
        finally:
            self._sock.settimeout(WAIT)

    def _keep(self, data: bytes) -> None:
        self._owner.bytes_received += len(data)
        self._received += data

    def _end_or(self, reason: str) -> str:
        return "aborted" if self._owner.is_aborted else reason

    def check_since(self, began: float) -> float:
        """Ask the check if reads have brought nothing whole for a while; returns the new start."""
        if time.monotonic() - began < WAIT:
            return began
        self._run_check()
        return time.monotonic()

    def _check_if_due(self) -> None:
        if time.monotonic() - self._checked_at >= WAIT:
            self._run_check()

    def _run_check(self) -> None:
        self._checked_at = time.monotonic()
        self._check()

    def take_received(self) -> bytes:
        """Return what has come already; never waits."""
        data = bytes(self._received)
        self._received.clear()
        return data

    @property
    def has_sent(self) -> bool:
        """A byte of the request may be out."""
        return self._owner.bytes_sent > 0

    def unsent_bytes(self) -> int | None:
        """Return the bytes that have not left yet, or None where the kernel cannot tell."""
        return count_held(self._sock)


def is_nothing_yet(exc: OSError) -> bool:
    """Tell a wait that was too short from a failure.

    ETIMEDOUT, by which the kernel says that the peer is gone, is a TimeoutError too.
    """
    if isinstance(exc, TimeoutError):
        return exc.errno is None
    return isinstance(exc, _NOTHING_YET)
