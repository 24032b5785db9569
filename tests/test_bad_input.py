"""Bad input: one clear error of our tree, in time, with the thing, the fix, and no key in it."""

from __future__ import annotations

import socket
import ssl
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from pyresponses_ws import ResponsesClient, Timeouts
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    ConfigError,
    ConnectError,
    PermissionDeniedError,
    RequestTooLargeError,
    ResponsesWSError,
    UsageError,
)
from tests.support.raw_server import Peer
from tests.support.responses_peer import KEY, Gone, ResponsesPeer
from tests.support.tls import TestAuthority

TURN: dict[str, Any] = {"model": "m", "input": "hello"}
LOOPBACK = "http://127.0.0.1:9/v1"
#: The connect timer of these tests, and what a call may take beyond it.
CONNECT, GRACE = 2.0, 0.5


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> Iterator[TestAuthority]:
    authority = TestAuthority()
    yield authority
    authority.close()


def error_of(call: Callable[[], object]) -> ResponsesWSError:
    """Return what the call raises, which must be ours, in time, and free of the key."""
    started = time.monotonic()
    with pytest.raises(ResponsesWSError) as caught:
        call()
    assert time.monotonic() - started < CONNECT + GRACE
    shown = "".join(traceback.format_exception(caught.value))
    link: BaseException | None = caught.value
    while link is not None:
        shown += f"{link!s} {link!r} {vars(link)!r}"
        link = link.__cause__ or link.__context__
    assert KEY not in shown
    return caught.value


def error_of_turn(base_url: str, **options: Any) -> ResponsesWSError:
    """Return what a turn with such a client raises."""
    timeouts = Timeouts(connect=CONNECT)
    with ResponsesClient(KEY, base_url=base_url, timeouts=timeouts, **options) as client:
        return error_of(lambda: client.create(**TURN))


# --- options ------------------------------------------------------------------------------------


def test_no_key_names_option_and_variable() -> None:
    """Neither given nor in the environment."""
    error = error_of(lambda: ResponsesClient())
    assert isinstance(error, ConfigError)
    assert "api_key=" in str(error)
    assert "OPENAI_API_KEY" in str(error)


@pytest.mark.parametrize("key", ["", "   "])
def test_an_empty_key_is_no_key(key: str) -> None:
    """An empty variable in a deployment is the usual way to have none."""
    assert "no API key" in str(error_of(lambda: ResponsesClient(key)))


@pytest.mark.parametrize("tail", ["\n", "\r\nX-Evil: 1", "\0", "\x7f", "é", "€"])
def test_a_key_that_no_header_carries_is_refused(tail: str) -> None:
    """A newline that was copied along is named by place, and the key is not shown."""
    error = error_of(lambda: ResponsesClient(KEY + tail))
    assert isinstance(error, ConfigError)
    assert f"position {len(KEY)}" in str(error)


def test_a_key_of_another_type_is_refused() -> None:
    """Bytes are no key."""
    assert "must be a string" in str(error_of(lambda: ResponsesClient(KEY.encode())))


def test_a_rotating_key_is_checked_when_it_is_asked() -> None:
    """A callable may return nonsense; the turn ends with the same error as the option."""
    with ResponsesClient(lambda: KEY + "\n", base_url=LOOPBACK) as client:
        error = error_of(lambda: client.create(**TURN))
    assert isinstance(error, ConfigError)
    assert f"position {len(KEY)}" in str(error)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://", "host"),
        ("https:///v1", "host"),
        ("ftp://example.com/v1", "not ftp"),
        ("example.com/v1", "no scheme"),
        ("", "no scheme"),
        ("https://example.com:port/v1", "not a URL"),
        ("https://[::1/v1", "not a URL"),
        (f"https://user:{KEY}@example.com/v1", "api_key="),
        ("http://example.com/v1", "allow_insecure=True"),
        ("ws://10.0.0.1/v1", "allow_insecure=True"),
    ],
)
def test_a_bad_url_is_refused_with_its_name(url: str, word: str) -> None:
    """The option is named, and what is wrong with it."""
    error = error_of(lambda: ResponsesClient(KEY, websocket_base_url=url))
    assert isinstance(error, ConfigError)
    assert word in str(error)


@pytest.mark.parametrize("url", ["https://", "ftp://example.com/v1"])
def test_a_bad_url_of_the_environment_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is checked like the option."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert "base_url" in str(error_of(lambda: ResponsesClient(KEY)))


