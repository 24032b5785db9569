"""One direction of a connection through a ``FaultProxy``: bytes in, bytes out, faults between.

Pure: nothing here touches a socket or a clock; times are seconds that the caller passes in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pyresponses_ws.testing.fault_meter import Meter, TextWatch
from pyresponses_ws.testing.faults import DUPLICATE_LIMIT, ConnectionFault

#: Bytes that wait in one direction before no more are read; a read may add as much again.
BUFFER_LIMIT = 256 * 1024
#: Bytes of one write.
_WRITE_SIZE = 64 * 1024


@dataclass(kw_only=True)
class _Armed:
    """A fault that waits for its moment, in the terms of the direction that it watches."""

    fault: ConnectionFault
    at_bytes: int | None = None
    at_frames: int | None = None
    text: TextWatch | None = None

    def is_due(self, meter: Meter) -> bool:
        if self.at_bytes is not None:
            return meter.bytes >= self.at_bytes
        if self.at_frames is not None:
            return meter.frames >= self.at_frames
        if self.text is not None:
            return meter.is_at_end and self.text.is_seen
        return meter.is_behind_message


class Pipe:
    """What one direction holds, and what is done to it. One thread.

    ``strike`` is called with each fault whose moment has come, between two bytes.
    """

    def __init__(self, strike: Callable[[ConnectionFault], None]) -> None:
        self._strike = strike
        self.meter = Meter()
        self._armed: list[_Armed] = []
        #: Nothing passes, and nobody learns of it.
        self.is_stalled = False
        #: Whatever comes is thrown away, and the other side is told that nothing does.
        self.is_cut = False
        #: The side that speaks has ended, and what came before has been said if nothing waits.
        self.has_ended = False
        #: The side that listens has been told of the end.
        self.is_finished = False
        #: Seconds by which everything is late.
        self.delay = 0.0
        #: Bytes at a time, and seconds of rest after each.
        self.pace: tuple[int, float] | None = None
        self._rests_until = 0.0
        # Positions in the stream of bytes to invert.
        self._spoiled: list[range] = []
        # In the order of travel: what a stall holds back, what is late, what may be written.
        self._held = bytearray()
        self._late: deque[tuple[float, bytes]] = deque()
        self._late_size = 0
        self._ready = bytearray()
        # What passed last, to be said again.
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    # --- bytes in -----------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take what one side said, and pass it on as far as the faults let it."""
        start = 0
        while start < len(data) and not self.is_stalled and not self.is_cut:
            if self._armed:
                start = self._pass_to_moment(data, start, now)
                self._strike_due()
            else:
                self._pass(data[start:], self.meter.bytes, now)
                while start < len(data):
                    start = self.meter.take(data, start, len(data))
        if self.is_stalled and not self.is_cut:
            self._held += data[start:]

    def _pass_to_moment(self, data: bytes, start: int, now: float) -> int:
        """Pass bytes on as far as the next moment may be; return how far that was."""
        offset = self.meter.bytes
        moments = [each.at_bytes for each in self._armed if each.at_bytes is not None]
        stop = min([len(data), *(start + max(1, at - offset) for at in moments)])
        end = self.meter.take(data, start, stop)
        self._pass(data[start:end], offset, now)
        return end

    def _pass(self, data: bytes, offset: int, now: float) -> None:
        """Send bytes on their way; they stand at ``offset`` in the stream."""
        if self._spoiled:
            data = self._spoil(data, offset)
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= DUPLICATE_LIMIT:
            self._tail_size -= len(self._tail.popleft())
        self._send(data, now)

    def _send(self, data: bytes, now: float) -> None:
        if self.delay or self._late:
            self._late.append((now + self.delay, data))
            self._late_size += len(data)
        else:
            self._ready += data

    def _spoil(self, data: bytes, offset: int) -> bytes:
        spoiled = bytearray(data)
        for span in self._spoiled:
            here = range(max(span.start, offset), min(span.stop, offset + len(data)))
            for position in here:
                spoiled[position - offset] ^= 0xFF
        passed = offset + len(data)
        self._spoiled = [span for span in self._spoiled if span.stop > passed]
        return bytes(spoiled)

    # --- faults -------------------------------------------------------------------------------

    def arm(self, fault: ConnectionFault) -> None:
        """Strike once the fault's moment has come, counted from now."""
        armed = _Armed(fault=fault)
        if fault.after_bytes is not None:
            armed.at_bytes = self.meter.bytes + fault.after_bytes
        elif fault.after_frames is not None:
            armed.at_frames = self.meter.frames + fault.after_frames
        elif fault.after_text is not None:
            text = fault.after_text
            armed.text = TextWatch(text.encode() if isinstance(text, str) else text)
            self.meter.watches.append(armed.text)
        self._armed.append(armed)

    def _strike_due(self) -> None:
        for armed in [each for each in self._armed if each.is_due(self.meter)]:
            self._armed.remove(armed)
            if armed.text is not None:
                self.meter.watches.remove(armed.text)
            self._strike(armed.fault)

    def cut(self) -> None:
        """Say nothing more after what has passed, and tell the other side so."""
        self.is_cut = True
        self._held.clear()

    def spoil(self, *, skip: int, length: int) -> None:
        """Invert the next ``length`` bytes after ``skip`` others."""
        start = self.meter.bytes + skip
        self._spoiled.append(range(start, start + length))

    def arm_behind_message(self, fault: ConnectionFault) -> None:
        """Strike once a frame or an event has passed whole."""
        self._armed.append(_Armed(fault=fault))

    def repeat(self, length: int | None, now: float) -> None:
        """Say the last ``length`` bytes again, or what ended last; nothing if it is too long."""
        size = self.meter.unit_size if length is None else length
        if size <= min(self._tail_size, DUPLICATE_LIMIT):
            tail = b"".join(self._tail)
            self._send(tail[len(tail) - size :], now)

    def heal(self, now: float) -> None:
        """Forget every fault; let go of what waits."""
        self._armed.clear()
        self._spoiled.clear()
        self.meter.watches.clear()
        self.delay, self.pace, self._rests_until = 0.0, None, 0.0
        self._release_late(float("inf"))
        if self.is_stalled:
            self.is_stalled = False
            held = bytes(self._held)
            self._held.clear()
            self.receive(held, now)

    # --- bytes out ----------------------------------------------------------------------------

    def ready(self, now: float) -> bytes:
        """What may be written now."""
        self._release_late(now)
        if now < self._rests_until:
            return b""
        return bytes(self._ready[: self.pace[0] if self.pace else _WRITE_SIZE])

    def wrote(self, count: int, now: float) -> None:
        """Note that so much of what was ready is out."""
        del self._ready[:count]
        if self.pace:
            self._rests_until = now + self.pace[1]

    def due(self, now: float) -> float | None:
        """When time alone makes more ready than is ready now; None if it never does."""
        times = [self._rests_until] if self._ready else []
        if self._late:
            times.append(self._late[0][0])
        return min((time for time in times if time > now), default=None)

    def _release_late(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            _, data = self._late.popleft()
            self._late_size -= len(data)
            self._ready += data

    @property
    def has_room(self) -> bool:
        """More may be read."""
        return len(self._held) + self._late_size + len(self._ready) < BUFFER_LIMIT

    @property
    def is_drained(self) -> bool:
        """All that came has been written."""
        return not (self._held or self._late or self._ready)

    @property
    def is_end_due(self) -> bool:
        """The side that listens is to be told of the end now."""
        is_over = self.is_cut or (self.has_ended and not self.is_stalled)
        return is_over and self.is_drained and not self.is_finished
