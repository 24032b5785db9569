"""What servers do in the tests of the transport, and what makes one connect."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from pyresponses_ws._transport.websocket import WebSocketTransport
from tests.support.raw_server import Peer, close_frame

MakeTransport = Callable[..., WebSocketTransport]
Connect = Callable[..., WebSocketTransport]
GOODBYE = close_frame(1000)


def sending(*pieces: bytes) -> Callable[[Peer], None]:
    """Make a script that accepts and sends."""

    def script(peer: Peer) -> None:
        peer.accept()
        for piece in pieces:
            peer.send(piece)

    return script


def answering(*pieces: bytes) -> Callable[[Peer], None]:
    """Make a script that reads the request and answers with these bytes instead of a 101."""

    def script(peer: Peer) -> None:
        peer.read_request()
        for piece in pieces:
            peer.send(piece)

    return script


class Recorder:
    """A script that accepts and keeps every frame that comes."""

    def __init__(self, *greetings: bytes) -> None:
        self.greetings = greetings
        self.frames: list[tuple[int, bytes]] = []
        self.headers: dict[str, str] = {}
        self.request = b""

    def __call__(self, peer: Peer) -> None:
        peer.accept()
        self.request, self.headers = peer.request, peer.headers
        peer.send(*self.greetings)
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.frames.append(peer.read_frame())


class Stalling:
    """A script that accepts and then reads nothing until told."""

    def __init__(self) -> None:
        self.may_read = threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.accept()
        self.may_read.wait(20)
        peer.read_to_end()
