"""A body is a stream or a Response in one piece, whatever its type says."""

from __future__ import annotations

import json

import pytest

from pyresponses_ws.server.engines.base import TextDelta
from pyresponses_ws.server.engines.upstream import reader as reader_module
from pyresponses_ws.server.engines.upstream.events import Answer
from pyresponses_ws.server.engines.upstream.reader import AnswerReader

PIECE = b'data: {"type": "response.output_text.delta", "delta": "Hi"}\n\n'
LAST = b'data: {"type": "response.completed", "response": {}}\n\n'


def read(*pieces: bytes, ends: bool = True) -> Answer:
    """Read a body."""
    answer = Answer()
    reader = AnswerReader(answer)
    for piece in [*pieces, *([b""] if ends else [])]:
        reader.receive(piece)
    return answer


def test_a_stream_is_read_however_it_is_split() -> None:
    """Byte by byte, too; comments, names and ``[DONE]`` say nothing."""
    data = b": hello\n\nevent: x\n" + PIECE + LAST + b"data: [DONE]\n\n"
    for pieces in ([data], [bytes([byte]) for byte in data]):
        answer = read(*pieces)
        assert (answer.take_deltas(), answer.error) == ([TextDelta("Hi")], None)


def test_the_last_event_needs_no_blank_line() -> None:
    """Some servers leave it out."""
    answer = read(PIECE + LAST.rstrip())
    assert (answer.take_deltas(), answer.error) == ([TextDelta("Hi")], None)


def test_a_response_in_one_piece_is_known_by_its_first_byte() -> None:
    """It is read at its end."""
    part = {"type": "output_text", "text": "Hi"}
    response = {"output": [{"type": "message", "content": [part]}]}
    data = b"\n " + json.dumps(response).encode()
    assert not read(data, ends=False).is_over
    assert read(data[:9], data[9:]).take_deltas() == [TextDelta("Hi")]


@pytest.mark.parametrize("data", [b"", b"\n", b"<html></html>", b"data: \xff\xfe\n\n", b"\x00\x01"])
def test_anything_else_fails_the_turn(data: bytes) -> None:
    """Once."""
    answer = read(data)
    assert answer.is_over
    assert answer.error is not None


def test_good_events_ahead_of_a_broken_one_count() -> None:
    """What came is told."""
    answer = read(PIECE + b"data: \xff\n\n" + LAST)
    assert answer.take_deltas() == [TextDelta("Hi")]
    assert "no event stream" in str(answer.error)


def test_events_and_answers_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on for ever is not kept for ever."""
    monkeypatch.setattr(reader_module, "MAX_EVENT_BYTES", 100)
    assert "100 bytes" in str(read(b"data: " + b"x" * 200, ends=False).error)
    monkeypatch.setattr(reader_module, "MAX_ANSWER_BYTES", 300)
    assert "come to an end" in str(read(*[PIECE] * 6, ends=False).error)


@pytest.mark.parametrize("end", [b'data: {"type": "x"}\n\n', b'{"output": []}'])
def test_blanks_ahead_of_an_answer_say_nothing_of_its_kind(end: bytes) -> None:
    """However many pieces they come in; each is looked at once."""
    answer = Answer()
    reader = AnswerReader(answer)
    for _ in range(1_000):
        reader.receive(b"\n" * 10)
    assert reader._is_stream is None
    reader.receive(end)
    assert reader._is_stream is end.startswith(b"data")


@pytest.mark.parametrize("body", [b'{"output": []}', b'data: {"type": "response.completed"}\n\n'])
def test_a_mark_of_utf8_is_no_part_of_an_answer(body: bytes) -> None:
    """Windows puts one ahead."""
    answer = Answer()
    reader = AnswerReader(answer)
    reader.receive(b"\xef\xbb\xbf" + body)
    reader.receive(b"")
    assert answer.is_over
    assert answer.error is None
