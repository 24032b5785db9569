"""One handshake over real sockets, for everything that can stand in its way."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.diagnosis import diagnose
from pyresponses_ws.errors import ConfigError, ConnectError
from tests._transport.scripts import answering
from tests.diagnosis.authority import Authority
from tests.diagnosis.looks import CANARIES, HEADER, KEY, QUERY, black_hole, look, stay
from tests.support.raw_server import CLOSE, TEXT, Peer, RawServer, close_frame, frame


def refuse(status: str, body: str = "", *headers: str) -> Callable[[Peer], None]:
    """Make a script that answers the upgrade by a refusal."""
    size = f"Content-Length: {len(body.encode())}"
    head = "\r\n".join([f"HTTP/1.1 {status}", size, *headers])
    return answering(f"{head}\r\n\r\n{body}".encode())


def api_error(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}})


@pytest.fixture
def dead_url() -> Iterator[str]:
    """A port of this machine on which nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"


# --- what is fine ---------------------------------------------------------------------------------


def test_a_server_that_stays_open_is_fine() -> None:
    """101 and then silence is what a healthy server does; the client says goodbye."""
    closes: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.accept()
        closes.append(peer.read_frame())
        peer.send(close_frame(1000))

    with RawServer(script) as server:
        found = look(server.url)
    assert (found.ok, found.stage, found.problem, found.status) == (True, "open", None, 101)
    assert closes == [(CLOSE, (1000).to_bytes(2, "big"))]
    assert found.addresses == ("127.0.0.1",)
    assert found.address == "127.0.0.1"
    assert set(found.timings) == {"dns", "tcp", "upgrade"}


def test_the_handshake_is_that_of_the_client() -> None:
    """Key, headers and query travel as they would for a turn; it is one handshake."""
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        requests.append(peer.read_request())
        peer.send(peer.acceptance())

    with RawServer(script) as server:
        look(server.url)
    (request,) = requests
    assert f"Authorization: Bearer {KEY}".encode() in request
    assert f"X-Canary: {HEADER}".encode() in request
    assert request.startswith(f"GET /v1/responses?tenant={QUERY} ".encode())


def test_a_name_is_looked_up_before() -> None:
    """Its addresses are told, and the one that answered; the client looks it up itself as well."""
    with RawServer(stay) as server:
        found = look(server.url.replace("127.0.0.1", "localhost"))
    assert found.ok
    assert "127.0.0.1" in found.addresses
    assert found.address == "127.0.0.1"


def test_a_server_that_speaks_first_is_fine() -> None:
    """Some gateways greet; what they say is not looked at."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(frame(TEXT, b'{"type":"hello"}'))
        peer.read_to_end()

    with RawServer(script) as server:
        assert look(server.url).ok


def test_tls_that_is_trusted_is_described(authority: Authority) -> None:
    """Version and certificate of the session, by the context of the client."""
    with RawServer(stay, tls=authority.server_context()) as server:
        found = look(server.url, ssl_context=authority.client_context())
    assert found.ok
    assert found.tls is not None
    assert found.tls.is_trusted
    assert found.tls.version == "TLSv1.3"
    assert "Prying Eyes Ltd" in found.tls.issuer
    assert set(found.timings) == {"dns", "tcp", "tls", "upgrade"}


# --- DNS and TCP ----------------------------------------------------------------------------------


def test_a_name_that_nobody_knows() -> None:
    """The reserved name of RFC 2606 exists nowhere."""
    found = look("https://api.nowhere.invalid/v1")
    assert (found.stage, found.problem) == ("dns", "name_unknown")
    assert "api.nowhere.invalid cannot be resolved" in found.verdict


def test_dns_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up ends at the connect timeout, not when the system gives up."""
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: ended.wait(10))
    try:
        found = look("https://api.example.test/v1", connect=0.1)
    finally:
        ended.set()
    assert (found.stage, found.problem) == ("dns", "name_silent")
    assert "within 0.1 s" in found.verdict


