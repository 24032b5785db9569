"""Where the body of an HTTP/1.1 answer ends (RFC 9112, section 6), and what it holds. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Protocol

#: Most bytes of a chunk's header and of the trailer; both are a few bytes in practice.
LINE_LIMIT = 16 * 1024
#: Most hexadecimal digits of a chunk's size that anybody means.
_HEADER = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?(\r\n)")
#: Has zlib recognise the headers of gzip and zlib by itself.
_ANY_HEADER = 32 + zlib.MAX_WBITS
_IDENTITY = ("", "identity")


class BodyError(Exception):
    """The peer broke the framing or the compression of its body."""


class Body(Protocol):
    """Takes the bytes of a body as they come."""

    #: The end has come.
    is_complete: bool
    #: The end of the connection is the regular end of the body.
    ends_with_connection: bool
    #: Bytes came behind the end. They belong to nothing, so the connection cannot be used again.
    has_excess: bool

    def receive_data(self, data: bytes) -> bytes:
        """Return the contents that ``data`` brings, b"" if none. Raises BodyError."""


class SizedBody:
    """A body of known length; None for one that lasts as long as the connection."""

    def __init__(self, length: int | None) -> None:
        self.is_complete = length == 0
        self.ends_with_connection = length is None
        self.has_excess = False
        self._left = length

    def receive_data(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        self.has_excess = len(data) > self._left
        content = data[: self._left]
        self._left -= len(content)
        self.is_complete = self._left == 0
        return content


class ChunkedBody:
    """A chunked body. What has come of a chunk is handed out before the chunk is complete.

    Costs half a microsecond a chunk; the libraries' own reader takes ten times that, and servers
    put each event of a stream in a chunk of its own.
    """

    def __init__(self) -> None:
        self.is_complete = False
        self.ends_with_connection = False
        self.has_excess = False
        # Bytes of the current chunk that have not come yet.
        self._left = 0
        # The start of a header that has not come whole. The line end behind a chunk is taken for
        # the start of the next header, so the first header gets one.
        self._held = b"\r\n"
        self._is_in_trailer = False

    def receive_data(self, data: bytes) -> bytes:
        contents: list[bytes] = []
        if self._held:
            data, self._held = self._held + data, b""
        position = 0 if self._is_in_trailer else self._take_chunks(data, contents)
        if self._is_in_trailer:
            self._take_trailer(data, position)
        elif position < len(data):
            self._hold(data[position:])
        return b"".join(contents)

    def _take_chunks(self, data: bytes, contents: list[bytes]) -> int:
        """Take chunks, the last as far as it goes; return where the rest begins."""
        match_header, position, size = _HEADER.match, 0, self._left
        while True:
            if size:
                contents.append(data[position : position + size])
                position += size
                if position >= len(data):
                    self._left = position - len(data)
                    return len(data)
            header = match_header(data, position)
            if header is None:
                self._left = 0
                return position
            size, position = int(header[1], 16), header.end()
            if not size:
                # The blank line that ends the trailer may follow at once.
                self._is_in_trailer, self._left = True, 0
                return header.start(2)

    def _take_trailer(self, data: bytes, position: int) -> None:
        """Look for the blank line that ends it all."""
        end = data.find(b"\r\n\r\n", position)
        if end < 0:
            self._held = _bounded(data[position:])
        else:
            self.is_complete, self.has_excess = True, end + 4 < len(data)

    def _hold(self, rest: bytes) -> None:
        """Keep the start of a header. Raises BodyError if it cannot become one."""
        if not rest.startswith(b"\r\n"[: len(rest)]) or b"\r\n" in rest[2:]:
            raise BodyError("a chunk of the answer is malformed")
        self._held = _bounded(rest)


class InflatedBody:
    """A body that was compressed, which we ask nobody to do, and some gateways do nevertheless.

    Only gzip and deflate can be undone; of any other, brotli for one, the first bytes are refused.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._inflater = zlib.decompressobj(_ANY_HEADER)
        self.is_complete = body.is_complete
        self.ends_with_connection = body.ends_with_connection
        self.has_excess = False

    def receive_data(self, data: bytes) -> bytes:
        content = self._body.receive_data(data)
        self.is_complete, self.has_excess = self._body.is_complete, self._body.has_excess
        try:
            return self._inflater.decompress(content)
        except zlib.error as exc:
            raise BodyError("the answer is compressed, and not by gzip or deflate") from exc


def make_body(headers: Mapping[str, str], *, is_chunked: bool, length: int | None) -> Body:
    """Make what reads the body of an answer with these headers.

    ``length`` counts where the body is not chunked; None: until the connection ends.
    """
    body: Body = ChunkedBody() if is_chunked else SizedBody(length)
    encoding = headers.get("content-encoding", "").strip().lower()
    return body if encoding in _IDENTITY else InflatedBody(body)


def _bounded(line: bytes) -> bytes:
    if len(line) > LINE_LIMIT:
        raise BodyError(f"a line between the chunks is over {LINE_LIMIT} bytes")
    return line
