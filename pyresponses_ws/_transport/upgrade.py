"""The customs between websocket-client's handshake and the wire.

websocket-client writes the upgrade request and checks the answer, over something that it takes for
a socket. What stands there adds our headers to the one and takes everything but the few lines
that matter from the other. So the library never sees a key, whose trace log would print it, nor a
cookie, which its jar would share with every connection of the process; and no byte is read without
the deadline, nor without a bound.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyresponses_ws._transport.network import Deadline
from pyresponses_ws.errors import ConfigError

#: Most bytes of response head, and of a refusal's body, that are read. Heads are under 4 KiB.
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024
#: Seconds that the body of a refusal may take; the status, which matters more, is known by then.
BODY_WAIT = 2.0

#: What a caller may not set: they are the handshake itself, or would frame the request anew.
RESERVED_HEADERS = frozenset(
    {
        *("connection", "upgrade", "content-length", "transfer-encoding"),
        *("sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key"),
        "sec-websocket-version",
    }
)
#: The lines of a 101 that make it one; the others stay here.
PASSED_ON = ("upgrade", "connection", "sec-websocket-accept")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-9]\d\d)(?: |$)")


class NotHTTPError(Exception):
    """The answer to the upgrade request is no HTTP/1 response, or has no end."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A server's response to the upgrade: header names in lower case, the body if it refused."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False, default=b"")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ConfigError, which names the header and never its value, for one that cannot travel."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"header {name!r}: not a valid name")
        if name.lower() in RESERVED_HEADERS:
            raise ConfigError(f"header {name!r} belongs to the WebSocket handshake; leave it out")
        if not _VALUE.fullmatch(value):
            raise ConfigError(
                f"header {name!r}: its value holds a line break, another control character or one"
                " outside Latin-1 (a key pasted with its newline?)"
            )


class UpgradeSocket:
    """What websocket-client takes for the socket while it shakes hands."""

    def __init__(
        self, sock: socket.socket, *, headers: Mapping[str, str], deadline: Deadline
    ) -> None:
        self._sock = sock
        self._headers = headers
        self._deadline = deadline
        self._received = bytearray()
        # What websocket-client gets to read; None until the answer has come.
        self._shown: bytes | None = None
        #: The server's response, once its head is complete.
        self.answer: Answer | None = None

    def send(self, data: bytes) -> int:
        """Send the request whole, with our headers in it."""
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(add_headers(data, self._headers))
        return len(data)

    def recv(self, size: int) -> bytes:
        """Return the next bytes of the answer as websocket-client may see it.

        Raises TimeoutError at the deadline and NotHTTPError.
        """
        if self._shown is None:
            self._shown = self._receive_answer()
        data, self._shown = self._shown[:size], self._shown[size:]
        return data

    def gettimeout(self) -> float | None:
        return self._sock.gettimeout()

    def close(self) -> None:
        """Leave the socket open: it has another owner, who closes it in every case."""

    def take_rest(self) -> bytes:
        """Return what came behind the head of a 101: the first frames."""
        rest, self._received = bytes(self._received), bytearray()
        return rest

    def _receive_answer(self) -> bytes:
        """Read the final response, and return what of it to show."""
        while True:
            status, headers = parse_head(self._receive_head())
            self.answer = Answer(status=status, headers=headers)
            if status == 101:
                return _encode_head(status, headers, PASSED_ON)
            if status >= 200:
                self.answer = Answer(status=status, headers=headers, body=self._receive_body())
                return _encode_head(status, headers, ())

    def _receive_head(self) -> str:
        """Read up to and including the blank line; return the lines before it."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            start = bytes(self._received[:5])
            if start != b"HTTP/"[: len(start)]:
                raise NotHTTPError("what came back is not HTTP")
            if len(self._received) > HEAD_LIMIT:
                raise NotHTTPError(f"the response head is over {HEAD_LIMIT} bytes")
            if not self._read_more(self._deadline):
                raise NotHTTPError("the connection was closed before a response was complete")
        head = self._received[:end].decode("latin-1")
        del self._received[: end + 4]
        return head

    def _receive_body(self) -> bytes:
        """Read what a refusal says, as far as it comes; none of it is worth an error."""
        assert self.answer is not None
        deadline = Deadline(at=min(self._deadline.at, Deadline.after(BODY_WAIT).at))
        with contextlib.suppress(OSError):
            while not _is_complete(self._received, self.answer.headers):
                if len(self._received) > BODY_LIMIT or not self._read_more(deadline):
                    break
        body = bytes(self._received[:BODY_LIMIT])
        is_chunked = "chunked" in self.answer.headers.get("transfer-encoding", "").lower()
        return _join_chunks(body) if is_chunked else body

    def _read_more(self, deadline: Deadline) -> bool:
        """Add what one read gives; False at the end of the stream."""
        self._sock.settimeout(deadline.left())
        data = self._sock.recv(HEAD_LIMIT)
        self._received += data
        return bool(data)


def add_headers(request: bytes, headers: Mapping[str, str]) -> bytes:
    """Put ``headers`` into a request that ends at its blank line.

    One of ours replaces a line of the same name. A cookie that the library added goes.
    """
    first, *lines = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    replaced = {b"cookie", *(name.lower().encode() for name in headers)}
    kept = [line for line in lines if line.partition(b":")[0].lower() not in replaced]
    ours = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    return b"\r\n".join([first, *kept, *ours, b"", b""])


def parse_head(head: str) -> tuple[int, dict[str, str]]:
    """Return status and headers, names in lower case, repeated ones joined by commas.

    Raises NotHTTPError.
    """
    first, *lines = head.split("\r\n")
    match = _STATUS_LINE.match(first)
    if match is None:
        raise NotHTTPError("the status line is not that of HTTP/1")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return int(match[1]), headers


def _encode_head(status: int, headers: Mapping[str, str], names: tuple[str, ...]) -> bytes:
    lines = [f"{name}: {headers[name]}" for name in names if name in headers]
    return "\r\n".join([f"HTTP/1.1 {status} -", *lines, "", ""]).encode()


def _is_complete(body: bytearray, headers: Mapping[str, str]) -> bool:
    """Tell whether a body is all there; one without a length ends with the connection."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return body.endswith(b"0\r\n\r\n")
    length = headers.get("content-length", "")
    return length.isdecimal() and len(body) >= int(length)


def _join_chunks(body: bytes) -> bytes:
    """Return the contents of a chunked body, as far as it is well-formed."""
    joined = b""
    while body:
        line, _, body = body.partition(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            break
        if size <= 0:
            break
        joined, body = joined + body[:size], body[size + 2 :]
    return joined
