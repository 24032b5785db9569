"""What uvicorn's protocols do otherwise: each on ours, and on stock uvicorn, which fails it."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pyresponses_ws.server import protocols
from pyresponses_ws.server.config import ServerConfig
from tests.server.stock import (
    NEVER,
    Running,
    read_all,
    run_ours,
    run_stock,
    stays_silent,
    wait_until,
)

Start = Callable[..., AbstractContextManager[Running]]

CREATE = {"type": "response.create", "model": "m", "input": "hi"}
UPGRADE = (
    b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
POST = (
    b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\n"
)

on_both = pytest.mark.parametrize(("start", "is_ours"), [(run_ours, True), (run_stock, False)])


def ask_for(size: int) -> bytes:
    """Make a create over HTTP whose answer is larger than every buffer."""
    body = json.dumps({"model": "m", "input": "x" * size}).encode()
    return POST + b"Content-Length: %d\r\n\r\n" % len(body) + body


def error_of(answer: bytes) -> tuple[int, Any]:
    """Return the status of a raw answer and the error object in it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


@on_both
def test_small_frames_leave_at_once(start: Start, is_ours: bool) -> None:
    """Sockets have TCP_NODELAY; without it a turn waits 40 ms for an acknowledgement."""
    with start(ServerConfig()) as server, connect(f"ws://127.0.0.1:{server.port}/v1/responses"):
        (connection,) = server.connections
        accepted = connection.transport.get_extra_info("socket")
        assert bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is is_ours


@on_both
def test_a_message_far_over_the_limit_is_told_so(start: Start, is_ours: bool) -> None:
    """The peer can finish it and read 1009; stock uvicorn resets it while it sends."""
    length = 50_000_000
    # Final text frame, masked with zeros, its length in eight bytes.
    frame = b"\x81\xff" + length.to_bytes(8, "big") + bytes(4) + b"x" * length
    with start(ServerConfig(max_message_bytes=1000)) as server, server.dial() as raw:
        raw.sendall(UPGRADE + b"\r\n")
        assert b"101 Switching" in raw.recv(1000)
        if is_ours:
            raw.sendall(frame)
            assert read_all(raw)[2:4] == (1009).to_bytes(2, "big")
        else:
            with pytest.raises(ConnectionError):
                raw.sendall(frame)


@on_both
def test_a_socket_that_reads_nothing_is_dropped(start: Start, is_ours: bool) -> None:
    """By the pings; stock uvicorn would wait for ever to get its close frame out."""
    with start(ServerConfig(ping_interval=0.2, ping_timeout=0.2)) as server, server.dial() as raw:
        raw.sendall(UPGRADE + b"\r\n")
        assert raw.recv(12) == b"HTTP/1.1 101"
        (connection,) = server.connections
        blob = b"x" * 10_000_000
        connection.loop.call_soon_threadsafe(connection.transport.write, blob)
        assert wait_until(lambda: connection.close_sent)
        assert wait_until(lambda: not server.connections, 20 if is_ours else NEVER) is is_ours


@on_both
def test_a_client_that_does_not_read_its_answer_is_dropped(start: Start, is_ours: bool) -> None:
    """Once it has taken nothing for the write timeout; stock uvicorn keeps it."""
    with start(ServerConfig(write_timeout=0.2)) as server, server.dial() as raw:
        raw.sendall(ask_for(10_000_000))
        assert wait_until(lambda: server.connections)
        (connection,) = server.connections
        assert wait_until(lambda: connection.flow.write_paused)
        assert wait_until(lambda: not server.connections, 20 if is_ours else NEVER) is is_ours


@on_both
@pytest.mark.parametrize(
    "headers", [b"X: %b\r\n" % (b"x" * 9000), b"".join(b"X%d: 1\r\n" % n for n in range(130))]
)
def test_an_upgrade_with_large_headers_is_a_431(
    start: Start, is_ours: bool, headers: bytes
) -> None:
    """Stock uvicorn prints a traceback and neither answers nor ends the connection."""
    with start(ServerConfig()) as server, server.dial() as raw:
        raw.sendall(UPGRADE + headers + b"\r\n")
        if is_ours:
            assert error_of(read_all(raw))[0] == 431
        else:
            assert stays_silent(raw)


