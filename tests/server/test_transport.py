"""The transport that takes no writes once it is lost, with asyncio's own TLS around it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from pyresponses_ws.server.transport import GuardedTransport


class Recorder(asyncio.Protocol):
    """Keeps the transport of the server's side."""

    def __init__(self, made: asyncio.Future[asyncio.Transport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._made.set_result(transport)


def guarded(transport: asyncio.Transport) -> GuardedTransport:
    """Guard a transport."""
    return GuardedTransport(transport, asyncio.get_running_loop(), stall_timeout=1.0)


async def write_after_loss(guard: Callable[[asyncio.Transport], Any], *, is_tls: bool) -> bool:
    """Lose a connection and write on, within one turn of the loop; return ``is_closing``."""
    authority, client, server = trustme.CA(), None, None
    if is_tls:
        client, server = (
            ssl.create_default_context(),
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        )
        authority.configure_trust(client)
        authority.issue_cert("127.0.0.1").configure_cert(server)
    loop = asyncio.get_running_loop()
    made: asyncio.Future[asyncio.Transport] = loop.create_future()
    listener = await loop.create_server(lambda: Recorder(made), "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
    plain = await made
    transport = guard(plain)
    getattr(getattr(plain, "_ssl_protocol", None), "_transport", plain).abort()
    for _ in range(10):
        transport.write(b"late")
    is_closing = bool(transport.is_closing())
    # Python 3.10 warns of a TLS transport that was lost but never closed.
    plain.close()
    writer.transport.abort()
    listener.close()
    await asyncio.sleep(0)
    return is_closing


@pytest.mark.parametrize("is_tls", [False, True])
def test_writes_after_the_loss_are_forgotten(
    is_tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is written, so that asyncio has nothing to warn about."""
    assert asyncio.run(write_after_loss(guarded, is_tls=is_tls))
    assert caplog.records == []


def test_asyncio_alone_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    """The reason for the guard: a lost TLS transport says that it is open, and then complains."""
    caplog.set_level(logging.WARNING)
    assert not asyncio.run(write_after_loss(lambda transport: transport, is_tls=True))
    assert "socket.send() raised exception." in caplog.text


class Pipe:
    """A transport with so many bytes waiting; ``abort`` is recorded."""

    def __init__(self) -> None:
        self.waiting = 10
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        """Written is what is there; nobody takes it."""

    def is_closing(self) -> bool:
        return False


class Timers:
    """The part of an event loop that a timer needs; the test lets the time pass."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Timers:
        self.calls.append(call)
        return self

    def cancel(self) -> None:
        self.calls.clear()


@pytest.fixture
def pipe() -> Pipe:
    """Return a transport that is full."""
    return Pipe()


def start_timer(pipe: Pipe) -> Timers:
    """Watch the transport."""
    timers = Timers()
    GuardedTransport(pipe, timers, stall_timeout=1.0).stall.start()
    return timers


def test_a_peer_that_takes_nothing_is_cut(pipe: Pipe) -> None:
    """After one timeout."""
    start_timer(pipe).calls.pop()()
    assert pipe.is_aborted


def test_a_peer_that_takes_something_is_watched_on(pipe: Pipe) -> None:
    """However little it is; the next timeout is measured from there."""
    timers = start_timer(pipe)
    pipe.waiting = 9
    timers.calls.pop()()
    assert not pipe.is_aborted
    timers.calls.pop()()
    assert pipe.is_aborted


def test_a_watch_starts_once_and_ends_once(pipe: Pipe) -> None:
    """Both are idempotent."""
    timers = Timers()
    stall = GuardedTransport(pipe, timers, stall_timeout=1.0).stall
    stall.start()
    stall.start()
    assert len(timers.calls) == 1
    stall.cancel()
    stall.cancel()
    assert timers.calls == []


def test_a_close_does_not_wait_for_a_peer_that_takes_nothing(pipe: Pipe) -> None:
    """What waits to be written is watched from then on."""
    timers = Timers()
    GuardedTransport(pipe, timers, stall_timeout=1.0).close()
    timers.calls.pop()()
    assert pipe.is_aborted
