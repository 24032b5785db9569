"""Requests written and answers read over an open connection, whatever the server says."""

from __future__ import annotations

import contextlib
import socket
import ssl
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyresponses_ws._transport.base import Endpoint, HTTPRequest
from pyresponses_ws._transport.http_adapter import Head, exchange
from pyresponses_ws._transport.http_body import BodyError, make_body
from pyresponses_ws._transport.http_origin import origin_of
from pyresponses_ws._transport.http_wire import Wire
from pyresponses_ws.errors import ConnectionLostError
from tests._transport.http_scripts import chunked, do_nothing, head, no_check, sized

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class FakeSocket:
    """Takes everything, and says what the test has it say."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.sent = b""

    def settimeout(self, seconds: float) -> None:
        """Wait never."""

    def fileno(self) -> int:
        return -1

    def send(self, data: memoryview) -> int:
        self.sent += data
        return len(data)

    def recv(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


class Account:
    """What a wire counts on."""

    bytes_sent = bytes_received = 0
    is_aborted = False


def call(fake: FakeSocket, url: str = "http://h/v1") -> tuple[Head, bytes]:
    """Make a call over a socket that says this; return head and body."""
    sock: socket.socket = fake  # type: ignore[assignment]
    wire = Wire(sock, owner=Account(), check=no_check, send_timeout=20)
    endpoint = Endpoint(url=url, ssl_context=CONTEXT)
    request = HTTPRequest(method="POST", endpoint=endpoint, body=b"{}")
    answer = exchange(wire, request, origin_of(endpoint), on_sent=do_nothing)
    body = make_body(answer.headers, is_chunked=answer.is_chunked, length=answer.length)
    content = b""
    while not body.is_complete and (data := wire.receive()):
        content += body.receive_data(data)
    return answer, content


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://h/v1", "h"),
        ("http://h:80/v1", "h"),
        ("http://h:443/v1", "h:443"),
        ("https://h:443/v1", "h"),
        ("https://h:80/v1", "h:80"),
        ("https://[::1]:8/v1", "[::1]:8"),
        ("http://[::1]/v1", "[::1]"),
    ],
)
def test_host_header_has_the_port_unless_it_is_the_default(url: str, host: str) -> None:
    """The default is that of the scheme, though http.client never learns of TLS."""
    fake = FakeSocket(sized(b""))
    call(fake, url)
    assert f"\r\nHost: {host}\r\n".encode() in fake.sent


@pytest.mark.parametrize(
    ("answer", "is_last"),
    [
        (sized(b""), False),
        (chunked(), False),
        (head("204 No Content"), False),
        (sized(b"", "200 OK", "Connection: close"), True),
        (head("200 OK"), True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", False),
    ],
)
def test_head_says_whether_the_connection_goes_on(answer: bytes, is_last: bool) -> None:
    """By version, by ``Connection``, and by a body without an end of its own."""
    assert call(FakeSocket(answer))[0].is_last is is_last


ANSWERS = st.sampled_from(
    [
        *(sized(b"hello"), chunked(b"hel", b"lo"), head("100 Continue") + sized(b"hello")),
        *(head("204 No Content"), head("200 OK") + b"hello", sized(b"\x1f\x8b", "502 Bad")),
        sized(b"hello", "200 OK", "Content-Encoding: gzip"),
    ]
)
DAMAGE = st.tuples(st.integers(0, 120), st.binary(max_size=3))


def damaged(answer: bytes, damage: tuple[int, bytes]) -> bytes:
    """Put bytes in the place of as many others."""
    place, wrong = damage
    return answer[:place] + wrong + answer[place + len(wrong) :]


@given(
    st.one_of(st.builds(damaged, ANSWERS, DAMAGE), ANSWERS, st.binary(max_size=80)),
    st.lists(st.integers(0, 150), max_size=4),
)
@example(b"220 smtp 1.1.1\r\n", [])
@example(b"220 smtp 1.1.1\r\n\r\n" + sized(b"hello"), [4])
@example(b"HTTP/1.1 200 OK\r\n \r\n\r\n", [])
@example(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", [])
def test_whatever_a_server_says_is_an_answer_or_a_lost_connection(
    said: bytes, cuts: list[int]
) -> None:
    """No other exception comes out, and it is the same wherever the reads cut."""
    places = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    outcomes = []
    for pieces in ([said], [said[a:b] for a, b in pairwise(places)]):
        outcome: object = None
        with contextlib.suppress(ConnectionLostError, BodyError):
            outcome = call(FakeSocket(*pieces))
        outcomes.append(outcome)
    assert outcomes[0] == outcomes[1]
