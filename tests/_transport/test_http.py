"""HTTP calls over real sockets: what travels, what comes back, and every way to fail."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import os
import pickle
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, HTTPCall, HTTPPool
from pyresponses_ws.errors import (
    ClosedError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    UsageError,
)
from tests._transport.http_scripts import (
    BODY,
    CHUNKED,
    HEADERS,
    KEY,
    LAST,
    Caller,
    answering,
    calling,
    chunk,
    chunked,
    do_nothing,
    head,
    read_all,
    read_request,
    sized,
)
from tests.support.raw_server import Peer
from tests.support.tls import TestAuthority


def test_pool_and_call_keep_the_contract() -> None:
    """mypy checks the signatures here; the attributes are there before the send."""
    caller = Caller("http://127.0.0.1:1/")
    pool: HTTPPool = caller.pool
    call: HTTPCall = caller.start()
    assert (call.bytes_sent, call.bytes_received, call.is_reused) == (0, 0, False)
    assert (call.connect_ms, call.status, call.unsent_bytes()) == (None, 0, None)
    call.dispose()
    pool.close()


# --------------------------------------------------------------------------- what travels


def test_request_holds_our_headers_and_nothing_that_a_library_adds() -> None:
    """No name of requests, no compression, no cookie; the path keeps its query."""
    seen: list[tuple[bytes, bytes, dict[str, str]]] = []

    def script(peer: Peer) -> None:
        body = read_request(peer)
        seen.append((peer.request, body, peer.headers))
        peer.send(sized(b"{}"))

    with calling(script) as caller:
        caller.url += "?a=b%20c"
        assert caller.fetch(accept="text/event-stream") == b"{}"
    (request, body, headers) = seen[0]
    assert request.startswith(b"POST /v1/responses?a=b%20c HTTP/1.1\r\n")
    assert body == BODY
    assert headers == {
        "host": caller.url.split("/")[2],
        "authorization": HEADERS["Authorization"],
        "user-agent": "us",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
    }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_request_without_a_body_says_nothing_of_one(method: str) -> None:
    """And what a caller's header says about the answer does not count."""
    seen: dict[str, str] = {}

    def script(peer: Peer) -> None:
        read_request(peer)
        seen.update(peer.headers, request=peer.request.split()[0].decode())
        peer.send(sized(b"{}"))

    with calling(script) as caller:
        headers = {"ACCEPT": "text/html", "accept-encoding": "gzip"}
        caller.fetch(None, method=method, headers=headers)
    assert (seen["request"], seen["accept"]) == (method, "application/json")
    assert seen["accept-encoding"] == "identity"
    assert not {"user-agent", "content-type"} & set(seen)


def test_neither_netrc_nor_proxies_of_the_environment_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would take the user from the one, and go through the other."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    seen: dict[str, str] = {}

    def script(peer: Peer) -> None:
        read_request(peer)
        seen.update(peer.headers)
        peer.send(sized(b"{}"))

    with calling(script) as caller:
        assert caller.fetch(headers={}) == b"{}"
    assert "authorization" not in seen


def test_no_redirect_is_followed_and_no_cookie_kept() -> None:
    """Either would take something to where nobody wanted it."""
    seen: list[dict[str, str]] = []

    def script(peer: Peer) -> None:
        for _ in range(2):
            read_request(peer)
            seen.append(peer.headers)
            lines = ("Location: http://127.0.0.1:9/", "Set-Cookie: a=b; Path=/")
            peer.send(sized(b"", "302 Found", *lines))

    with calling(script) as caller:
        for _ in range(2):
            call = caller.send()
            assert (call.status, call.headers["location"]) == (302, "http://127.0.0.1:9/")
            call.dispose()
    assert ["cookie" in headers for headers in seen] == [False, False]


def test_sent_is_told_before_the_answer_is_awaited() -> None:
    """The server answers only when the test has heard of it."""
    is_sent = threading.Event()

    def script(peer: Peer) -> None:
        read_request(peer)
        assert is_sent.wait(5)
        peer.send(sized(b"{}"))

    with calling(script) as caller:
        call = caller.start()
        call.send(on_sent=is_sent.set)
        assert (call.status, read_all(call)) == (200, b"{}")
        call.dispose()