def test_an_unknown_option_is_named_beside_the_known_ones() -> None:
    """A slip of the pen does not pass silently."""
    error = error_of(lambda: ResponsesClient(KEY, time_outs=3))
    assert isinstance(error, ConfigError)
    assert "'time_outs'" in str(error)
    assert "timeouts" in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"timeouts": 3},
        {"replay": "always"},
        {"retry_delays": (1, -1)},
        {"retry_delays": ("soon",)},
        {"retry_delays": 5},
        {"headers": {"X-A": "b\r\nX-Evil: 1"}},
        {"headers": {"X-A\n": "b"}},
        {"headers": {"X-A": 7}},
        {"headers": "X-A: b"},
        {"query": 5},
        {"organization": "a\nb"},
        {"organization": 5},
        {"max_request_bytes": 0},
        {"max_request_bytes": "many"},
        {"hooks": lambda: None},
        {"ca_bundle": "/nowhere/ca.pem"},
        {"client_cert": "/nowhere/cert.pem"},
        {"client_cert": 5},
        {"ssl_context": "yes"},
        {"transport_factory": "websocket"},
        {"base_url": 5},
    ],
    ids=str,
)
def test_a_bad_option_is_a_config_error(options: dict[str, Any]) -> None:
    """At construction, and never as an error of Python's own; the option is named."""
    error = error_of(lambda: ResponsesClient(KEY, **{"base_url": LOOPBACK, **options}))
    assert isinstance(error, ConfigError)
    name = next(iter(options))
    assert name in str(error) or "header" in str(error)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon", True])
def test_a_bad_timeout_of_a_turn_is_a_config_error(timeout: Any) -> None:
    """Nothing is sent, and nothing connects."""
    with ResponsesClient(KEY, base_url=LOOPBACK) as client:
        error = error_of(lambda: client.create(**TURN, timeout=timeout))
    assert isinstance(error, ConfigError)
    assert "timeout" in str(error)


# --- requests -----------------------------------------------------------------------------------


class _Opaque:
    """What no JSON can say."""


@pytest.mark.parametrize(
    ("turn", "path"),
    [
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"input": [{"role": "user", "content": "\ud83d"}]}, "input[0].content"),
        ({"metadata": {"tags": {"a", "b"}}}, "metadata.tags"),
        ({"input": [{"role": "user", "content": b"raw"}]}, "input[0].content"),
        ({"metadata": {1: "x"}}, "metadata"),
        ({"tools": [{"type": "function", "parameters": _Opaque()}]}, "tools[0].parameters"),
        ({"extra_body": {"deep": [[float("nan")]]}}, "deep[0][0]"),
    ],
    ids=["nan", "inf", "surrogate", "set", "bytes", "int-key", "object", "extra"],
)
def test_a_request_that_is_no_json_names_the_path(turn: dict[str, Any], path: str) -> None:
    """Before anything is sent, and before anything connects."""
    with ResponsesPeer() as peer, peer.client() as client:
        error = error_of(lambda: client.create(**{**TURN, **turn}))
        assert isinstance(error, UsageError)
        assert path in str(error)
        assert peer.connections == 0


def test_a_request_that_holds_itself_is_refused() -> None:
    """A circle has no JSON, and no end."""
    loop: list[Any] = []
    loop.append(loop)
    with ResponsesClient(KEY, base_url=LOOPBACK) as client:
        assert isinstance(error_of(lambda: client.create(model="m", input=loop)), UsageError)


@pytest.mark.parametrize(
    ("turn", "word"),
    [
        ({"model": ""}, "model is empty"),
        ({"background": True}, "background"),
        ({"stream_id": "a"}, "lane"),
        ({"extra_body": 5}, "extra_body"),
    ],
)
def test_a_bad_turn_says_what_to_do(turn: dict[str, Any], word: str) -> None:
    """Nothing connects for a turn that cannot be."""
    with ResponsesPeer() as peer, peer.client() as client:
        assert word in str(error_of(lambda: client.create(**{**TURN, **turn})))
        assert peer.connections == 0


def test_a_request_too_large_is_refused_here() -> None:
    """The service would close the link; nothing is sent."""
    with ResponsesPeer() as peer, peer.client(max_request_bytes=100) as client:
        error = error_of(lambda: client.create(model="m", input="x" * 200))
        assert isinstance(error, RequestTooLargeError)
        assert "max_request_bytes (100)" in str(error)
        assert peer.connections == 0


# --- servers ------------------------------------------------------------------------------------


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
