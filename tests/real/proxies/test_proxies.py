"""Whole turns through proxies that others wrote: with a password, refused, read inside TLS."""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws._transport.websocket import WebSocketTransport
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.proxies import parse_proxy
from pyresponses_ws.testing import LocalServer
from tests._transport.conftest import run_with_deadline
from tests.real.proxies.conftest import PASSWORD, USER, StartProxy
from tests.support.responses_peer import KEY
from tests.support.tls import TestAuthority

#: The first of these installs packages.
pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

TURN: dict[str, Any] = {"model": "m", "input": "through the wall"}
ADDON = str(Path(__file__).with_name("without_websocket.py"))
PROXY_PY = ("proxy", "--hostname", "127.0.0.1", "--port", "{port}", "--num-workers", "1")
MITMDUMP = ("mitmdump", "--quiet", "--listen-host", "127.0.0.1", "--listen-port", "{port}")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["websocket", "http"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def answer(base_url: str, proxy: str, **options: Any) -> Any:
    """Return the response to one turn."""
    with ResponsesClient(KEY, base_url=base_url, proxy=proxy, **options) as client:
        return client.create(**TURN)


def fail(base_url: str, proxy: str, **options: Any) -> ConnectError:
    """Return the error of one turn, which shows no password."""
    with pytest.raises(ConnectError) as caught:
        answer(base_url, proxy, **options)
    assert PASSWORD not in f"{caught.value} {caught.value!r} {caught.value.__dict__}"
    return caught.value


# --- CONNECT --------------------------------------------------------------------------------------


def test_connect_with_a_password(
    start_proxy: StartProxy,
    transport: str,
    responses_server: LocalServer,
    secure_url: str,
    authority: TestAuthority,
) -> None:
    """In clear and over TLS; without the password, or with another, 407."""
    port = start_proxy(*PROXY_PY, "--basic-auth", f"{USER}:{PASSWORD}")
    known = f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"
    context = authority.client_context()
    assert answer(responses_server.base_url, known, transport=transport).output_text
    assert answer(secure_url, known, transport=transport, ssl_context=context).output_text
    for userinfo in ("", f"{USER}:another@"):
        stranger = f"http://{userinfo}127.0.0.1:{port}"
        error = fail(secure_url, stranger, transport=transport, ssl_context=context)
        assert (error.stage, error.status) == ("proxy", 407)


def test_connect_to_a_host_that_is_forbidden(
    start_proxy: StartProxy, transport: str, secure_url: str, authority: TestAuthority
) -> None:
    """The proxy's rules are told as its refusal; the server is not asked another way."""
    port = start_proxy(
        *PROXY_PY,
        *("--plugins", "proxy.plugin.FilterByUpstreamHostPlugin"),
        *("--filtered-upstream-hosts", "localhost"),
    )
    error = fail(
        secure_url,
        f"http://127.0.0.1:{port}",
        transport=transport,
        ssl_context=authority.client_context(),
    )
    assert error.stage == "proxy"
    assert error.status == 418


# --- a proxy that reads inside TLS ----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where mitmproxy keeps the authority that it makes."""
    return tmp_path / "mitmproxy"


def intercept(start: StartProxy, folder: Path, trusted: str, *more: str) -> int:
    """Start a proxy that takes TLS apart, and trusts our server's authority."""
    trust = f"ssl_verify_upstream_trusted_ca={trusted}"
    return start(*MITMDUMP, "--set", f"confdir={folder}", "--set", trust, *more)


def test_proxy_that_reads_inside_tls(
    start_proxy: StartProxy,
    transport: str,
    secure_url: str,
    authority: TestAuthority,
    folder: Path,
) -> None:
    """Refused until its authority is trusted, and then it works."""
    port = intercept(start_proxy, folder, authority.bundle, "--set", f"proxyauth={USER}:{PASSWORD}")
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"
    error = fail(secure_url, proxy, transport=transport, ca_bundle=authority.bundle)
    assert error.stage == "tls"
    assert "give ca_bundle" in str(error)
    bundle = folder / "mitmproxy-ca-cert.pem"
    assert answer(secure_url, proxy, transport=transport, ca_bundle=bundle).output_text
    assert (
        fail(secure_url, f"http://127.0.0.1:{port}", transport=transport, ca_bundle=bundle).status
        == 407
    )


def test_proxy_that_refuses_websocket(
    start_proxy: StartProxy, secure_url: str, authority: TestAuthority, folder: Path
) -> None:
    """The answer comes over HTTP after one attempt, and the report says why."""
    port = intercept(start_proxy, folder, authority.bundle, "--scripts", ADDON)
    proxy, bundle = f"http://127.0.0.1:{port}", folder / "mitmproxy-ca-cert.pem"
    response = answer(secure_url, proxy, ca_bundle=bundle)
    assert response.output_text
    assert response.report.transport == "http"
    error = fail(secure_url, proxy, ca_bundle=bundle, transport="websocket")
    assert (error.stage, error.status) == ("upgrade", 403)


def test_proxy_behind_tls(
    start_proxy: StartProxy, secure_url: str, authority: TestAuthority, folder: Path
) -> None:
    """TLS inside TLS with a proxy that checks it: both certificates are its authority's."""
    port = intercept(start_proxy, folder, authority.bundle, "--set", f"proxyauth={USER}:{PASSWORD}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / "mitmproxy-ca-cert.pem")
    proxy = f"https://{USER}:{PASSWORD}@localhost:{port}"
    assert answer(secure_url, proxy, transport="http", ssl_context=context).output_text
    transport = WebSocketTransport(run_with_deadline=run_with_deadline, make_lock=threading.Lock)
    url = secure_url.replace("https", "wss") + "/responses"
    headers = {"Authorization": f"Bearer {KEY}"}
    endpoint = Endpoint(url=url, headers=headers, ssl_context=context, proxy=parse_proxy(proxy))
    transport.connect(endpoint, timeout=10)
    transport.send(b'{"type": "nothing that it knows"}', progress_timeout=5)
    while not (messages := transport.receive()):
        pass
    transport.dispose()
    assert '"error"' in messages[0]


# --- SOCKS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks(
    scheme: str,
    start_proxy: StartProxy,
    transport: str,
    secure_url: str,
    authority: TestAuthority,
) -> None:
    """Refused with a wrong password, and good with the right one."""
    port = start_proxy("pproxy", "-l", f"socks5://127.0.0.1:{{port}}#{USER}:{PASSWORD}")
    options = {"transport": transport, "ssl_context": authority.client_context()}
    # In this order: the program remembers an address that once knew the password.
    stranger = f"{scheme}://{USER}:another@127.0.0.1:{port}"
    assert fail(secure_url, stranger, **options).stage == "proxy"
    known = f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{port}"
    assert answer(secure_url, known, **options).output_text