def test_a_port_that_nobody_listens_on(dead_url: str) -> None:
    """The system says so at once."""
    found = look(dead_url)
    assert (found.stage, found.problem) == ("tcp", "refused")
    assert set(found.timings) == {"dns", "tcp"}


def test_a_host_that_swallows_packets() -> None:
    """A firewall that drops what it does not like answers nothing."""
    with black_hole() as port:
        found = look(f"http://127.0.0.1:{port}/v1", connect=0.3)
    assert (found.stage, found.problem) == ("tcp", "silent")


# --- TLS ------------------------------------------------------------------------------------------


def test_an_authority_that_is_not_trusted_is_named(authority: Authority) -> None:
    """Who reads TLS on the way is the issuer of the certificate; no request reaches it."""
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        requests.append(peer.read_to_end())

    with RawServer(script, tls=authority.server_context()) as server:
        found = look(server.url)
    assert (found.stage, found.problem) == ("tls", "untrusted")
    assert found.tls is not None
    assert not found.tls.is_trusted
    assert f"{found.tls.issuer} issued it" in found.verdict
    assert "Prying Eyes Ltd" in found.tls.issuer
    assert requests == [b""]


def test_a_certificate_of_another_host(authority: Authority) -> None:
    """The names that it is for are told."""
    context = authority.server_context("other.example.test")
    with RawServer(Peer.read_to_end, tls=context) as server:
        found = look(server.url, ssl_context=authority.client_context())
    assert (found.stage, found.problem) == ("tls", "wrong_name")
    assert "for other.example.test, not for 127.0.0.1" in found.verdict


@pytest.mark.parametrize(
    ("first", "last", "problem", "told"),
    [
        (2001, 2002, "expired", "expired on 2002-01-01"),
        (2100, 2101, "not_yet_valid", "from 2100-01-01"),
    ],
)
def test_a_certificate_out_of_its_time(
    authority: Authority, first: int, last: int, problem: str, told: str
) -> None:
    """The clock of this machine, or the server's owner, is late; the date helps to tell which."""
    context = authority.server_context("127.0.0.1", years=(first, last))
    with RawServer(Peer.read_to_end, tls=context) as server:
        found = look(server.url, ssl_context=authority.client_context())
    assert (found.stage, found.problem) == ("tls", problem)
    assert told in found.verdict


def test_a_server_that_speaks_no_tls() -> None:
    """An https:// URL with the port of a server in clear."""
    with RawServer(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        found = look(server.url.replace("ws:", "https:"))
    assert (found.stage, found.problem) == ("tls", "no_tls")


def test_tls_that_never_answers() -> None:
    """TCP connects, and then nothing comes."""
    with RawServer(Peer.read_to_end) as server:
        found = look(server.url.replace("ws:", "https:"), connect=0.2)
    assert (found.stage, found.problem) == ("tls", "tls_silent")


def test_tls_that_is_cut() -> None:
    """As by a firewall that does not like the name of the host."""

    def script(peer: Peer) -> None:
        peer.read_exactly(5)
        peer.reset()

    with RawServer(script, lingers=False) as server:
        found = look(server.url.replace("ws:", "https:"))
    assert (found.stage, found.problem) == ("tls", "tls_failed")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    """TLS 1.2 says so in the handshake, TLS 1.3 behind it, if it is heard before the end."""
    context = authority.server_context(asks_client=True)
    context.maximum_version = version
    with RawServer(stay, tls=context) as server:
        found = look(server.url, ssl_context=authority.client_context())
    assert found.problem in ("client_cert_wanted", "tls_failed", "upgrade_cut")
    assert "client_cert" in found.advice


# --- the answer to the upgrade --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        ("401 Unauthorized", api_error("Incorrect API key"), "key_refused"),
        ("401 Unauthorized", "", "key_refused"),
        ("403 Forbidden", api_error("Country not supported"), "forbidden"),
        ("403 Forbidden", "<html>blocked</html>", "gateway"),
        ("403 Forbidden", '{"message":"blocked"}', "gateway"),
        ("200 OK", "<html>welcome</html>", "gateway"),
        ("404 Not Found", api_error("Invalid URL"), "no_websocket"),
        ("405 Method Not Allowed", "", "no_websocket"),
        ("407 Proxy Authentication Required", "", "gateway"),
        ("426 Upgrade Required", "", "no_websocket"),
        ("429 Too Many Requests", api_error("slow down"), "rate_limited"),
        ("500 Internal Server Error", "oops", "server_failed"),
        ("503 Service Unavailable", "", "server_failed"),
        ("302 Found", "", "redirected"),
        ("418 I'm a teapot", "", "not_upgraded"),
    ],
)
def test_a_refusal_is_told_by_status_and_body(status: str, body: str, problem: str) -> None:
    """The API itself, its key check and a gateway before it are told apart."""
    with RawServer(refuse(status, body)) as server:
        found = look(server.url)
    assert (found.stage, found.problem) == ("upgrade", problem)
    assert found.status == int(status[:3])
    assert found.error is not None


