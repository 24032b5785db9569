"""Event streams: what is an event, what is not, and that the cut between reads never matters."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyresponses_ws._protocol.sse import SSEParser
from pyresponses_ws.errors import ProtocolError

EVENT = b'event: response.output_text.delta\ndata: {"type":"a"}\n\n'
TEXT = '{"type":"a"}'


def parse(*pieces: bytes, limit: int | None = None) -> list[str]:
    """Return the texts of a stream that comes in these pieces."""
    parser = SSEParser(max_event_bytes=limit)
    return [text for piece in pieces for text in parser.receive_data(piece)]


def outcome(pieces: list[bytes], limit: int | None = None) -> tuple[list[str], str]:
    """Return the texts, and what ended them if anything did."""
    parser, texts = SSEParser(max_event_bytes=limit), []
    try:
        for piece in [*pieces, b""]:
            texts += parser.receive_data(piece)
    except ProtocolError as exc:
        return texts, str(exc)
    return texts, ""


# ------------------------------------------------------ a second reading of the same rules


def reference(stream: bytes, limit: int | None = None) -> tuple[list[str], str]:
    """Interpret a whole stream character by character, as the standard's text goes."""
    texts: list[str] = []
    values: list[bytes] = []
    size = 0
    for line, is_ended in _reference_lines(stream.removeprefix(b"\xef\xbb\xbf")):
        if line:
            size += len(line) + is_ended
            if limit is not None and size > limit:
                return texts, f"an event is over {limit} bytes"
            name, _, value = line.partition(b":")
            if name == b"data" and is_ended:
                values.append(value[1:] if value[:1] == b" " else value)
        elif is_ended:
            try:
                text = b"\n".join(values).decode()
            except UnicodeDecodeError:
                return texts, "the data of an event is not UTF-8"
            texts += [text] if text and text != "[DONE]" else []
            values, size = [], 0
    return texts, ""


def _reference_lines(stream: bytes) -> list[tuple[bytes, bool]]:
    lines, line, position = [], b"", 0
    while position < len(stream):
        char = stream[position : position + 1]
        position += 2 if stream[position : position + 2] == b"\r\n" else 1
        if char in (b"\r", b"\n"):
            lines.append((line, True))
            line = b""
        else:
            line += char
    return [*lines, (line, False)]


# -------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("stream", "texts"),
    [
        (EVENT, [TEXT]),
        (EVENT * 3, [TEXT] * 3),
        (b"data: x\n\n", ["x"]),
        (b"data:x\n\n", ["x"]),
        (b"data:  x\n\n", [" x"]),
        (b"data: x\ndata: y\n\n", ["x\ny"]),
        (b"data: x\ndata\ndata:y\n\n", ["x\n\ny"]),
        (b"data: x\nevent: e\n\n", ["x"]),
        (b"id: 7\nretry: 10\nfoo: bar\ndata: x\n\n", ["x"]),
        (b"DATA: z\n data: z\ndatax: z\ndata: x\n\n", ["x"]),
        (b"\n\n\n" + EVENT + b"\n\n" + EVENT, [TEXT, TEXT]),
        ("data: \N{GRINNING FACE}ü\n\n".encode(), ["\N{GRINNING FACE}ü"]),
        (b"data: a\x00b\x0bc\xe2\x80\xa8d\n\n", ["a\x00b\x0bc\u2028d"]),
    ],
)
def test_data_of_an_event_is_its_text(stream: bytes, texts: list[str]) -> None:
    """Lines of data are joined; every other field counts for nothing."""
    assert parse(stream) == texts


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b": comment\n\n",
        b":\n\n: ping - 2026-11-20\n\n",
        b"event: response.created\n\n",
        b"data\n\n",
        b"data:\n\n",
        b"data: \n\n",
        b"event: e\ndata: \n\n",
        b"data: [DONE]\n\n",
        b"event: done\ndata: [DONE]\n\n",
        b"data: x",
        b"data: x\n",
        b"data: x\r\n",
        b"data: x\r",
    ],
)
def test_without_data_or_its_blank_line_there_is_no_event(stream: bytes) -> None:
    """Comments, an empty value, ``[DONE]`` and what the end cut off say nothing."""
    assert parse(stream) == []


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_in_three_ways(end: bytes) -> None:
    """LF, CR and CRLF are the same, wherever a read cuts."""
    stream = (EVENT + b": hello\n\ndata: x\ndata: y\n\n").replace(b"\n", end)
    assert parse(stream) == [TEXT, "x\ny"]
    assert parse(*(bytes((byte,)) for byte in stream)) == [TEXT, "x\ny"]


