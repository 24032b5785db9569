"""Tunnels through http and https proxies: what travels, and what refuses."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.proxies import parse_proxy
from tests._transport.conftest import read_all
from tests._transport.dialing import (
    CREDENTIALS,
    FAR,
    PASSWORD,
    USERINFO,
    dial,
    fail_to_dial,
)
from tests._transport.scripts import GOODBYE, MakeTransport, sending
from tests.support.raw_server import TEXT, Peer, RawServer, frame
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy, connect_door, saying

KEY = "sk-secret-key"


# --- what travels ---------------------------------------------------------------------------------


def test_proxy_learns_host_and_port_and_nothing_else(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """It resolves the name; the line is HTTP's, and no header says who we are."""
    with RawServer(Peer.read_to_end) as server, make_proxy(hosts={FAR: "127.0.0.1"}) as proxy:
        with dial(parse_proxy(proxy.url(scheme)), server.port, proxy_ssl_context=context) as sock:
            sock.sendall(b"hello")
        authority = f"{FAR}:{server.port}"
    assert proxy.asked == [(FAR, server.port)]
    assert proxy.heads == [f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}".encode()]
    assert proxy.relayed == b"hello"


def test_credentials_go_to_the_proxy_alone(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """Decoded, and as Basic in UTF-8."""
    with (
        RawServer(Peer.read_to_end) as server,
        make_proxy(credentials=CREDENTIALS) as proxy,
    ):
        chosen = parse_proxy(proxy.url(scheme, USERINFO))
        dial(chosen, server.port, host="localhost", proxy_ssl_context=context).close()
    assert len(proxy.heads) == 1
    assert b"Proxy-Authorization: Basic " in proxy.heads[0]


@pytest.mark.parametrize(
    ("host", "authority"),
    [
        ("::1", b"[::1]:443"),
        ("127.0.0.1", b"127.0.0.1:443"),
        ("bücher.test", b"xn--bcher-kva.test:443"),
    ],
)
def test_any_host_is_written_as_http_wants_it(host: str, authority: bytes) -> None:
    """Brackets for version 6, and the encoding of names that DNS knows."""
    with TunnelProxy(saying(b"HTTP/1.1 502 -\r\n\r\n")) as proxy:
        fail_to_dial(parse_proxy(proxy.url("http")), host=host)
    assert proxy.heads[0].split(b" ")[1] == authority


@pytest.mark.parametrize("host", ["a b", "a\r\nX-Evil: 1", "x" * 70 + "ü.test", "a\0"])
def test_host_that_no_request_can_hold_is_an_error(host: str) -> None:
    """Nothing is smuggled into the request to the proxy."""
    with TunnelProxy(saying()) as proxy:
        assert fail_to_dial(parse_proxy(proxy.url("http")), host=host).stage == "proxy"
    assert proxy.heads == []


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_websocket_works_through_a_proxy(
    tls: bool,
    scheme: str,
    make_proxy: Callable[..., TunnelProxy],
    make_transport: MakeTransport,
    authority: TestAuthority,
) -> None:
    """The key is seen by the server alone, the proxy's password by nobody but it."""
    server_side: list[Any] = []

    def script(peer: Peer) -> None:
        peer.accept()
        server_side[:] = [peer.headers, peer.read_frame()]
        peer.send(frame(TEXT, b"hello"))

    with (
        RawServer(script, tls=authority.server_context() if tls else None) as server,
        make_proxy(credentials=CREDENTIALS) as proxy,
    ):
        endpoint = Endpoint(
            url=server.url.replace("127.0.0.1", "localhost"),
            headers={"Authorization": f"Bearer {KEY}"},
            ssl_context=authority.client_context(),
            proxy=parse_proxy(proxy.url(scheme, USERINFO)),
        )
        transport = make_transport()
        transport.connect(endpoint, timeout=5)
        transport.send(b"x" * 300_000, progress_timeout=5)
        assert transport.receive() == ["hello"]
        transport.dispose()
    headers, received = server_side
    assert received == (TEXT, b"x" * 300_000)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "proxy-authorization" not in headers
    assert KEY.encode() not in proxy.heads[0]
    assert (KEY.encode() in proxy.relayed) is not tls
    assert PASSWORD not in repr(endpoint)


def test_refused_upgrade_inside_a_tunnel_is_the_servers_word(
    scheme: str,
    make_proxy: Callable[..., TunnelProxy],
    make_transport: MakeTransport,
    authority: TestAuthority,
) -> None:
    """Its stage is the upgrade, not the proxy."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 426 -\r\nContent-Length: 0\r\n\r\n")

    with RawServer(script, tls=authority.server_context()) as server, make_proxy() as proxy:
        transport = make_transport()
        endpoint = Endpoint(
            url=server.url,
            ssl_context=authority.client_context(),
            proxy=parse_proxy(proxy.url(scheme)),
        )
        with pytest.raises(ConnectError) as caught:
            transport.connect(endpoint, timeout=5)
    assert (caught.value.stage, caught.value.status) == ("upgrade", 426)


def test_close_of_the_server_comes_through(
    scheme: str,
    make_proxy: Callable[..., TunnelProxy],
    make_transport: MakeTransport,
    authority: TestAuthority,
) -> None:
    """Its code is not lost in the layers."""
    tls = authority.server_context()
    with RawServer(sending(GOODBYE), tls=tls) as server, make_proxy() as proxy:
        transport = make_transport()
        endpoint = Endpoint(
            url=server.url,
            ssl_context=authority.client_context(),
            proxy=parse_proxy(proxy.url(scheme)),
        )
        transport.connect(endpoint, timeout=5)
        assert read_all(transport)[1].code == 1000
        transport.dispose()


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("userinfo", "answer", "words"),
    [
        ("", b"407 -\r\nProxy-Authenticate: Basic realm=x", "write user:password@ before"),
        (USERINFO, b"407 -\r\nProxy-Authenticate: Basic realm=x", "Check user name and password"),
        ("", b"407 -\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate", "NTLM"),
        ("", b"407 -\r\nProxy-Authenticate: Digest\r\nProxy-Authenticate: Basic", "user:password@"),
        ("", b"407 -", "write user:password@"),
        ("", b"403 Forbidden", "list the host in NO_PROXY"),
        ("", b"302 Found\r\nLocation: http://login.test/", "It redirects"),
        ("", b"405 -", "use another proxy"),
        ("", b"418 -", "try again later, or check proxy"),
    ],
)
def test_refusal_says_what_to_do(userinfo: str, answer: bytes, words: str) -> None:
    """It names the proxy, the server and the status; the words are ours, not the proxy's."""
    page = b"\r\nContent-Length: 9\r\n\r\n<b>no</b>"
    with TunnelProxy(saying(b"HTTP/1.1 " + answer + page)) as proxy:
        error = fail_to_dial(parse_proxy(proxy.url("http", userinfo)))
    assert (error.stage, error.status) == ("proxy", int(answer[:3]))
    assert f"the proxy 127.0.0.1:{proxy.port} refused the tunnel to {FAR}:443" in str(error)
    assert words in str(error)
    assert "<b>" not in str(error)


def test_refusal_keeps_the_wait_that_the_proxy_names() -> None:
    """A proxy under load says when to come back."""
    with TunnelProxy(saying(b"HTTP/1.1 503 -\r\nRetry-After: 7\r\n\r\n")) as proxy:
        assert fail_to_dial(parse_proxy(proxy.url("http"))).retry_after == 7


@pytest.mark.parametrize("userinfo", ["", USERINFO])
def test_wrong_credentials_are_refused(userinfo: str) -> None:
    """Not asked twice."""
    with TunnelProxy(credentials=("another", "one")) as proxy:
        assert fail_to_dial(parse_proxy(proxy.url("http", userinfo))).status == 407
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"\x05\xff", "not HTTP"),
        (b"", "closed before a response was complete"),
        (b"HTTP/1.1 200", "closed before a response was complete"),
        (b"HTTP/2 200\r\n\r\n", "not that of HTTP/1"),
        (b"HTTP/1.1 200 -\r\nX: " + b"x" * 70_000, "over 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>log in</html>", "a page where a tunnel was asked for"),
    ],
    ids=["ssh", "socks", "nothing", "cut", "http 2", "endless", "page"],
)
def test_what_is_no_proxy_is_told(answer: bytes, words: str) -> None:
    """Whatever else listens there."""
    with TunnelProxy(saying(answer)) as proxy:
        error = fail_to_dial(parse_proxy(proxy.url("http", USERINFO), option="HTTPS_PROXY"))
    assert (error.stage, error.status) == ("proxy", None)
    assert words in str(error)
    assert "Check scheme, host and port of HTTPS_PROXY" in str(error)


