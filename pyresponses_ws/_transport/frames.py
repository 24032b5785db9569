"""Frames of RFC 6455 as a client sees them: parses what comes, shapes what goes. Pure."""

from __future__ import annotations

import codecs
import struct

from pyresponses_ws._transport.base import Close

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

#: First byte of a text message in a single frame: FIN and the opcode, no reserved bit.
WHOLE_TEXT = 0x80 | TEXT
#: Longest payload of a control frame (RFC 6455, 5.5).
CONTROL_LIMIT = 125
#: Close codes that a peer may send (RFC 6455, 7.4, and its registry): 1004 to 1006 and 1015 never
#: travel, below 1000 and from 5000 nothing is defined, the rest of 1000 to 2999 is not assigned.
SENDABLE_CODES = frozenset(
    {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)},
)
#: What a close frame without a code means; reported, never sent.
NO_STATUS = 1005

PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_PAYLOAD, TOO_BIG = 1002, 1003, 1007, 1009


class _Refusal(Exception):
    """The peer sent what it may not; carries the close code and reason to answer with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.close = Close(code=code, reason=reason)


class FrameParser:
    """Turns the bytes of one connection into text messages.

    Takes bytes in pieces of any size and keeps what is incomplete. It pauses behind each ping, so
    that every one can have its pong, before what came after it; and it stops for good at the first
    close frame or violation: ``close`` is then set. Costs about a quarter of a microsecond a frame
    where whole frames come together, since the design counts on batches.
    """

    def __init__(self, *, max_message_bytes: int | None = None) -> None:
        #: How the peer ended it, or what we answer to its violation; None while it goes on.
        self.close: Close | None = None
        #: Payload of the newest ping and pong; whoever reads them resets them.
        self.ping: bytes | None = None
        self.pong: bytes | None = None
        #: True when bytes wait behind a ping: call again, with b"", before the next read.
        self.is_paused = False
        self._limit = max_message_bytes
        # A frame of the short forms cannot break a limit above them, so it need not be asked.
        self._has_fast_path = max_message_bytes is None or max_message_bytes > 0xFFFF
        # The start of an incomplete frame, in the pieces in which it came; joined only when
        # _wanted bytes are there, so that a large frame is not copied once a read.
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = 0
        # The fragmented message in progress: decoded so far, and its size in bytes.
        self._decoder: codecs.IncrementalDecoder | None = None
        self._fragments: list[str] = []
        self._fragmented_bytes = 0

    def receive_data(self, data: bytes) -> list[str]:
        """Take what came and return the messages that it completes; [] once ``close`` is set."""
        messages: list[str] = []
        self.is_paused = False
        if self.close is None and (whole := self._join(data)):
            try:
                self._parse(whole, messages)
            except _Refusal as refusal:
                self.close = refusal.close
            except UnicodeDecodeError:
                self.close = Close(code=INVALID_PAYLOAD, reason="text is not UTF-8")
        return messages

    def _join(self, data: bytes) -> bytes:
        """Return all bytes not parsed yet, or b"" if they cannot complete a frame."""
        if not self._pieces:
            return data
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._wanted:
            return b""
        whole = b"".join(self._pieces)
        self._pieces = []
        return whole

    def _hold(self, rest: bytes, wanted: int) -> None:
        """Keep the start of a frame until ``wanted`` bytes are there."""
        self._pieces, self._held, self._wanted = [rest], len(rest), wanted

    def _parse(self, data: bytes, messages: list[str]) -> None:
        """Take every whole frame of ``data`` up to a ping; keep the rest."""
        position = 0
        while position < len(data) and not self.is_paused and self.close is None:
            position = self._take_whole_texts(data, position, messages)
            if len(data) - position < 2:
                break
            start, size = self._read_header(data, position)
            if size < 0 or start + size > len(data):
                self._hold(data[position:], start + max(size, 0) - position)
                return
            first, position = data[position], start + size
            self._take_frame(first, data[start:position], messages)
            self.is_paused = first & 0xF == PING and position < len(data)
        if position < len(data):
            self._hold(data[position:], 2)

    def _take_whole_texts(self, data: bytes, position: int, messages: list[str]) -> int:
        """Take text messages of one short frame each, the shape of nearly all traffic.

        Returns where it stopped: at anything else, or at an incomplete frame. One flat loop,
        since calls would cost more than all that it does.
        """
        if self._decoder is not None or not self._has_fast_path:
            return position
        size_of_data = len(data)
        last_header = size_of_data - 4
        while position <= last_header and data[position] == WHOLE_TEXT:
            size = data[position + 1]
            start = position + 2
            if size > CONTROL_LIMIT:
                start = position + 4
                if size != 126 or (size := data[position + 2] << 8 | data[position + 3]) < 126:
                    break
            if start + size > size_of_data:
                break
            position = start + size
            messages.append(data[start:position].decode())
        return position

    def _read_header(self, data: bytes, position: int) -> tuple[int, int]:
        """Return where the payload starts and its size; the size is -1 if the header is cut.

        Refuses as early as the header allows: a peer must not make us wait for, or hold, the
        payload of a frame that cannot be valid.
        """
        first, second = data[position], data[position + 1]
        self._check_first_byte(first)
        if second & 0x80:
            raise _Refusal(PROTOCOL_ERROR, "a server's frame is masked")
        if first & 0x8 and second > CONTROL_LIMIT:
            raise _Refusal(PROTOCOL_ERROR, "a control frame is too long")
        start, size = _read_size(data, position + 2, second)
        if self._limit is not None and not first & 0x8 and size >= 0:
            self._check_size(size)
        return start, size

    def _check_first_byte(self, first: int) -> None:
        opcode = first & 0xF
        if first & 0x70:
            raise _Refusal(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _Refusal(PROTOCOL_ERROR, f"opcode {opcode} is not defined")
        if opcode >= CLOSE and not first & 0x80:
            raise _Refusal(PROTOCOL_ERROR, "a control frame is fragmented")
        if opcode == CONTINUATION and self._decoder is None:
            raise _Refusal(PROTOCOL_ERROR, "a continuation continues nothing")
        if opcode in (TEXT, BINARY) and self._decoder is not None:
            raise _Refusal(PROTOCOL_ERROR, "a message starts inside another")
        if opcode == BINARY:
            raise _Refusal(UNSUPPORTED_DATA, "binary messages are not supported")

    def _check_size(self, size: int) -> None:
        assert self._limit is not None
        if self._fragmented_bytes + size > self._limit:
            raise _Refusal(TOO_BIG, f"a message is over {self._limit} bytes")

    def _take_frame(self, first: int, payload: bytes, messages: list[str]) -> None:
        """Act on one frame whose header has been accepted."""
        opcode = first & 0xF
        if opcode == PING:
            self.ping = payload
        elif opcode == PONG:
            self.pong = payload
        elif opcode == CLOSE:
            self.close = _parse_close(payload)
        elif first == WHOLE_TEXT:
            messages.append(payload.decode())
        else:
            self._take_fragment(payload, messages, is_last=bool(first & 0x80))

    def _take_fragment(self, payload: bytes, messages: list[str], *, is_last: bool) -> None:
        """Add to the fragmented message; a fragment may end inside a character."""
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._fragmented_bytes += len(payload)
        self._fragments.append(self._decoder.decode(payload, is_last))
        if is_last:
            messages.append("".join(self._fragments))
            self._decoder, self._fragments, self._fragmented_bytes = None, [], 0


def _read_size(data: bytes, start: int, size: int) -> tuple[int, int]:
    """Read the longer forms of a payload size; -1 if they are cut.

    The shortest form is the only valid one (RFC 6455, 5.2).
    """
    if size <= CONTROL_LIMIT:
        return start, size
    width, least = (2, 126) if size == 126 else (8, 1 << 16)
    if len(data) - start < width:
        return start + width, -1
    size = int.from_bytes(data[start : start + width], "big")
    if size < least or size >> 63:
        raise _Refusal(PROTOCOL_ERROR, "a payload length is malformed")
    return start + width, size


def _parse_close(payload: bytes) -> Close:
    """Read the payload of a close frame; one that is malformed is a violation."""
    if not payload:
        return Close(code=NO_STATUS, reply_due=True)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or code not in SENDABLE_CODES:
        raise _Refusal(PROTOCOL_ERROR, "a close frame has no valid code")
    return Close(code=code, reason=payload[2:].decode(), reply_due=True)


def encode_header(opcode: int, size: int, mask: bytes) -> bytes:
    """Return the header of an unfragmented, masked frame of ``size`` bytes."""
    if size <= CONTROL_LIMIT:
        return bytes((0x80 | opcode, 0x80 | size)) + mask
    if size <= 0xFFFF:
        return struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size) + mask
    return struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size) + mask


def encode_close(code: int, reason: str) -> bytes:
    """Return the payload of a close frame; empty for a code that may not travel.

    A reason too long for a control frame is cut between characters.
    """
    if code not in SENDABLE_CODES:
        return b""
    text = reason.encode("utf-8", "replace")[: CONTROL_LIMIT - 2]
    return code.to_bytes(2, "big") + text.decode("utf-8", "ignore").encode()