def test_an_event_is_there_with_the_cr_of_its_blank_line() -> None:
    """Whether a LF follows is not waited for: the next event may be minutes away."""
    parser = SSEParser()
    assert parser.receive_data(b"data: x\r\r") == ["x"]
    assert parser.receive_data(b"\ndata: y\r\n\r") == ["y"]


def test_one_bom_is_ignored_and_a_second_is_not() -> None:
    """It hides the first field otherwise."""
    bom = "\ufeff".encode()
    assert parse(bom + EVENT) == [TEXT]
    assert parse(bom[:1], bom[1:2], bom[2:] + EVENT) == [TEXT]
    assert parse(bom + bom + b"data: x\n\n") == []
    assert parse(bom[:2] + b"data: x\n\n") == []


def test_comments_between_events_change_nothing() -> None:
    """Some servers send one each 15 seconds, to keep proxies awake."""
    assert parse(EVENT + b": ping\n\n" + EVENT, b": ping\n\n", EVENT) == [TEXT] * 3


def test_a_large_event_may_come_in_many_reads() -> None:
    """A final Response is megabytes long at times."""
    text = "x" * 1_000_000
    stream = f"event: response.completed\ndata: {text}\n\n".encode()
    assert parse(*(stream[i : i + 4096] for i in range(0, len(stream), 4096))) == [text]


# ------------------------------------------------------------------------------- the faults


@pytest.mark.parametrize("bad", [b"event: e\ndata: \xff\n\n", b"data: \xff\n\n"])
def test_bad_utf8_is_raised_behind_what_was_good(bad: bytes) -> None:
    """The events before it are returned first; from then on every call raises."""
    parser = SSEParser()
    assert parser.receive_data(EVENT + bad + EVENT) == [TEXT]
    for data in (b"", EVENT):
        with pytest.raises(ProtocolError, match="not UTF-8") as caught:
            parser.receive_data(data)
        assert caught.value.text == "\ufffd"


def test_bad_utf8_outside_of_data_is_nobodys() -> None:
    """It is not handed out, so it need not be text."""
    assert parse(b": \xff\nid: \xff\ndata: x\n\n") == ["x"]


def test_an_event_over_the_limit_is_refused_before_its_end() -> None:
    """Nobody can make us hold more; nor is the event handed out if it came whole."""
    limit = len(b"data: 1234\n")
    assert parse(b"data: 1234\n\n" * 5, limit=limit) == ["1234"] * 5
    for stream in (b"data: 12345\n\n", b"data: 12345\n", b"data: 1\ndata: 2\n\n", b": 1234567890"):
        with pytest.raises(ProtocolError, match="over 11 bytes"):
            parse(stream, limit=limit)


# ----------------------------------------------------------------------------- any splitting

LINES = st.sampled_from(
    [
        *(b"data: {}", b"data:{}", b"data", b"data: ", b"data: [DONE]", b"data: \xc3\xbc"),
        *(b"event: e", b"event", b": c", b":", b"id: 1", b"x", b"data: \xff", b"\xef\xbb\xbf"),
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n"])
STREAMS = st.one_of(
    st.lists(st.tuples(LINES, ENDS), max_size=12).map(
        lambda parts: b"".join(line + end for line, end in parts)
    ),
    st.lists(st.sampled_from([EVENT, b"data: {}\n\n", b": c\n\n"]), max_size=8).map(b"".join),
    st.binary(max_size=40),
)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8), st.none() | st.integers(1, 40))
@example(b"data: x\n\n\ndata: y\n\n", [9], None)
@example(b"\ndata: \n\n", [1], 7)
def test_no_splitting_changes_what_a_stream_means(
    stream: bytes, cuts: list[int], limit: int | None
) -> None:
    """Whole, in pieces and byte by byte, a stream means what the slow reading says."""
    expected = reference(stream, limit)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert outcome([stream], limit) == expected
    assert outcome(pieces, limit) == expected
    assert outcome([bytes((byte,)) for byte in stream], limit) == expected