def test_interim_answers_are_skipped(make_transport: MakeTransport) -> None:
    """A 100 before the 200 is none of our business."""

    def door(peer: Peer, proxy: TunnelProxy) -> Any:
        asked, grant = connect_door(peer, proxy)
        return asked, b"HTTP/1.1 100 Continue\r\n\r\n" + grant

    with RawServer(sending(GOODBYE)) as server, TunnelProxy(door) as proxy:
        transport = make_transport()
        endpoint = Endpoint(url=server.url, proxy=parse_proxy(proxy.url("http")))
        transport.connect(endpoint, timeout=5)
        transport.dispose()


def test_refused_connection_to_the_proxy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not tried; the variable to check is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with RawServer(Peer.read_to_end) as server:
        chosen = parse_proxy(f"http://{USERINFO}127.0.0.1:{port}", option="HTTPS_PROXY")
        error = fail_to_dial(chosen, host="127.0.0.1")
    assert error.stage == "proxy"
    assert f"connecting to the proxy 127.0.0.1:{port} failed" in str(error)
    assert "Check host and port of HTTPS_PROXY" in str(error)
    assert server._current is None


def test_proxy_whose_name_is_unknown_is_told() -> None:
    """The proxy's host, not the server's."""
    error = fail_to_dial(parse_proxy(f"http://{USERINFO}no-such-proxy.invalid:3128"))
    assert error.stage == "proxy"
    assert "the proxy's host 'no-such-proxy.invalid' cannot be resolved" in str(error)
    assert str(error).endswith("check proxy")
