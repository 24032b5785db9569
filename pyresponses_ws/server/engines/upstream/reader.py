"""From the bytes of an upstream's answer to its events, or to its Response in one piece."""

from __future__ import annotations

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
        # The body so far, while it may be in one piece; None once it is a stream.
        self._whole: bytearray | None = bytearray()
        self._size = 0

    def receive(self, data: bytes) -> None:
        """Take the next bytes; b"" is the end."""
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            self._answer.fail(upstream_failed("The upstream's answer does not come to an end."))
        elif not data:
            self._receive_end()
        elif self._whole is not None:
            self._whole += data
            start = self._whole.lstrip()[:1]
            if start and start not in b"{[":
                stream, self._whole = bytes(self._whole), None
                self._parse(stream)
        else:
            self._parse(data)

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
