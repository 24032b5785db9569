"""One direction of a proxied connection, without sockets."""

from __future__ import annotations

from pyresponses_ws.testing.fault_pipe import BUFFER_LIMIT, Pipe
from pyresponses_ws.testing.faults import ConnectionFault, Cut, Reset, Stall
from tests.support.raw_server import TEXT, frame


class Rig:
    """A pipe whose faults stall it, and what has come out of it so far."""

    def __init__(self, *faults: ConnectionFault, upgraded: bool = False) -> None:
        self.struck: list[tuple[ConnectionFault, int]] = []
        self.pipe = Pipe(self._strike)
        if upgraded:
            self.pipe.meter.upgrade()
        for fault in faults:
            self.pipe.arm(fault)

    def _strike(self, fault: ConnectionFault) -> None:
        self.struck.append((fault, self.pipe.meter.bytes))
        self.pipe.is_stalled = isinstance(fault, Stall)

    def drain(self, now: float = 0.0) -> bytes:
        """Write all that is ready."""
        out = b""
        while data := self.pipe.ready(now):
            out += data
            self.pipe.wrote(len(data), now)
        return out


def test_bytes_pass_up_to_the_moment_and_the_rest_waits() -> None:
    """A stall after five bytes lets five pass, however they come."""
    rig = Rig(Stall(after_bytes=5))
    rig.pipe.receive(b"abc", 0.0)
    rig.pipe.receive(b"defgh", 0.0)
    rig.pipe.receive(b"i", 0.0)
    assert rig.drain() == b"abcde"
    rig.pipe.heal(0.0)
    assert rig.drain() == b"fghi"


def test_faults_of_one_moment_strike_in_their_order() -> None:
    """As they were given, at the same byte."""
    first, second, later = Cut(after_frames=1), Reset(after_bytes=7), Reset(after_frames=2)
    rig = Rig(first, second, later, upgraded=True)
    rig.pipe.receive(frame(TEXT, b"hello") * 3, 0.0)
    assert rig.struck == [(first, 7), (second, 7), (later, 14)]


def test_counts_begin_when_the_fault_is_given() -> None:
    """What passed before is not counted."""
    rig = Rig()
    rig.pipe.receive(b"abc", 0.0)
    rig.pipe.arm(Cut(after_bytes=2))
    rig.pipe.receive(b"de", 0.0)
    assert rig.struck == [(Cut(after_bytes=2), 5)]


def test_a_text_strikes_at_the_end_of_its_frame() -> None:
    """The frame arrives whole, the next one does not pass."""
    rig = Rig(Stall(after_text="two"), upgraded=True)
    frames = [frame(TEXT, text) for text in (b"one", b"a two b", b"three")]
    rig.pipe.receive(b"".join(frames), 0.0)
    assert rig.drain() == frames[0] + frames[1]


def test_late_bytes_keep_their_order() -> None:
    """What comes after a delay was lifted still follows what is late."""
    rig = Rig()
    rig.pipe.delay = 5.0
    rig.pipe.receive(b"a", 1.0)
    rig.pipe.receive(b"b", 2.0)
    assert (rig.drain(5.9), rig.pipe.due(5.9), rig.drain(6.0)) == (b"", 6.0, b"a")
    rig.pipe.delay = 0.0
    rig.pipe.receive(b"c", 6.5)
    assert (rig.drain(6.9), rig.drain(7.0)) == (b"", b"bc")


def test_a_pace_lets_so_much_pass_a_time() -> None:
    """Nothing more is ready until the rest is over."""
    rig = Rig()
    rig.pipe.pace = (2, 1.0)
    rig.pipe.receive(b"abcde", 0.0)
    assert [rig.drain(now) for now in (0.0, 0.5, 1.0, 2.0)] == [b"ab", b"", b"cd", b"e"]


def test_bytes_are_spoiled_where_they_stand() -> None:
    """Over the borders of reads, and nowhere else."""
    rig = Rig()
    rig.pipe.receive(b"a", 0.0)
    rig.pipe.spoil(skip=1, length=2)
    for byte in (b"b", b"\x00", b"\x0f", b"e"):
        rig.pipe.receive(byte, 0.0)
    assert rig.drain() == b"ab\xff\xf0e"


def test_only_what_is_kept_is_said_again() -> None:
    """A frame over the limit passes once."""
    rig = Rig(upgraded=True)
    large = frame(TEXT, b"x" * (1 << 20))
    rig.pipe.receive(frame(TEXT, b"small"), 0.0)
    rig.pipe.repeat(None, 0.0)
    for start in range(0, len(large), 65536):
        rig.pipe.receive(large[start : start + 65536], 0.0)
    rig.pipe.repeat(None, 0.0)
    assert rig.drain() == frame(TEXT, b"small") * 2 + large


def test_what_waits_is_bounded() -> None:
    """A stalled or slow pipe asks for no more."""
    rig = Rig()
    rig.pipe.is_stalled = True
    rig.pipe.receive(b"x" * (BUFFER_LIMIT - 1), 0.0)
    assert rig.pipe.has_room
    rig.pipe.receive(b"x", 0.0)
    assert not rig.pipe.has_room
    rig.pipe.heal(0.0)
    rig.drain()
    assert rig.pipe.has_room


def test_a_cut_pipe_throws_away_and_tells() -> None:
    """What had passed is written first."""
    rig = Rig()
    rig.pipe.receive(b"a", 0.0)
    rig.pipe.cut()
    rig.pipe.receive(b"b", 0.0)
    assert not rig.pipe.is_end_due
    assert rig.drain() == b"a"
    assert rig.pipe.is_end_due
