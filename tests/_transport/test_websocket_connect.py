"""Opening a WebSocket over a real socket: what travels, and every way to fail."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from urllib.parse import urlsplit

import pytest
import websocket
from websocket import _handshake

from pyresponses_ws._transport import websocket as module
from pyresponses_ws._transport.base import (
    Endpoint,
    Transport,
)
from pyresponses_ws.errors import (
    ClosedError,
    ConfigError,
    ConnectError,
    UsageError,
)
from tests._transport.conftest import read_all
from tests._transport.scripts import (
    GOODBYE,
    Connect,
    MakeTransport,
    Recorder,
    answering,
    sending,
)
from tests.support.raw_server import TEXT, Peer, RawServer, frame

KEY = "sk-secret-key"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def fail_to_connect(
    make: MakeTransport, url: str, *, timeout: float = 5, headers: dict[str, str] = HEADERS
) -> ConnectError:
    """Connect in vain; the error must be of our tree and the transport disposed of."""
    transport = make()
    with pytest.raises(ConnectError) as caught:
        transport.connect(Endpoint(url=url, headers=headers), timeout=timeout)
    sock = transport._sock
    assert sock is None or sock.fileno() < 0
    chain: BaseException | None = caught.value
    while chain is not None:
        assert KEY not in f"{chain!s}{chain!r}{chain.__dict__}"
        chain = chain.__cause__ or chain.__context__
    return caught.value


def test_transport_keeps_the_contract(make_transport: MakeTransport) -> None:
    """mypy checks the signatures here; the attributes are there before the connect."""
    transport: Transport = make_transport()
    assert (transport.pending_pong, transport.bytes_sent, transport.bytes_received) == (None, 0, 0)
    assert transport.unsent_bytes() is None


def test_request_holds_our_headers_and_nothing_that_a_browser_sends(
    make_transport: MakeTransport,
) -> None:
    """The key goes along; no Origin, no extension, no subprotocol; the path keeps its query."""
    recorder = Recorder()
    with RawServer(recorder) as server:
        endpoint = Endpoint(url=f"{server.url}?a=b", headers={**HEADERS, "user-agent": "us"})
        transport = make_transport()
        transport.connect(endpoint, timeout=5)
        transport.dispose()
    assert recorder.request.startswith(b"GET /v1/responses?a=b HTTP/1.1\r\n")
    assert set(recorder.headers) == {
        *("upgrade", "connection", "host", "authorization", "user-agent"),
        *("sec-websocket-key", "sec-websocket-version"),
    }
    assert recorder.headers["host"] == f"127.0.0.1:{server.port}"
    assert recorder.headers["authorization"] == HEADERS["Authorization"]


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("ws://h/v1", "h"),
        ("ws://h:80/v1", "h"),
        ("ws://h:443/v1", "h:443"),
        ("wss://h:443/v1", "h"),
        ("wss://h:80/v1", "h:80"),
        ("WSS://[::1]:8/v1", "[::1]:8"),
    ],
)
def test_host_header_has_the_port_unless_it_is_the_default(url: str, header: str) -> None:
    """websocket-client leaves out 80 and 443 whatever the scheme."""
    assert module._host_header(urlsplit(url)) == header


def test_frames_behind_the_upgrade_are_not_lost(connect: Connect) -> None:
    """What comes in the same packet as the 101 is the first thing received."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(peer.acceptance() + frame(TEXT, b"first") + frame(TEXT, b"second")[:4])
        peer.send(frame(TEXT, b"second")[4:] + GOODBYE)

    with RawServer(script) as server:
        transport = connect(server)
        assert read_all(transport)[0] == ["first", "second"]
        assert transport.bytes_received == len(frame(TEXT, b"firstsecond")) + 2 + len(GOODBYE)
        transport.dispose()


