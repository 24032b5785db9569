"""Random WebSocket traffic, byte by byte: sound frames in odd pieces, and frames that are none."""

from __future__ import annotations

import json
import socket
import struct
import zlib
from functools import cache
from random import Random
from typing import Any

from pyresponses_ws.server.config import MAX_MESSAGE_BYTES
from pyresponses_ws.server.core.wire import encode
from tests.support.fuzz_frames import FrameMaker
from tests.support.fuzz_server import PATIENCE
from tests.support.raw_server import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
)

_UPGRADE = (
    "GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
#: Each message is compressed for itself then.
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"
_MASK = b"mask"
#: The bit of a compressed message, its place among the reserved ones, and the end that is cut off.
_COMPRESSED, _RSV1, _TAIL = 0x40, 4, b"\x00\x00\xff\xff"


class RawSocket:
    """A client that writes any bytes and reads whole frames."""

    def __init__(self, address: tuple[str, int], *, asks_to_deflate: bool = False) -> None:
        self._socket = socket.create_connection(address, timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        offer = _DEFLATE if asks_to_deflate else ""
        self._socket.sendall(f"{_UPGRADE}{offer}\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        #: Whether messages may be compressed; those of the server may be, too.
        self.is_deflated = b"permessage-deflate" in head
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def send(self, data: bytes) -> None:
        """Write bytes. Raises OSError when the server has left."""
        self._socket.sendall(data)

    def read(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame. Raises ConnectionError at the end."""
        first, second = self._take(2)
        size = second & 0x7F
        if size >= 126:
            code, count = ("!H", 2) if size == 126 else ("!Q", 8)
            (size,) = struct.unpack(code, self._take(count))
        payload = self._take(size)
        if first & _COMPRESSED:
            payload = self._inflater.decompress(payload + _TAIL)
        return first & 0x0F, payload

    def read_until_pong(self, mark: bytes) -> list[dict[str, Any]]:
        """Ping with ``mark``; return the text frames up to its pong."""
        self.send(frame(PING, mark, mask=_MASK))
        frames = []
        while True:
            opcode, payload = self.read()
            if opcode == TEXT:
                frames.append(json.loads(payload.decode("utf-8"), parse_constant=_refuse))
            elif opcode == CLOSE:
                raise ConnectionError(f"closed with {payload[:2].hex()}")
            elif opcode == PONG and payload == mark:
                return frames

    def leave(self, random: Random) -> None:
        """Go: politely, in the middle of things, or with a reset."""
        kind = random.randrange(3)
        if kind == 0:
            self.send(frame(CLOSE, b"\x03\xe8", mask=_MASK))
        elif kind == 1:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill(self) -> None:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._buffer += chunk


class Attacker:
    """One connection's worth of random frames."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self._address = address
        self._random = Random(seed)
        self._maker = FrameMaker(seed)
        # Ids of responses, to steer and to continue.
        self._known = ["resp_unknown"]

    def attack(self, count: int) -> list[dict[str, Any]]:
        """Send ``count`` frames that leave the socket open, then perhaps one that does not.

        Returns what the server said. Raises ConnectionError when it closed too early.
        """
        raw = RawSocket(self._address, asks_to_deflate=self._random.random() < 0.3)
        said: list[dict[str, Any]] = []
        try:
            for number in range(count):
                payload = self._text().encode("utf-8", "replace")
                is_deflated = raw.is_deflated and self._random.random() < 0.7
                raw.send(_deflate(payload) if is_deflated else self._cut(payload))
                if number % 10 == 9:
                    said += self._read(raw)
            said += self._read(raw)
            if self._random.random() < 0.5:
                raw.send(self._deadly())
            raw.leave(self._random)
        finally:
            raw.close()
        return said

    def _read(self, raw: RawSocket) -> list[dict[str, Any]]:
        frames = raw.read_until_pong(b"%d" % self._random.randrange(2**32))
        created = [each for each in frames if each["type"] == "response.created"]
        self._known += [each["response"]["id"] for each in created]
        return frames

    def _text(self) -> str:
        maker, kind = self._maker, self._random.random()
        place = {
            "stream_id": self._random.choice([None, "a", "b", f"l{self._random.randrange(50)}"]),
            "previous_response_id": self._random.choice([None, *self._known[-3:]]),
        }
        if kind < 0.25:
            return encode(maker.create(**place))
        if kind < 0.4:
            return encode(maker.wild_create(**place))
        if kind < 0.6:
            return encode(maker.mutate(maker.create(**place)))
        if kind < 0.75:
            steer = maker.steer(self._random.choice(self._known[-3:]), "more")
            return encode(self._random.choice([steer, maker.mutate(steer)]))
        return self._random.choice([maker.awkward, maker.garbage])()

    def _cut(self, payload: bytes) -> bytes:
        """Frame a message, whole or in fragments with pings between."""
        if self._random.random() < 0.7:
            return frame(TEXT, payload, mask=_MASK)
        at = sorted(self._random.randrange(len(payload) + 1) for _ in range(3))
        pieces = [
            payload[: at[0]],
            payload[at[0] : at[1]],
            payload[at[1] : at[2]],
            payload[at[2] :],
        ]
        data = frame(TEXT, pieces[0], fin=False, mask=_MASK)
        for piece in pieces[1:-1]:
            data += frame(PING, b"between", mask=_MASK)
            data += frame(CONTINUATION, piece, fin=False, mask=_MASK)
        return data + frame(CONTINUATION, pieces[-1], mask=_MASK)

    def break_off(self) -> None:
        """Break the protocol while turns run on several lanes."""
        raw = RawSocket(self._address)
        try:
            for lane in ("a", "b", "c", "d"):
                create = {"type": "response.create", "model": "m", "stream_id": lane}
                text = json.dumps({**create, "input": "word " * 200})
                raw.send(frame(TEXT, text.encode(), mask=_MASK))
            raw.read()
            raw.send(self._deadly())
            raw.read_until_pong(b"gone?")
        except OSError:
            pass  # It was cut off, as it should be.
        finally:
            raw.close()

    def _deadly(self) -> bytes:
        """Return what breaks the WebSocket protocol, or the rule of text frames."""
        noise = self._random.randbytes(self._random.randrange(1, 40))
        return self._random.choice(
            [
                noise,
                frame(TEXT, b"\xff" + noise, mask=_MASK),
                frame(TEXT, noise, rsv=_RSV1, mask=_MASK),
                _bomb(),
                _deflate(b"\xff" + noise),
                frame(TEXT, noise, rsv=self._random.randrange(1, 8), mask=_MASK),
                frame(TEXT, b"{}"),
                frame(BINARY, noise, mask=_MASK),
                frame(self._random.choice([3, 7, 11, 15]), noise, mask=_MASK),
                frame(CONTINUATION, noise, mask=_MASK),
                frame(TEXT, b"{", fin=False, mask=_MASK) + frame(TEXT, b"}", mask=_MASK),
                frame(PING, b"x" * 126, mask=_MASK),
                frame(PING, b"x", fin=False, mask=_MASK),
                frame(CLOSE, b"\x03", mask=_MASK),
                frame(CLOSE, b"\x03\xe8\xff\xfe", mask=_MASK),
                *(_close(code) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)),
                b"\x81\xff" + struct.pack("!Q", 2**63 - 1) + _MASK + noise,
                b"\x81\xff" + struct.pack("!Q", 2**64 - 1) + _MASK,
                frame(TEXT, b"{", fin=False, mask=_MASK),
                frame(TEXT, b"{}", mask=_MASK)[:-1],
            ]
        )


def _deflate(payload: bytes) -> bytes:
    """Return a compressed message."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return frame(TEXT, packed.removesuffix(_TAIL), rsv=_RSV1, mask=_MASK)


@cache
def _bomb() -> bytes:
    """Return a message of some kilobytes that is three times over the server's limit."""
    return _deflate(b" " * (3 * MAX_MESSAGE_BYTES))


def _close(code: int) -> bytes:
    """Return a masked close frame of any code."""
    return frame(CLOSE, close_frame(code)[2:], mask=_MASK)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
