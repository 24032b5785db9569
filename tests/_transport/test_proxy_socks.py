"""Tunnels through SOCKS5 proxies: what travels, and every way to fail."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

import pytest
import python_socks.sync

from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import parse_proxy
from tests._transport.conftest import read_all
from tests._transport.dialing import FAR, GivenUpError, Watch, after, dial, fail_to_dial
from tests._transport.scripts import GOODBYE, MakeTransport, sending
from tests.support.deadlines import GRACE, at_most
from tests.support.raw_server import Peer, RawServer
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy, refusing_socks, silent, socks_door

WORD = "s3cret-word"
USERINFO = f"someone:{WORD}@"


@pytest.fixture
def server_in_clear() -> Any:
    with RawServer(Peer.read_to_end) as server:
        yield server


def test_socks5h_leaves_the_name_to_the_proxy(server_in_clear: RawServer) -> None:
    """Nothing is looked up here: the name does not exist on this machine."""
    with TunnelProxy(socks_door, hosts={FAR: "127.0.0.1"}) as proxy:
        with dial(parse_proxy(proxy.url("socks5h")), server_in_clear.port) as sock:
            sock.sendall(b"hello")
        assert proxy.asked == [(FAR, server_in_clear.port)]
    assert proxy.relayed == b"hello"


def test_socks5_looks_the_name_up_here(
    server_in_clear: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy gets an address, of version 4 where there is one."""
    original = socket.getaddrinfo
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)),
    ]
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: both if host == FAR else original(host, *a, **k),
    )
    with TunnelProxy(socks_door) as proxy:
        dial(parse_proxy(proxy.url("socks5")), server_in_clear.port).close()
        assert proxy.asked == [("127.0.0.1", server_in_clear.port)]


def test_socks5_tells_a_name_that_does_not_resolve() -> None:
    """The server's name, so the stage is that of names, and base_url is to be checked."""
    with TunnelProxy(socks_door) as proxy:
        error = fail_to_dial(parse_proxy(proxy.url("socks5", USERINFO)))
    assert error.stage == "dns"
    assert f"the host {FAR!r} cannot be resolved" in str(error)
    assert proxy.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_address_travels_as_one(host: str) -> None:
    """Nothing is to be looked up by anybody."""
    with TunnelProxy(refusing_socks(4)) as proxy:
        fail_to_dial(parse_proxy(proxy.url("socks5h")), host=host)
        assert proxy.asked == [(host, 443)]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_websocket_works_through_socks(
    tls: bool, scheme: str, make_transport: MakeTransport, authority: TestAuthority
) -> None:
    """With user name and password, in clear and over TLS."""
    context = authority.server_context() if tls else None
    credentials = ("someone", WORD)
    with (
        RawServer(sending(GOODBYE), tls=context) as server,
        TunnelProxy(socks_door, credentials=credentials) as proxy,
    ):
        transport = make_transport()
        endpoint = Endpoint(
            url=server.url,
            ssl_context=authority.client_context(),
            proxy=parse_proxy(proxy.url(scheme, USERINFO)),
        )
        transport.connect(endpoint, timeout=5)
        assert read_all(transport)[1].code == 1000
        transport.dispose()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "General SOCKS server failure. It fails: try again later"),
        (2, "have it allowed, or list the host in NO_PROXY"),
        (3, "what the proxy may reach"),
        (4, "does not find its name"),
        (5, "The server refused the proxy's connection"),
        (7, "use another proxy"),
        (8, "write socks5h:// for socks5://"),
        (99, "It may not speak SOCKS5"),
    ],
)
def test_refusal_says_what_to_do(code: int, words: str) -> None:
    """It names the proxy and the server, and no password."""
    with TunnelProxy(refusing_socks(code)) as proxy:
        error = fail_to_dial(parse_proxy(proxy.url("socks5h", USERINFO)))
    assert error.stage == "proxy"
    assert f"the proxy 127.0.0.1:{proxy.port} did not connect to {FAR}:443" in str(error)
    assert words in str(error)
    assert WORD not in f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize("userinfo", ["", "someone:wrong@"])
