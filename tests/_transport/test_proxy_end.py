"""Tunnels through http and https proxies: TLS on both ways, deadlines, interruption."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws._transport.tls_stack import TLSStack
from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import parse_proxy
from tests._transport.dialing import (
    FAR,
    USERINFO,
    GivenUpError,
    Watch,
    after,
    dial,
    fail_to_dial,
)
from tests.support.deadlines import GRACE, at_most
from tests.support.raw_server import Peer, RawServer
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy, saying, silent

# --- over TLS to the proxy ------------------------------------------------------------------------


def test_certificate_of_the_proxy_is_checked(authority: TestAuthority) -> None:
    """Neither password nor request goes to one that is not trusted."""
    stranger = TestAuthority()
    with TunnelProxy(tls=stranger.server_context()) as proxy:
        error = fail_to_dial(
            parse_proxy(proxy.url("https", USERINFO)),
            proxy_ssl_context=authority.client_context(),
        )
    stranger.close()
    assert error.stage == "proxy"
    assert f"the certificate of the proxy 127.0.0.1:{proxy.port} is not trusted" in str(error)
    assert proxy.heads == []


def test_certificate_of_the_server_is_checked_inside_the_tunnel(
    scheme: str, make_proxy: Callable[..., TunnelProxy], authority: TestAuthority
) -> None:
    """By the server's name: a proxy whose own certificate is good cannot stand in for it."""
    tls, context = authority.server_context(), authority.client_context()
    with RawServer(Peer.read_to_end, tls=tls) as server, make_proxy(hosts={FAR: "127.0.0.1"}) as p:
        watch = Watch()
        with pytest.raises(ConnectError, match=r"far\.invalid:\d+ is not trusted: Hostname") as e:
            dial(parse_proxy(p.url(scheme)), server.port, watch=watch, ssl_context=context)
    assert e.value.stage == "tls"
    assert watch.are_all_closed


def test_proxy_without_tls_behind_https_is_told(context: ssl.SSLContext) -> None:
    """The usual slip: https:// for an http:// proxy. The password has not gone out in clear."""
    taken = []

    def door(peer: Peer, _: TunnelProxy) -> Any:
        taken.append(peer.read_exactly(5))
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        taken.append(peer.read_to_end())
        raise EOFError

    with TunnelProxy(door) as proxy:
        error = fail_to_dial(parse_proxy(proxy.url("https", USERINFO)), proxy_ssl_context=context)
    assert error.stage == "proxy"
    assert "does not speak TLS: check scheme and port of proxy" in str(error)
    assert b"CONNECT" not in b"".join(taken)


def test_https_proxy_gets_its_own_layer(
    scheme: str, make_proxy: Callable[..., TunnelProxy], authority: TestAuthority
) -> None:
    """One of https is spoken to over a stack, one of http over Python's own sockets."""
    tls, context = authority.server_context(), authority.client_context()
    with RawServer(Peer.read_to_end, tls=tls) as server, make_proxy() as proxy:
        chosen = parse_proxy(proxy.url(scheme))
        with dial(chosen, server.port, host="localhost", ssl_context=context) as sock:
            kind = TLSStack if scheme == "https" else ssl.SSLSocket
            assert type(sock) is kind
            assert isinstance(sock, (TLSStack, ssl.SSLSocket))
            assert sock.version() in ("TLSv1.2", "TLSv1.3")
            assert ("DNS", "localhost") in sock.getpeercert()["subjectAltName"]
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_https_proxy_needs_a_context() -> None:
    """For a server in clear there may be none yet."""
    with pytest.raises(ConfigError, match="needs an ssl_context"):
        dial(parse_proxy("https://127.0.0.1:1"), 80)


# --- time and interruption ------------------------------------------------------------------------


