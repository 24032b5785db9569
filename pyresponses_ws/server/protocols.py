"""uvicorn's protocols, one instance a connection, with what they do otherwise put right.

Each override has its test, and beside it the proof that stock uvicorn still fails it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS, Response
from websockets.server import ServerProtocol

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import count_header_bytes
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.transport import GuardedTransport

if TYPE_CHECKING:
    _LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    _LoggerAdapter = logging.LoggerAdapter  # Not subscriptable before Python 3.11.

_logger = logging.getLogger(__name__)

#: Connections over the limit that are still told why they are refused; further ones are cut.
_ANSWERED_OVER_LIMIT = 64

#: Bytes a second at which a request may come once its time is up. Arbitrary; a modem is faster.
_SLOWEST_REQUEST = 4096

#: What is read of a body after the answer, in message limits; a client that is still sending it
#: would see a reset instead of the answer. Arbitrary.
_DISCARDED_LIMITS = 4

#: Seconds in which a refused peer may read why, and finish what it was sending. A close with
#: unread input is a reset, which makes the peer's kernel drop what we said.
LINGER = 2.0


class _Watched(asyncio.Protocol):
    """Cuts a connection whose peer takes nothing of what waits for it; stands before a protocol."""

    _guarded: GuardedTransport

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer; it holds the connection."""
        self._guarded.stall.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the peer a time to read what waits for it."""
        super().pause_writing()
        self._guarded.stall.start()

    def resume_writing(self) -> None:
        """The peer reads again; but of what is being closed, the rest must leave too."""
        super().resume_writing()
        if not self._guarded.is_closing():
            self._guarded.stall.cancel()


class HttpProtocol(_Watched, H11Protocol):
    """One connection until it ends or is upgraded to a WebSocket."""

    def __init__(self, *args: Any, limits: ServerConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _OneLine(self.logger, {})  # type: ignore[assignment]
        self._limits = limits
        self.ws_protocol_class = partial(WebSocketProtocol, limits=limits)  # type: ignore[assignment]
        # Set while the peer owes us a request or the rest of one.
        self._patience: asyncio.TimerHandle | None = None
        # Of that request: when it became due, and the bytes that have come since.
        self._since = 0.0
        self._received = 0
        # Whether the connection was refused, and what still comes is thrown away, or handed on.
        self._is_over = False

    @property
    def is_answering(self) -> bool:
        """Whether a request has come in and its answer is not written."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection against the limit, and start the timer of its first request."""
        timeout = self._limits.write_timeout
        self._guarded = GuardedTransport(transport, self.loop, stall_timeout=timeout)
        super().connection_made(self._guarded)  # type: ignore[arg-type]
        excess = len(self.connections) - self._limits.max_connections
        # uvicorn copies it into scope["state"] of each request, and of the WebSocket.
        self.app_state = {"abort": transport.abort, "is_over_limit": excess > 0}
        if excess > _ANSWERED_OVER_LIMIT:
            transport.abort()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer of the request; it holds the connection."""
        self._forget()
        super().connection_lost(exc)
        # uvicorn does so only without an error; asyncio of Python 3.10 then warns under TLS.
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless it was refused, or too much of it has no reader."""
        if self._is_over:
            return
        self._received += len(data)
        super().data_received(data)
        if self.conn.our_state is h11.DONE and self._received > self._most_discarded():
            self.transport.abort()
        self._watch()

    def on_response_complete(self) -> None:
        """Begin the time of the next request anew."""
        super().on_response_complete()
        if not self._is_over:
            self._forget()
            self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection to the other protocol, or answer what that would leave unanswered."""
        fault = _find_fault(event, self._limits.max_header_bytes)
        if fault is not None:
            self._refuse(fault)
            return
        self._is_over = True
        self._forget()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or headers that do not end; uvicorn calls it when h11 raises."""
        exc = sys.exc_info()[1]
        if getattr(exc, "error_status_hint", 400) == 431:
            self._refuse(errors.headers_too_large(self._limits.max_header_bytes))
        else:
            self._refuse(errors.bad_request(msg))

    def _watch(self) -> None:
        """Start or stop the timer, as the peer owes us something or not."""
        if self._is_over:
            # Of a refused connection the timer ends the rest; an upgraded one has none.
            return
        if not self._is_owed():
            self._forget()
        elif self._patience is None:
            self._since = self.loop.time()
            self._wait_until(self._since + self._limits.first_request_timeout)

    def _is_owed(self) -> bool:
        if self.transport.is_closing():
            return False
        state = self.conn.their_state
        # Between two requests uvicorn has a timer of its own, until the first byte of the second.
        is_between = state is h11.IDLE and self.timeout_keep_alive_task is not None
        return state in (h11.IDLE, h11.SEND_BODY) and not is_between

    def _wait_until(self, deadline: float) -> None:
        self._patience = self.loop.call_at(deadline, self._check_request)

    def _check_request(self) -> None:
        """End the wait for a request, unless it comes fast enough to be waited for longer."""
        allowed = self._limits.first_request_timeout + self._received / _SLOWEST_REQUEST
        if self.loop.time() < self._since + allowed:
            self._wait_until(self._since + allowed)
        elif self._received:
            self._refuse(errors.request_timeout())
        else:
            self.transport.close()

    def _forget(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self.conn.their_state is not h11.SEND_BODY:
            self._received = 0

    def _most_discarded(self) -> int:
        return _DISCARDED_LIMITS * self._limits.max_message_bytes

    def _refuse(self, error: APIError) -> None:
        """Answer with ``error`` if no answer has begun, and end the connection."""
        self._is_over = True
        self._forget()
        scope: Any = self.scope  # None before the first request, whatever its type says.
        is_head = scope is not None and scope["method"] == "HEAD"
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in _make_reply(error, has_body=not is_head):
                self.transport.write(self.conn.send(event) or b"")
        if self.is_answering:
            # The route still runs, and would answer a second time.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._patience = self.loop.call_later(LINGER, self.transport.abort)


class WebSocketProtocol(_Watched, WebSocketsSansIOProtocol):
    """One connection from its upgrade on."""

    def __init__(self, *args: Any, limits: ServerConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _OneLine(self.logger, {})  # type: ignore[assignment]
        self.conn.reject = self._reject  # type: ignore[method-assign]
        # At DEBUG it would log the headers, keys included, and every message.
        self.conn.debug = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection."""
        super().connection_made(transport)
        assert isinstance(transport, GuardedTransport)
        self._guarded = transport
        if transport.stall.is_running:
            # Full already of answers to what came before the upgrade; we would not be told again.
            self.writable.clear()

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless the peer broke the protocol before; then it is thrown away."""
        if self.conn.parser_exc is not None:
            return
        try:
            super().data_received(data)
        except InvalidState:
            # Bad UTF-8 with a close frame right behind it: uvicorn answers twice.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """Say why with a close frame, and let the peer read it; stock uvicorn resets at once."""
        if self.conn.close_sent is None:
            _logger.warning("an upgrade could not be read: %s", self.conn.parser_exc)
            self.transport.abort()
            return
        self.stop_keepalive()
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.conn.parser_exc is not None and self.transport.can_write_eof():
            # Nothing is understood any more, so the peer's close frame will not be seen.
            self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # The end of the application closes the connection unless it sees this timer.
        self.close_timer = self.loop.call_later(LINGER, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send, unless the connection is being lost: asyncio and uvicorn would complain."""
        if self.transport.is_closing() or self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        # An answer in the place of the handshake ends it; uvicorn would log that it never ended.
        self.handshake_complete = self.handshake_complete or self.close_sent

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer does not read: answers would pile up without bound."""
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)

    def shutdown(self) -> None:
        """End the connection with the server; one that is ending already must not be told twice."""
        if self.transport.is_closing():
            self.stop_keepalive()
        else:
            super().shutdown()

    def keepalive_timeout(self) -> None:
        """Close with 1011, and cut the connection if the peer does not even take that."""
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size() > 0:
            self.transport.abort()

    def _reject(self, status: int, text: str) -> Response:
        """Make the answer to a handshake that is none, in JSON like every other error."""
        response = ServerProtocol.reject(self.conn, status, text)
        error = errors.engine_failed() if status >= 500 else errors.bad_request(text.strip())
        response.body = _encode_error(error)
        for name, value in _describe(response.body).items():
            del response.headers[name]
            response.headers[name] = value
        return response


class _OneLine(_LoggerAdapter):
    """Keeps tracebacks of what a peer sent or a route did out of the log, unless it is at DEBUG."""

    @property
    def level(self) -> int:
        """The level of the logger, which uvicorn compares itself."""
        return self.logger.level

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        if not self.logger.isEnabledFor(logging.DEBUG):
            kwargs["exc_info"] = None
        return str(msg).rstrip(), kwargs


def _find_fault(request: h11.Request, max_header_bytes: int) -> APIError | None:
    """Return why this upgrade cannot be handed on: websockets would give up without a word."""
    headers = list(request.headers)
    if count_header_bytes(request.target, headers) > max_header_bytes:
        return errors.headers_too_large(max_header_bytes)
    lines = [len(b"GET %b HTTP/1.1\r\n" % request.target)]
    lines += [len(b"%b: %b\r\n" % header) for header in headers]
    if max(lines) > MAX_LINE_LENGTH or len(headers) > MAX_NUM_HEADERS:
        return errors.headers_too_large(MAX_LINE_LENGTH, count=MAX_NUM_HEADERS)
    if not all(value.isascii() for name, value in headers if _is_of_handshake(name)):
        return errors.bad_request("The headers of a handshake are ASCII.")
    lengths = [value for name, value in headers if name == b"content-length"]
    has_body = any(int(length) for length in lengths) or b"transfer-encoding" in dict(headers)
    if request.method != b"GET" or has_body:
        return errors.bad_request("A WebSocket is opened by a GET without a body.")
    return None


def _is_of_handshake(name: bytes) -> bool:
    return name.startswith(b"sec-websocket-") or name in (b"connection", b"upgrade")


def _make_reply(error: APIError, *, has_body: bool = True) -> list[h11.Event]:
    body = _encode_error(error)
    headers = [*_describe(body).items(), ("connection", "close")]
    head = h11.Response(status_code=error.status or 500, headers=headers)
    return [head, *([h11.Data(data=body)] if has_body else []), h11.EndOfMessage()]


def _encode_error(error: APIError) -> bytes:
    return encode({"error": errors.error_object(error)}).encode()


def _describe(body: bytes) -> dict[str, str]:
    return {"content-type": "application/json", "content-length": str(len(body))}