def test_the_servers_own_words_are_told() -> None:
    """Short, on one line, and without what it repeats of ours."""
    body = api_error(f"Incorrect\nkey {KEY}\x1b[31m. See the docs.")
    with RawServer(refuse("401 Unauthorized", body)) as server:
        found = look(server.url)
    assert "(HTTP 401): Incorrect key ***" in found.verdict
    assert found.verdict.isprintable()


def test_a_wait_that_is_asked_for_is_told() -> None:
    """In seconds, as a number and in words."""
    with RawServer(refuse("429 Too Many Requests", "", "Retry-After: 30")) as server:
        found = look(server.url)
    assert found.retry_after == 30
    assert "in 30 s" in found.advice


def test_without_a_key_401_says_that_the_way_is_open() -> None:
    """No header goes out that would look like a wrong key."""
    headers: list[dict[str, str]] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        headers.append(peer.headers)
        peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    with RawServer(script) as server:
        found = look(server.url, is_anonymous=True)
    assert found.problem == "no_key"
    assert "authorization" not in headers[0]


def test_a_header_of_ones_own_goes_out_without_a_key() -> None:
    """Whoever gives Authorization by hand means it."""
    headers: list[dict[str, str]] = []

    def script(peer: Peer) -> None:
        stay(peer)
        headers.append(peer.headers)

    with RawServer(script) as server:
        assert look(server.url, is_anonymous=True, headers={"authorization": "Token x"}).ok
    assert headers[0]["authorization"] == "Token x"


def test_an_upgrade_that_is_never_answered() -> None:
    """A proxy that holds WebSockets back looks so."""
    with RawServer(Peer.read_to_end) as server:
        found = look(server.url, connect=0.2)
    assert (found.stage, found.problem) == ("upgrade", "upgrade_silent")


