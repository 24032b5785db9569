"""A Responses server made of scripts that speaks WebSocket and HTTP on one port.

What becomes of an upgrade is one script, and what becomes of a POST another; both may be replaced
while the server runs.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from tests.support.answers import Json, created, delta, whole_answer
from tests.support.raw_server import close_frame
from tests.support.responses_peer import Gone, PeerLink, PeerTurn, ResponsesPeer, Script

#: Given a connection whose upgrade request was read.
Upgrade = Callable[[PeerLink], object]


class Post:
    """One POST that came, and the means to answer it."""

    def __init__(self, peer: PeerLink, request: Json, number: int) -> None:
        self.peer = peer
        #: The body as it came.
        self.request = request
        #: Number of this POST on the whole server, from 1.
        self.number = number
        self.response_id = f"resp_http_{number}"
        self._has_begun = False

    @property
    def text(self) -> str:
        """The input, where it is a string."""
        return str(self.request["input"])

    def send(self, *events: Json | bytes) -> None:
        """Send events of a stream in one write; bytes travel as they are."""
        pieces = [_as_event(event) for event in events]
        start = b"" if self._has_begun else _STREAM_HEAD
        self._has_begun = True
        self.peer.send(start, *map(_chunk, pieces))

    def finish(self) -> None:
        """End the stream as HTTP ends one."""
        self.peer.send(b"0\r\n\r\n")

    def answer(self, text: str | None = None) -> None:
        """Answer whole; without a text, echo the input."""
        self.send(*whole_answer(self.text if text is None else text, self.response_id))
        self.finish()

    def begin(self, *texts: str) -> None:
        """Send ``created`` and these deltas, and nothing more."""
        self.send(created(self.response_id), *map(delta, texts))

    def refuse(self, status: int, body: Json | str, **headers: str) -> None:
        """Answer with a refusal; a dict is the API's JSON, a string a gateway's page."""
        self.peer.send(http_answer(status, body, **headers))

    def cut(self) -> NoReturn:
        """End the connection without a word."""
        raise Gone

    def freeze(self) -> NoReturn:
        """Read and say nothing any more until the test ends."""
        self.peer.freeze()

    def wait_for_end(self) -> NoReturn:
        """Say nothing until the client leaves."""
        self.peer.read_to_end()
        raise Gone


PostScript = Callable[[Post], object]


def accept(peer: PeerLink) -> None:
    """Upgrade."""
    peer.send(peer.acceptance())


def refuse_upgrade(status: int, body: Json | str = "", **headers: str) -> Upgrade:
    """Answer the upgrade with this instead."""

    def upgrade(peer: PeerLink) -> NoReturn:
        peer.send(http_answer(status, body, Connection="close", **headers))
        raise Gone

    return upgrade


def swallow(peer: PeerLink) -> NoReturn:
    """Never answer the upgrade."""
    peer.read_to_end()
    raise Gone


def close_at_once(code: int, reason: str = "") -> Upgrade:
    """Upgrade, and close in the same breath."""

    def upgrade(peer: PeerLink) -> NoReturn:
        peer.send(peer.acceptance(), close_frame(code, reason))
        peer.read_to_end()
        raise Gone

    return upgrade


class TwoWayPeer(ResponsesPeer):
    """Listens on loopback; see ResponsesPeer. ``upgrade`` and ``post`` are read at each use."""

    def __init__(
        self,
        script: Script = PeerTurn.answer,
        *,
        upgrade: Upgrade = accept,
        post: PostScript = Post.answer,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(script, accept=self._welcome, tls=tls)
        self.upgrade = upgrade
        self.post = post
        #: Upgrade requests so far.
        self.upgrades = 0
        #: Every body that was posted.
        self.posts: list[Json] = []
        #: Heads of every HTTP request, upgrades among them.
        self.heads: list[bytes] = []

    def client(self, **options: Any) -> Any:
        """Make a client of this server that may use both ways."""
        return super().client(**{"transport": "auto", **options})

    def wait_for_posts(self, count: int) -> None:
        """Block until so many POSTs came."""
        self.wait_until(lambda: len(self.posts) >= count, f"post {count}")

    def _welcome(self, peer: PeerLink) -> None:
        peer.read_request()
        self._note(partial(self.heads.append, peer.request))
        if peer.headers.get("upgrade", "").lower() == "websocket":
            self._note(self._count_upgrade)
            self.upgrade(peer)
            return
        while True:
            self._serve_post(peer)
            peer.headers = {}
            peer.read_request()
            self._note(partial(self.heads.append, peer.request))

    def _serve_post(self, peer: PeerLink) -> None:
        assert peer.request.startswith(b"POST "), "only turns are posted here"
        request = json.loads(peer.read_exactly(int(peer.headers["content-length"])))
        number = self._note(partial(self._count_post, request))
        self.post(Post(peer, request, number))

    def _count_upgrade(self) -> None:
        self.upgrades += 1

    def _count_post(self, request: Json) -> int:
        self.posts.append(request)
        return len(self.posts)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def http_answer(status: int, body: Json | str, **headers: str) -> bytes:
    """Build an answer of known length; a dict travels as JSON, a string as a page."""
    kind = "application/json" if isinstance(body, dict) else "text/html"
    data = (json.dumps(body) if isinstance(body, dict) else body).encode()
    known = {"Content-Type": kind, "Content-Length": str(len(data)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in known.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Told", *lines, "", ""]).encode() + data


def _as_event(event: Json | bytes) -> bytes:
    if isinstance(event, bytes):
        return event
    return b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
