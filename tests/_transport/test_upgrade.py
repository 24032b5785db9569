"""The customs between websocket-client's handshake and the wire."""

from __future__ import annotations

import socket

import pytest

from pyresponses_ws._transport.answer import HEAD_LIMIT, NotHTTPError
from pyresponses_ws._transport.deadline import Deadline
from pyresponses_ws._transport.upgrade import UpgradeSocket, add_headers
from pyresponses_ws.errors import ConfigError
from pyresponses_ws.headers import check_headers

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\nCookie: jar=1\r\n\r\n"


def answer_to(
    *pieces: bytes, timeout: float = 5, ends: bool = True
) -> tuple[UpgradeSocket, bytes | Exception]:
    """Return what the customs make of an answer: themselves, and what they show of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for piece in pieces:
            theirs.sendall(piece)
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        customs = UpgradeSocket(ours, headers={}, deadline=Deadline.after(timeout))
        try:
            return customs, customs.recv(1 << 20)
        except (NotHTTPError, OSError) as exc:
            return customs, exc


def test_our_headers_replace_lines_of_the_same_name() -> None:
    """Names compare without case; a cookie that the library put in is left out."""
    request = add_headers(REQUEST, {"user-agent": "ours", "Authorization": "Bearer k"})
    assert request == (
        b"GET / HTTP/1.1\r\nHost: a\r\nuser-agent: ours\r\nAuthorization: Bearer k\r\n\r\n"
    )


def test_cookie_of_the_caller_travels() -> None:
    """What the caller sets on purpose is sent; only the library's own cookies are not."""
    assert b"Cookie: mine=2\r\n" in add_headers(REQUEST, {"Cookie": "mine=2"})


@pytest.mark.parametrize("value", ["sk-1\n", "sk-1\r\nX: y", "sk-1\0", "sk-1\x7f", "sk-1 €"])
def test_header_value_that_cannot_travel_is_refused_unseen(value: str) -> None:
    """A key pasted with its line break is named by its header, not repeated."""
    with pytest.raises(ConfigError, match="'Authorization'") as caught:
        check_headers({"Authorization": value})
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "a\n"])
def test_header_name_that_cannot_travel_is_refused(name: str) -> None:
    """A name is a token of HTTP."""
    with pytest.raises(ConfigError, match="not a valid name"):
        check_headers({name: "value"})


@pytest.mark.parametrize("name", ["Upgrade", "sec-websocket-key", "Transfer-Encoding"])
def test_header_of_the_handshake_is_not_the_callers(name: str) -> None:
    """Setting it would break the handshake, or smuggle a second request."""
    with pytest.raises(ConfigError, match="is set by the transport itself"):
        check_headers({name: "value"})


def test_password_of_a_proxy_is_not_for_the_server() -> None:
    """Inside the tunnel it would reach the wrong one."""
    with pytest.raises(ConfigError, match="would go to the server") as caught:
        check_headers({"Proxy-Authorization": "Basic c2VjcmV0"})
    assert "c2VjcmV0" not in str(caught.value)


def test_only_the_lines_of_the_handshake_are_shown() -> None:
    """No cookie reaches the library's jar, no other header its log."""
    customs, shown = answer_to(
        b"HTTP/1.1 101 Switching\r\nSet-Cookie: a=1; Domain=b\r\nUpgrade: websocket\r\n"
        b"X-Secret: c\r\nConnection: upgrade\r\nSec-WebSocket-Accept: d\r\n\r\nframes"
    )
    assert shown == (
        b"HTTP/1.1 101 -\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-accept: d\r\n\r\n"
    )
    assert customs.take_rest() == b"frames"


def test_refusal_is_shown_without_headers_and_body() -> None:
    """The library would put both into its exception; we keep them for ours."""
    customs, shown = answer_to(
        b"HTTP/1.1 403 Forbidden\r\nX-Secret: a\r\nContent-Length: 4\r\n\r\nbodyrest"
    )
    assert shown == b"HTTP/1.1 403 -\r\n\r\n"
    assert customs.answer is not None
    assert customs.answer.headers["x-secret"] == "a"
    assert customs.answer.body.startswith(b"body")


def test_interim_responses_are_skipped() -> None:
    """An early hint before the 101 is none of our business."""
    customs, _ = answer_to(b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 101 OK\r\nA: b\r\n\r\n")
    assert customs.answer is not None
    assert (customs.answer.status, customs.answer.headers) == (101, {"a": "b"})


def test_chunked_body_is_joined() -> None:
    """A refusal may come in chunks, on a connection that stays open."""
    customs, _ = answer_to(
        b'HTTP/1.1 404 -\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3;x\r\n:1}\r\n0\r\n\r\n',
        ends=False,
    )
    assert customs.answer is not None
    assert customs.answer.body == b'{"a":1}'


def test_broken_chunks_give_what_was_whole() -> None:
    """A body is worth no error: the status is what counts."""
    customs, _ = answer_to(
        b"HTTP/1.1 404 -\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\ncd"
    )
    assert customs.answer is not None
    assert customs.answer.body == b"ab"


def test_body_that_does_not_come_leaves_the_status() -> None:
    """A server that promises a body and stalls has answered all the same."""
    customs, shown = answer_to(
        b"HTTP/1.1 429 -\r\nContent-Length: 99\r\n\r\nslow", timeout=0.05, ends=False
    )
    assert shown == b"HTTP/1.1 429 -\r\n\r\n"
    assert customs.answer is not None
    assert customs.answer.body == b"slow"


def test_body_is_bounded() -> None:
    """A refusal's body is read up to a limit, whatever its length says."""
    customs, _ = answer_to(b"HTTP/1.1 500 -\r\n\r\n", b"x" * 150_000)
    assert customs.answer is not None
    assert len(customs.answer.body) == 64 * 1024


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x03\x00\x02\x02\x46", b"H", b"HTTP/1.1 101 OK\r\nA: b\r\n"],
    ids=["ssh", "tls alert", "one byte", "cut head"],
)
def test_answer_that_is_not_http_is_an_error(data: bytes) -> None:
    """Another protocol is told by its first bytes, a cut head by the end."""
    assert isinstance(answer_to(data)[1], NotHTTPError)


def test_other_protocol_is_told_at_once() -> None:
    """Nobody waits for the blank line of something that is no head."""
    assert isinstance(answer_to(b"220 smtp ready\r\n", ends=False)[1], NotHTTPError)


def test_head_is_bounded() -> None:
    """A head that does not end is refused at the limit."""
    endless = b"HTTP/1.1 101 OK\r\nX: " + b"x" * HEAD_LIMIT
    assert isinstance(answer_to(endless, ends=False)[1], NotHTTPError)


def test_wait_for_an_answer_ends_at_the_deadline() -> None:
    """A server that accepts and says nothing does not hold us."""
    assert isinstance(answer_to(timeout=0.05, ends=False)[1], TimeoutError)