def test_wrong_credentials_are_refused(userinfo: str) -> None:
    """Whether none were given where some are wanted, or others."""
    with TunnelProxy(socks_door, credentials=("someone", WORD)) as proxy:
        chosen = parse_proxy(proxy.url("socks5h", userinfo), option="ALL_PROXY")
        error = fail_to_dial(chosen)
    assert error.stage == "proxy"
    assert "Check user name and password in ALL_PROXY" in str(error)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x04\x5a"])
def test_what_is_no_socks_proxy_is_told(answer: bytes) -> None:
    """Whatever else listens there."""

    def door(peer: Peer, _: TunnelProxy) -> Any:
        peer.read_exactly(3)
        peer.send(answer)
        raise EOFError

    with TunnelProxy(door) as proxy:
        error = fail_to_dial(parse_proxy(proxy.url("socks5h")))
    assert error.stage == "proxy"
    assert "It may not speak SOCKS5: check scheme, host and port of proxy" in str(error)


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "ü" * 70 + ".test"])
def test_host_that_socks_cannot_carry_is_an_error(host: str) -> None:
    """A name has its length in one byte."""
    with TunnelProxy(socks_door) as proxy:
        assert fail_to_dial(parse_proxy(proxy.url("socks5h")), host=host).stage == "proxy"


def test_trickled_answer_ends_at_the_deadline() -> None:
    """The library would start its timer anew with each byte."""

    def door(peer: Peer, proxy: TunnelProxy) -> Any:
        peer.read_exactly(3)
        peer.send(b"\x05\x00")
        peer.read_exactly(1)
        for byte in b"\x05\x00\x00\x03\xff" + bytes(250):
            peer.send(bytes((byte,)))
            proxy.ended.wait(0.02)
        raise EOFError

    with TunnelProxy(door) as proxy, at_most(0.3 + GRACE):
        error = fail_to_dial(parse_proxy(proxy.url("socks5h")), timeout=0.3)
    assert error.stage == "proxy"
    assert "longer than the connect timeout allows" in str(error)


def test_abort_ends_the_wait() -> None:
    """As what it is, not as a proxy that left."""
    watch = Watch()
    with (
        TunnelProxy(silent) as proxy,
        after(proxy.is_asked, watch.abort),
        pytest.raises(GivenUpError),
    ):
        dial(parse_proxy(proxy.url("socks5h")), 443, watch=watch, timeout=20)
    assert watch.are_all_closed


def test_ctrl_c_ends_the_wait() -> None:
    """KeyboardInterrupt comes out unchanged, and no descriptor stays."""
    watch = Watch()
    with (
        TunnelProxy(silent) as proxy,
        after(proxy.is_asked, lambda: os.kill(os.getpid(), signal.SIGINT)),
        pytest.raises(KeyboardInterrupt),
    ):
        dial(parse_proxy(proxy.url("socks5h")), 443, watch=watch, timeout=20)
    assert watch.are_all_closed


@pytest.mark.parametrize("how", ["gone", "old"])
def test_library_that_is_gone_or_old_is_named(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed after the client was made, or there from before we needed it."""
    with RawServer(Peer.read_to_end) as server:
        chosen, watch = parse_proxy(f"socks5h://127.0.0.1:{server.port}"), Watch()
        if how == "gone":
            monkeypatch.setitem(sys.modules, "python_socks", None)
        else:
            # Any signature without ``forward``.
            monkeypatch.setattr(python_socks.sync, "Proxy", lambda proxy_type, host, port: None)
        with pytest.raises(ConfigError, match=r"pip install 'pyresponses-ws\[socks\]'"):
            dial(chosen, 443, watch=watch)
    assert watch.are_all_closed


def test_refused_connection_to_the_proxy_names_it() -> None:
    """Python's reason, and the option to check."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match=rf"connecting to the proxy 127\.0\.0\.1:{port} failed"):
        dial(parse_proxy(f"socks5h://127.0.0.1:{port}"), 443)
