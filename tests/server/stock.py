"""The same application on our server and on stock uvicorn, and raw sockets to tell them apart."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from pyresponses_ws.server.app import ServerApp
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.server.engines.echo import EchoEngine
from pyresponses_ws.server.serve import Server

#: Seconds in which a server does what it will ever do, where the test is that it does nothing.
NEVER = 0.7


@dataclass
class Running:
    """A server that runs in a thread."""

    port: int
    uvicorn: uvicorn.Server
    host: str = "127.0.0.1"

    @property
    def connections(self) -> list[Any]:
        """The protocols of the open connections."""
        return list(self.uvicorn.server_state.connections)

    def dial(self) -> socket.socket:
        """Open a TCP connection."""
        return socket.create_connection((self.host, self.port), timeout=30)

    def ask(self, request: bytes) -> bytes:
        """Send bytes and return all that comes until the server ends the connection."""
        with self.dial() as raw:
            raw.sendall(request)
            return read_all(raw)


@contextmanager
def run_ours(config: ServerConfig, engine: Engine | None = None) -> Iterator[Running]:
    """Run our server."""
    server = Server(engine or EchoEngine(), config)
    with _run_in_thread(server.run, server.stop):
        port = int(server.base_url.rpartition(":")[2].split("/")[0])
        yield Running(port, server._uvicorn, config.host)


@contextmanager
def run_stock(config: ServerConfig, engine: Engine | None = None) -> Iterator[Running]:
    """Run the same application on uvicorn as it comes."""
    app = ServerApp(engine or EchoEngine(), config)
    server = uvicorn.Server(
        uvicorn.Config(
            app.asgi,
            http="h11",
            ws="websockets-sansio",
            ws_max_size=2 * config.max_message_bytes,
            ws_ping_interval=config.ping_interval,
            ws_ping_timeout=config.ping_timeout,
            ssl_certfile=config.ssl_certfile,
            log_config=None,
            lifespan="off",
            loop="asyncio",
            timeout_graceful_shutdown=1,
        )
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with _run_in_thread(lambda: server.run([listener]), lambda: _stop_stock(server, app)):
        yield Running(listener.getsockname()[1], server)
    listener.close()


def wait_until(condition: Callable[[], Any], timeout: float = 20.0) -> bool:
    """Wait until ``condition`` holds; return whether it came to that."""
    deadline = time.monotonic() + timeout
    waiting = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        waiting.wait(0.005)
    return True


def read_all(raw: socket.socket) -> bytes:
    """Return what comes until the end, or until a reset; raises TimeoutError if neither comes."""
    received = bytearray()
    try:
        while data := raw.recv(65536):
            received += data
    except ConnectionError:
        received += b"(reset)"
    return bytes(received)


def stays_silent(raw: socket.socket) -> bool:
    """Say whether the server neither answers nor ends the connection."""
    raw.settimeout(NEVER)
    try:
        raw.recv(1)
    except TimeoutError:
        return True
    return False


@contextmanager
def _run_in_thread(run: Callable[[], object], stop: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(20)
    assert not thread.is_alive()


def _stop_stock(server: uvicorn.Server, app: ServerApp) -> None:
    app.room.stop()
    for connection in list(server.server_state.connections):
        # Stock uvicorn would wait for some of them for ever.
        connection.loop.call_soon_threadsafe(connection.transport.abort)
    server.should_exit = True
