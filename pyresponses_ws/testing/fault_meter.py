"""Counts what passes in one direction, and sees where frames, events and heads end. Pure."""

from __future__ import annotations

import re
from enum import Enum, auto

#: First byte of a TLS record that opens a connection (RFC 8446, 5.1: handshake).
_TLS_HANDSHAKE = 0x16
#: Ends a head of HTTP, and a server-sent event.
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
#: Bytes of a blank line that may have come with an earlier read.
_BLANK_CARRY = 3
#: The answer after which both sides speak WebSocket.
_SWITCHING = re.compile(rb"HTTP/1\.\d 101")
#: How a head of HTTP begins, of an answer or of a request.
_HEAD = re.compile(rb"HTTP/1\.|[A-Z]+ ")
#: Bytes that tell one from the other.
_START_SIZE = 12


class _Speech(Enum):
    UNKNOWN = auto()
    #: HTTP, or anything that has blank lines; or has not.
    LINES = auto()
    FRAMES = auto()
    TLS = auto()


class TextWatch:
    """Looks for a text in what passes, wherever reads happen to end."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        #: It has been seen since the watch began.
        self.is_seen = False
        self._carry = b""

    def receive(self, data: bytes) -> None:
        """Look at the next bytes of the same frame or stretch of lines."""
        looked = self._carry + data
        self.is_seen = self.is_seen or self.text in looked
        keep = len(self.text) - 1
        self._carry = looked[-keep:] if keep else b""

    def end_unit(self) -> None:
        """A text does not go on from one frame to the next."""
        self._carry = b""


class Meter:
    """Follows one direction of a connection. What cannot be followed still counts as bytes.

    A unit is a WebSocket frame, or what ends with a blank line: an event, a head.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.frames = 0
        #: The last byte taken ended a unit.
        self.is_at_end = False
        #: The unit that ended last was a head of HTTP.
        self.is_head = False
        #: Bytes of the unit that ended last, or is under way.
        self.unit_size = 0
        #: The peer has agreed to speak WebSocket from here on.
        self.is_upgraded = False
        #: Told every byte that a text may be in.
        self.watches: list[TextWatch] = []
        self._speech = _Speech.UNKNOWN
        # The last bytes of a stretch of lines that has not ended, and its first ones.
        self._carry = b""
        self._start = b""
        # The frame under way: what has come of its header, its mask, and what is still to come.
        self._header = bytearray()
        self._mask = b""
        self._left = 0

    @property
    def is_tls(self) -> bool:
        return self._speech is _Speech.TLS

    @property
    def is_behind_message(self) -> bool:
        """The last byte ended a frame or an event."""
        return self.is_at_end and not self.is_head

    def upgrade(self) -> None:
        """Expect frames from here on."""
        if self._speech is not _Speech.FRAMES:
            self._speech, self.is_upgraded = _Speech.FRAMES, True
            self._carry = self._start = b""

    def take(self, data: bytes, start: int, stop: int) -> int:
        """Take in bytes from ``start``, up to the end of a unit or ``stop``; return where it is."""
        if self.is_at_end:
            self.is_at_end, self.unit_size = False, 0
        if self._speech is _Speech.UNKNOWN:
            is_tls = data[start] == _TLS_HANDSHAKE
            self._speech = _Speech.TLS if is_tls else _Speech.LINES
        if self._speech is _Speech.FRAMES:
            end = self._take_frame(data, start, stop)
        elif self._speech is _Speech.LINES:
            end = self._take_lines(data, start, stop)
        else:
            end = stop
        self.bytes += end - start
        self.unit_size += end - start
        if self.is_at_end:
            self._end_unit()
        return end

    def _end_unit(self) -> None:
        for watch in self.watches:
            watch.end_unit()
        self.is_head = bool(_HEAD.match(self._start))
        if self._speech is _Speech.FRAMES:
            self.frames += 1
        elif _SWITCHING.match(self._start):
            self.upgrade()
        self._carry = self._start = b""

    def _take_lines(self, data: bytes, start: int, stop: int) -> int:
        end = self._find_blank_line(data, start, stop)
        self.is_at_end = end >= 0
        end = end if self.is_at_end else stop
        self._start += data[start : min(end, start + _START_SIZE - len(self._start))]
        self._carry = (self._carry + data[max(start, end - _BLANK_CARRY) : end])[-_BLANK_CARRY:]
        if self.watches:
            self._show(data[start:end])
        return end

    def _find_blank_line(self, data: bytes, start: int, stop: int) -> int:
        """Return where it ends, or -1."""
        size = len(self._carry)
        seam = self._carry + data[start : min(start + _BLANK_CARRY, stop)]
        found = _BLANK_LINE.search(seam)
        if found and found.end() > size:
            return start + found.end() - size
        found = _BLANK_LINE.search(data, start, stop)
        return found.end() if found else -1

    def _take_frame(self, data: bytes, start: int, stop: int) -> int:
        position = self._take_header(data, start, stop)
        if len(self._header) < _header_size(self._header):
            return position
        end = min(position + self._left, stop)
        if self.watches and end > position:
            piece = data[position:end]
            self._show(self._unmask(piece) if self._mask else piece)
        turn = (end - position) % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        self._left -= end - position
        if self._left == 0:
            self._header.clear()
            self.is_at_end = True
        return end

    def _take_header(self, data: bytes, start: int, stop: int) -> int:
        """Take what is missing of the header of the frame under way."""
        position = start
        while position < stop and (missing := _header_size(self._header) - len(self._header)):
            end = min(position + missing, stop)
            self._header += data[position:end]
            position = end
            if len(self._header) == _header_size(self._header):
                self._left, self._mask = _read_header(bytes(self._header))
        return position

    def _unmask(self, data: bytes) -> bytes:
        """Undo the mask of a client's frame."""
        pad = (self._mask * (len(data) // 4 + 1))[: len(data)]
        both = int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")
        return both.to_bytes(len(data), "big")

    def _show(self, data: bytes) -> None:
        for watch in self.watches:
            watch.receive(data)


def _header_size(header: bytes | bytearray) -> int:
    """Bytes of a frame's header, as far as its start tells (RFC 6455, 5.2)."""
    if len(header) < 2:
        return 2
    extra = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + extra + (4 if header[1] & 0x80 else 0)


def _read_header(header: bytes) -> tuple[int, bytes]:
    """Return the size of the payload and the mask, empty for none."""
    mask = header[-4:] if header[1] & 0x80 else b""
    size = header[1] & 0x7F
    if size > 125:
        size = int.from_bytes(header[2 : len(header) - len(mask)], "big")
    return size, mask
