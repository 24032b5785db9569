"""Runs the application on sockets: uvicorn, with what its stock server does otherwise put right."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.app import ServerApp
from pyresponses_ws.server.config import OptionError, ServerConfig, is_loopback
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.server.protocols import HttpProtocol, WebSocketProtocol

_logger = logging.getLogger(__name__)

#: Connections that may wait for accept; the kernel caps it. Arbitrary.
_BACKLOG = 2048

#: Connections that the loop accepts in one go. Without a free file descriptor asyncio tries, and
#: complains, as often.
_ACCEPTS = 16

#: Bytes that the kernel may hold for a peer. By default they are megabytes, of which a slow reader
#: takes nothing that we would see for longer than we wait.
_SEND_BUFFER = 64 * 2**10

#: Seconds for peers to answer our close frame, and again for tasks and engine threads to end.
_CLOSE_TIMEOUT = 1.0

#: Seconds between two looks at whether the server is quiet.
_POLL = 0.01


def _bind(config: ServerConfig) -> socket.socket:
    """Bind and listen. Raises ConfigError naming the address.

    The protocol number is given, since asyncio sets TCP_NODELAY only on sockets that carry it;
    without it a turn takes 44 ms instead of 0.4 (measured).
    """
    try:
        listener = _listen(config)
    except (OSError, TypeError) as exc:
        # A TypeError: the socket module cannot write the name in ASCII, as the resolver takes it.
        reason = exc.strerror if isinstance(exc, OSError) else "it is no name of a host"
        place = f"{_bracket(config.host)}:{config.port}"
        raise ConfigError(f"cannot listen on {place}: {reason}") from exc
    if not config.api_keys and not is_loopback(address := listener.getsockname()[0]):
        # A name like localhost is what the resolver of this machine says.
        listener.close()
        raise OptionError(
            "{option} {} is {}, which others can reach: give {other}",
            *(config.host, address),
            option="host",
            other="api_keys",
        )
    return listener


def _listen(config: ServerConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.bind((config.host, config.port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _bracket(host: str) -> str:
    """Write a host as URLs do."""
    return f"[{host}]" if ":" in host else host


def _make_base_url(config: ServerConfig, listener: socket.socket) -> str:
    return f"{config.scheme}://{_bracket(config.host)}:{listener.getsockname()[1]}/v1"


class Server:
    """A server that listens once it is made: ``run`` blocks, ``stop`` ends it.

    Raises ConfigError, in the thread that makes it, when it cannot listen or read its certificate.
    """

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._app = ServerApp(engine, config)
        self._uvicorn = _Uvicorn(_load_uvicorn_config(self._app, config), self._app, config)
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
            if not self._app.room.close(_CLOSE_TIMEOUT):
                _logger.warning("an engine did not stop; its thread is abandoned")
        return self._uvicorn.signal

    def stop(self) -> None:
        """Ask ``run`` to return; safe from any thread, idempotent."""
        self._uvicorn.should_exit = True


def _load_uvicorn_config(app: ServerApp, config: ServerConfig) -> uvicorn.Config:
    loaded = uvicorn.Config(
        app.asgi,
        ws=WebSocketProtocol,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        server_header=False,
        # Over our own limit the application answers 1009; over this the connection is cut.
        ws_max_size=2 * config.max_message_bytes,
        # A frame of a few bytes could unpack to thousands of times its size, for all to wait for.
        ws_per_message_deflate=False,
        ws_ping_interval=config.ping_interval,
        ws_ping_timeout=config.ping_timeout,
        h11_max_incomplete_event_size=config.max_header_bytes,
        timeout_graceful_shutdown=int(_CLOSE_TIMEOUT),
        ssl_certfile=config.ssl_certfile,
        ssl_keyfile=config.ssl_keyfile,
    )
    _check_readable(config, "ssl_certfile", "ssl_keyfile")
    try:
        loaded.load()
    except OSError as exc:
        raise _make_tls_error(config, exc) from exc
    return loaded


def _make_tls_error(config: ServerConfig, exc: OSError) -> OptionError:
    """Name both files: which of them is wrong, the ssl module does not always say."""
    options = {"option": "ssl_certfile", "other": "ssl_keyfile"}
    if config.ssl_keyfile is None:
        return OptionError(
            "{option} {} cannot be used: it must hold, in PEM, a certificate chain and its "
            "private key, unless {other} has that ({})",
            *(config.ssl_certfile, exc.strerror),
            **options,
        )
    return OptionError(
        "{option} {} and {other} {} cannot be used: they must hold, in PEM, a certificate chain "
        "and its private key ({})",
        *(config.ssl_certfile, config.ssl_keyfile, exc.strerror),
        **options,
    )


def _check_readable(config: ServerConfig, *names: str) -> None:
    """Say which file is missing; the ssl module does not."""
    for name in names:
        path = getattr(config, name)
        try:
            if path is not None:
                Path(path).read_bytes()
        except OSError as exc:
            raise OptionError(
                "{option} {} cannot be read: {}", path, exc.strerror, option=name
            ) from exc


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: ServerApp, limits: ServerConfig) -> None:
        super().__init__(config)
        self._app = app
        self._limits = limits
        #: The first signal that asked for the end, None before; the handler writes.
        self.signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Remember the signal; at the second one, whichever it is, nothing is waited for."""
        if self.signal is None:
            self.signal = sig
        else:
            self.force_exit = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on ``sockets``.

        Stock uvicorn gives its protocols no options of ours, and a TLS handshake 60 seconds.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_in_a_line)
        patience = {"ssl_handshake_timeout": self._limits.first_request_timeout}
        options: dict[str, Any] = patience if self.config.ssl else {}
        self.servers = [
            await loop.create_server(
                self._make_protocol, sock=each, ssl=self.config.ssl, backlog=_ACCEPTS, **options
            )
            for each in sockets or []
        ]
        for each in sockets or []:
            # asyncio has told the kernel its own number.
            each.listen(_BACKLOG)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, let running turns finish, send every peer away with 1001.

        Then uvicorn finishes. The stock one would send 1012 at once, and cut the turns.
        """
        for server in self.servers:
            server.close()
        self._app.refuse_creates()
        if self.signal is not None:
            await self._wait_while(self._is_answering, self._limits.grace)
        await self._app.close(_CLOSE_TIMEOUT)
        await self._wait_while(self._is_open, _CLOSE_TIMEOUT)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)

    def _make_protocol(self) -> HttpProtocol:
        return HttpProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state={},
            limits=self._limits,
        )

    async def _wait_while(self, is_busy: Callable[[], bool], timeout: float) -> None:
        """Wait until nothing is busy, for ``timeout`` seconds, or until a second signal."""
        deadline = asyncio.get_running_loop().time() + timeout
        while is_busy() and not self.force_exit and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_POLL)

    def _is_answering(self) -> bool:
        """Say whether a turn runs, or an answer over HTTP is not written yet."""
        requests = (c for c in self.server_state.connections if isinstance(c, HttpProtocol))
        return self._app.is_busy or any(request.is_answering for request in requests)

    def _is_open(self) -> bool:
        """Say whether a task runs or a WebSocket is open; an idle HTTP connection is no matter."""
        sockets = (c for c in self.server_state.connections if isinstance(c, WebSocketProtocol))
        return bool(self.server_state.tasks) or any(sockets)


def _log_in_a_line(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what the loop cannot tell anybody else, such as that it is out of files."""
    exc = context.get("exception")
    _logger.error("%s: %s", context["message"], exc)
    _logger.debug("in the event loop", exc_info=exc)
