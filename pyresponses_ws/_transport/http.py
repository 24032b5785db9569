"""HTTP calls over connections of our own, which requests writes to."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping

from pyresponses_ws._transport.base import Check, HTTPRequest, RunWithDeadline
from pyresponses_ws._transport.http_adapter import Head, Passing, exchange
from pyresponses_ws._transport.http_body import Body, BodyError, make_body
from pyresponses_ws._transport.http_idle import IdleSocket, IdleSockets, expiry
from pyresponses_ws._transport.http_origin import Origin, origin_of
from pyresponses_ws._transport.http_wire import Wire, lost
from pyresponses_ws._transport.network import open_socket
from pyresponses_ws._transport.tls_stack import count_held
from pyresponses_ws.errors import (
    ClosedError,
    ConnectError,
    ConnectionLostError,
    UsageError,
)
from pyresponses_ws.headers import check_headers

#: Idle connections that a pool keeps; as many as a client's links.
MAX_IDLE = 8

#: HTTP has no ping: only the kernel's own probes tell a peer that thinks from one that is gone.
#: Together 40 s, as long as a WebSocket may stay silent. A system names as many as it has.
_KEEPALIVE = {
    "TCP_KEEPIDLE": 20,
    "TCP_KEEPALIVE": 20,  # what macOS calls the same
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 4,
}


class RequestsPool:
    """The :class:`~pyresponses_ws._transport.base.HTTPPool` of one client.

    Keeps at most ``max_idle`` connections. After ``close`` calls still work, but leave none.
    """

    def __init__(self, *, run_with_deadline: RunWithDeadline, max_idle: int = MAX_IDLE) -> None:
        self._run_with_deadline = run_with_deadline
        self._idle = IdleSockets(max_idle)

    def start(
        self, request: HTTPRequest, *, check: Check, connect_timeout: float, send_timeout: float
    ) -> RequestsCall:
        """Make a call, not connected yet; see HTTPPool."""
        return RequestsCall(
            request,
            idle=self._idle,
            run_with_deadline=self._run_with_deadline,
            check=check,
            connect_timeout=connect_timeout,
            send_timeout=send_timeout,
        )

    def close(self) -> None:
        """Close the connections that no call uses; idempotent."""
        self._idle.close()


class RequestsCall:
    """The :class:`~pyresponses_ws._transport.base.HTTPCall` of one request; see there.

    A refusal that comes before the request is out ends the sending: ``on_sent`` is not called then.
    An answer that is no HTTP, or whose framing is broken, is a ConnectionLostError.
    """

    def __init__(
        self,
        request: HTTPRequest,
        *,
        idle: IdleSockets,
        run_with_deadline: RunWithDeadline,
        check: Check,
        connect_timeout: float,
        send_timeout: float,
    ) -> None:
        self._request = request
        self._idle = idle
        self._run_with_deadline = run_with_deadline
        self._check = check
        self._connect_timeout = connect_timeout
        self._send_timeout = send_timeout
        #: See HTTPCall. All of these are written by the calling thread.
        self.bytes_sent = 0
        self.bytes_received = 0
        self.is_reused = False
        self.connect_ms: float | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}
        #: Set by abort() before it shuts down, read after each change of _sock: either abort sees
        #: the new socket, or the calling thread sees the flag.
        self.is_aborted = False
        # The socket of the moment, for abort(). None again before another call may have it.
        self._sock: socket.socket | None = None
        # From here on for the calling thread only.
        self._wire: Wire | None = None
        self._origin: Origin | None = None
        self._body: Body | None = None
        self._is_used = False
        # The connection cannot carry another call.
        self._is_last = False

    def send(self, *, on_sent: Callable[[], None]) -> None:
        """Connect or reuse, send everything, and wait for the head of the answer; see HTTPCall.

        The ConfigError for a URL or header that cannot be used does not hold its value.
        """
        if self._is_used:
            raise UsageError("a call is sent only once; start a new one")
        self._is_used = True
        try:
            head = self._exchange(on_sent)
        except BaseException:
            self._close()
            raise
        self.status, self.headers = head.status, head.headers
        self._is_last = head.is_last
        self._body = make_body(head.headers, is_chunked=head.is_chunked, length=head.length)

    def _exchange(self, on_sent: Callable[[], None]) -> Head:
        """Use connection after connection until one takes a byte."""
        check_headers(self._request.endpoint.headers)
        origin = self._origin = origin_of(self._request.endpoint)
        while True:
            wire = self._wire = self._attach(origin)
            try:
                return exchange(wire, self._request, origin, on_sent=on_sent)
            except ConnectionLostError as exc:
                if self.bytes_sent:
                    raise
                if self.is_aborted or not self.is_reused:
                    raise ConnectError(str(exc), stage="tcp") from exc
            self._close()

    def _attach(self, origin: Origin) -> Wire:
        """Get a connection that is ready for a request."""
        sock = None if self._request.is_fresh else self._idle.take(origin)
        self.is_reused = sock is not None
        if sock is None:
            sock = self._connect(origin)
        else:
            self._adopt(sock)
        return Wire(sock, owner=self, check=self._check, send_timeout=self._send_timeout)

    def _connect(self, origin: Origin) -> socket.socket:
        """Open a connection. Raises ConnectError, ConfigError and what the check raises."""
        started = time.monotonic()
        failure: BaseException
        try:
            sock = open_socket(
                origin.host,
                origin.port,
                ssl_context=origin.ssl_context,
                server_hostname=None,
                timeout=self._connect_timeout,
                run_with_deadline=self._run_with_deadline,
                on_socket=self._watch,
                proxy=origin.proxy,
                proxy_ssl_context=self._request.endpoint.ssl_context,
                # One thread uses the socket of a call; abort() stays outside of TLS.
                make_lock=contextlib.nullcontext,
            )
        except Passing as passing:
            failure = passing.error
        else:
            self._adopt(sock)
            self.connect_ms = (time.monotonic() - started) * 1000
            return sock
        raise failure

    def _watch(self, sock: socket.socket) -> None:
        """Adopt a socket that is being connected, and see whether it is still wanted."""
        if sock is not self._sock:
            _keep_alive(sock)
        self._adopt(sock)
        try:
            self._check()
        except BaseException as exc:
            raise Passing(exc) from None

    def _adopt(self, sock: socket.socket) -> None:
        """Make ``sock`` the one that abort() hits. Raises ConnectError if it was called already."""
        self._sock = sock
        if self.is_aborted:
            raise ConnectError("connecting was given up before it had succeeded")

    def read(self) -> bytes:
        """Return the next bytes of the body as they come; see HTTPCall."""
        if self._wire is None or self._body is None:
            raise ClosedError("the call has no answer to read: it was not sent, or is over")
        try:
            return self._read(self._wire, self._body)
        except BaseException:
            self._close()
            raise

    def _read(self, wire: Wire, body: Body) -> bytes:
        began = time.monotonic()
        while not body.is_complete:
            data = wire.receive()
            if not data:
                if body.ends_with_connection:
                    return b""
                raise lost("the peer ended it before the end of the answer")
            try:
                content = body.receive_data(data)
            except BodyError as exc:
                raise lost(str(exc)) from exc
            if content:
                return content
            # Bytes that hold nothing must not keep the timers from being looked at.
            began = wire.check_since(began)
        return b""

    def unsent_bytes(self) -> int | None:
        """Return the bytes of the request that have not left yet; see HTTPCall."""
        sock = self._sock
        return None if sock is None else count_held(sock)

    def abort(self) -> None:
        """Shut the socket down under everybody; see HTTPCall.

        By the method of the plain socket: SSLSocket.shutdown would first drop TLS, and a sender
        in its loop would then write the rest of its request in clear.
        """
        self.is_aborted = True
        sock = self._sock
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def dispose(self) -> None:
        """Let go; see HTTPCall. Whoever gives up in the middle of an answer aborts first.

        Waits for nothing: an answer's last bytes may lag behind its last event, and are looked for
        when the next call wants the connection.
        """
        sock = self._sock
        # Before the flag is read: an abort that comes later must not hit the next call.
        self._sock = None
        if sock is None:
            return
        idle = None if self.is_aborted else self._make_idle(sock)
        self._wire = self._body = None
        if idle is None:
            _close_socket(sock)
        else:
            self._idle.put(idle)

    def _make_idle(self, sock: socket.socket) -> IdleSocket | None:
        """Return the connection as one for the next call; None if it cannot carry one."""
        wire, body, origin = self._wire, self._body, self._origin
        if wire is None or body is None or origin is None or self._is_last:
            return None
        if rest := wire.take_received():
            if body.is_complete:
                return None
            try:
                body.receive_data(rest)
            except BodyError:
                return None
        return IdleSocket(sock=sock, origin=origin, body=body, expires_at=expiry(self.headers))

    def _close(self) -> None:
        """Close the descriptor; idempotent."""
        sock, self._sock = self._sock, None
        self._wire = self._body = None
        if sock is not None:
            _close_socket(sock)


def _close_socket(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.close()


def _keep_alive(sock: socket.socket) -> None:
    """Have the kernel ask an idle peer whether it is there."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
