"""Opens sockets: names, addresses, TLS, all within one deadline and open to interruption."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyresponses_ws._transport.base import RunWithDeadline
from pyresponses_ws._transport.tls import make_ssl_context as make_ssl_context
from pyresponses_ws._transport.tls import refuse_deadlocking_python
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.proxies import Proxy

#: Called with every socket as soon as it exists, and again while it waits for its peer. What it
#: raises ends the attempt, so that a thread that gave up between two steps is heard.
OnSocket = Callable[[socket.socket], None]

#: One result of getaddrinfo.
AddressInfo = tuple[Any, Any, int, str, Any]

#: What each stage is in the middle of a sentence.
_DOING = {"dns": "resolving", "tcp": "connecting to", "tls": "the TLS handshake with"}

#: Seconds between two looks at whether the caller gave up. Only an abort that falls between the
#: making of a socket and its connect call needs it; any other wakes the wait at once.
ABORT_CHECK = 0.25


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A moment on the monotonic clock that several steps share."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(at=time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds that remain, always above 0. Raises TimeoutError when none do."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to reach."""

    host: str
    port: int
    #: Name that the certificate must carry; the host's unless a proxy stands between.
    server_hostname: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def open_socket(
    host: str,
    port: int,
    *,
    ssl_context: ssl.SSLContext | None,
    server_hostname: str | None,
    timeout: float,
    run_with_deadline: RunWithDeadline,
    on_socket: OnSocket,
    proxy: Proxy | None = None,
) -> socket.socket:
    """Return a connected socket with TCP_NODELAY, after the TLS handshake if there is a context.

    Tries every address in the resolver's order. The caller sets the socket's timeout. Raises
    ConnectError with ``stage`` dns, tcp or tls, ConfigError for TLS on a Python where it hangs, and
    what ``on_socket`` raises; what it had opened is then closed, on KeyboardInterrupt too.
    """
    if ssl_context is not None:
        refuse_deadlocking_python(sys.version_info[:3])
    target = Target(host=host, port=port, server_hostname=server_hostname or host)
    deadline = Deadline.after(timeout)
    with _as_connect_error(target, "dns"):
        addresses = _resolve(target, deadline, run_with_deadline, on_socket)
    with _as_connect_error(target, "tcp"):
        sock = _connect_any(addresses, deadline, on_socket)
    if ssl_context is None:
        return sock
    with _as_connect_error(target, "tls"):
        return _start_tls(sock, ssl_context, target, deadline, on_socket)


@contextlib.contextmanager
def _as_connect_error(target: Target, stage: str) -> Iterator[None]:
    """Translate what sockets, resolver and TLS raise in one stage."""
    try:
        yield
    except (OSError, ValueError) as exc:  # ValueError: a name that no encoding takes
        raise ConnectError(_explain(target, stage, exc), stage=stage) from exc


