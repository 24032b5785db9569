"""What a transport is: the contract between sockets and the runtime above them.

A transport is one socket's life: made closed, connected once, aborted or disposed once. It holds no
lock, starts no thread of its own and retries nothing; the runtime serialises its senders.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from pyresponses_ws.proxies import Proxy

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
    #: Required for ``wss`` and ``https``; never altered.
    ssl_context: ssl.SSLContext | None = field(repr=False, default=None)
    #: What to go through; None is straight to the host.
    proxy: Proxy | None = None


def drop_frames(error: BaseException) -> None:
    """Take the tracebacks off an error that is kept: their frames hold the turn, which holds it.

    In such a circle a stream that is dropped stays until Python looks for circles.
    """
    met: BaseException | None = error
    seen: set[int] = set()
    while met is not None and id(met) not in seen:
        seen.add(id(met))
        met.__traceback__ = None
        if met.__context__ is not met.__cause__:
            # What the caller was handling is the caller's: it is let go of, and not changed.
            met.__context__ = None
        met = met.__cause__


@dataclass(frozen=True, kw_only=True)
class Close:
    """How a link ended."""

    #: Code of the peer's close frame, of ours when we refused what it sent, else 1006.
    code: int = ABNORMAL_CLOSURE
    reason: str = ""
    #: True when the peer's close frame came and still waits for ours.
    reply_due: bool = False
    cause: BaseException | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.cause is not None:
            drop_frames(self.cause)


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
    #: Payload of the newest pong; the reader writes it, and sets it back to None.
    last_pong: bytes | None
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


#: Called on the waiting thread at least every half second while an HTTP call waits, in every phase.
#: What it raises ends the call and comes out unchanged.
Check = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class HTTPRequest:
    """One request. Body and headers stay out of the repr."""

    method: Literal["GET", "POST", "DELETE"]
    endpoint: Endpoint
    #: JSON in UTF-8, or None.
    body: bytes | None = field(default=None, repr=False)
    accept: str = "application/json"
    #: Over a connection that was not open before: what took the last one may have taken others.
    is_fresh: bool = False


class HTTPCall(Protocol):
    """One HTTP request and its answer, on the thread that calls it; ``abort`` is for any thread.

    Life: ``send`` once, then ``read`` until it returns b"", then ``dispose``. An exception from any
    of them, KeyboardInterrupt and what the check raised included, closes the socket.
    """

    #: Bytes on the wire in each direction, heads included.
    bytes_sent: int
    bytes_received: int
    #: The connection was open before.
    is_reused: bool
    #: Milliseconds that connecting took; None on a connection that was open before.
    connect_ms: float | None
    #: Status and headers (names in lower case) of the answer, once ``send`` has returned.
    status: int
    headers: Mapping[str, str]

    def send(self, *, on_sent: Callable[[], None]) -> None:
        """Connect or reuse, send everything, and wait for the head of the answer.

        ``on_sent`` is called once the last byte of the request was handed to the kernel. Raises
        ConnectError (with ``stage``) while nothing was sent, ConnectionLostError when a byte of the
        request may be out (``reason`` is SEND_TIMED_OUT when the peer takes none), ConfigError.
        No redirect is followed, no cookie kept.
        """

    def read(self) -> bytes:
        """Return the next bytes of the body as they come, decoded; b"" at its regular end.

        Raises ConnectionLostError when the connection ends before the body does.
        """

    def unsent_bytes(self) -> int | None:
        """Bytes of the request that the kernel still holds back, or None where it cannot tell."""

    def abort(self) -> None:
        """Shut the socket down under everybody; idempotent, takes no lock, never blocks or raises.

        Whoever waits in ``send`` or ``read`` gets ConnectError or ConnectionLostError within
        milliseconds. Before the socket exists, it prevents it.
        """

    def dispose(self) -> None:
        """Let go: a connection whose body has been read to its end is kept for the next call, and
        so is one whose end comes by the time of the next call; any other is closed. Idempotent.
        """


class HTTPPool(Protocol):
    """The HTTP connections of one client. Safe for any thread; opens nothing by itself."""

    def start(
        self, request: HTTPRequest, *, check: Check, connect_timeout: float, send_timeout: float
    ) -> HTTPCall:
        """Make a call, not connected yet.

        ``connect_timeout`` seconds cover DNS, TCP, proxy and TLS; ``send_timeout`` is the longest
        time in which the socket may take no byte.
        """

    def close(self) -> None:
        """Close the connections that no call uses."""