def test_trace_log_of_the_library_shows_no_key(
    make_transport: MakeTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody may have switched it on; the library has never seen the key."""
    websocket.enableTrace(True, handler=caplog.handler)
    try:
        with RawServer(Recorder()) as server:
            transport = make_transport()
            transport.connect(Endpoint(url=server.url, headers=HEADERS), timeout=5)
            transport.send(b"prompt", progress_timeout=5)
            transport.dispose()
    finally:
        websocket.enableTrace(False)
    assert "GET /v1/responses" in caplog.text
    assert KEY not in caplog.text
    assert "prompt" not in caplog.text


def test_cookies_go_neither_way(make_transport: MakeTransport) -> None:
    """The library's jar belongs to the whole process: it would mix what must not meet."""

    def script(peer: Peer) -> None:
        peer.read_request()
        assert "cookie" not in peer.headers
        cookie = b"\r\nSet-Cookie: session=1; Domain=127.0.0.1\r\n\r\n"
        peer.send(peer.acceptance().replace(b"\r\n\r\n", cookie))

    _handshake.CookieJar.add("jar=1; Domain=127.0.0.1")
    before = str(_handshake.CookieJar.jar)
    try:
        with RawServer(script) as server:
            for _ in range(2):
                transport = make_transport()
                transport.connect(Endpoint(url=server.url), timeout=5)
                transport.dispose()
        assert str(_handshake.CookieJar.jar) == before
    finally:
        _handshake.CookieJar.jar.clear()


def test_refusal_is_a_connect_error_with_everything(make_transport: MakeTransport) -> None:
    """Status, body, wait and cause are attributes; the sentence names host, words and fix."""
    body = b'{"error": {"message": "Slow down, sk-secret-key", "code": "rate_limit_exceeded"}}'
    head = b"HTTP/1.1 429 -\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % len(body)
    with RawServer(answering(head + body)) as server:
        error = fail_to_connect(make_transport, server.url)
    assert (error.status, error.stage, error.retry_after) == (429, "upgrade", 7)
    assert error.body == {"error": {"message": "Slow down, ***", "code": "rate_limit_exceeded"}}
    assert f"127.0.0.1:{server.port} answered the WebSocket upgrade with HTTP 429" in str(error)
    assert isinstance(error.__cause__, websocket.WebSocketBadStatusException)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int, make_transport: MakeTransport) -> None:
    """It would take the key to another place."""
    requests = []

    def script(peer: Peer) -> None:
        requests.append(peer.read_request())
        peer.send(b"HTTP/1.1 %d -\r\nLocation: %s\r\n\r\n" % (status, server.url.encode()))

    with RawServer(script) as server:
        error = fail_to_connect(make_transport, server.url)
    assert (error.status, len(requests)) == (status, 1)
    assert "are not followed" in str(error)


