"""Random HTTP requests: sound ones on every route, odd ones, and bytes that are no request."""

from __future__ import annotations

import json
import re
import select
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from random import Random
from typing import Any
from urllib.parse import quote

from pyresponses_ws.server.core.wire import encode
from tests.support.fuzz_frames import FrameMaker
from tests.support.fuzz_server import PATIENCE

_STORED = "/v1/responses/{id}"
#: Creates come up more often than the rest, so that there is something to ask for.
_ROUTES = (
    *([("POST", "/v1/responses")] * 4),
    *(("POST", "/v1/responses/compact"), ("GET", _STORED), ("DELETE", _STORED)),
    *(("GET", f"{_STORED}/input_items"), ("POST", f"{_STORED}/cancel")),
    *(("GET", "/v1/models"), ("GET", "/healthz")),
)
#: Lines of the request that opens a WebSocket; leave one out, or put one in, and it may be refused.
_UPGRADE = (
    *("Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: realtime"),
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10",
)
_ODD_UPGRADE = (
    *("Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: short", "Upgrade: h2c", "Connection: close"),
    *("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99", "X-A: \xff\xfe"),
    *("Sec-WebSocket-Extensions: ;;=,", "Sec-WebSocket-Protocol: ,", "Content-Length: 2"),
    *("Transfer-Encoding: chunked", "Sec-WebSocket-Version: 13", "Authorization: Bearer \xe9"),
    *("Sec-WebSocket-Extensions: \xff;;=,", "Sec-WebSocket-Version: \xff", "Origin: null"),
)
_ODD_METHODS = (
    *("GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"),
    *("BREW", "G" * 300),
)
_ODD_PATHS = (
    *("/", "//", "/v1", "/v1/responses/", "/v1/responses/{id}/", "/v1/responses//input_items"),
    *("/v1/responses/{id}/unheard_of", "/%ff%fe", "/%00", "/..%2f..%2fetc", "*", "http://x/v1"),
    "/v1/models?" + "a=" * 50,
)
_QUERIES: dict[str, tuple[str, ...]] = {
    "limit": ("1", "20", "100", "0", "-1", "--1", "101", "1e3", "", "٣", "9" * 5000, "NaN", "0x1"),
    "order": ("asc", "desc", "", "ASC", "up"),
    "after": ("", "msg_0", "%ff", "\ud83d", "x" * 2000),
    "include": ("", "reasoning.encrypted_content", "a,b"),
    "include[]": ("x",),
    "stream": ("true", "false", "", "2"),
    "starting_after": ("0", "-1", "x", "9" * 20),
    "include_obfuscation": ("true", "maybe"),
}
_HEADERS = (
    *("Accept: text/event-stream", "Accept: nothing", "Expect: 100-continue", "X-A: \xff\xfe"),
    *("Authorization: Bearer a", "Authorization: Basic YTpi", "Authorization:", "Cookie: a=b"),
    *("Authorization: Bearer \xe9", "Range: bytes=0-1", "If-None-Match: *", "Upgrade: h2c"),
    *("Content-Encoding: gzip", "Origin: http://evil.example", "Origin: null", "Connection: close"),
    *("Host: evil.example", "Content-Type: text/plain", "Content-Type: application/json", "X: "),
    *("Transfer-Encoding: gzip", "Content-Length: 5", "Content-Length: -1", "Upgrade: websocket"),
    *(
        "Sec-WebSocket-Key: x",
        "Connection: Upgrade",
        "OpenAI-Beta: responses=v1",
        "A" * 9000 + ": b",
    ),
)
_NO_REQUESTS = (
    *(
        b"\r\n",
        b"\x00" * 40,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ),
    *(
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
    ),
    *(b"POST /v1/responses HTTP/1.0\r\n\r\n{}", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    *(b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET  /v1/models\r\n\r\n", b": :\r\n\r\n"),
)

#: Seconds for an answer to a request that may not be whole, before we hang up. Arbitrary.
_HESITATION = 0.05


@dataclass(frozen=True)
class Reply:
    """What came back for one request."""

    status: int
    kind: str
    body: bytes

    def json(self) -> Any:
        """Return the body as strict JSON."""
        return json.loads(self.body, parse_constant=_refuse)

    def events(self) -> list[dict[str, Any]]:
        """Return the data of the server-sent events of the body."""
        blocks = self.body.decode("utf-8").split("\n\n")
        assert blocks.pop() == ""
        return [
            json.loads(block.partition("\ndata: ")[2], parse_constant=_refuse) for block in blocks
        ]


@dataclass(frozen=True)
class Call:
    """One request as it went out; an odd one may leave the server waiting for more."""

    method: str
    data: bytes
    is_odd: bool = False


class Caller:
    """Makes requests from one seed, and sends each over a connection of its own."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self._address = address
        self._random = Random(seed)
        self._maker = FrameMaker(seed)
        # Ids of responses that were stored, to be asked for.
        self._known = ["resp_unknown"]

    def call(self) -> tuple[Call, Reply | None]:
        """Send a request; return it and the reply, None where the server only hung up."""
        made = self._make()
        reply = _exchange(self._address, made)
        if reply is not None and b'"object":"response"' in reply.body.replace(b" ", b""):
            self._known += re.findall(r'"id": ?"(resp_\w+)"', reply.body.decode())[:1]
        return made, reply

    def _make(self) -> Call:
        kind = self._random.random()
        if kind < 0.06:
            return Call("GET", self._random.choice(_NO_REQUESTS), is_odd=True)
        if kind < 0.1:
            noise = self._random.randbytes(self._random.randrange(1, 200))
            return Call("GET", noise, is_odd=True)
        made = self._upgrade() if kind > 0.95 else self._request()
        if kind < 0.15:
            at = self._random.randrange(len(made.data))
            return Call(made.method, made.data[:at], is_odd=True)
        if kind < 0.2:
            at = self._random.randrange(len(made.data))
            broken = made.data[:at] + self._random.randbytes(2) + made.data[at + 1 :]
            return Call(made.method, broken, is_odd=True)
        return made

    def _request(self) -> Call:
        """Make a request that is sound in most of its parts."""
        usual_method, path = self._random.choice(_ROUTES)
        method = self._random.choice(_ODD_METHODS) if self._random.random() < 0.1 else usual_method
        path = self._random.choice(_ODD_PATHS) if self._random.random() < 0.1 else path
        target = path.replace("{id}", self._random.choice(self._known[-4:])) + self._query()
        odd = self._random.sample(_HEADERS, self._random.choice([0, 0, 0, 0, 1, 2]))
        body = self._body() if method == "POST" or self._random.random() < 0.1 else b""
        kind = "Content-Type: application/json"
        head = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", kind, *odd]
        length, framed = self._frame(body)
        data = "\r\n".join([*head, length, "", ""]).encode("utf-8", "replace") + framed
        return Call(method, data, is_odd=bool(odd) or method != usual_method)

    def _upgrade(self) -> Call:
        """Make a request for a WebSocket, with a line too few or too many."""
        lines = list(_UPGRADE)
        lines.pop(self._random.randrange(len(lines)))
        lines += self._random.sample(_ODD_UPGRADE, self._random.randrange(3))
        method = self._random.choice(["GET", "GET", "GET", *_ODD_METHODS])
        path = self._random.choice(["/v1/responses", "/v1/responses", *_ODD_PATHS])
        text = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        return Call(method, text.encode("utf-8", "replace"), is_odd=True)

    def _query(self) -> str:
        names = self._random.sample(sorted(_QUERIES), self._random.choice([0, 0, 1, 2]))
        pairs = [(name, self._random.choice(_QUERIES[name])) for name in names]
        texts = [f"{name}={quote(value, errors='surrogatepass')}" for name, value in pairs]
        return "?" + "&".join(texts) if texts else ""

    def _body(self) -> bytes:
        maker, kind = self._maker, self._random.random()
        fields = {
            "stream": self._random.choice([None, None, True, False]),
            "previous_response_id": self._random.choice([None, None, *self._known[-3:]]),
            "stream_id": "a" if self._random.random() < 0.02 else None,
        }
        if kind < 0.4:
            return encode(maker.create(**fields)).encode()
        if kind < 0.6:
            return encode(maker.wild_create(**fields)).encode()
        if kind < 0.8:
            return encode(maker.mutate(maker.create(**fields))).encode()
        if kind < 0.9:
            return self._random.choice([maker.awkward, maker.garbage])().encode("utf-8", "replace")
        return self._random.choice(
            [b"", b"\xff", b"{", b"\xef\xbb\xbf{}", b"\x00" * 9, b"1" * 5000]
        )

    def _frame(self, body: bytes) -> tuple[str, bytes]:
        """Return the header that tells the size of a body, and the body as it goes out."""
        if self._random.random() < 0.7:
            return f"Content-Length: {len(body)}", body
        at = self._random.randrange(len(body) + 1)
        chunks = [chunk for chunk in (body[:at], body[at:]) if chunk]
        sent = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        return "Transfer-Encoding: chunked", sent + b"0\r\n\r\n"


def _exchange(address: tuple[str, int], made: Call) -> Reply | None:
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        try:
            connection.sendall(made.data)
            if made.is_odd:
                select.select([connection], [], [], _HESITATION)
                connection.shutdown(socket.SHUT_WR)
            reply = HTTPResponse(connection, method=made.method)
            reply.begin()
            kind = (reply.getheader("content-type") or "").partition(";")[0]
            return Reply(reply.status, kind, reply.read())
        except (OSError, HTTPException):
            if not made.is_odd:
                raise
            return None


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
