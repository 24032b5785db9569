"""Whole turns through proxies: every kind, both transports, in clear and over TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.testing import LocalServer
from tests.support.responses_peer import KEY, ResponsesPeer, error_of
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy, saying, socks_door

TURN: dict[str, Any] = {"model": "m", "input": "through the wall"}
CREDENTIALS = ("someone", "s3cret-word")
USERINFO = "someone:s3cret-word@"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def authority() -> Iterator[TestAuthority]:
    authority = TestAuthority()
    yield authority
    authority.close()


@pytest.fixture(params=["websocket", "http"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["clear", "tls"])
def base_url(
    request: pytest.FixtureRequest, responses_server: LocalServer, authority: TestAuthority
) -> Iterator[str]:
    """The embedded server by a name, once as it is and once behind TLS."""
    if not request.param:
        yield f"http://localhost:{responses_server.port}/v1"
        return
    place = ("127.0.0.1", responses_server.port)
    with TunnelProxy(lambda *_: (place, b""), tls=authority.server_context()) as terminator:
        yield f"https://localhost:{terminator.port}/v1"


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_turn_goes_through_a_proxy(
    scheme: str, transport: Any, base_url: str, authority: TestAuthority
) -> None:
    """One tunnel carries it, asked for with user name and password."""
    door = socks_door if scheme.startswith("socks") else None
    with (
        TunnelProxy(door, credentials=CREDENTIALS) as proxy,
        ResponsesClient(
            KEY,
            base_url=base_url,
            transport=transport,
            proxy=proxy.url(scheme, USERINFO),
            ssl_context=authority.client_context(),
        ) as client,
    ):
        assert client.create(**TURN).output_text
        assert len(proxy.asked) == 1
        is_readable = KEY.encode() in proxy.relayed
    assert is_readable is base_url.startswith("http:")


def test_turn_goes_through_a_proxy_behind_tls(
    transport: Any, responses_server: LocalServer, authority: TestAuthority
) -> None:
    """TLS inside TLS; the same authority is asked for both certificates."""
    tls, place = authority.server_context(), ("127.0.0.1", responses_server.port)
    with (
        TunnelProxy(lambda *_: (place, b""), tls=tls) as terminator,
        TunnelProxy(tls=tls, credentials=CREDENTIALS) as proxy,
        ResponsesClient(
            KEY,
            base_url=f"https://localhost:{terminator.port}/v1",
            transport=transport,
            proxy=proxy.url("https", USERINFO),
            ca_bundle=authority.bundle,
        ) as client,
    ):
        assert client.create(**TURN).output_text
        assert proxy.asked == [("localhost", terminator.port)]
        assert KEY.encode() not in proxy.relayed


def test_next_turn_uses_the_tunnel_again(
    transport: Any, base_url: str, authority: TestAuthority
) -> None:
    """Like any link or connection."""
    options: dict[str, Any] = {"ssl_context": authority.client_context(), "transport": transport}
    with (
        TunnelProxy() as proxy,
        ResponsesClient(KEY, base_url=base_url, proxy=proxy.url("http"), **options) as client,
    ):
        for _ in range(3):
            assert client.create(**TURN).output_text
        assert len(proxy.asked) == 1


@pytest.mark.parametrize(("variable", "is_used"), [("HTTP_PROXY", True), ("HTTPS_PROXY", False)])
def test_environment_is_heeded(
    variable: str,
    is_used: bool,
    transport: Any,
    responses_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variable of the URL's scheme, as with any HTTP client."""
    with TunnelProxy() as proxy:
        monkeypatch.setenv(variable, proxy.url("http"))
        with ResponsesClient(
            KEY, base_url=responses_server.base_url, transport=transport
        ) as client:
            assert client.create(**TURN).output_text
        assert bool(proxy.asked) is is_used


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "127.0.0.0/8", "*"])
def test_no_proxy_is_heeded(
    no_proxy: str,
    transport: Any,
    responses_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server nearby is reached directly, whatever stands before the others."""
    with TunnelProxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url("http"))
        monkeypatch.setenv("NO_PROXY", no_proxy)
        with ResponsesClient(
            KEY, base_url=responses_server.base_url, transport=transport
        ) as client:
            assert client.create(**TURN).output_text
        assert proxy.asked == []


@pytest.mark.parametrize("transport", ["websocket", "http", "auto"])
@pytest.mark.parametrize("status", [403, 407, 502])
def test_proxy_that_fails_is_never_gone_around(status: int, transport: Any) -> None:
    """Not by the other transport either; the server sees nobody."""
    answer = b"HTTP/1.1 %d -\r\nContent-Length: 0\r\n\r\n" % status
    with ResponsesPeer() as peer, TunnelProxy(saying(answer)) as proxy:
        with peer.client(proxy=proxy.url("http", USERINFO), transport=transport) as client:
            error = error_of(lambda: client.create(**TURN))
        assert peer.connections == 0
    assert isinstance(error, ConnectError)
    assert (error.stage, error.status) == ("proxy", status)
    assert CREDENTIALS[1] not in f"{error} {error!r} {error.__dict__}"


def test_same_context_serves_both_transports(
    base_url: str, authority: TestAuthority, make_facts: Callable[[ssl.SSLContext], object]
) -> None:
    """Neither adds an authority to it or loosens a check."""
    context = authority.client_context()
    before = make_facts(context)
    for transport in ("websocket", "http"):
        options: dict[str, Any] = {"transport": transport, "ssl_context": context}
        with ResponsesClient(KEY, base_url=base_url, **options) as client:
            assert client.create(**TURN).output_text
    assert make_facts(context) == before


@pytest.fixture
def make_facts() -> Callable[[ssl.SSLContext], object]:
    """Tell what a context trusts and checks."""

    def facts(context: ssl.SSLContext) -> object:
        trust = context.cert_store_stats(), len(context.get_ca_certs())
        return trust, context.verify_mode, context.check_hostname, context.options

    return facts


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_of_the_environment_serve_both_transports(
    variable: str,
    transport: Any,
    responses_server: LocalServer,
    authority: TestAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A private authority is named once for every client of the machine."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, authority.bundle)
    place = ("127.0.0.1", responses_server.port)
    with TunnelProxy(lambda *_: (place, b""), tls=authority.server_context()) as terminator:
        url = f"https://localhost:{terminator.port}/v1"
        with ResponsesClient(KEY, base_url=url, transport=transport) as client:
            assert client.create(**TURN).output_text


def test_a_proxys_401_is_not_the_services(transport: Any, base_url: str) -> None:
    """Some proxies answer a wrong password so; the API key has nothing to do with it."""
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    with (
        TunnelProxy(saying(refusal)) as proxy,
        ResponsesClient(
            KEY, base_url=base_url, proxy=proxy.url("http"), transport=transport
        ) as client,
    ):
        error = error_of(lambda: client.create(**TURN))
    assert isinstance(error, ConnectError)
    assert (error.stage, error.status) == ("proxy", 401)