@pytest.mark.parametrize("status", [200, 204, 404])
def test_plain_http_points_at_base_url(status: int, make_transport: MakeTransport) -> None:
    """A web server answers the upgrade with a page."""
    with RawServer(answering(b"HTTP/1.1 %d -\r\n\r\n<html>hi</html>" % status)) as server:
        error = fail_to_connect(make_transport, server.url)
    assert error.status == status
    assert "not WebSocket: check base_url" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n",
        b"",
        b"HTTP/1.1 101 -\r\n\r\n",
        b"HTTP/1.1 101 -\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
        b"HTTP/1.1 101 -\r\nX: " + b"x" * 200_000,
    ],
    ids=["ssh", "nothing", "no headers", "wrong accept", "endless head"],
)
def test_answer_that_opens_no_websocket_is_an_error(
    answer: bytes, make_transport: MakeTransport
) -> None:
    """Whatever comes is told within the stage upgrade."""

    def script(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(OSError):
            peer.send(answer)

    with RawServer(script) as server:
        error = fail_to_connect(make_transport, server.url)
    assert error.stage == "upgrade"
    assert f"127.0.0.1:{server.port}" in str(error)


@pytest.mark.parametrize(
    "line", [b"Sec-WebSocket-Extensions: permessage-deflate", b"Sec-WebSocket-Protocol: chat"]
)
def test_what_nobody_offered_is_refused(line: bytes, make_transport: MakeTransport) -> None:
    """With an extension that we do not speak every frame would be misread."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(peer.acceptance()[:-2] + line + b"\r\n\r\n")

    with RawServer(script) as server:
        error = fail_to_connect(make_transport, server.url)
    assert (error.status, error.stage) == (101, "upgrade")
    assert "that nobody offered" in str(error)


def test_subprotocol_that_the_caller_offered_is_accepted(make_transport: MakeTransport) -> None:
    """Some gateways want one, given as a header."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(peer.acceptance()[:-2] + b"Sec-WebSocket-Protocol: b\r\n\r\n" + GOODBYE)

    with RawServer(script) as server:
        transport = make_transport()
        headers = {"sec-websocket-protocol": "a, b"}
        transport.connect(Endpoint(url=server.url, headers=headers), timeout=5)
        assert read_all(transport)[1].code == 1000
        transport.dispose()


def test_trickled_upgrade_ends_at_the_deadline(make_transport: MakeTransport) -> None:
    """A byte now and then must not keep the timer from running out."""
    is_over = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 101 -\r\n" + b"X: y\r\n" * 500:
                peer.send(bytes((byte,)))
                is_over.wait(0.01)

    with RawServer(script) as server:
        error = fail_to_connect(make_transport, server.url, timeout=0.2)
        is_over.set()
    assert error.stage == "upgrade"
    assert "within the connect timeout" in str(error)


def test_silent_upgrade_ends_when_aborted(make_transport: MakeTransport) -> None:
    """Accepting and saying nothing is what the abort is for."""
    transport = make_transport()

    def script(peer: Peer) -> None:
        peer.read_request()
        transport.abort()
        peer.read_to_end()

    with RawServer(script) as server, pytest.raises(ConnectError, match="given up"):
        transport.connect(Endpoint(url=server.url), timeout=20)
    assert transport._sock is not None
    assert transport._sock.fileno() < 0


def test_transport_aborted_before_it_connects_does_not(make_transport: MakeTransport) -> None:
    """An abort counts whenever it comes."""
    transport = make_transport()
    transport.abort()
    with RawServer(Peer.read_to_end) as server, pytest.raises(ConnectError, match="given up"):
        transport.connect(Endpoint(url=server.url), timeout=5)


def test_upgrade_hears_ctrl_c(make_transport: MakeTransport) -> None:
    """KeyboardInterrupt comes out unchanged, and no descriptor stays."""
    transport = make_transport()

    def script(peer: Peer) -> None:
        peer.read_request()
        os.kill(os.getpid(), signal.SIGINT)
        peer.read_to_end()

    with RawServer(script) as server, pytest.raises(KeyboardInterrupt):
        transport.connect(Endpoint(url=server.url), timeout=20)
    assert transport._sock is not None
    assert transport._sock.fileno() < 0


def test_transport_connects_once(connect: Connect) -> None:
    """A second connect would mix two lives."""
    with RawServer(sending(GOODBYE)) as server:
        transport = connect(server)
        with pytest.raises(UsageError, match="only once"):
            transport.connect(Endpoint(url=server.url), timeout=5)
        transport.dispose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/v1", "scheme 'http'"),
        ("ws:///v1", "names no host"),
        ("ws://127.0.0.1:port/v1", "cannot be read"),
        ("ws://[::1/v1", "cannot be read"),
        ("ws://127.0.0.1/a b", "percent-encode"),
        ("ws://127.0.0.1/a\r\nX: y", "percent-encode"),
        ("wss://127.0.0.1/", "needs an ssl_context"),
    ],
)
def test_url_that_cannot_be_used_is_a_config_error(
    url: str, words: str, make_transport: MakeTransport
) -> None:
    """Before anything is opened, and naming the fault."""
    with pytest.raises(ConfigError, match=words):
        make_transport().connect(Endpoint(url=url), timeout=5)


def test_header_with_a_line_break_is_a_config_error(make_transport: MakeTransport) -> None:
    """The key is not repeated."""
    endpoint = Endpoint(url="ws://127.0.0.1/", headers={"Authorization": f"Bearer {KEY}\n"})
    with pytest.raises(ConfigError, match="'Authorization'") as caught:
        make_transport().connect(endpoint, timeout=5)
    assert KEY not in str(caught.value)
    assert KEY not in repr(endpoint)


@pytest.mark.parametrize("call", ["receive", "ping"])
def test_use_before_the_connect_is_an_error(call: str, make_transport: MakeTransport) -> None:
    """Nothing was ever open."""
    with pytest.raises(ClosedError, match="not connected"):
        getattr(make_transport(), call)()


def test_library_exceptions_do_not_get_out(
    make_transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the library raises in the handshake becomes an error of our tree."""

    def connect(*_: object, **__: object) -> None:
        raise websocket.WebSocketException("something new")

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    with RawServer(Peer.read_to_end) as server:
        error = fail_to_connect(make_transport, server.url)
    assert "something new" in str(error)
