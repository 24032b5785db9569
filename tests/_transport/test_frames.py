"""Parsing and shaping frames, without a socket."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyresponses_ws._transport.base import Close
from pyresponses_ws._transport.frames import (
    CONTROL_LIMIT,
    NO_STATUS,
    FrameParser,
    encode_close,
    encode_header,
)
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

#: Sizes on either side of each step of the length field.
SIZES = [0, 1, 125, 126, 127, 128, 255, 256, 65535, 65536, 65537]


def parse(*pieces: bytes, limit: int | None = None) -> tuple[list[str], FrameParser]:
    """Feed the pieces one by one; return all messages and the parser."""
    parser, messages = FrameParser(max_message_bytes=limit), []
    for piece in pieces:
        messages += parser.receive_data(piece)
        while parser.is_paused:
            parser.ping = None
            messages += parser.receive_data(b"")
    return messages, parser


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", SIZES)
def test_text_of_every_length_form_arrives(size: int) -> None:
    """A message of any size comes whole, its neighbours too."""
    data = frame(TEXT, b"a") + frame(TEXT, b"x" * size) + frame(TEXT, b"b")
    messages, parser = parse(data)
    assert messages == ["a", "x" * size, "b"]
    assert parser.close is None


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(st.text(max_size=300), max_size=8),
    fragment=st.integers(1, 40),
    piece=st.integers(1, 400),
    limit=st.sampled_from([None, 2000, 100_000]),
)
def test_messages_do_not_depend_on_how_bytes_are_cut(
    texts: list[str], fragment: int, piece: int, limit: int | None
) -> None:
    """Whole or fragmented, in reads of any size, under any limit, the same texts come out."""
    data = b""
    for index, text in enumerate(texts):
        parts = split(text.encode(), fragment) if index % 2 else [text.encode()]
        for number, part in enumerate(parts or [b""]):
            opcode = CONTINUATION if number else TEXT
            data += frame(opcode, part, fin=number >= len(parts) - 1) + frame(PING, b"p")
    messages, parser = parse(*split(data, piece), limit=limit)
    assert messages == texts
    assert parser.close is None


def test_control_frames_between_fragments_leave_the_message_alone() -> None:
    """A ping inside a message is noted; the message goes on."""
    messages, parser = parse(
        frame(TEXT, b"one ", fin=False),
        frame(PING, b"ping"),
        frame(CONTINUATION, b"two ", fin=False) + frame(PONG, b"pong"),
        frame(CONTINUATION, b"three"),
    )
    assert messages == ["one two three"]
    assert (parser.ping, parser.pong) == (b"ping", b"pong")


def test_parser_pauses_behind_each_ping() -> None:
    """Pings that come together are handed out one by one, each before what follows it."""
    data = [frame(TEXT, b"a"), frame(PING, b"1"), frame(PING, b"2"), frame(TEXT, b"b")]
    parser, seen = FrameParser(), []
    seen.append((parser.receive_data(b"".join(data)), parser.ping, parser.is_paused))
    while parser.is_paused:
        parser.ping = None
        seen.append((parser.receive_data(b""), parser.ping, parser.is_paused))
    assert seen == [(["a"], b"1", True), ([], b"2", True), (["b"], None, False)]


def test_newest_ping_wins() -> None:
    """A ping that nobody answered gives way to the next (RFC 6455, 5.5.3)."""
    parser = FrameParser()
    for payload in (b"1", b"2", b"3"):
        parser.receive_data(frame(PING, payload))
    assert parser.ping == b"3"
    assert not parser.is_paused


def test_large_message_is_joined_once() -> None:
    """A large frame waits in pieces until it is whole, so reads do not copy it over and over."""
    pieces = split(frame(TEXT, b"x" * 1_000_000), 4096)
    parser = FrameParser()
    for piece in pieces[:-1]:
        assert parser.receive_data(piece) == []
    assert sum(map(len, parser._pieces)) == sum(map(len, pieces[:-1]))
    assert parser._pieces[1] is pieces[1]
    assert parser.receive_data(pieces[-1]) == ["x" * 1_000_000]


#: What a server may not send, and the code that answers it.
VIOLATIONS = {
    "reserved bit 1": (frame(TEXT, b"a", rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, b"a", rsv=2), 1002),
    "reserved bit 3": (frame(PING, b"a", rsv=1), 1002),
    "data opcode 3": (frame(3, b"a"), 1002),
    "data opcode 7": (frame(7), 1002),
    "control opcode 11": (frame(11), 1002),
    "control opcode 15": (frame(15, b"a"), 1002),
    "masked frame": (frame(TEXT, b"a", mask=b"mask"), 1002),
    "binary message": (frame(BINARY, b"a"), 1003),
    "binary fragment": (frame(BINARY, b"a", fin=False), 1003),
    "fragmented ping": (frame(PING, b"a", fin=False), 1002),
    "fragmented close": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "long close": (close_frame(1000, "x" * 124), 1002),
    "lone continuation": (frame(CONTINUATION, b"a"), 1002),
    "text inside a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "binary inside a message": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002),
    "two bytes for a short length": (b"\x81\x7e\x00\x05hello", 1002),
    "eight bytes for a short length": (b"\x81\x7f" + (5).to_bytes(8, "big"), 1002),
    "length with its top bit set": (b"\x81\x7f" + b"\xff" * 8, 1002),
    "bad text": (frame(TEXT, b"\xff"), 1007),
    "surrogate in text": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text cut in a character": (frame(TEXT, "é".encode()[:1]), 1007),
    "message cut in a character": (
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, "é".encode()[:1]),
        1007,
    ),
    "bad first fragment": (frame(TEXT, b"\xce\xff", fin=False), 1007),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "bad close reason": (close_frame(1000, b"\xff"), 1007),
}


@pytest.mark.parametrize(("data", "code"), VIOLATIONS.values(), ids=list(VIOLATIONS))
def test_violation_ends_the_parse_with_its_code(data: bytes, code: int) -> None:
    """What came before is delivered, what comes after is not, and the code says why."""
    messages, parser = parse(frame(TEXT, b"before") + data + frame(TEXT, b"after"))
    assert messages == ["before"]
    assert parser.close is not None
    assert (parser.close.code, parser.close.reply_due) == (code, False)
    assert parser.close.reason
    assert parser.receive_data(frame(TEXT, b"later")) == []


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000])
def test_close_code_that_may_not_travel_is_a_violation(code: int) -> None:
    """A peer that sends a reserved or undefined code breaks the protocol."""
    _, parser = parse(close_frame(code))
    assert parser.close is not None
    assert (parser.close.code, parser.close.reply_due) == (1002, False)


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1009, 1011, 1012, 1014, 3000, 4999])
def test_close_keeps_code_and_reason(code: int) -> None:
    """A peer's close frame is reported as it is, and waits for its answer."""
    messages, parser = parse(frame(TEXT, b"last") + close_frame(code, "très bien"))
    assert messages == ["last"]
    assert parser.close == Close(code=code, reason="très bien", reply_due=True)


