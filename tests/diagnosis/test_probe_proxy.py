"""One handshake through a proxy, and what a proxy can say against it."""

from __future__ import annotations

import socket
import ssl

import pytest

from tests.diagnosis.authority import Authority
from tests.diagnosis.looks import PASSWORD, USER, black_hole, look, stay
from tests.support.raw_server import Peer, RawServer
from tests.support.tunnels import Door, TunnelProxy, connect_door, saying, socks_door

SERVER = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(("scheme", "door"), [("http", connect_door), ("socks5h", socks_door)])
def test_a_proxy_on_the_way_is_a_stage(scheme: str, door: Door) -> None:
    """It is named without its password, with the option that names it, and timed."""
    with RawServer(stay) as server, TunnelProxy(door) as proxy:
        found = look(server.url, proxy=proxy.url(scheme, f"{USER}:{PASSWORD}@"))
    assert found.ok
    assert (found.proxy, found.proxy_source) == (proxy.url(scheme), "proxy")
    assert set(found.timings) == {"dns", "tcp", "proxy", "upgrade"}


def test_a_proxy_of_the_environment_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever does not know of it finds out here."""
    with RawServer(stay) as server, TunnelProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url("http"))
        found = look(server.url)
    assert found.proxy_source == "HTTP_PROXY"
    assert "from HTTP_PROXY" in str(found)


def test_tls_inside_a_tunnel_has_its_own_time(authority: Authority) -> None:
    """The stages of the proxy and of TLS behind it stand apart."""
    with RawServer(stay, tls=authority.server_context()) as server, TunnelProxy() as proxy:
        context = authority.client_context()
        found = look(server.url, proxy=proxy.url("http"), ssl_context=context)
    assert found.ok
    assert list(found.timings) == ["dns", "tcp", "proxy", "tls", "upgrade"]


def test_tls_inside_tls_is_described(authority: Authority) -> None:
    """The certificate told is that of the server, not of the https:// proxy."""
    inside = authority.server_context("127.0.0.1", name="the server")
    with (
        RawServer(stay, tls=inside) as server,
        TunnelProxy(tls=authority.server_context()) as proxy,
    ):
        context = authority.client_context()
        found = look(server.url, proxy=proxy.url("https"), ssl_context=context)
    assert found.ok
    assert found.tls is not None
    assert "the server" in found.tls.subject
    assert list(found.timings) == ["dns", "tcp", "proxy", "tls", "upgrade"]


@pytest.mark.parametrize(
    ("door", "problem", "status"),
    [
        (saying(b"HTTP/1.1 407 -\r\nProxy-Authenticate: Basic\r\n\r\n"), "proxy_credentials", 407),
        (saying(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "proxy_refuses", 403),
        (saying(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), "proxy_lost", 502),
        (saying(b"SSH-2.0-OpenSSH\r\n"), "proxy_refuses", None),
        (saying(), "proxy_refuses", None),
    ],
)
def test_a_proxy_that_refuses(door: Door, problem: str, status: int | None) -> None:
    """By its own will, for want of a password, or since the server is out of its reach."""
    with TunnelProxy(door) as proxy:
        found = look(SERVER, proxy=proxy.url("http", f"{USER}:{PASSWORD}@"))
    assert (found.stage, found.problem, found.status) == ("proxy", problem, status)
    assert proxy.url("http") in found.verdict


def test_a_proxy_that_nobody_listens_at() -> None:
    """It is the proxy that cannot be reached, and the server is not tried."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        found = look(SERVER, proxy=url)
    assert (found.stage, found.problem) == ("tcp", "proxy_unreachable")


def test_a_proxy_whose_name_nobody_knows() -> None:
    """The advice is to look at what names the proxy."""
    found = look(SERVER, proxy="http://proxy.nowhere.invalid:3128")
    assert (found.stage, found.problem) == ("dns", "proxy_unreachable")
    assert "Check proxy," in found.advice


def test_a_proxy_that_keeps_silent() -> None:
    """It takes the connection, and never answers CONNECT."""
    with RawServer(Peer.read_to_end) as silent:
        found = look(SERVER, proxy=f"http://127.0.0.1:{silent.port}", connect=0.2)
    assert (found.stage, found.problem) == ("proxy", "proxy_silent")


def test_a_proxy_that_swallows_packets() -> None:
    """It is not reached, so the silence is that of TCP."""
    with black_hole() as port:
        found = look(SERVER, proxy=f"http://127.0.0.1:{port}", connect=0.2)
    assert (found.stage, found.problem) == ("tcp", "proxy_silent")


def test_an_https_proxy_that_is_not_trusted_is_named(authority: Authority) -> None:
    """Its issuer is fetched without its password."""
    said: list[bytes] = []
    stranger = Authority("Stranger Ltd").server_context()
    with RawServer(lambda peer: said.append(peer.read_to_end()), tls=stranger) as proxy:
        url = f"https://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}"
        context = authority.client_context()
        found = look("https://127.0.0.1:9/v1", proxy=url, ssl_context=context)
    assert (found.stage, found.problem) == ("proxy", "proxy_untrusted")
    assert "Stranger Ltd" in found.verdict
    assert said == [b""]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_reads_tls_is_named_by_its_authority(
    authority: Authority, scheme: str
) -> None:
    """The usual reason why a company's network breaks programs; the proxy keeps being verified."""
    server_context = Authority("Corporate Inspection").server_context()
    tls: ssl.SSLContext | None = authority.server_context() if scheme == "https" else None
    with (
        RawServer(Peer.read_to_end, tls=server_context) as server,
        TunnelProxy(tls=tls, credentials=(USER, PASSWORD)) as proxy,
    ):
        url = proxy.url(scheme, f"{USER}:{PASSWORD}@")
        found = look(server.url, proxy=url, ssl_context=authority.client_context())
    assert (found.stage, found.problem) == ("tls", "untrusted")
    assert "Corporate Inspection" in found.verdict
