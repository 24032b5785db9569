"""The answer to a request that asks for a tunnel or a WebSocket: its head, and why it is a refusal.

No byte is read without the deadline, nor without a bound.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pyresponses_ws._transport.deadline import Deadline

#: Most bytes of response head, and of a refusal's body, that are read. Heads are under 4 KiB.
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024
#: Seconds that the body of a refusal may take; the status, which matters more, is known by then.
BODY_WAIT = 2.0

_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-9]\d\d)(?: |$)")


class NotHTTPError(Exception):
    """The answer is no HTTP/1 response, or has no end."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response: header names in lower case, the body if it refused."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False, default=b"")


class AnswerReader:
    """Reads one response, and keeps what came behind it."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._received = bytearray()

    def receive_answer(self) -> Answer:
        """Return status and headers of the next response, interim ones (103 for one) included.

        Raises TimeoutError at the deadline, OSError and NotHTTPError.
        """
        status, headers = parse_head(self._receive_head())
        return Answer(status=status, headers=headers)

    def receive_refusal(self, answer: Answer) -> Answer:
        """Return ``answer`` with its body, as far as that comes; none of it is worth an error."""
        return replace(answer, body=self._receive_body(answer))

    def take_rest(self) -> bytes:
        """Return what came behind the head."""
        rest, self._received = bytes(self._received), bytearray()
        return rest

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

    def _receive_body(self, answer: Answer) -> bytes:
        deadline = Deadline(at=min(self._deadline.at, Deadline.after(BODY_WAIT).at))
        with contextlib.suppress(OSError):
            while not _is_complete(self._received, answer.headers):
                if len(self._received) > BODY_LIMIT or not self._read_more(deadline):
                    break
        body = bytes(self._received[:BODY_LIMIT])
        is_chunked = "chunked" in answer.headers.get("transfer-encoding", "").lower()
        return _join_chunks(body) if is_chunked else body

    def _read_more(self, deadline: Deadline) -> bool:
        """Add what one read gives; False at the end of the stream."""
        self._sock.settimeout(deadline.left())
        data = self._sock.recv(HEAD_LIMIT)
        self._received += data
        return bool(data)


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