def test_bytes_are_counted_both_ways() -> None:
    """Heads and chunk sizes are bytes on the wire too."""
    answer = chunked(b"one", b"two")
    sizes: list[int] = []

    def script(peer: Peer) -> None:
        read_request(peer)
        sizes.append(len(peer.request) + len(b"\r\n\r\n") + len(BODY))
        peer.send(answer)

    with calling(script) as caller:
        call = caller.send()
        assert read_all(call) == b"onetwo"
        assert (call.bytes_sent, call.bytes_received) == (sizes[0], len(answer))
        assert call.connect_ms is not None
        assert call.connect_ms > 0
        call.dispose()


# --------------------------------------------------------------------------- what comes back


def test_body_comes_piece_by_piece() -> None:
    """An event is there when its bytes are, not when its answer is over."""
    may_go_on = threading.Event()

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, chunk(b"first"))
        assert may_go_on.wait(5)
        peer.send(chunk(b"second"), LAST)

    with calling(script) as caller:
        call = caller.send()
        assert call.read() == b"first"
        may_go_on.set()
        assert [call.read(), call.read(), call.read()] == [b"second", b"", b""]
        call.dispose()


@pytest.mark.parametrize(
    "answer",
    [
        sized(b"hello"),
        chunked(b"hel", b"lo"),
        head("200 OK", "Connection: close") + b"hello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        sized(gzip.compress(b"hello"), "200 OK", "Content-Encoding: gzip"),
        head("100 Continue") + head("103 Early Hints", "Link: </a>") + sized(b"hello"),
        sized(b"hello").replace(b"\r\n", b"\n"),
    ],
    ids=["sized", "chunked", "close", "1.0", "gzip", "interim", "bare LF"],
)
def test_body_ends_as_its_head_says(answer: bytes) -> None:
    """By length, by its last chunk, or with the connection."""
    with calling(answering(answer), lingers=False) as caller:
        call = caller.send()
        assert (call.status, read_all(call)) == (200, b"hello")
        call.dispose()


def test_repeated_headers_are_joined() -> None:
    """Names are in lower case."""
    lines = ("X-Request-ID: r1", "Via: a", "VIA:  b")
    with calling(answering(sized(b"", "200 OK", *lines))) as caller:
        call = caller.send()
        assert (call.headers["x-request-id"], call.headers["via"]) == ("r1", "a, b")
        call.dispose()


@pytest.mark.parametrize(
    "answer",
    [
        sized(b"hello")[:-1],
        CHUNKED + chunk(b"hello"),
        CHUNKED + chunk(b"hello")[:-3],
        CHUNKED + chunk(b"hello") + b"0\r\n",
        CHUNKED + chunk(b"hello") + b"zz\r\n",
    ],
)
def test_body_that_is_cut_short_is_a_lost_connection(answer: bytes) -> None:
    """It never looks like a whole one."""
    with calling(answering(answer), lingers=False) as caller:
        call = caller.send()
        with pytest.raises(ConnectionLostError, match="connection was lost: ") as caught:
            read_all(call)
        assert caught.value.code == ABNORMAL_CLOSURE
        assert call._sock is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        head()[:-2],
        b"SSH-2.0-x\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 \r\n\r\n",
    ],
)
def test_answer_without_a_head_is_a_lost_connection(answer: bytes) -> None:
    """The request may have been read, so nobody can tell what became of it."""
    with calling(answering(answer), lingers=False) as caller:
        call = caller.start()
        with pytest.raises(ConnectionLostError) as caught:
            call.send(on_sent=do_nothing)
        assert caught.value.code == ABNORMAL_CLOSURE
        assert call._sock is None


#: Heads that the libraries read in another way than we do, or not at all.
ODD_HEADS = [
    b"HTTP/1.1  100 Continue\r\n\r\n",
    b"HTTP/1.1\t100 Continue\r\n\r\n",
    b"HTTP/1.10 100 Continue\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 150 + b"\r\n",
]