@on_both
@pytest.mark.parametrize(
    "request_",
    [
        UPGRADE + b"Content-Length: 2\r\n\r\n{}",
        UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_upgrade_with_a_body_is_a_400(start: Start, is_ours: bool, request_: bytes) -> None:
    """Stock uvicorn prints a traceback and neither answers nor ends the connection."""
    with start(ServerConfig()) as server, server.dial() as raw:
        raw.sendall(request_)
        if is_ours:
            assert error_of(read_all(raw))[0] == 400
        else:
            assert stays_silent(raw)


@on_both
def test_a_tls_handshake_is_not_waited_for(start: Start, is_ours: bool, tmp_path: Path) -> None:
    """It has the time of a first request; stock uvicorn leaves it asyncio's minute."""
    certificate = tmp_path / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    config = ServerConfig(ssl_certfile=certificate, first_request_timeout=0.2)
    with start(config) as server, server.dial() as raw:
        if is_ours:
            assert read_all(raw) == b""
        else:
            assert stays_silent(raw)


def test_the_headers_of_a_request_are_counted_together() -> None:
    """Whether they come in one piece or never end, over a limit they are a 431."""
    with run_ours(ServerConfig(max_header_bytes=4096)) as server:
        many = b"".join(b"X%d: %b\r\n" % (n, b"x" * 1000) for n in range(5))
        start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for headers in (many + b"\r\n", many, b"X: " + b"x" * 300_000):
            status, error = error_of(server.ask(start + headers))
            assert (status, error["message"]) == (431, "The request headers are over 4096 bytes.")


@on_both
def test_what_is_no_http_is_a_400_in_json(start: Start, is_ours: bool) -> None:
    """Like every other error; stock uvicorn sends plain text."""
    with start(ServerConfig()) as server:
        answer = server.ask(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert (b"application/json" in answer) is is_ours


@on_both
@pytest.mark.parametrize("half", [b"", b"GET /v1/mod", POST + b"Content-Length: 9\r\n\r\n{"])
def test_half_a_request_is_not_waited_for(start: Start, is_ours: bool, half: bytes) -> None:
    """Neither is silence; stock uvicorn keeps each such connection for ever."""
    with start(ServerConfig(first_request_timeout=0.2)) as server, server.dial() as raw:
        raw.sendall(half)
        if not is_ours:
            assert stays_silent(raw)
            return
        answer = read_all(raw)
        assert error_of(answer)[0] == 408 if half else answer == b""


@on_both
def test_a_handshake_that_is_none_is_answered_in_json(start: Start, is_ours: bool) -> None:
    """Like every other error; stock uvicorn sends plain text."""
    with start(ServerConfig()) as server:
        answer = server.ask(UPGRADE.replace(b"Version: 13", b"Version: 8") + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert (b"application/json" in answer) is is_ours
        if is_ours:
            assert "Sec-WebSocket-Version" in error_of(answer)[1]["message"]


def test_an_upgrade_that_is_no_get_is_a_400() -> None:
    """Whichever method it is."""
    with run_ours(ServerConfig()) as server:
        answer = server.ask(UPGRADE.replace(b"GET", b"PUT") + b"\r\n")
        assert error_of(answer)[0] == 400


def test_an_idle_socket_owes_no_request() -> None:
    """The timer ends with the upgrade; what it says would break into the frames."""
    with run_ours(ServerConfig(first_request_timeout=0.1)) as server, server.dial() as raw:
        raw.sendall(UPGRADE + b"\r\n")
        assert b"101 Switching" in raw.recv(1000)
        assert stays_silent(raw)


def test_a_second_request_has_the_same_time() -> None:
    """It runs from the first byte of it."""
    with run_ours(ServerConfig(first_request_timeout=0.2)) as server, server.dial() as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200")
        raw.sendall(b"GET /hea")
        assert error_of(read_all(raw))[0] == 408


def test_a_body_that_comes_slowly_is_waited_for() -> None:
    """Beyond the time of a request, as long as it comes at some speed."""
    body = json.dumps({"model": "m", "input": "x" * 20_000}).encode()
    with run_ours(ServerConfig(first_request_timeout=0.2)) as server, server.dial() as raw:
        raw.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
        # Five seconds' worth of body came at once, so that much more is waited for.
        assert stays_silent(raw)
        raw.settimeout(30)
        raw.sendall(body[-1:])
        assert read_all(raw).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit_is_a_413(is_chunked: bool) -> None:
    """By what it announces, else by what has come; either way the client can read the answer."""
    with run_ours(ServerConfig(max_message_bytes=1000)) as server, server.dial() as raw:
        head = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 3000"
        body = b"bb8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n" if is_chunked else b"x" * 3000
        raw.sendall(POST + head + b"\r\n\r\n" + body)
        assert error_of(read_all(raw))[0] == 413


def test_a_body_that_does_not_end_is_cut() -> None:
    """After the answer, once several times the limit has been thrown away."""
    with run_ours(ServerConfig(max_message_bytes=1000)) as server, server.dial() as raw:
        request = (
            POST.replace(b"Connection: close\r\n", b"") + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        raw.sendall(request + b"3e9\r\n" + b"x" * 1001 + b"\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")
        raw.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        assert wait_until(lambda: not server.connections)


@on_both
def test_bad_utf_8_is_a_line_in_the_log(
    start: Start, is_ours: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The peer gets 1007 either way; stock uvicorn logs a traceback of what a stranger sent."""
    caplog.set_level(logging.WARNING)
    with start(ServerConfig()) as server:
        with connect(f"ws://127.0.0.1:{server.port}/v1/responses") as ws:
            with ws.protocol_mutex:
                ws.protocol.send_text(b"\xff")
                ws.send_data()
            with pytest.raises(ConnectionClosed) as caught:
                ws.recv()
        assert caught.value.rcvd.code == 1007
    (record,) = [r for r in caplog.records if "UTF-8" in r.message]
    assert (record.exc_info is None) is is_ours


def test_the_log_holds_no_header_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG, where websockets would log both."""
    caplog.set_level(logging.DEBUG)
    with (
        run_ours(ServerConfig()) as server,
        connect(
            f"ws://127.0.0.1:{server.port}/v1/responses",
            additional_headers={"Authorization": "Bearer hush"},
            logger=logging.Logger("silent"),
        ) as ws,
    ):
        ws.send(json.dumps(CREATE | {"input": "hush"}))
        ws.recv()
    assert "WebSocket /v1/responses" in caplog.text
    assert "hush" not in caplog.text


def test_a_connection_over_the_limit_is_answered() -> None:
    """With a 429 and the time to come back, on both wires; health is told all the same."""
    with run_ours(ServerConfig(max_connections=1)) as server, server.dial():
        assert wait_until(lambda: len(server.connections) == 1)
        get = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        for request in (get % b"/v1/models", UPGRADE + b"\r\n"):
            answer = server.ask(request)
            status, error = error_of(answer)
            assert (status, error["code"]) == (429, "rate_limit_exceeded")
            assert b"retry-after: 1\r\n" in answer
        assert server.ask(get % b"/healthz").startswith(b"HTTP/1.1 200")
    with run_ours(ServerConfig(max_connections=1)) as server:
        assert server.ask(get % b"/v1/models").startswith(b"HTTP/1.1 200")


def test_connections_far_over_the_limit_are_cut() -> None:
    """Even the answers to so many would be a load."""
    with run_ours(ServerConfig(max_connections=1)) as server:
        open_ones = [server.dial() for _ in range(65)]
        assert wait_until(lambda: len(server.connections) == 65)
        with server.dial() as raw:
            assert read_all(raw) in (b"", b"(reset)")
        for raw in open_ones:
            raw.close()
        assert wait_until(lambda: not server.connections)


def test_a_socket_counts_until_it_closes() -> None:
    """An upgraded connection is one connection, not two, and makes room when it ends."""
    url = "ws://127.0.0.1:{}/v1/responses"
    with run_ours(ServerConfig(max_connections=2)) as server:
        with connect(url.format(server.port)), connect(url.format(server.port)):
            assert len(server.connections) == 2
        assert wait_until(lambda: not server.connections)
        with connect(url.format(server.port)) as ws:
            ws.send(json.dumps(CREATE))
            assert json.loads(ws.recv())["type"] == "response.created"


BAD_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Content-Length: 1\r\n\r\nx"
)


@pytest.mark.parametrize("request_", [b"garbage\r\n\r\n", BAD_UPGRADE])
def test_a_refused_peer_that_stays_is_cut(request_: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a time to read why, and no more; such peers must not fill the server."""
    monkeypatch.setattr(protocols, "LINGER", 0.05)
    with run_ours(ServerConfig()) as server, server.dial() as raw:
        raw.sendall(request_)
        assert raw.recv(65536).startswith(b"HTTP/1.1 400")
        assert wait_until(lambda: not server.connections)
