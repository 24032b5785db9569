"""Runs the application on sockets: uvicorn, with what its stock server does otherwise put right."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import MutableMapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.app import ServerApp
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.engines.base import Engine

if TYPE_CHECKING:
    _LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    _LoggerAdapter = logging.LoggerAdapter  # Not subscriptable before Python 3.11.

_logger = logging.getLogger(__name__)

#: Connections that may wait for accept; the kernel caps it. Arbitrary.
_BACKLOG = 2048

#: Seconds for peers to answer our close frame, and again for tasks and engine threads to end.
_CLOSE_TIMEOUT = 1.0


def _bind(config: ServerConfig) -> socket.socket:
    """Bind and listen. Raises ConfigError naming the address.

    The protocol number is given, since asyncio sets TCP_NODELAY only on sockets that carry it;
    without it a turn takes 44 ms instead of 0.4 (measured).
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise ConfigError(f"cannot listen on {config.host}:{config.port}: {exc}") from exc
    return listener


def _make_base_url(config: ServerConfig, listener: socket.socket) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{config.scheme}://{host}:{listener.getsockname()[1]}/v1"


class Server:
    """A server that listens once it is made: ``run`` blocks, ``stop`` ends it.

    Raises ConfigError, in the thread that makes it, when it cannot listen or read its certificate.
    """

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._app = ServerApp(engine, config)
        self._uvicorn = _Uvicorn(_load_uvicorn_config(self._app, config), self._app)
        # Listens before run() does, so that a connection that comes early waits in the kernel.
        self._listener = _bind(config)
        #: What a client takes as ``base_url``.
        self.base_url = _make_base_url(config, self._listener)

    def run(self) -> int | None:
        """Serve until ``stop``, or until SIGINT or SIGTERM on the main thread.

        uvicorn raises the signal anew when all is closed. Returns its number if the process
        outlives that, else None.
        """
        try:
            self._uvicorn.run(sockets=[self._listener])
        finally:
            self._listener.close()
            if not self._app.room.join(_CLOSE_TIMEOUT):
                _logger.warning("an engine did not stop; its thread is abandoned")
        return self._uvicorn.signal

    def stop(self) -> None:
        """Ask ``run`` to return; safe from any thread, idempotent."""
        self._uvicorn.should_exit = True


def _load_uvicorn_config(app: ServerApp, config: ServerConfig) -> uvicorn.Config:
    loaded = uvicorn.Config(
        app.asgi,
        http=_Http,
        ws=_WebSocket,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        server_header=False,
        # Over our own limit the application answers 1009; over this the connection is cut.
        ws_max_size=2 * config.max_message_bytes,
        timeout_graceful_shutdown=int(_CLOSE_TIMEOUT),
        ssl_certfile=config.ssl_certfile,
        ssl_keyfile=config.ssl_keyfile,
    )
    _check_readable(config, "ssl_certfile", "ssl_keyfile")
    try:
        loaded.load()
    except OSError as exc:
        raise ConfigError(f"ssl_certfile {config.ssl_certfile} cannot be used: {exc}") from exc
    return loaded


def _check_readable(config: ServerConfig, *names: str) -> None:
    """Say which file is missing; the ssl module does not."""
    for name in names:
        path = getattr(config, name)
        try:
            if path is not None:
                Path(path).read_bytes()
        except OSError as exc:
            raise ConfigError(f"{name} {path} cannot be read: {exc.strerror}") from exc


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: ServerApp) -> None:
        super().__init__(config)
        self._app = app
        #: The first signal that asked for the end, None before; the handler writes.
        self.signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Remember the signal; at the second one nothing is waited for any more."""
        if self.signal is None:
            self.signal = sig
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, send every peer away with 1001, then let uvicorn finish.

        Stock uvicorn would send 1012 at once.
        """
        for server in self.servers:
            server.close()
        await self._app.close(_CLOSE_TIMEOUT)
        await self._wait_until_quiet(_CLOSE_TIMEOUT)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)

    async def _wait_until_quiet(self, timeout: float) -> None:
        """Give peers the time to answer the close frame and requests the time to end."""
        deadline = asyncio.get_running_loop().time() + timeout
        while self._is_busy() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)

    def _is_busy(self) -> bool:
        """Say whether a task runs or a WebSocket is open; an idle HTTP connection is no matter."""
        sockets = (c for c in self.server_state.connections if isinstance(c, _WebSocket))
        return bool(self.server_state.tasks) or any(sockets)


class _Http(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _OneLine(self.logger, {})  # type: ignore[assignment]


class _WebSocket(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _OneLine(self.logger, {})  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take what arrived; cut the connection where uvicorn would raise.

        It does for bad UTF-8 with a close frame right behind it, since it then answers twice.
        """
        try:
            super().data_received(data)
        except InvalidState:
            self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        """Send, unless the connection is being lost: writing on would make asyncio complain."""
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def keepalive_timeout(self) -> None:
        """Close with 1011, and cut the connection if the peer does not even take that."""
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size() > 0:
            self.transport.abort()


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
