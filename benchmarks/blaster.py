"""A WebSocket server that answers with frames built beforehand, as fast as the socket takes them.

Figures about a client need a peer that costs next to nothing, in a process of its own. This one
reads a request, whose ``input`` says how many deltas the answer shall have, and writes that answer
from memory. It serves one connection after another, until it is killed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import itertools
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

#: Bytes of the JSON of one delta, which its ``obfuscation`` pads; the usual size of live ones.
DELTA_BYTES = 190
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RESPONSE_ID, _ITEM_ID = b"resp_0000000000000000", "msg_0123456789abcdef"
_WORDS = ("time ", "and ", "the ", "answer ", "of ", "every ", "socket ", "is ")
_PADDING = "q7Yk2Xw9Rb4Tn6Vc1Zs8Lm3Pj5Hd0Gf" * 4


def delta_text(index: int) -> str:
    """Return the text of a delta; it holds the index, so that a lost or swapped one shows."""
    return f"{_WORDS[index % len(_WORDS)]}{index} "


def build_turn(deltas: int) -> list[bytes]:
    """Return the frames of a whole answer, from ``response.created`` to ``completed``.

    They are in three parts; the response's id, a placeholder, is in the first and the last alone.
    """
    frames = []
    for number, event in enumerate(_events(deltas)):
        event["sequence_number"] = number
        if "obfuscation" in event:
            event["obfuscation"] = _PADDING[: DELTA_BYTES - len(_json(event))]
        frames.append(_frame(_json(event)))
    return [b"".join(part) for part in (frames[:2], frames[2:-1], frames[-1:])]


def _events(deltas: int) -> Iterator[dict[str, Any]]:
    text = "".join(map(delta_text, range(deltas)))
    item = {"id": _ITEM_ID, "type": "message", "role": "assistant"}
    at_item: dict[str, Any] = {"item_id": _ITEM_ID, "output_index": 0}
    at_part = {"content_index": 0, **at_item}
    whole = {**item, "status": "completed", "content": [_part(text)]}
    yield {"type": "response.created", "response": _response("in_progress", [])}
    yield {"type": "response.in_progress", "response": _response("in_progress", [])}
    begun = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "item": begun, "output_index": 0}
    yield {"type": "response.content_part.added", **at_part, "part": _part("")}
    for index in range(deltas):
        delta = {"delta": delta_text(index), "logprobs": [], "obfuscation": ""}
        yield {"type": "response.output_text.delta", **at_part, **delta}
    yield {"type": "response.output_text.done", **at_part, "logprobs": [], "text": text}
    yield {"type": "response.content_part.done", **at_part, "part": _part(text)}
    yield {"type": "response.output_item.done", "item": whole, "output_index": 0}
    yield {"type": "response.completed", "response": _response("completed", [whole])}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response(status: str, output: list[Any]) -> dict[str, Any]:
    return {
        "id": _RESPONSE_ID.decode(),
        "object": "response",
        "created_at": 1795158001,
        "status": status,
        "model": "blaster",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "error": None,
        "usage": None,
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    short = size <= 0xFFFF
    return struct.pack("!BBH" if short else "!BBQ", 0x81, 126 if short else 127, size) + payload


# ------------------------------------------------------------------------------- the server


class _Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""

    def upgrade(self) -> None:
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        request, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = [line.partition(b":") for line in request.split(b"\r\n")]
        key = next(value.strip() for name, _, value in lines if name.lower().endswith(b"-key"))
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self._sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def answer(self, turns: dict[int, list[bytes]]) -> None:
        """Answer each request with the turn that it asks for, until the client leaves."""
        for number in itertools.count(1):
            opcode, payload = self._read_frame()
            if opcode == 8:
                self._sock.sendall(bytes((0x88, 2)) + payload[:2])
                return
            if opcode != 1:
                continue
            # Whoever meets an id again takes the response for one that is over.
            head, body, tail = turns[int(json.loads(payload)["input"])]
            fresh = f"resp_{number:016}".encode()
            self._sock.sendall(head.replace(_RESPONSE_ID, fresh))
            self._sock.sendall(body)
            self._sock.sendall(tail.replace(_RESPONSE_ID, fresh))

    def _read_frame(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        mask, payload = self._take(4), self._take(size)
        return first & 0xF, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _fill(self) -> None:
        data = self._sock.recv(1 << 16)
        if not data:
            raise EOFError
        self._buffer += data


def serve(sizes: list[int]) -> None:
    """Print the port, then serve for ever."""
    turns = {deltas: build_turn(deltas) for deltas in sizes}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock, contextlib.suppress(EOFError, ConnectionError):
                peer = _Peer(sock)
                peer.upgrade()
                peer.answer(turns)


@contextlib.contextmanager
def blaster(*sizes: int) -> Iterator[int]:
    """Run the server in its own process, ready for turns of ``sizes`` deltas; yields its port."""
    command = [sys.executable, __file__, *map(str, sizes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="+", help="deltas of the answers to have ready")
    serve(parser.parse_args().sizes)