def _explain(target: Target, stage: str, exc: Exception) -> str:
    """Say what failed, at whom, and what to do about it."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {target} is not trusted: {exc.verify_message}. For a private"
            " authority give ca_bundle, or set SSL_CERT_FILE"
        )
    if isinstance(exc, ssl.SSLError) and exc.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return f"{target} does not speak TLS: check scheme and port of base_url"
    if isinstance(exc, TimeoutError):
        return f"{_DOING[stage]} {target} took longer than the connect timeout allows"
    if stage == "dns":
        return f"the host {target.host!r} cannot be resolved ({exc}): check base_url"
    what = f"{_DOING[stage]} {target} failed: {str(exc) or type(exc).__name__}"
    return f"{what}. Check host and port of base_url"


def _resolve(
    target: Target, deadline: Deadline, run_with_deadline: RunWithDeadline, on_socket: OnSocket
) -> list[AddressInfo]:
    """Return the addresses of the target; asks the network only for a name."""

    def look_up(flags: int = 0) -> list[AddressInfo]:
        return socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=flags
        )

    with contextlib.suppress(OSError):
        return look_up(socket.AI_NUMERICHOST)
    return _run_interruptibly(look_up, deadline, run_with_deadline, on_socket)


def _run_interruptibly(
    look_up: Callable[[], list[AddressInfo]],
    deadline: Deadline,
    run_with_deadline: RunWithDeadline,
    on_socket: OnSocket,
) -> list[AddressInfo]:
    """Run a look-up on a helper thread; wait where a shutdown of a socket, or Ctrl-C, ends it.

    getaddrinfo itself heeds neither a timeout nor a signal. So the helper is only started, with
    no time to wait for it, and tells its end by closing its half of a pair of sockets; the other
    half is handed out like any socket, and an abort of it wakes the wait.
    """
    ours, helpers = socket.socketpair()
    task = _Task(look_up, helpers)
    with ours, helpers:
        on_socket(ours)
        with contextlib.suppress(TimeoutError):
            run_with_deadline(task.run, 0)
        ours.settimeout(deadline.left())
        ours.recv(1)
        on_socket(ours)
    return task.take_result()


class _Task:
    """A look-up on its helper thread, and what came of it."""

    def __init__(self, look_up: Callable[[], list[AddressInfo]], bell: socket.socket) -> None:
        self._look_up = look_up
        # Closed when the result is there; the other end of the pair hears it.
        self._bell = bell
        # Written by the helper before it closes the bell, read by the other thread after.
        self._result: list[AddressInfo] | BaseException = OSError("interrupted")

    def run(self) -> None:
        try:
            self._result = self._look_up()
        except BaseException as exc:  # raised again by take_result, in the thread that waits
            self._result = exc
        finally:
            self._bell.close()

    def take_result(self) -> list[AddressInfo]:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def _connect_any(
    addresses: list[AddressInfo], deadline: Deadline, on_socket: OnSocket
) -> socket.socket:
    """Connect to the first address that answers.

    Each gets an equal share of the time that is left, so that a dead one leaves some for the next.
    """
    failure: OSError | None = None
    for tried, address in enumerate(addresses):
        share = Deadline.after(deadline.left() / (len(addresses) - tried))
        try:
            return _connect(address, share, on_socket)
        except OSError as exc:
            failure = exc
    raise failure or OSError("the name has no address")


def _connect(address: AddressInfo, deadline: Deadline, on_socket: OnSocket) -> socket.socket:
    family, kind, protocol, _, name = address
    sock = socket.socket(family, kind, protocol)
    try:
        on_socket(sock)
        # Frames are small and each is written at once: waiting to fill a packet only delays them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(name)
        _wait_connected(sock, deadline, on_socket)
        sock.settimeout(deadline.left())
    except BaseException:
        sock.close()
        raise
    return sock


def _wait_connected(sock: socket.socket, deadline: Deadline, on_socket: OnSocket) -> None:
    """Wait until a connect in progress has succeeded. Raises OSError if it has not."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        while not selector.select(min(deadline.left(), ABORT_CHECK)):
            on_socket(sock)
    on_socket(sock)
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        # The constructor picks the subclass, ConnectionRefusedError for one.
        raise OSError(error, os.strerror(error))
    sock.getpeername()  # raises if a shutdown, not the peer, ended the wait


def _start_tls(
    sock: socket.socket,
    context: ssl.SSLContext,
    target: Target,
    deadline: Deadline,
    on_socket: OnSocket,
) -> socket.socket:
    """Negotiate TLS on a connected socket, which then belongs to the one returned."""
    try:
        sock.settimeout(deadline.left())
        secure = context.wrap_socket(
            sock, server_hostname=target.server_hostname, do_handshake_on_connect=False
        )
    except BaseException:
        sock.close()
        raise
    try:
        on_socket(secure)
        secure.do_handshake()
    except BaseException:
        secure.close()
        raise
    return secure
