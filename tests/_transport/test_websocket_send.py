"""Sending on a WebSocket: sizes, slices, patience and interrupts."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from pyresponses_ws._transport import patience
from pyresponses_ws._transport.base import (
    SEND_TIMED_OUT,
)
from pyresponses_ws._transport.websocket import SLICE_SIZE
from pyresponses_ws.errors import (
    ConnectionLostError,
)
from tests._transport.conftest import read_all
from tests._transport.scripts import (
    Connect,
    Recorder,
    Stalling,
)
from tests.support.raw_server import PING, TEXT, Peer, RawServer, frame
from tests.support.tls import TestAuthority


@pytest.mark.parametrize("is_secure", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, SLICE_SIZE, SLICE_SIZE + 1, 1_000_003])
def test_message_of_any_size_arrives(
    size: int, is_secure: bool, connect: Connect, authority: TestAuthority
) -> None:
    """Masked slice by slice, it is one frame, and every byte of it is counted."""
    payload = (b"0123456789abcdef%d" % size * (size // 8 + 1))[:size]
    recorder = Recorder()
    tls = authority.server_context() if is_secure else None
    with RawServer(recorder, tls=tls) as server:
        transport = connect(server)
        transport.send(payload, progress_timeout=5)
        assert transport.bytes_sent == len(frame(TEXT, payload)) + 4
        transport.ping(b"end")
        transport.dispose()
    assert recorder.frames == [(TEXT, payload), (PING, b"end")]


def test_sends_go_out_in_slices(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call hands the kernel more than 64 KiB: a TLS timeout counts for the whole buffer."""
    sizes = []
    original = socket.socket.send

    def send(sock: socket.socket, data: memoryview) -> int:
        sizes.append(len(data))
        return original(sock, data)

    with RawServer(Recorder()) as server:
        transport = connect(server)
        monkeypatch.setattr(socket.socket, "send", send)
        transport.send(b"x" * 300_000, progress_timeout=5)
        monkeypatch.undo()
        transport.dispose()
    assert max(sizes) <= 64 * 1024
    assert len(sizes) >= 5


@pytest.mark.parametrize("is_secure", [False, True], ids=["tcp", "tls"])
def test_peer_that_takes_nothing_ends_the_send(
    is_secure: bool, connect: Connect, authority: TestAuthority
) -> None:
    """After the patience the frame is cut, and nothing may follow it."""
    stalling = Stalling()
    tls = authority.server_context() if is_secure else None
    with RawServer(stalling, tls=tls) as server:
        transport = connect(server)
        with pytest.raises(ConnectionLostError) as caught:
            transport.send(b"x" * 30_000_000, progress_timeout=0.2)
        assert (caught.value.reason, caught.value.code) == (SEND_TIMED_OUT, 1006)
        assert transport.bytes_sent > 0
        assert transport.unsent_bytes()
        with pytest.raises(ConnectionLostError, match="cut short"):
            transport.ping()
        transport.dispose()
        stalling.may_read.set()


@pytest.mark.parametrize("is_secure", [False, True], ids=["tcp", "tls"])
def test_peer_that_pauses_is_waited_for(
    is_secure: bool,
    connect: Connect,
    authority: TestAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A send that has to wait for room, longer than a step, goes on where it stopped."""
    monkeypatch.setattr(patience, "STEP", 0.02)
    stalling, tls = Stalling(), authority.server_context() if is_secure else None
    with RawServer(stalling, tls=tls) as server:
        transport = connect(server)
        timer = threading.Timer(0.1, stalling.may_read.set)
        timer.start()
        transport.send(b"x" * 20_000_000, progress_timeout=5)
        timer.join()
        assert transport.bytes_sent == 20_000_014
        transport.dispose()


def test_send_on_a_dead_socket_says_that_nothing_went_out(connect: Connect) -> None:
    """``bytes_sent`` tells a request that is safe to send again from one that is not."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.reset()

    with RawServer(script) as server:
        transport = connect(server)
        assert read_all(transport)[1].code == 1006
        with pytest.raises(ConnectionLostError, match="sending failed"):
            transport.send(b"request", progress_timeout=5)
        assert transport.bytes_sent == 0
        transport.dispose()


def test_ctrl_c_ends_a_send_and_tells_that_bytes_are_out(connect: Connect) -> None:
    """The frame is cut; whoever goes on learns it, and dispose leaves no descriptor."""
    stalling = Stalling()
    with RawServer(stalling) as server:
        transport = connect(server)
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            transport.send(b"x" * 30_000_000, progress_timeout=20)
        assert transport.bytes_sent > 0
        with pytest.raises(ConnectionLostError, match="cut short"):
            transport.send(b"more", progress_timeout=1)
        transport.dispose()
        assert transport._sock is not None
        assert transport._sock.fileno() < 0
        stalling.may_read.set()


def test_ctrl_c_ends_a_receive(connect: Connect) -> None:
    """Nothing is held, so nothing is left behind."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.read_frame()
        os.kill(os.getpid(), signal.SIGINT)

    def ping_and_wait() -> None:
        transport.ping()
        while True:
            transport.receive()

    with RawServer(script) as server:
        transport = connect(server)
        with pytest.raises(KeyboardInterrupt):
            ping_and_wait()
        transport.dispose()
        assert transport._sock is not None
        assert transport._sock.fileno() < 0
