"""Opens sockets: names, addresses, TLS, all within one deadline and open to interruption."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pyresponses_ws._transport.base import RunWithDeadline
from pyresponses_ws._transport.deadline import Deadline as Deadline
from pyresponses_ws._transport.proxy import open_http_tunnel
from pyresponses_ws._transport.proxy_socks import open_socks_tunnel
from pyresponses_ws._transport.target import Target, as_connect_error
from pyresponses_ws._transport.tls import make_ssl_context as make_ssl_context
from pyresponses_ws._transport.tls import refuse_deadlocking_python
from pyresponses_ws._transport.tls_stack import MakeLock, TLSStack
from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import Proxy

#: Called with every socket as soon as it exists, and again while it waits for its peer. What it
#: raises ends the attempt, so that a thread that gave up between two steps is heard.
OnSocket = Callable[[socket.socket], None]

#: One result of getaddrinfo.
AddressInfo = tuple[Any, Any, int, str, Any]

#: Has a proxy connect a socket: ``(sock, proxy, *, target, deadline)``.
OpenTunnel = Callable[..., None]

#: Seconds between two looks at whether the caller gave up. Only an abort that falls between the
#: making of a socket and its connect call needs it; any other wakes the wait at once.
ABORT_CHECK = 0.1


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
    proxy_ssl_context: ssl.SSLContext | None = None,
    make_lock: MakeLock | None = None,
) -> socket.socket:
    """Return a connected socket with TCP_NODELAY, after the TLS handshake if there is a context.

    Tries every address in the resolver's order. With a proxy, those of the proxy, which is never
    gone around; ``proxy_ssl_context`` (else ``ssl_context``) and ``make_lock`` are for one of
    https. The caller sets the socket's timeout.

    Raises ConnectError with ``stage`` dns, tcp, proxy or tls; ConfigError for TLS on a Python where
    it hangs, and for a proxy that cannot be spoken to; and what ``on_socket`` raises. What it had
    opened is then closed, on KeyboardInterrupt too.
    """
    if ssl_context is not None:
        refuse_deadlocking_python(sys.version_info[:3])
    way = _Way(Deadline.after(timeout), run_with_deadline, on_socket)
    target = Target(host=host, port=port, server_hostname=server_hostname or host)
    if proxy is None:
        sock = way.connect(target)
    elif proxy.scheme == "https":
        context = _require_context(proxy, proxy_ssl_context or ssl_context)
        sock = way.connect_through_https(proxy, target, context, _require_lock(make_lock))
    else:
        sock = way.connect_through(proxy, target)
    return sock if ssl_context is None else way.secure(sock, ssl_context, target)


def _require_context(proxy: Proxy, context: ssl.SSLContext | None) -> ssl.SSLContext:
    if context is None:
        raise ConfigError(f"{proxy.source} is an https:// proxy, which needs an ssl_context")
    return context


def _require_lock(make_lock: MakeLock | None) -> MakeLock:
    if make_lock is None:
        raise ConfigError("an https:// proxy needs make_lock: give it to the transport")
    return make_lock


class _Way:
    """The way to one server: its steps share a deadline, and whoever watches the sockets.

    Each step that fails closes the socket it was given.
    """

    def __init__(
        self, deadline: Deadline, run_with_deadline: RunWithDeadline, on_socket: OnSocket
    ) -> None:
        self._deadline = deadline
        self._run_with_deadline = run_with_deadline
        self._on_socket = on_socket

    def connect(self, target: Target) -> socket.socket:
        """Open a TCP connection."""
        addresses = self._resolve(target)
        with as_connect_error(target, "tcp"):
            return _connect_any(addresses, self._deadline, self._on_socket)

    def connect_through(self, proxy: Proxy, target: Target) -> socket.socket:
        """Open a tunnel through a proxy that is spoken to in clear."""
        if proxy.scheme == "http":
            return self._tunnel(
                self.connect(Target.of_proxy(proxy)), proxy, open_http_tunnel, target
            )
        host = self._address_of(target) if proxy.scheme == "socks5" else target.host
        open_tunnel = partial(open_socks_tunnel, host=host)
        return self._tunnel(self.connect(Target.of_proxy(proxy)), proxy, open_tunnel, target)

    def connect_through_https(
        self, proxy: Proxy, target: Target, context: ssl.SSLContext, make_lock: MakeLock
    ) -> socket.socket:
        """Open a tunnel through a proxy that is spoken to over TLS."""
        hop = Target.of_proxy(proxy)
        stack = TLSStack(self.connect(hop), make_lock)
        return self._tunnel(self.secure(stack, context, hop), proxy, open_http_tunnel, target)

    def secure(self, sock: socket.socket, context: ssl.SSLContext, target: Target) -> socket.socket:
        """Negotiate TLS on a connected socket, which then belongs to the one returned."""
        with as_connect_error(target, "tls"):
            if isinstance(sock, TLSStack):
                return _start_inner_tls(sock, context, target, self._deadline, self._on_socket)
            return _start_tls(sock, context, target, self._deadline, self._on_socket)

    def _tunnel(
        self, sock: socket.socket, proxy: Proxy, open_tunnel: OpenTunnel, target: Target
    ) -> socket.socket:
        """Have the proxy connect ``sock`` to the target."""
        with _closing_on_failure(sock):
            try:
                with as_connect_error(Target.of_proxy(proxy), "proxy"):
                    open_tunnel(sock, proxy, target=target, deadline=self._deadline)
            except ConnectError:
                # An abort looks like a proxy that leaves; let it be told for what it is.
                self._on_socket(sock)
                raise
            self._on_socket(sock)
        return sock

    def _address_of(self, target: Target) -> str:
        """Look the target up here; IPv4 first, which more proxies reach."""
        addresses = self._resolve(target)
        return str(min(addresses, key=lambda found: found[0] != socket.AF_INET)[4][0])

    def _resolve(self, target: Target) -> list[AddressInfo]:
        with as_connect_error(target, "dns"):
            return _resolve(target, self._deadline, self._run_with_deadline, self._on_socket)


@contextlib.contextmanager
def _closing_on_failure(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise


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
    """Negotiate TLS on a plain socket."""
    with _closing_on_failure(sock):
        sock.settimeout(deadline.left())
        secure = context.wrap_socket(
            sock, server_hostname=target.server_hostname, do_handshake_on_connect=False
        )
    with _closing_on_failure(secure):
        on_socket(secure)
        secure.do_handshake()
    return secure


def _start_inner_tls(
    stack: TLSStack,
    context: ssl.SSLContext,
    target: Target,
    deadline: Deadline,
    on_socket: OnSocket,
) -> socket.socket:
    """Negotiate TLS inside whatever TLS is there."""
    with _closing_on_failure(stack):
        on_socket(stack)
        stack.start_tls(context, target.server_hostname, deadline)
    return stack