def shown_by(exc: BaseException) -> str:
    """Everything that an error holds of what led to it, as far as it can be printed or sent on."""
    shown = ["".join(traceback.format_exception(exc)), repr(pickle.dumps(exc))]
    link: BaseException | None = exc
    while link is not None:
        assert type(link).__module__.split(".")[0] not in ("requests", "urllib3")
        shown.append(f"{link!s}{link!r}{link.__dict__}")
        link = link.__cause__ or link.__context__
    return "".join(shown)


@pytest.mark.parametrize("answer", ODD_HEADS)
def test_odd_head_is_a_lost_connection_and_no_error_of_a_library(answer: bytes) -> None:
    """Those of requests hold the request, and so the key."""
    with calling(answering(answer), lingers=False) as caller:
        call = caller.start()
        with pytest.raises(ConnectionLostError) as caught:
            call.send(on_sent=do_nothing)
        assert caught.value.code == ABNORMAL_CLOSURE
        assert KEY not in shown_by(caught.value)
        assert call._sock is None


@pytest.mark.parametrize("status", ["200", "103"])
def test_endless_head_is_not_read_for_ever(status: str) -> None:
    """A peer cannot make us hold more than a bound."""
    endless = answering(f"HTTP/1.1 {status} OK\r\nX: ".encode() + b"x" * 200_000)
    with calling(endless) as caller, pytest.raises(ConnectionLostError, match="over 65536 bytes"):
        caller.send()


def test_page_of_a_gateway_can_be_read() -> None:
    """It says more than its status."""
    page = b"<html>Bad Gateway</html>"
    answer = head("502 Bad Gateway", "Content-Type: text/html", "Connection: close") + page
    with calling(answering(answer), lingers=False) as caller:
        call = caller.send()
        assert (call.status, call.headers["content-type"]) == (502, "text/html")
        assert read_all(call) == page
        call.dispose()


# --------------------------------------------------------------------------- ways to fail


@pytest.mark.parametrize("header", [{"X": "sk-a\nb"}, {"X": "sk-\u20ac"}, {"X y": "1"}])
def test_header_that_cannot_travel_is_a_config_error(header: dict[str, str]) -> None:
    """Its value is never shown."""
    with pytest.raises(ConfigError) as caught:
        Caller("http://127.0.0.1:9/").send(headers=header)
    assert "sk-" not in str(caught.value)


def test_url_that_cannot_be_used_is_a_config_error() -> None:
    """It is said before anything is opened."""
    with pytest.raises(ConfigError, match="HTTP needs http or https"):
        Caller("ws://127.0.0.1:9/").send()


def test_refused_connection_says_so(unused_port: int) -> None:
    """Nothing was sent, and the stage says how far it came."""
    call = Caller(f"http://127.0.0.1:{unused_port}/").start()
    with pytest.raises(ConnectError) as caught:
        call.send(on_sent=do_nothing)
    assert (caught.value.stage, call.bytes_sent, call._sock) == ("tcp", 0, None)


@pytest.fixture
def unused_port() -> int:
    with calling(answering()) as caller:
        return int(caller.url.split(":")[2].split("/")[0])


def test_misuse_is_loud() -> None:
    """One send; and nothing to read before it or after the end."""
    with calling(answering(sized(b"{}"))) as caller:
        call = caller.start()
        with pytest.raises(ClosedError):
            call.read()
        call.send(on_sent=do_nothing)
        with pytest.raises(UsageError, match="only once"):
            call.send(on_sent=do_nothing)
        call.dispose()
        call.dispose()
        with pytest.raises(ClosedError):
            call.read()


class OurError(OSError):
    """What a callable of ours raises; its base is one that libraries catch."""


def test_what_our_own_callables_raise_comes_out_unchanged() -> None:
    """A timer's TimeoutError, an OSError, is not taken for one of the socket's."""
    error = OurError("ours")

    def fail() -> None:
        raise error

    with calling(answering(sized(b"{}"))) as caller:
        call = caller.start()
        with pytest.raises(OurError) as caught:
            call.send(on_sent=fail)
        assert caught.value is error
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert call._sock is None


