"""What passes in one direction is counted the same, wherever reads end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyresponses_ws.testing.fault_meter import Meter, TextWatch
from tests.support.raw_server import CLOSE, PING, TEXT, frame

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
MASK = b"\x01\x02\x03\x04"
FRAMES = [
    frame(TEXT, b"hello"),
    frame(PING),
    frame(TEXT, b"x" * 200, mask=MASK),
    frame(TEXT, b"y" * 70_000),
    frame(TEXT, b"half", fin=False),
    frame(CLOSE, b"\x03\xe8"),
]
EVENTS = [b"event: a\ndata: {}\n\n", b": comment\r\n\r\n", b"data: b\n\n"]


def pieces_of(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Part ``data`` at these places."""
    places = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a < b]


def ends_of(meter: Meter, pieces: Sequence[bytes]) -> list[int]:
    """Feed the pieces; return where units ended."""
    ends = []
    for piece in pieces:
        start = 0
        while start < len(piece):
            start = meter.take(piece, start, len(piece))
            if meter.is_at_end:
                ends.append(meter.bytes)
    return ends


def sums(parts: Sequence[bytes]) -> list[int]:
    """Return where each part ends."""
    return [len(b"".join(parts[: number + 1])) for number in range(len(parts))]


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 20), max_size=12))
def test_frames_are_seen_wherever_reads_end(cuts: list[int]) -> None:
    """Headers, masks and payloads may be parted anywhere."""
    meter, parts = Meter(), [HEAD, *FRAMES]
    assert ends_of(meter, pieces_of(b"".join(parts), cuts)) == sums(parts)
    assert (meter.frames, meter.is_upgraded) == (len(FRAMES), True)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 10), max_size=30))
def test_events_are_seen_wherever_reads_end(cuts: list[int]) -> None:
    """A blank line may be parted, and may be of LF or CRLF."""
    meter, parts = Meter(), [b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", *EVENTS]
    assert ends_of(meter, pieces_of(b"".join(parts), cuts)) == sums(parts)
    assert (meter.frames, meter.is_upgraded) == (0, False)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 10), max_size=12))
def test_a_text_is_found_under_the_mask_wherever_reads_end(cuts: list[int]) -> None:
    """What a client says is unmasked before it is looked at."""
    meter, watch = Meter(), TextWatch(b"response.create")
    meter.upgrade()
    meter.watches.append(watch)
    ends_of(meter, pieces_of(frame(TEXT, b"not yet", mask=MASK), cuts))
    assert not watch.is_seen
    ends_of(meter, pieces_of(frame(TEXT, b'{"type": "response.create"}', mask=MASK), cuts))
    assert watch.is_seen


def test_a_text_does_not_span_frames() -> None:
    """The end of one and the start of the next are no word."""
    meter, watch = Meter(), TextWatch(b"word")
    meter.upgrade()
    meter.watches.append(watch)
    ends_of(meter, [frame(TEXT, b"wo") + frame(TEXT, b"rd")])
    assert not watch.is_seen


def test_tls_is_bytes_alone() -> None:
    """A handshake record is told by its first byte; no blank line counts in it."""
    meter = Meter()
    assert ends_of(meter, [b"\x16\x03\x01\x00\x05ab\n\n\n"]) == []
    assert (meter.is_tls, meter.bytes) == (True, 10)


@pytest.mark.parametrize("kind", [FRAMES, EVENTS])
@settings(deadline=None)
@given(noise=st.binary(max_size=400))
def test_nonsense_is_counted_like_anything_else(kind: list[bytes], noise: bytes) -> None:
    """Bytes that are no frame and no event still pass, each once."""
    meter = Meter()
    if kind is FRAMES:
        meter.upgrade()
    ends_of(meter, [noise] if noise else [])
    assert meter.bytes == len(noise)


def test_a_head_is_told_from_an_event() -> None:
    """Only an event, or a frame, is a message."""
    meter = Meter()
    ends_of(meter, [b"POST /v1/responses HTTP/1.1\r\n\r\n"])
    assert (meter.is_at_end, meter.is_behind_message) == (True, False)
    ends_of(meter, [b"data: x\n\n"])
    assert meter.is_behind_message
    assert meter.unit_size == len(b"data: x\n\n")
