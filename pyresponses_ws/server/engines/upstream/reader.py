"""From the bytes of an upstream's answer to its events, or to its Response in one piece."""

from __future__ import annotations

import codecs

from pyresponses_ws._protocol.sse import SSEParser
from pyresponses_ws.errors import ProtocolError
from pyresponses_ws.server.engines.upstream.errors import upstream_failed
from pyresponses_ws.server.engines.upstream.events import Answer

#: Bytes of one event. A terminal event repeats the output, images among it.
MAX_EVENT_BYTES = 64 * 2**20
#: Bytes of an answer, which is kept until it ends; what runs on for longer is broken.
MAX_ANSWER_BYTES = 256 * 2**20


class AnswerReader:
    """Tells a stream of events from a Response in one piece by its first byte; types vary."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._parser = SSEParser(max_event_bytes=MAX_EVENT_BYTES)
        # The body so far, unless it is a stream; whether it is one, None while it is blank.
        self._whole = bytearray()
        self._is_stream: bool | None = None
        self._size = 0

    def receive(self, data: bytes) -> None:
        """Take the next bytes; b"" is the end."""
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            self._answer.fail(upstream_failed("The upstream's answer does not come to an end."))
        elif not data:
            self._receive_end()
        elif self._is_stream:
            self._parse(data)
        else:
            self._receive_unknown(data)

    def _receive_unknown(self, data: bytes) -> None:
        if not self._whole:
            data = data.removeprefix(codecs.BOM_UTF8)
        self._whole += data
        if self._is_stream is None and (start := data.lstrip()[:1]):
            self._is_stream = start not in b"{["
            if self._is_stream:
                self._parse(bytes(self._whole))
                self._whole.clear()

    def _receive_end(self) -> None:
        if self._whole:
            self._answer.receive_whole(bytes(self._whole))
        else:
            # Some servers leave out the blank line behind their last event.
            self._parse(b"\n\n")
            self._answer.receive_end()

    def _parse(self, data: bytes) -> None:
        try:
            while texts := self._parser.receive_data(data):
                data = b""
                for text in texts:
                    self._answer.receive_text(text)
        except ProtocolError as exc:
            error = upstream_failed(f"The upstream's answer is no event stream: {exc}.")
            self._answer.fail_unread(error)
