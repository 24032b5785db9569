"""What a transport is: the contract between sockets and the runtime above them.

A transport is one socket's life: made closed, connected once, aborted or disposed once. It holds no
lock, starts no thread of its own and retries nothing; the runtime serialises its senders.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Close code of RFC 6455 section 7.4.1 for "we are done here".
NORMAL_CLOSURE = 1000

#: Close code that RFC 6455 section 7.4.1 reserves for "no close frame came".
ABNORMAL_CLOSURE = 1006

#: Reason of the ConnectionLostError of a peer that takes no bytes.
SEND_TIMED_OUT = "send timed out"


class RunWithDeadline(Protocol):
    """Runs a blocking function on a helper thread and waits for it at most ``timeout`` seconds.

    Raises TimeoutError when the time is up; the helper is then abandoned (it is a daemon).
    """

    def __call__(self, function: Callable[[], T], timeout: float) -> T: ...


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where to connect, and how. Headers hold the key, so they stay out of the repr."""

    url: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    #: Required for ``wss``; never altered.
    ssl_context: ssl.SSLContext | None = field(repr=False, default=None)


@dataclass(frozen=True, kw_only=True)
class Close:
    """How a link ended."""

    #: Code of the peer's close frame, of ours when we refused what it sent, else 1006.
    code: int = ABNORMAL_CLOSURE
    reason: str = ""
    #: True when the peer's close frame came and still waits for ours.
    reply_due: bool = False
    cause: BaseException | None = field(default=None, repr=False, compare=False)


class TransportClosed(Exception):
    """Raised by ``receive`` when nothing more will come."""

    def __init__(self, close: Close) -> None:
        super().__init__(close)
        self.close = close


class Transport(Protocol):
    """One WebSocket.

    ``connect`` runs on the caller's thread; afterwards ``receive`` and ``dispose`` belong to the
    reader alone, ``send``, ``ping``, ``pong`` and ``close`` to whoever holds the link's send lock,
    and ``abort`` to anybody, at any time, finalizers included.
    """

    #: Payload of the newest ping that waits for its pong; the reader writes it in ``receive``,
    #: whoever answers it sets it back to None first.
    pending_pong: bytes | None
    #: Bytes on the wire in each direction since the connect, frame headers included.
    bytes_sent: int
    bytes_received: int

    def connect(self, endpoint: Endpoint, *, timeout: float) -> None:
        """Resolve, connect, negotiate TLS and upgrade, all within ``timeout`` seconds.

        Raises ConnectError or ConfigError; the transport is disposed of then. ``abort`` from
        another thread ends it early with ConnectError.
        """

    def send(
        self, payload: bytes, *, progress_timeout: float, timeout: float | None = None
    ) -> None:
        """Send one text message of UTF-8.

        Raises ConnectionLostError when the socket is dead, has taken no byte for
        ``progress_timeout`` seconds, or not all of them within ``timeout`` (its ``reason`` is then
        SEND_TIMED_OUT). Whenever it raises,
        KeyboardInterrupt included, with part of a frame out, the caller must abort.
        ``bytes_sent`` has then moved if and only if a byte may be out.
        """

    def receive(self) -> list[str]:
        """Return the complete text messages that one read yields; [] when nothing came for a while.

        Answers nothing itself. Raises TransportClosed when the link is over, after every message
        before the end has been returned. What the peer may not send (binary, bad UTF-8, reserved
        bits, ...) is a Close with the code (1003, 1007, 1002, ...) to send back.
        """

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping. Raises ConnectionLostError."""

    def pong(self, payload: bytes) -> None:
        """Send a pong. Raises ConnectionLostError."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame as best effort, for a second at most; raises no Exception."""

    def abort(self) -> None:
        """Shut the socket down under everybody; idempotent, takes no lock, never blocks or raises.

        Over TLS no byte leaves in clear: the TCP socket is shut down, not the TLS session.
        """

    def dispose(self) -> None:
        """Close the descriptor; idempotent. The reader's last act (or the connecting thread's)."""

    def unsent_bytes(self) -> int | None:
        """Bytes that the kernel still holds back (TIOCOUTQ), or None where it cannot tell."""