def test_an_upgrade_that_is_cut() -> None:
    """As by a firewall that knows what the request is for."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    with RawServer(script, lingers=False) as server:
        found = look(server.url)
    assert (found.stage, found.problem) == ("upgrade", "upgrade_cut")


def test_an_answer_that_is_not_http() -> None:
    """Some other service has the port."""
    with RawServer(answering(b"SSH-2.0-OpenSSH_9.9\r\n")) as server:
        found = look(server.url)
    assert (found.stage, found.problem) == ("upgrade", "upgrade_failed")
    assert "not HTTP" in found.verdict


@pytest.mark.parametrize(
    ("transport", "told"),
    [("auto", "over HTTP meanwhile"), ("websocket", 'transport="auto"'), ("http", "no WebSocket")],
)
def test_the_advice_knows_what_the_client_falls_back_to(transport: str, told: str) -> None:
    """Who runs with auto need not act today."""
    with RawServer(refuse("404 Not Found")) as server:
        assert told in look(server.url, transport=transport).advice


# --- a close right after the upgrade --------------------------------------------------------------


def ends_by(*pieces: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(*pieces)

    return script


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (1008, "policy"),
        (1011, "closed_failing"),
        (1000, "closed_at_once"),
        (1013, "closed_at_once"),
        (4001, "closed_at_once"),
    ],
)
def test_a_close_right_after_the_upgrade(code: int, problem: str) -> None:
    """An account that may not use WebSocket gets 101 and then 1008."""
    with RawServer(ends_by(close_frame(code, f"told you {KEY}"))) as server:
        found = look(server.url, watch=2)
    assert (found.ok, found.stage, found.problem) == (False, "closed", problem)
    assert (found.status, found.close_code) == (101, code)
    assert found.close_reason == "told you ***"


def test_a_cut_right_after_the_upgrade() -> None:
    """No close frame came."""
    with RawServer(Peer.accept) as server:
        found = look(server.url, watch=2)
    assert (found.stage, found.problem, found.close_code) == ("closed", "dropped", 1006)


def test_a_peer_that_speaks_no_websocket_after_all() -> None:
    """A gateway that says 101 and goes on in HTTP."""
    with RawServer(ends_by(b"HTTP/1.1 200 OK\r\n\r\n" * 4)) as server:
        found = look(server.url, watch=2)
    assert (found.stage, found.problem) == ("closed", "not_websocket")


# --- the client's own side ------------------------------------------------------------------------


def test_a_bad_option_is_a_finding() -> None:
    """A file that is named and missing is what the diagnosis is for."""
    found = look("https://127.0.0.1:9/v1", ca_bundle="/nowhere/ca.pem")
    assert (found.stage, found.problem) == ("config", "misconfigured")
    assert "ca_bundle" in found.verdict
    assert found.timings == {}


def test_a_key_that_cannot_be_had_is_a_finding() -> None:
    """Whatever the callable raises may hold the secret itself, so only its class is told."""

    def ask() -> str:
        raise LookupError(KEY)

    found = look("http://127.0.0.1:9/v1", api_key=ask)
    assert found.problem == "misconfigured"
    assert "LookupError" in found.verdict


def test_a_client_without_a_network_cannot_be_diagnosed() -> None:
    """A transport of one's own has no stages."""
    config = ClientConfig(api_key=KEY, transport_factory=object)
    with pytest.raises(ConfigError, match="transport_factory"):
        diagnose(config, Threads())


def test_an_error_that_is_being_handled_is_not_taken_for_the_cause(dead_url: str) -> None:
    """Python hangs it below every error that is raised meanwhile."""
    try:
        raise ConnectError("before") from TimeoutError("timed out")
    except ConnectError:
        assert look(dead_url).problem == "refused"


def test_steps_are_told_before_they_are_taken() -> None:
    """So that a terminal shows what is being waited for."""
    steps: list[str] = []
    with RawServer(stay) as server:
        config = ClientConfig(api_key=KEY, base_url=server.url.removesuffix("/responses"))
        diagnose(config, Threads(), watch=0.05, on_step=steps.append)
    assert [step.split()[0] for step in steps] == ["resolving", "connecting", "open;"]


def test_no_log_has_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Nor has a log of the libraries below, at whatever level."""
    caplog.set_level(logging.DEBUG)
    with RawServer(refuse("401 Unauthorized", api_error(f"not {KEY}"))) as server:
        look(server.url)
    with RawServer(stay) as server:
        look(server.url)
    shown = "".join(record.getMessage() for record in caplog.records)
    assert [canary for canary in CANARIES if canary in shown] == []


def test_interrupt_leaves_no_socket() -> None:
    """Ctrl-C while watching comes out, and the server sees the end of the connection."""
    ends: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        ends.append(peer.read_to_end())

    def interrupt(step: str) -> None:
        if step.startswith("open"):
            raise KeyboardInterrupt

    with RawServer(script) as server:
        config = ClientConfig(api_key=KEY, base_url=server.url.removesuffix("/responses"))
        with pytest.raises(KeyboardInterrupt):
            diagnose(config, Threads(), on_step=interrupt)
    assert ends == [b""]