def test_no_error_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Nor what caused it: the exceptions of requests hold the whole request."""
    caplog.set_level(logging.DEBUG)
    with calling(answering(b"nonsense\r\n\r\n")) as caller:
        caller.url += "?token=query-secret"
        with pytest.raises(ConnectionLostError) as caught:
            caller.send()
    chain: BaseException | None = caught.value
    while chain is not None:
        assert KEY not in f"{chain!s}{chain!r}{chain.__dict__}"
        chain = chain.__cause__ or chain.__context__
    assert KEY not in caplog.text
    assert "query-secret" not in caplog.text


def test_debugging_http_client_shows_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A well-known trick to see what requests sends prints every header."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with calling(answering(sized(b"{}"))) as caller:
        caller.fetch()
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------------------------- TLS


def test_context_is_left_as_it_was(authority: TestAuthority) -> None:
    """requests would add 144 certificates to it, and change how it verifies."""
    context = authority.client_context()
    before = (context.cert_store_stats(), context.verify_mode, context.check_hostname)
    server = authority.server_context()
    with calling(answering(sized(b"{}")), tls=server, context=context) as caller:
        assert caller.fetch() == b"{}"
    assert (context.cert_store_stats(), context.verify_mode, context.check_hostname) == before
    assert before[0]["x509_ca"] == 1


def test_context_that_verifies_nothing_works(authority: TestAuthority) -> None:
    """It is the caller's decision."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    server = authority.server_context()
    with calling(answering(sized(b"{}")), tls=server, context=context) as caller:
        assert caller.fetch() == b"{}"
    assert (context.verify_mode, context.cert_store_stats()["x509_ca"]) == (ssl.CERT_NONE, 0)


def test_certificate_that_is_not_trusted_is_refused(authority: TestAuthority) -> None:
    """And the key does not leave."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with calling(
        answering(sized(b"{}")), tls=authority.server_context(), context=context
    ) as caller:
        call = caller.start()
        with pytest.raises(ConnectError, match="not trusted") as caught:
            call.send(on_sent=do_nothing)
    assert (caught.value.stage, call.bytes_sent) == ("tls", 0)


# -------------------------------------------------------------------------------- in numbers


class Echo(BaseHTTPRequestHandler):
    """Answers with the body of the request, event by event."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(chunked(*(bytes((byte,)) for byte in body)))

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class CrowdedServer(ThreadingHTTPServer):
    request_queue_size = 128
    # Leaving the block then waits for the threads, which end with their connections.
    daemon_threads = False


@contextlib.contextmanager
def echoing() -> Iterator[Caller]:
    with CrowdedServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        caller = Caller(f"http://127.0.0.1:{server.server_port}/")
        try:
            yield caller
        finally:
            caller.pool.close()
            server.shutdown()
            thread.join()


def test_a_fresh_connection_is_opened_beside_an_idle_one() -> None:
    """Whatever broke the last connection may have broken those; this call must not find out."""
    with echoing() as caller:
        caller.fetch(b"first")
        fresh = caller.send(b"second", is_fresh=True)
        assert (read_all(fresh), fresh.is_reused) == (b"second", False)
        again = caller.send(b"third")
        assert (read_all(again), again.is_reused) == (b"third", True)
        fresh.dispose()
        again.dispose()


def run_threads(number: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def test_a_hundred_threads_share_a_pool() -> None:
    """Each gets its own answer, ten times, and few connections stay."""
    right: list[int] = []
    with echoing() as caller:

        def work(index: int) -> None:
            bodies = [f"{index}:{turn}".encode() for turn in range(10)]
            right.extend(index for body in bodies if caller.fetch(body) == body)

        run_threads(100, work)
        assert len(caller.pool._idle._waiting) <= 8
    assert sorted(right) == sorted(list(range(100)) * 10)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors by /proc")
def test_a_thousand_calls_leave_no_descriptor() -> None:
    """Whole, aborted and abandoned ones, in turns."""
    before = os.listdir("/proc/self/fd")
    with echoing() as caller:
        for number in range(1000):
            call = caller.send(b"x" * 50)
            if number % 3 == 0:
                read_all(call)
            elif number % 3 == 1:
                call.abort()
            call.dispose()
    assert len(os.listdir("/proc/self/fd")) == len(before)
