"""One WebSocket over one socket. The only module that imports websocket-client."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult

import websocket

from pyresponses_ws._transport import frames
from pyresponses_ws._transport.answer import NotHTTPError
from pyresponses_ws._transport.base import (
    ABNORMAL_CLOSURE,
    SEND_TIMED_OUT,
    Close,
    Endpoint,
    RunWithDeadline,
    TransportClosed,
)
from pyresponses_ws._transport.false_end import FalseEnds
from pyresponses_ws._transport.network import Deadline, OnSocket, open_socket
from pyresponses_ws._transport.patience import Patience
from pyresponses_ws._transport.refusal import redact, refusal, secrets_of
from pyresponses_ws._transport.target import split_endpoint
from pyresponses_ws._transport.tls_stack import MakeLock, TLSStack, count_held
from pyresponses_ws._transport.upgrade import UpgradeSocket
from pyresponses_ws.errors import (
    ClosedError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    UsageError,
)
from pyresponses_ws.headers import check_headers

#: Seconds after which a socket call returns to Python. Without a timeout a TLS send does not hear
#: Ctrl-C (20 s were measured); to ``receive`` it only means that nothing has come yet.
IDLE_WAIT = 5.0
#: Seconds of the shortest wait: 0 would make the socket non-blocking.
MIN_WAIT = 0.001
#: Bytes of one read.
READ_SIZE = 64 * 1024
#: Bytes of payload of one write: at most 64 KiB with the frame's header, since over TLS a timeout
#: counts for the whole buffer; and a multiple of the mask's 4 bytes, so that slices mask alone.
SLICE_SIZE = 64 * 1024 - 16
#: Seconds that a ping or pong, and a close frame, may wait for room in the kernel.
CONTROL_PATIENCE = 5.0
CLOSE_PATIENCE = 1.0


class WebSocketTransport:
    """The :class:`~pyresponses_ws._transport.base.Transport` of a ``ws`` or ``wss`` URL.

    websocket-client shakes hands and masks; frames are parsed here, a batch a read, which costs a
    hundredth of its ``recv``. Compression is not offered.

    ``max_message_bytes`` bounds what may come in one message; more is a Close with 1009.
    ``on_socket`` is shown every socket while connecting, the last time when the upgrade begins.
    ``make_lock`` is what an https:// proxy needs.
    """

    def __init__(
        self,
        *,
        run_with_deadline: RunWithDeadline,
        max_message_bytes: int | None = None,
        on_socket: OnSocket | None = None,
        make_lock: MakeLock | None = None,
    ) -> None:
        #: See Transport.
        self.pending_pong: bytes | None = None
        #: Payload of the newest pong. Written by the reader.
        self.last_pong: bytes | None = None
        #: Written by whoever holds the link's send lock.
        self.bytes_sent = 0
        #: Written by the reader.
        self.bytes_received = 0
        self._run_with_deadline = run_with_deadline
        self._on_socket = on_socket
        self._make_lock = make_lock
        # Reader only.
        self._parser = frames.FrameParser(max_message_bytes=max_message_bytes)
        # Bytes that came with the upgrade's answer; left by connect, taken by the reader.
        self._early = b""
        # How it ended, once the reader knows.
        self._close: Close | None = None
        # The socket of the moment; replaced while connecting only, and kept after dispose(), so
        # that a late sender learns that the connection is lost.
        self._sock: socket.socket | None = None
        # Reader only.
        self._false_ends = FalseEnds()
        # Set by abort() before it shuts down, read after each change of _sock: either abort sees
        # the new socket, or the one who made it sees the flag.
        self._is_aborted = False
        self._is_used = False
        # bytes_sent at the end of the last whole frame; differs while one is cut. Sender only.
        self._frame_end = 0

    def connect(self, endpoint: Endpoint, *, timeout: float) -> None:
        """Resolve, connect, negotiate TLS and upgrade, all within ``timeout`` seconds.

        Follows no redirect, sends no Origin, keeps no cookie. Raises ConnectError (with status,
        JSON body and retry_after of a refusal), ConfigError for a URL or header that cannot be
        used, and UsageError the second time. No message holds a header's value.
        """
        if self._is_used:
            raise UsageError("a transport connects only once; make a new one")
        self._is_used = True
        try:
            self._open(endpoint, Deadline.after(timeout), timeout)
        except BaseException:
            self.dispose()
            raise

    def _open(self, endpoint: Endpoint, deadline: Deadline, timeout: float) -> None:
        url = _parse_url(endpoint)
        check_headers(endpoint.headers)
        sock = open_socket(
            url.hostname or "",
            url.port or _default_port(url),
            ssl_context=endpoint.ssl_context if url.scheme == "wss" else None,
            server_hostname=None,
            timeout=timeout,
            run_with_deadline=self._run_with_deadline,
            on_socket=self._adopt,
            proxy=endpoint.proxy,
            proxy_ssl_context=endpoint.ssl_context,
            make_lock=self._make_lock,
        )
        self._adopt(sock)
        self._upgrade(sock, url, endpoint, deadline)
        sock.settimeout(IDLE_WAIT)

    def _adopt(self, sock: socket.socket) -> None:
        """Make ``sock`` the one that abort() hits. Raises ConnectError if it was called already."""
        self._sock = sock
        if self._on_socket is not None:
            self._on_socket(sock)
        self._check_not_aborted()

    def _check_not_aborted(self) -> None:
        if self._is_aborted:
            raise ConnectError("connecting was given up before it had succeeded")

    def _upgrade(
        self, sock: socket.socket, url: SplitResult, endpoint: Endpoint, deadline: Deadline
    ) -> None:
        customs = UpgradeSocket(sock, headers=endpoint.headers, deadline=deadline)
        client = websocket.WebSocket(skip_utf8_validation=True, enable_multithread=False)
        try:
            client.connect(  # type: ignore[no-untyped-call]  # annotated in part only
                url.geturl(),
                socket=customs,
                host=_host_header(url),
                redirect_limit=0,
                suppress_origin=True,
            )
            _check_agreement(customs, endpoint.headers)
        except (websocket.WebSocketException, OSError, NotHTTPError) as exc:
            self._check_not_aborted()
            raise _explain(exc, customs, url, endpoint) from exc
        self._early = customs.take_rest()

    def send(
        self, payload: bytes, *, progress_timeout: float, timeout: float | None = None
    ) -> None:
        """Send one text message of UTF-8, in slices, masking as it goes.

        Raises ConnectionLostError; see Transport.
        """
        patience = Patience(progress_timeout, self.unsent_bytes, limit=timeout)
        self._write(frames.TEXT, payload, patience)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping of at most 125 bytes. Raises ConnectionLostError."""
        self._write(frames.PING, payload, Patience(CONTROL_PATIENCE, self.unsent_bytes))

    def pong(self, payload: bytes) -> None:
        """Send a pong of at most 125 bytes. Raises ConnectionLostError."""
        self._write(frames.PONG, payload, Patience(CONTROL_PATIENCE, self.unsent_bytes))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame as best effort, waiting at most a second; never raises an Exception.

        A code that may not travel, 1005 for one, is sent as a close frame without any.
        """
        with contextlib.suppress(ConnectionLostError, UsageError):
            self._write(frames.CLOSE, frames.encode_close(code, reason), Patience(CLOSE_PATIENCE))

    def _write(self, opcode: int, payload: bytes, patience: Patience) -> None:
        """Send one frame. A frame that was cut ends all writing: what follows would be its rest."""
        sock = self._require_socket()
        if self.bytes_sent != self._frame_end:
            raise _lost("an earlier frame was cut short")
        mask = os.urandom(4)
        piece = frames.encode_header(opcode, len(payload), mask)
        try:
            sock.settimeout(max(patience.step(), MIN_WAIT))
            for start in range(0, len(payload) or 1, SLICE_SIZE):
                piece += websocket.ABNF.mask(mask, payload[start : start + SLICE_SIZE])
                self._send_piece(sock, piece, patience)
                piece = b""
            sock.settimeout(IDLE_WAIT)
        except TimeoutError as exc:
            raise _lost(SEND_TIMED_OUT) from exc
        except OSError as exc:
            raise _lost(f"sending failed: {exc}") from exc
        self._frame_end = self.bytes_sent

    def _send_piece(self, sock: socket.socket, piece: bytes, patience: Patience) -> None:
        """Send all of ``piece``, keeping ``bytes_sent`` true whatever interrupts.

        Raises TimeoutError and OSError.
        """
        is_tls = isinstance(sock, (ssl.SSLSocket, TLSStack))
        # A failed call has put nothing out, unless the kernel took only a part of a TLS record.
        is_exact = not is_tls or self.unsent_bytes() == 0
        rest, sent, ends = memoryview(piece), self.bytes_sent, FalseEnds()
        while rest:
            # A signal may hide from us how much went out, so assume all of it until we know.
            self.bytes_sent = sent + len(rest)
            try:
                count = sock.send(rest)
            except OSError as exc:
                is_late = isinstance(exc, TimeoutError)
                is_timeout = is_late or (not self._is_aborted and ends.is_false(sock, exc))
                is_exact = is_exact and not (is_tls and is_timeout)
                self.bytes_sent = sent if is_exact else sent + 1
                if not is_timeout or (step := patience.step()) <= 0:
                    raise
                sock.settimeout(step)
                continue
            sent += count
            self.bytes_sent = sent
            rest = rest[count:]
            patience.renew()
            if rest and patience.step() <= 0:
                raise TimeoutError("the peer takes bytes too slowly")

    def receive(self) -> list[str]:
        """Return the text messages that one read completes; [] when nothing came for a while.

        A read that holds a ping is handed out in parts, so that the pong goes out in its place.

        Raises TransportClosed; see Transport.
        """
        if self._close is None:
            data = b"" if self._parser.is_paused else self._read()
            messages = self._parser.receive_data(data)
            self._take_control_frames()
            if messages or self._close is None:
                return messages
        raise TransportClosed(self._close)

    def _read(self) -> bytes:
        """Return what came, b"" after a while of nothing; note the end in ``_close``."""
        if self._early:
            data, self._early = self._early, b""
        else:
            sock = self._require_socket()
            try:
                data = sock.recv(READ_SIZE)
            except TimeoutError:
                return b""
            except OSError as exc:
                self._close = Close(reason=f"receiving failed: {exc}", cause=exc)
                return b""
            if not data:
                if not self._is_aborted and self._false_ends.is_false(sock):
                    return b""
                self._close = Close(reason=self._reason_of_end())
            self._false_ends.reset()
        self.bytes_received += len(data)
        return data

    def _reason_of_end(self) -> str:
        return "aborted" if self._is_aborted else "the peer ended it without a close frame"

    def _take_control_frames(self) -> None:
        """Move what the parser has met to where others look for it."""
        parser = self._parser
        if parser.ping is not None:
            self.pending_pong, parser.ping = parser.ping, None
        if parser.pong is not None:
            self.last_pong, parser.pong = parser.pong, None
        if parser.close is not None:
            self._close = parser.close

    def abort(self) -> None:
        """Shut the socket down under everybody; idempotent, takes no lock, never blocks or raises.

        By the method of the plain socket: SSLSocket.shutdown would first drop TLS, and a sender
        in its loop would then write the rest of its message in clear.
        """
        self._is_aborted = True
        if self._sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def dispose(self) -> None:
        """Close the descriptor; idempotent. Shuts down first, for a sender that is still inside."""
        self.abort()
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()

    def unsent_bytes(self) -> int | None:
        """Return the bytes that have not left yet, or None where the kernel cannot tell."""
        return None if self._sock is None else count_held(self._sock)

    def _require_socket(self) -> socket.socket:
        if self._sock is None:
            raise ClosedError("the transport is not connected")
        return self._sock


def _lost(reason: str) -> ConnectionLostError:
    return ConnectionLostError(
        f"the connection was lost: {reason}", code=ABNORMAL_CLOSURE, reason=reason
    )


def _parse_url(endpoint: Endpoint) -> SplitResult:
    """Take the URL apart. Raises ConfigError, whose message repeats no part but scheme and host."""
    url = split_endpoint(endpoint.url, ("ws", "wss"), "a WebSocket needs ws or wss")
    if url.scheme == "wss" and endpoint.ssl_context is None:
        raise ConfigError("a wss URL needs an ssl_context")
    return url


def _default_port(url: SplitResult) -> int:
    return 443 if url.scheme == "wss" else 80


def _host_header(url: SplitResult) -> str:
    """Return host and port as HTTP wants them; websocket-client drops 443 of ws and 80 of wss."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{host}" if url.port in (None, _default_port(url)) else f"{host}:{url.port}"


