"""What breaks HTTP or the handshake is answered, and is no error in the log of the server.

Random requests found these.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.support.fuzz_server import Fortress, run_fortress

UPGRADE = (
    "GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Run a server whose log is read."""
    with run_fortress(tmp_path_factory.mktemp("server")) as running:
        yield running


def send(fortress: Fortress, data: bytes) -> bytes:
    """Send these bytes and no more; return all that comes."""
    with socket.create_connection(fortress.address, timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := connection.recv(65536):
            got += chunk
    return got


def test_a_bad_chunk_right_behind_its_head_logs_no_error(fortress: Fortress) -> None:
    """The route that waits for the body does not answer a second time."""
    head = "POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert send(fortress, head.encode() + b"zz\r\n").startswith(b"HTTP/1.1 400")
    assert send(fortress, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert fortress.complaints() == []


@pytest.mark.parametrize(
    ("old", "new"), [("/v1/responses", "/v1"), ("Host", "Origin: null\r\nHost")]
)
def test_a_refused_upgrade_logs_no_error(fortress: Fortress, old: str, new: str) -> None:
    """Neither of another path, nor of a foreign page."""
    assert send(fortress, UPGRADE.replace(old, new, 1).encode())[9:10] == b"4"
    assert fortress.complaints() == []


@pytest.mark.parametrize(
    "line",
    [
        "Sec-WebSocket-Extensions: \xff",
        "Sec-WebSocket-Protocol: \xff",
        "Sec-WebSocket-Version: \xff",
        "Sec-WebSocket-Key: \xff",
        "Connection: Upgrade, \xff",
    ],
)
def test_an_upgrade_with_a_byte_that_is_no_ascii_is_answered(fortress: Fortress, line: str) -> None:
    """The websockets package would raise."""
    name = line.partition(":")[0]
    kept = [each for each in UPGRADE.split("\r\n")[:-2] if not each.startswith(name)]
    got = send(fortress, "\r\n".join([*kept, line, "", ""]).encode("latin-1"))
    assert got[9:10] == b"4"
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert fortress.complaints() == []


def test_a_head_that_is_refused_gets_no_body_and_logs_no_error(fortress: Fortress) -> None:
    """Even one that asks for an upgrade."""
    got = send(fortress, UPGRADE.replace("GET", "HEAD").encode())
    assert got.startswith(b"HTTP/1.1 400")
    assert fortress.complaints() == []


def test_a_head_with_a_bad_body_is_refused_without_an_error(fortress: Fortress) -> None:
    """Its answer has no body either."""
    head = "HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert send(fortress, head.encode()).startswith(b"HTTP/1.1 400")
    assert send(fortress, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert fortress.complaints() == []
