"""Ending a WebSocket: close, abort, dispose."""

from __future__ import annotations

import threading

import pytest

from pyresponses_ws._transport.base import (
    Close,
)
from pyresponses_ws.errors import (
    ConnectionLostError,
)
from tests._transport.conftest import read_all
from tests._transport.scripts import (
    Connect,
    MakeTransport,
    Recorder,
)
from tests.support.raw_server import CLOSE, RawServer


@pytest.mark.parametrize(
    ("code", "payload"),
    [(1000, b"\x03\xe8Client closed"), (1005, b""), (4999, b"\x13\x87Client closed")],
)
def test_close_sends_code_and_reason(code: int, payload: bytes, connect: Connect) -> None:
    """A code that may not travel is left out."""
    recorder = Recorder()
    with RawServer(recorder) as server:
        transport = connect(server)
        transport.close(code, "Client closed")
        transport.dispose()
    assert recorder.frames == [(CLOSE, payload)]


def test_close_never_raises(make_transport: MakeTransport, connect: Connect) -> None:
    """Not open, cut or gone: a goodbye is best effort."""
    make_transport().close(1000, "")
    with RawServer(Recorder()) as server:
        transport = connect(server)
        transport.abort()
        transport.close(1000, "")
        transport.dispose()
        transport.close(1000, "")
    assert transport.bytes_sent == 0


def test_abort_wakes_the_reader(connect: Connect) -> None:
    """A receive that waits ends at once."""
    with RawServer(Recorder()) as server:
        transport = connect(server)
        threading.Timer(0.02, transport.abort).start()
        assert read_all(transport)[1] == Close(reason="aborted")
        transport.dispose()


def test_abort_and_dispose_are_idempotent(make_transport: MakeTransport, connect: Connect) -> None:
    """In any order, before a connect and after the end."""
    make_transport().dispose()
    with RawServer(Recorder()) as server:
        transport = connect(server)
        for call in (transport.abort, transport.abort, transport.dispose, transport.dispose):
            call()
        transport.abort()
    assert transport.unsent_bytes() is None
    with pytest.raises(ConnectionLostError):
        transport.ping()
