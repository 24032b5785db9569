"""Servers that are none: one clear error each, in time, with host, fix, and no key in it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from pyresponses_ws import ResponsesClient, Timeouts
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    ConnectError,
    PermissionDeniedError,
    ResponsesWSError,
)
from tests.support.raw_server import Peer
from tests.support.responses_peer import CONNECT_TIMER, KEY, Gone, ResponsesPeer, error_of
from tests.support.tls import TestAuthority

TURN: dict[str, Any] = {"model": "m", "input": "hello"}


@pytest.fixture(scope="module")
def authority() -> Iterator[TestAuthority]:
    authority = TestAuthority()
    yield authority
    authority.close()


def error_of_turn(base_url: str, **options: Any) -> ResponsesWSError:
    """Return what a turn with such a client raises."""
    timeouts = Timeouts(connect=CONNECT_TIMER)
    options = {"transport": "websocket", "timeouts": timeouts, **options}
    with ResponsesClient(KEY, base_url=base_url, **options) as client:
        return error_of(lambda: client.create(**TURN))


@dataclass
class Refuses:
    """Answers the upgrade with an HTTP response."""

    status: str
    body: str = ""
    headers: str = ""

    def __call__(self, peer: Peer) -> None:
        peer.read_request()
        body = self.body.replace("KEY", peer.headers["authorization"]).encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\n{self.headers}\r\n"
        peer.send(head.encode() + body)
        peer.read_to_end()
        raise Gone


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Refuses("200 OK", "<html>hello</html>"), ["HTTP 200", "a web page", "base_url"]),
        (Refuses("200 OK", '{"ok": true}'), ["HTTP 200", "base_url"]),
        (Refuses("404 Not Found"), ["HTTP 404", "base_url"]),
        (Refuses("426 Upgrade Required"), ["HTTP 426"]),
        (Refuses("502 Bad Gateway", "<html>"), ["HTTP 502", "try again"]),
        (Refuses("403 Forbidden", "blocked for KEY"), ["HTTP 403", "blocked"]),
        (
            Refuses("302 Found", "", "Location: https://elsewhere.example/v1?k=KEY\r\n"),
            ["HTTP 302", "elsewhere.example", "base_url"],
        ),
    ],
    ids=lambda value: getattr(value, "status", None),
)
def test_an_answer_that_is_no_upgrade_is_a_connect_error(answer: Refuses, words: list[str]) -> None:
    """Host, status and fix are named; a redirect is not followed with the key."""
    with ResponsesPeer(accept=answer) as peer:
        error = error_of_turn(peer.base_url)
        assert isinstance(error, ConnectError)
        assert str(error.status) == answer.status[:3]
        assert [word for word in [f"127.0.0.1:{peer.port}", *words] if word not in str(error)] == []
        assert peer.connections == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            Refuses("401 Unauthorized", '{"error": {"message": "bad KEY"}}'),
            AuthenticationError,
        ),
        (Refuses("403 Forbidden", '{"error": {"message": "region"}}'), PermissionDeniedError),
    ],
    ids=["401", "403"],
)
def test_the_apis_own_no_is_an_api_error(answer: Refuses, kind: type[APIError]) -> None:
    """A wrong key is no transport failure, and the server's echo of it is struck out."""
    with ResponsesPeer(accept=answer) as peer:
        error = error_of_turn(peer.base_url)
        assert type(error) is kind
        assert peer.connections == 1


@pytest.mark.parametrize("body", ["", "{}", '{"error": {"message": "no"}}'])
def test_a_refused_key_names_host_and_fix(body: str) -> None:
    """Also where the server says little: who refused, and what to check."""
    with ResponsesPeer(accept=Refuses("401 Unauthorized", body)) as peer:
        text = str(error_of_turn(peer.base_url))
    assert f"127.0.0.1:{peer.port}" in text
    assert "API key" in text


def test_a_server_that_is_no_web_server_is_a_connect_error() -> None:
    """SSH on that port, say."""

    def speak_ssh(peer: Peer) -> None:
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        peer.read_to_end()
        raise Gone

    with ResponsesPeer(accept=speak_ssh) as peer:
        error = error_of_turn(peer.base_url)
    assert isinstance(error, ConnectError)
    assert f"127.0.0.1:{peer.port}" in str(error)


def test_a_server_that_hangs_up_is_a_connect_error() -> None:
    """Accepts, and ends the connection at the request."""
    with ResponsesPeer(accept=lambda peer: _hang_up(peer)) as peer:
        error = error_of_turn(peer.base_url)
    assert isinstance(error, ConnectError)
    assert "base_url" in str(error)


def _hang_up(peer: Peer) -> None:
    peer.read_request()
    raise Gone


def test_nobody_listening_is_a_connect_error() -> None:
    """Refused: the address is named."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = error_of_turn(f"http://127.0.0.1:{port}/v1")
    assert isinstance(error, ConnectError)
    assert (error.stage, f"127.0.0.1:{port}" in str(error)) == ("tcp", True)
    assert "base_url" in str(error)


def test_an_unknown_name_is_a_connect_error() -> None:
    """``.invalid`` never resolves."""
    error = error_of_turn("https://api.example.invalid/v1")
    assert isinstance(error, ConnectError)
    assert (error.stage, "api.example.invalid" in str(error)) == ("dns", True)
    assert "base_url" in str(error)


def test_an_unknown_authority_is_a_tls_error(authority: TestAuthority) -> None:
    """A certificate that nobody vouches for: say whose bundle would."""
    with ResponsesPeer(tls=authority.server_context(), accept=_never) as peer:
        error = error_of_turn(peer.base_url)
    assert isinstance(error, ConnectError)
    assert (error.stage, "ca_bundle" in str(error)) == ("tls", True)


def test_a_certificate_of_another_host_is_a_tls_error() -> None:
    """The authority is trusted, the name in the certificate is not this one."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    with ResponsesPeer(tls=server, accept=_never) as peer:
        error = error_of_turn(peer.base_url, ssl_context=context)
        assert isinstance(error, ConnectError)
        assert (error.stage, f"127.0.0.1:{peer.port}" in str(error)) == ("tls", True)


def test_tls_to_a_plain_port_is_a_tls_error() -> None:
    """https:// where http:// listens."""
    with ResponsesPeer(accept=_answer_as_plain_server) as peer:
        error = error_of_turn(peer.base_url.replace("http://", "https://"))
    assert isinstance(error, ConnectError)
    assert (error.stage, "scheme and port of base_url" in str(error)) == ("tls", True)


def _answer_as_plain_server(peer: Peer) -> None:
    peer.read_exactly(5)
    peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    peer.read_to_end()
    raise Gone


def test_the_right_authority_works(authority: TestAuthority) -> None:
    """The counter-proof of the three above."""
    with (
        ResponsesPeer(tls=authority.server_context()) as peer,
        peer.client(ca_bundle=authority.bundle) as client,
    ):
        assert client.create(**TURN).output_text == "hello"


def _never(peer: Peer) -> None:
    peer.read_to_end()
    raise Gone
