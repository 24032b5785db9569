"""A WebSocket peer made of bytes: it says exactly what a test's script says, right or wrong."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = None
) -> bytes:
    """Build a frame, valid or not; ``rsv`` is the three reserved bits as a number."""
    size, masked = len(payload), 0x80 if mask else 0
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    if size < 126:
        head += bytes((masked | size,))
    elif size < 1 << 16:
        head += struct.pack("!BH", masked | 126, size)
    else:
        head += struct.pack("!BQ", masked | 127, size)
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + (mask or b"") + payload


def close_frame(code: int, reason: bytes | str = b"") -> bytes:
    """Build a close frame with any code."""
    text = reason.encode() if isinstance(reason, str) else reason
    return frame(CLOSE, code.to_bytes(2, "big") + text)


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        #: The upgrade request as it came, and its headers by lower-case name.
        self.request = b""
        self.headers: dict[str, str] = {}
        self._buffer = b""

    def read_request(self) -> bytes:
        """Read the upgrade request up to its blank line."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        self.request, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        for line in self.request.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        return self.request

    def acceptance(self) -> bytes:
        """Return the 101 that answers the request read."""
        key = self.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def accept(self) -> None:
        """Read the request and accept it."""
        self.read_request()
        self.send(self.acceptance())

    def send(self, *pieces: bytes) -> None:
        self.sock.sendall(b"".join(pieces))

    def read_exactly(self, size: int) -> bytes:
        """Read ``size`` bytes. Raises EOFError when the client leaves before."""
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_frame(self) -> tuple[int, bytes]:
        """Read one masked frame of the client; return opcode and payload in clear."""
        first, second = self.read_exactly(2)
        assert second & 0x80, "a client's frame must be masked"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self.read_exactly(2 if size == 126 else 8), "big")
        mask, payload = self.read_exactly(4), self.read_exactly(size)
        pad = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return first & 0x0F, (int.from_bytes(payload, "big") ^ pad).to_bytes(size, "big")

    def read_to_end(self) -> bytes:
        """Read until the client leaves, however it does; return what came."""
        came = [self._buffer]
        with contextlib.suppress(OSError):
            while came[-1] or len(came) == 1:
                came.append(self.sock.recv(1 << 16))
        return b"".join(came)

    def reset(self) -> None:
        """End the connection with an RST."""
        linger = struct.pack("ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()

    def _fill(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError("the client ended the connection")
        self._buffer += data


class RawServer:
    """Listens on loopback and runs ``script`` on each connection, one after the other.

    Leaving the block ends the listener, joins the thread and raises what a script raised; a
    connection is closed when its script returns, after the client's end if it ``lingers``.
    """

    def __init__(
        self,
        script: Callable[[Peer], object],
        *,
        tls: ssl.SSLContext | None = None,
        lingers: bool = True,
    ) -> None:
        self._script = script
        self._tls = tls
        self._lingers = lingers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._current: socket.socket | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="raw-server", daemon=True)
        self.port: int = self._listener.getsockname()[1]
        scheme = "ws" if tls is None else "wss"
        self.url = f"{scheme}://127.0.0.1:{self.port}/v1/responses"

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if error is not None and self._current is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._current, socket.SHUT_RDWR)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the script does not end"
        if self._failure is not None and error is None:
            raise self._failure

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # the listener is closed
                return
            try:
                self._run_script(sock)
            except BaseException as exc:  # raised in the test's thread
                self._failure = self._failure or exc

    def _run_script(self, sock: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            sock.settimeout(10)
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except OSError:  # a client that refuses our certificate, or leaves
                    return
                stack.callback(sock.close)
            self._current = sock
            peer = Peer(sock)
            self._script(peer)
            if self._lingers and sock.fileno() >= 0:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_WR)
                peer.read_to_end()
