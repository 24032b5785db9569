"""Reading the answer to a request for a tunnel or a WebSocket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from pyresponses_ws._transport.answer import AnswerReader, NotHTTPError, parse_head
from pyresponses_ws._transport.deadline import Deadline

MakeReader = Callable[..., AnswerReader]


@pytest.fixture
def make_reader() -> Iterator[MakeReader]:
    """Make a reader of what a peer has sent."""
    ours, theirs = socket.socketpair()

    def make(data: bytes, *, timeout: float = 5) -> AnswerReader:
        theirs.sendall(data)
        return AnswerReader(ours, Deadline.after(timeout))

    with ours, theirs:
        yield make


def test_answers_are_read_one_by_one(make_reader: MakeReader) -> None:
    """An interim one is one too, and what comes behind the last is kept."""
    reader = make_reader(b"HTTP/1.1 103 -\r\nLink: a\r\n\r\nHTTP/1.0 200 OK\r\n\r\nrest")
    assert reader.receive_answer().headers == {"link": "a"}
    assert reader.receive_answer().status == 200
    assert reader.take_rest() == b"rest"
    assert reader.take_rest() == b""


def test_refusal_has_its_body(make_reader: MakeReader) -> None:
    """As long as it says that it is."""
    reader = make_reader(b"HTTP/1.1 403 -\r\nContent-Length: 2\r\n\r\nno")
    refusal = reader.receive_refusal(reader.receive_answer())
    assert (refusal.status, refusal.body) == (403, b"no")


def test_repr_shows_status_only(make_reader: MakeReader) -> None:
    """Headers and body may repeat what was sent."""
    reader = make_reader(b"HTTP/1.1 403 -\r\nContent-Length: 2\r\nX: secret\r\n\r\nno")
    shown = repr(reader.receive_refusal(reader.receive_answer()))
    assert "403" in shown
    assert "secret" not in shown


def test_wait_ends_at_the_deadline(make_reader: MakeReader) -> None:
    """However little was missing."""
    with pytest.raises(TimeoutError):
        make_reader(b"HTTP/1.1 200 OK\r\n", timeout=0.05).receive_answer()


@pytest.mark.parametrize(
    "line", ["HTTP/2 101", "HTTP/1.1 1x1 OK", "HTTP/1.1", "", "HTTP/1.1 099 -"]
)
def test_status_line_must_be_that_of_http_1(line: str) -> None:
    """Anything else opens no WebSocket."""
    with pytest.raises(NotHTTPError):
        parse_head(line)


def test_repeated_headers_are_joined() -> None:
    """As HTTP defines it; a line without colon counts as a name without value."""
    assert parse_head("HTTP/1.1 200\r\nA: 1\r\na:2\r\nodd") == (200, {"a": "1, 2", "odd": ""})
