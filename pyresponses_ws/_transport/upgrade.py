"""The customs between websocket-client's handshake and the wire.

websocket-client writes the upgrade request and checks the answer, over something that it takes for
a socket. What stands there adds our headers to the one and takes everything but the few lines
that matter from the other. So the library never sees a key, whose trace log would print it, nor a
cookie, which its jar would share with every connection of the process; and no byte is read without
the deadline, nor without a bound.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pyresponses_ws._transport.answer import BODY_LIMIT as BODY_LIMIT
from pyresponses_ws._transport.answer import Answer as Answer
from pyresponses_ws._transport.answer import AnswerReader
from pyresponses_ws._transport.answer import NotHTTPError as NotHTTPError
from pyresponses_ws._transport.deadline import Deadline

#: The lines of a 101 that make it one; the others stay here.
PASSED_ON = ("upgrade", "connection", "sec-websocket-accept")


class UpgradeSocket:
    """What websocket-client takes for the socket while it shakes hands."""

    def __init__(
        self, sock: socket.socket, *, headers: Mapping[str, str], deadline: Deadline
    ) -> None:
        self._sock = sock
        self._headers = headers
        self._deadline = deadline
        self._reader = AnswerReader(sock, deadline)
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
        return self._reader.take_rest()

    def _receive_answer(self) -> bytes:
        """Read the final response, and return what of it to show."""
        while True:
            self.answer = self._reader.receive_answer()
            if self.answer.status == 101:
                return _encode_head(self.answer, PASSED_ON)
            if self.answer.status >= 200:
                self.answer = self._reader.receive_refusal(self.answer)
                return _encode_head(self.answer, ())


def add_headers(request: bytes, headers: Mapping[str, str]) -> bytes:
    """Put ``headers`` into a request that ends at its blank line.

    One of ours replaces a line of the same name. A cookie that the library added goes.
    """
    first, *lines = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    replaced = {b"cookie", *(name.lower().encode() for name in headers)}
    kept = [line for line in lines if line.partition(b":")[0].lower() not in replaced]
    ours = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    return b"\r\n".join([first, *kept, *ours, b"", b""])


def _encode_head(answer: Answer, names: tuple[str, ...]) -> bytes:
    lines = [f"{name}: {answer.headers[name]}" for name in names if name in answer.headers]
    return "\r\n".join([f"HTTP/1.1 {answer.status} -", *lines, "", ""]).encode()