def test_close_without_code_is_reported_as_such() -> None:
    """An empty close frame is the code 1005, which never travels."""
    _, parser = parse(frame(CLOSE))
    assert parser.close == Close(code=NO_STATUS, reply_due=True)


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x7f",
        b"\x89\x7e",
        b"\x83\x05",
        b"\x81\x85",
        frame(TEXT, b"\xff", fin=False),
    ],
    ids=["binary", "long ping", "opcode", "masked", "fragment"],
)
def test_refusal_does_not_wait_for_the_rest(data: bytes) -> None:
    """Two bytes of header, or one bad fragment, are enough to refuse."""
    assert parse(data)[1].close is not None


@pytest.mark.parametrize("limit", [10, 70_000])
def test_message_over_the_limit_is_refused_by_its_header(limit: int) -> None:
    """The payload is neither awaited nor held; a message of just the limit passes."""
    fits, too_big = frame(TEXT, b"x" * limit), frame(TEXT, b"x" * (limit + 1))
    messages, parser = parse(fits, too_big[:10], limit=limit)
    assert messages == ["x" * limit]
    assert parser.close is not None
    assert parser.close.code == 1009


def test_limit_counts_all_fragments_and_no_control_frame() -> None:
    """Small fragments add up to a large message; a ping between them is not a part of it."""
    start = frame(TEXT, b"x" * 6, fin=False) + frame(PING, b"y" * 100)
    assert parse(start + frame(CONTINUATION, b"x" * 4), limit=10)[0] == ["x" * 10]
    _, parser = parse(start + frame(CONTINUATION, b"x" * 5), limit=10)
    assert parser.close is not None
    assert parser.close.code == 1009


@pytest.mark.parametrize("size", SIZES)
def test_header_carries_size_and_mask(size: int) -> None:
    """A client's header is that of a masked frame, in the shortest form."""
    mask = b"\x01\x02\x03\x04"
    assert encode_header(TEXT, size, mask) == frame(TEXT, b"\0" * size, mask=mask)[: -size or None]


@pytest.mark.parametrize("code", [0, 1004, 1005, 1006, 1015, 5000])
def test_close_of_unsendable_code_is_empty(code: int) -> None:
    """1005 in, an empty close frame out."""
    assert encode_close(code, "reason") == b""


def test_close_reason_is_cut_between_characters() -> None:
    """A long reason must neither break the frame's limit nor its UTF-8."""
    payload = encode_close(1000, "é" * 100)
    assert len(payload) <= CONTROL_LIMIT
    assert payload[2:].decode() == "é" * 61