def test_silent_proxy_ends_at_the_deadline(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """One that takes the request and says nothing does not hold us."""
    with make_proxy(silent) as proxy, at_most(0.3 + GRACE):
        chosen = parse_proxy(proxy.url(scheme, USERINFO))
        error = fail_to_dial(chosen, proxy_ssl_context=context, timeout=0.3)
    assert error.stage == "proxy"
    assert "asking for a tunnel at the proxy" in str(error)
    assert "longer than the connect timeout allows" in str(error)


def test_proxy_that_is_silent_in_tls_ends_at_the_deadline(context: ssl.SSLContext) -> None:
    """Before it says a word."""
    with TunnelProxy(silent) as proxy, at_most(0.3 + GRACE):
        error = fail_to_dial(
            parse_proxy(proxy.url("https")), proxy_ssl_context=context, timeout=0.3
        )
    assert error.stage == "proxy"
    assert "the TLS handshake with the proxy" in str(error)


def test_trickled_answer_ends_at_the_deadline(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """A byte now and then must not keep the timer from running out."""

    def door(peer: Peer, proxy: TunnelProxy) -> Any:
        peer.read_request()
        for byte in b"HTTP/1.1 200 -\r\n" + b"X: y\r\n" * 2000:
            peer.send(bytes((byte,)))
            proxy.ended.wait(0.01)
        raise EOFError

    with make_proxy(door) as proxy, at_most(0.3 + GRACE):
        chosen = parse_proxy(proxy.url(scheme))
        error = fail_to_dial(chosen, proxy_ssl_context=context, timeout=0.3)
    assert error.stage == "proxy"


def test_server_that_is_silent_in_the_tunnel_ends_at_the_deadline(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """The TLS handshake with the server has what is left of the time."""
    with RawServer(Peer.read_to_end) as server, make_proxy() as proxy, at_most(0.3 + GRACE):
        watch = Watch()
        with pytest.raises(ConnectError, match="the TLS handshake with localhost") as caught:
            dial(
                parse_proxy(proxy.url(scheme)),
                server.port,
                host="localhost",
                ssl_context=context,
                timeout=0.3,
                watch=watch,
            )
    assert caught.value.stage == "tls"
    assert watch.are_all_closed


def test_abort_ends_the_wait_for_a_tunnel(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """As what it is, not as a proxy that left."""
    watch = Watch()
    with (
        make_proxy(silent) as proxy,
        after(proxy.is_asked, watch.abort),
        pytest.raises(GivenUpError),
    ):
        dial(
            parse_proxy(proxy.url(scheme)), 443, watch=watch, proxy_ssl_context=context, timeout=20
        )
    assert watch.are_all_closed


def test_abort_ends_tls_with_a_proxy(context: ssl.SSLContext) -> None:
    """Before the proxy was asked anything."""
    watch = Watch()
    with (
        TunnelProxy(silent) as proxy,
        after(proxy.is_asked, watch.abort),
        pytest.raises(ConnectError, match="TLS handshake"),
    ):
        dial(
            parse_proxy(proxy.url("https")),
            443,
            watch=watch,
            proxy_ssl_context=context,
            timeout=20,
        )
    assert watch.are_all_closed


def test_abort_ends_tls_inside_a_tunnel(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """The socket that abort hits is the one of TCP, under every layer."""
    watch, is_greeted = Watch(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_exactly(1)
        is_greeted.set()
        peer.read_to_end()

    with (
        RawServer(script) as server,
        make_proxy() as proxy,
        after(is_greeted, watch.abort),
        pytest.raises(ConnectError, match="TLS handshake"),
    ):
        dial(
            parse_proxy(proxy.url(scheme)),
            server.port,
            host="localhost",
            watch=watch,
            ssl_context=context,
            timeout=20,
        )
    assert watch.are_all_closed


def test_ctrl_c_ends_the_wait_for_a_tunnel(
    scheme: str, make_proxy: Callable[..., TunnelProxy], context: ssl.SSLContext
) -> None:
    """KeyboardInterrupt comes out unchanged, and no descriptor stays."""
    watch = Watch()
    with (
        make_proxy(silent) as proxy,
        after(proxy.is_asked, lambda: os.kill(os.getpid(), signal.SIGINT)),
        pytest.raises(KeyboardInterrupt),
    ):
        dial(
            parse_proxy(proxy.url(scheme)), 443, watch=watch, proxy_ssl_context=context, timeout=20
        )
    assert watch.are_all_closed


def test_proxy_that_fails_is_never_gone_around() -> None:
    """The server would have answered; nobody asked it."""
    with RawServer(Peer.read_to_end) as server, TunnelProxy(saying(b"")) as proxy:
        watch = Watch()
        with pytest.raises(ConnectError):
            dial(parse_proxy(proxy.url("http")), server.port, host="127.0.0.1", watch=watch)
        peers = {sock for sock in watch.sockets if sock.family == socket.AF_INET}
    assert len(peers) == 1
    assert server._current is None