def _check_agreement(customs: UpgradeSocket, headers: Mapping[str, str]) -> None:
    """Refuse an extension or subprotocol that was not offered (RFC 6455, 4.1).

    And a redirect, which websocket-client 1.9.0 takes for a success when it may not follow it.
    """
    assert customs.answer is not None
    if customs.answer.status != 101:
        raise NotHTTPError("the server did not switch to WebSocket")
    agreed = customs.answer.headers
    if agreed.get("sec-websocket-extensions"):
        raise NotHTTPError("an extension was agreed that nobody offered")
    offered = {
        name.strip()
        for key, value in headers.items()
        if key.lower() == "sec-websocket-protocol"
        for name in value.split(",")
    }
    if agreed.get("sec-websocket-protocol", "") not in offered | {""}:
        raise NotHTTPError("a subprotocol was agreed that nobody offered")


def _explain(
    exc: Exception, customs: UpgradeSocket, url: SplitResult, endpoint: Endpoint
) -> ConnectError:
    """Turn whatever ended the handshake into an error that names host and fix, and no secret."""
    host, secrets = _host_header(url), secrets_of(endpoint.url, endpoint.headers)
    answer = customs.answer
    if answer is not None and answer.status != 101:
        return refusal(host, answer, secrets)
    if isinstance(exc, (TimeoutError, websocket.WebSocketTimeoutException)):
        text = f"{host} did not answer the WebSocket upgrade within the connect timeout"
    else:
        text = f"the WebSocket upgrade at {host} failed: {redact(str(exc), secrets)}"
        text += ". Check scheme, host and port of base_url"
    status = None if answer is None else answer.status
    return ConnectError(text, stage="upgrade", status=status)
