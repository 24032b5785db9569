"""Receiving on a WebSocket: batches, control frames, and how it ends."""

from __future__ import annotations

import contextlib

import pytest

from pyresponses_ws._transport import websocket as module
from pyresponses_ws._transport.base import (
    Close,
    TransportClosed,
)
from pyresponses_ws.errors import (
    ConnectionLostError,
)
from tests._transport.conftest import read_all
from tests._transport.scripts import (
    Connect,
    Recorder,
    sending,
)
from tests.support.raw_server import PING, PONG, TEXT, Peer, RawServer, close_frame, frame
from tests.support.tls import TestAuthority


@pytest.mark.parametrize("is_secure", [False, True], ids=["tcp", "tls"])
def test_frames_of_one_read_come_as_one_batch(
    is_secure: bool, connect: Connect, authority: TestAuthority
) -> None:
    """A thousand frames cost a few reads, not a thousand."""
    texts = [f"message {number}" for number in range(1000)]
    data = b"".join(frame(TEXT, text.encode()) for text in texts)
    tls = authority.server_context() if is_secure else None
    with RawServer(sending(data), tls=tls) as server:
        transport, batches = connect(server), []
        with contextlib.suppress(TransportClosed):
            while True:
                batches.append(transport.receive())
        transport.dispose()
    assert [text for batch in batches for text in batch] == texts
    assert len(batches) < 10


def test_receive_returns_when_nothing_comes(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timeout means nothing yet, to be asked again."""
    monkeypatch.setattr(module, "IDLE_WAIT", 0.01)
    with RawServer(Recorder()) as server:
        transport = connect(server)
        assert transport.receive() == []
        assert transport.receive() == []
        transport.dispose()


def test_pings_and_pongs_are_noted_and_not_answered(connect: Connect) -> None:
    """Who holds the send lock answers; the reader only keeps the payload."""
    recorder = Recorder(frame(PING, b"one") + frame(PONG, b"two"))
    with RawServer(recorder) as server:
        transport = connect(server)
        while transport.last_pong is None:
            assert transport.receive() == []
        assert (transport.pending_pong, transport.last_pong) == (b"one", b"two")
        transport.dispose()
    assert recorder.frames == []


def test_close_comes_after_the_messages_before_it(connect: Connect) -> None:
    """The end is raised when everything has been returned, and again if asked again."""
    with RawServer(sending(frame(TEXT, b"last") + close_frame(1001, "bye"))) as server:
        transport = connect(server)
        expected = Close(code=1001, reason="bye", reply_due=True)
        assert read_all(transport) == (["last"], expected)
        assert read_all(transport) == ([], expected)
        transport.dispose()


@pytest.mark.parametrize("is_secure", [False, True], ids=["tcp", "tls"])
def test_end_without_close_frame_is_1006(
    is_secure: bool, connect: Connect, authority: TestAuthority
) -> None:
    """A peer that just leaves, over TLS without its alert, has said no code."""
    tls = authority.server_context() if is_secure else None
    with RawServer(sending(frame(TEXT, b"half")[:3]), tls=tls, lingers=False) as server:
        messages, close = read_all(connect(server))
    assert (messages, close.code, close.reply_due) == ([], 1006, False)
    assert close.reason


def test_reset_is_1006_with_its_cause(connect: Connect) -> None:
    """What the system said is chained."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.read_frame()
        peer.reset()

    with RawServer(script) as server:
        transport = connect(server)
        transport.ping()
        _, close = read_all(transport)
    assert close.code == 1006
    assert isinstance(close.cause, ConnectionResetError)


def test_close_code_survives_a_reset_behind_it(connect: Connect) -> None:
    """A service that refuses a large message says 1009 and resets: 40 times of 40 we know why."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(close_frame(1009, "too big"))
        peer.reset()

    with RawServer(script) as server:
        for _ in range(40):
            transport = connect(server)
            with contextlib.suppress(ConnectionLostError):
                transport.send(b"x" * 200_000, progress_timeout=5)
            assert read_all(transport)[1] == Close(code=1009, reason="too big", reply_due=True)
            transport.close(1009, "")
            transport.dispose()


def test_message_over_the_limit_is_refused(connect: Connect) -> None:
    """The bound is the caller's; without one a message may be of any size."""
    with RawServer(sending(frame(TEXT, b"x" * 100) + frame(TEXT, b"x" * 101))) as server:
        transport = connect(server, max_message_bytes=100)
        messages, close = read_all(transport)
        assert (messages, close.code, close.reply_due) == (["x" * 100], 1009, False)
        transport.dispose()
