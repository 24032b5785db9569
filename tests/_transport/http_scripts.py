"""What HTTP servers do in the tests of the HTTP transport, and what calls them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyresponses_ws._transport.base import Endpoint, HTTPRequest
from pyresponses_ws._transport.http import RequestsCall, RequestsPool
from tests._transport.conftest import run_with_deadline
from tests.support.raw_server import Peer, RawServer

KEY = "sk-secret-key"
HEADERS = {"Authorization": f"Bearer {KEY}", "User-Agent": "us"}
BODY = b'{"model":"m"}'

Script = Callable[[Peer], object]


def read_request(peer: Peer) -> bytes:
    """Read one request whole; return its body."""
    peer.headers = {}
    peer.read_request()
    return peer.read_exactly(int(peer.headers.get("content-length", "0")))


def head(status: str = "200 OK", *lines: str) -> bytes:
    """Build the head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def sized(body: bytes, status: str = "200 OK", *lines: str) -> bytes:
    """Build an answer of known length."""
    return head(status, f"Content-Length: {len(body)}", *lines) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(*pieces: bytes) -> bytes:
    """Build a chunked answer, its end included."""
    return CHUNKED + b"".join(map(chunk, pieces)) + LAST


CHUNKED = head("200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
LAST = b"0\r\n\r\n"


def answering(*answers: bytes) -> Script:
    """Make a script that answers one request after another on each connection."""

    def script(peer: Peer) -> None:
        for answer in answers:
            read_request(peer)
            peer.send(answer)

    return script


def no_check() -> None:
    """Let a call go on."""


def do_nothing() -> None:
    """Hear that everything was sent."""


class Caller:
    """Makes calls to one server from one pool."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None, **pool: Any) -> None:
        self.url = url
        self.context = context
        self.pool = RequestsPool(run_with_deadline=run_with_deadline, **pool)

    def start(
        self,
        body: bytes | None = BODY,
        *,
        headers: Mapping[str, str] = HEADERS,
        check: Callable[[], None] = no_check,
        connect_timeout: float = 20,
        send_timeout: float = 20,
        **request: Any,
    ) -> RequestsCall:
        endpoint = Endpoint(url=self.url, headers=headers, ssl_context=self.context)
        given = {"method": "POST", "body": body, **request}
        return self.pool.start(
            HTTPRequest(endpoint=endpoint, **given),
            check=check,
            connect_timeout=connect_timeout,
            send_timeout=send_timeout,
        )

    def send(self, body: bytes | None = BODY, **options: Any) -> RequestsCall:
        """Start a call and send it."""
        call = self.start(body, **options)
        call.send(on_sent=do_nothing)
        return call

    def fetch(self, body: bytes | None = BODY, **options: Any) -> bytes:
        """Make a whole call; return the body of the answer."""
        call = self.send(body, **options)
        try:
            return read_all(call)
        finally:
            call.dispose()


def read_all(call: RequestsCall) -> bytes:
    return b"".join(iter(call.read, b""))


@contextmanager
def calling(
    script: Script,
    *,
    tls: ssl.SSLContext | None = None,
    context: ssl.SSLContext | None = None,
    lingers: bool = True,
    **pool: Any,
) -> Iterator[Caller]:
    """Run a server and yield what calls it; no connection is left behind."""
    with RawServer(script, tls=tls, lingers=lingers) as server:
        scheme = "http" if tls is None else "https"
        caller = Caller(f"{scheme}://127.0.0.1:{server.port}/v1/responses", context, **pool)
        try:
            yield caller
        finally:
            caller.pool.close()
