"""The gate, from outside: whoever may not come in hears why, on both wires."""

from __future__ import annotations

import json

import pytest
import requests

from pyresponses_ws.server.config import ServerConfig
from tests.server.stock import Running, read_all, run_ours

UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
PLAIN = b"Connection: close\r\n"
LOCAL = b"Host: localhost\r\n"


def ask(server: Running, headers: bytes, wire: bytes, path: bytes = b"/v1/responses") -> int:
    """Send a request and return the status; an error has its JSON."""
    with server.dial() as raw:
        raw.sendall(b"GET " + path + b" HTTP/1.1\r\n" + headers + wire + b"\r\n")
        answer = raw.recv(65536)
        if b" 101 " not in answer:
            answer += read_all(raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status in (101, 200) or json.loads(body)["error"]["message"]
    return status


both_wires = pytest.mark.parametrize("wire", [PLAIN, UPGRADE], ids=["http", "websocket"])


@both_wires
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Host: evil.com\r\n", 421),
        (b"Host: 127.0.0.1.evil.com\r\n", 421),
        (b"Host: localhost, evil.com\r\n", 421),
        (LOCAL + b"Host: evil.com\r\n", 400),
        (b"", 400),
        (LOCAL + b"Origin: null\r\n", 403),
        (LOCAL + b"Origin: http://evil.com\r\n", 403),
        (LOCAL + b"Origin: http://localhost\r\nOrigin: http://evil.com\r\n", 400),
        (LOCAL, 401),
        (LOCAL + b"Authorization: Bearer wrong\r\n", 401),
        (LOCAL + b"Authorization: Bearer \xff\xfe\r\n", 401),
        (LOCAL + b"Authorization: \r\n", 401),
        (LOCAL + b"Authorization: Bearer right\r\nAuthorization: Bearer right\r\n", 400),
        (LOCAL + b"Authorization: Bearer right\r\nX: " + b"x" * 70_000 + b"\r\n", 431),
    ],
)
def test_whoever_may_not_come_in_is_told(headers: bytes, status: int, wire: bytes) -> None:
    """Before the upgrade, in JSON, and never as a fault of the server's."""
    with run_ours(ServerConfig(api_keys=("right",))) as server:
        assert ask(server, headers, wire) == status


def test_who_may_come_in_does() -> None:
    """With a key; from the server's own pages too."""
    key = b"Authorization: bearer right\r\n"
    with run_ours(ServerConfig(api_keys=("right",))) as server:
        own = LOCAL.replace(b"\r\n", b":%d\r\n" % server.port)
        origin = b"Origin: http://localhost:%d\r\n" % server.port
        assert ask(server, LOCAL + key, UPGRADE) == 101
        assert ask(server, own + origin + key, UPGRADE) == 101
        assert ask(server, LOCAL + key, PLAIN, b"/v1/models") == 200


def test_health_needs_no_key_but_the_right_host() -> None:
    """It tells nothing, yet a web page has no business there."""
    with run_ours(ServerConfig(api_keys=("right",))) as server:
        assert ask(server, LOCAL, PLAIN, b"/healthz") == 200
        assert ask(server, b"Host: evil.com\r\n", PLAIN, b"/healthz") == 421
        assert ask(server, LOCAL + b"Origin: null\r\n", PLAIN, b"/healthz") == 403


def test_a_bearer_that_is_no_ascii_is_an_owner_like_any_other() -> None:
    """Without keys everybody is let in."""
    with run_ours(ServerConfig()) as server:
        header = LOCAL + b"Authorization: Bearer \xff\xfe\r\n"
        assert ask(server, header, PLAIN, b"/v1/models") == 200
        assert ask(server, header, UPGRADE) == 101


def test_without_a_host_even_http_1_0_is_misdirected() -> None:
    """There it may be left out; who it is meant for is then unknown."""
    with run_ours(ServerConfig()) as server:
        assert server.ask(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")


def test_an_ipv6_server_knows_its_own_pages() -> None:
    """Brackets and port included."""
    with run_ours(ServerConfig(host="::1")) as server:
        origin = f"[::1]:{server.port}".encode()
        request = b"GET /healthz HTTP/1.1\r\nHost: %b\r\nOrigin: http://%b\r\n" % (origin, origin)
        assert server.ask(request + PLAIN + b"\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:3000", 200), ("http://evil.com", 403)]
)
def test_a_page_may_ask_beforehand_if_it_may_call(origin: str, status: int) -> None:
    """That question carries no key; where the page may not call, the answer is the usual one."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    config = ServerConfig(api_keys=("right",), cors_origins=("http://localhost:3000",))
    with run_ours(config) as server:
        url = f"http://127.0.0.1:{server.port}/v1/responses"
        assert requests.options(url, headers=headers, timeout=30).status_code == status


def test_a_page_can_read_why_it_is_refused() -> None:
    """An allowed one without a key gets its 401 with the header that lets it."""
    page = "http://localhost:3000"
    with run_ours(ServerConfig(api_keys=("right",), cors_origins=(page,))) as server:
        url = f"http://127.0.0.1:{server.port}/v1/models"
        reply = requests.get(url, headers={"Origin": page}, timeout=30)
        assert reply.status_code == 401
        assert reply.headers["access-control-allow-origin"] == page
