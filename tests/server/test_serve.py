"""What the server does otherwise than stock uvicorn."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import trustme
import uvicorn
from uvicorn.server import ServerState
from websocket import create_connection
from websockets.exceptions import ConnectionClosedOK
from websockets.protocol import State
from websockets.sync.client import connect

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.engines.echo import EchoEngine
from pyresponses_ws.server.protocols import WebSocketProtocol
from pyresponses_ws.server.serve import Server
from pyresponses_ws.server.transport import GuardedTransport
from pyresponses_ws.testing import LocalServer

CREATE = json.dumps({"type": "response.create", "model": "m", "input": "hi"})


class StuckTransport:
    """Takes everything and sends nothing on."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.calls.append("write")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def get_write_buffer_size(self) -> int:
        return 1

    def get_extra_info(self, name: str) -> None:
        return None


class TimerLoop:
    """A loop whose timers never ring."""

    def call_later(self, delay: float, call: object) -> TimerLoop:
        return self

    def cancel(self) -> None:
        pass


def make_open_protocol(transport: StuckTransport) -> WebSocketProtocol:
    """Make the server's side of an accepted WebSocket, without a loop."""
    config = uvicorn.Config(lambda: None, log_config=None, lifespan="off")
    config.load()
    loop = asyncio.new_event_loop()
    protocol = WebSocketProtocol(config, ServerState(), {}, loop, limits=ServerConfig())
    loop.close()
    protocol.conn.state = State.OPEN
    protocol.transport = GuardedTransport(transport, TimerLoop(), stall_timeout=1.0)
    protocol._guarded = protocol.transport
    return protocol


@contextmanager
def start_process(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the server as a process with pipes."""
    command = [sys.executable, "-m", "pyresponses_ws.server", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def run_server(config: ServerConfig) -> Iterator[Server]:
    """Run a server in a thread, and see that it ends."""
    server = Server(EchoEngine(), config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def running() -> Iterator[Server]:
    """Run a server with the defaults."""
    with run_server(ServerConfig()) as server:
        yield server


def to_ws(base_url: str) -> str:
    """Return the URL of the WebSocket."""
    return base_url.replace("http", "ws", 1) + "/responses"


def port_of(base_url: str) -> int:
    """Return the port of a base URL."""
    return urlsplit(base_url).port or 0


def test_small_frames_leave_at_once(running: Server) -> None:
    """Accepted sockets have TCP_NODELAY; without it a turn waits 40 ms for an acknowledgement."""
    with connect(to_ws(running.base_url)) as ws:
        ws.send(CREATE)
        ws.recv()
        (connection,) = running._uvicorn.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_page_of_an_allowed_origin_may_call() -> None:
    """It gets the answer to its question beforehand, and the header that lets it read the reply."""
    page = {"Origin": "http://localhost:3000"}
    with run_server(ServerConfig(cors_origins=(page["Origin"],))) as running:
        url = f"{running.base_url}/models"
        asked = requests.options(
            url, headers={**page, "Access-Control-Request-Method": "GET"}, timeout=30
        )
        for reply in (asked, requests.get(url, headers=page, timeout=30)):
            assert reply.status_code == 200
            assert reply.headers["access-control-allow-origin"] == page["Origin"]


def test_a_port_in_use_is_told_to_the_caller(running: Server) -> None:
    """In the thread that makes the server, with the address."""
    port = port_of(running.base_url)
    with pytest.raises(ConfigError, match=f"^cannot listen on 127.0.0.1:{port}: Address already"):
        Server(EchoEngine(), ServerConfig(port=port))


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("2001:db8::1", r"\[2001:db8::1\]:1: "),
        ("a\0b", "a\0b:1: it is no name of a host"),
        ("ü" * 80, "ü+:1: it is no name of a host"),
    ],
)
def test_a_host_that_is_none_is_told_to_the_caller(host: str, line: str) -> None:
    """Whether the system, the resolver or Python itself refuses it."""
    with pytest.raises(ConfigError, match=f"^cannot listen on {line}"):
        Server(EchoEngine(), ServerConfig(host=host, port=1, api_keys=("k",)))


def test_a_bad_certificate_is_told_to_the_caller(tmp_path: Path) -> None:
    """Missing or unreadable, it is named."""
    for path in (tmp_path / "none.pem", Path(__file__)):
        with pytest.raises(ConfigError, match=path.name):
            Server(EchoEngine(), ServerConfig(ssl_certfile=path))


def test_a_key_that_does_not_fit_is_told_with_the_certificate(tmp_path: Path) -> None:
    """Missing or another's: either file may be the wrong one."""
    authority, chain, key = trustme.CA(), tmp_path / "chain.pem", tmp_path / "key.pem"
    authority.issue_cert("127.0.0.1").cert_chain_pems[0].write_to_path(chain)
    authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(key)
    alone = f"^ssl_certfile {chain} cannot be used: .* private key, unless ssl_keyfile has that"
    with pytest.raises(ConfigError, match=alone):
        Server(EchoEngine(), ServerConfig(ssl_certfile=chain))
    with pytest.raises(ConfigError, match=f"^ssl_certfile {chain} and ssl_keyfile {key} cannot"):
        Server(EchoEngine(), ServerConfig(ssl_certfile=chain, ssl_keyfile=key))


def test_it_speaks_tls(tmp_path: Path) -> None:
    """With a certificate the base URL is https, and a turn works."""
    authority = trustme.CA()
    certificate, trusted = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(trusted)
    with LocalServer(ssl_certfile=certificate, ssl_keyfile=certificate) as server:
        assert server.base_url.startswith("https://127.0.0.1:")
        # One thread reads and writes: a TLS socket shared by two may hang in some versions.
        options = {"ca_certs": str(trusted)}
        with closing(create_connection(to_ws(server.base_url), sslopt=options)) as ws:
            ws.send(CREATE)
            assert json.loads(ws.recv())["type"] == "response.created"


def test_a_peer_that_reads_nothing_does_not_hold_the_stop() -> None:
    """Its socket is cut once it has had the time to answer."""
    big = json.dumps({"type": "response.create", "model": "m", "input": "x" * 5_000_000})
    with LocalServer() as server, closing(create_connection(to_ws(server.base_url))) as ws:
        for _ in range(2):
            ws.send(big)
        thread = server._host._thread
        server.stop()
        assert not thread.is_alive()
        ws.shutdown()


def test_a_peer_that_takes_no_close_frame_is_cut_off() -> None:
    """After an unanswered ping the connection ends, even if what was written never leaves."""
    transport = StuckTransport()
    protocol = make_open_protocol(transport)
    protocol.keepalive_timeout()
    assert transport.calls == ["write", "close", "abort"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)]
)
def test_a_signal_ends_it_without_a_traceback(number: signal.Signals, status: int) -> None:
    """A shell sees 143 or 130; peers are sent away with 1001, and nothing is printed."""
    with start_process() as process:
        with connect(to_ws(process.stdout.readline().strip())) as ws:
            process.send_signal(number)
            with pytest.raises(ConnectionClosedOK) as caught:
                ws.recv()
        _, printed = process.communicate(timeout=20)
        assert (process.returncode, printed) == (status, "")
    assert caught.value.rcvd.code == 1001


def test_nothing_that_a_peer_does_prints_a_traceback() -> None:
    """Bad UTF-8, bad HTTP, a socket lost in a turn: a line at most."""
    with start_process("--delta-delay=60") as process:
        base_url = process.stdout.readline().strip()
        with connect(to_ws(base_url)) as ws, ws.protocol_mutex:
            ws.protocol.send_text(b"\xff")
            ws.send_data()
        with connect(to_ws(base_url)) as ws:
            ws.send(CREATE)
            ws.recv()
            ws.socket.shutdown(socket.SHUT_RDWR)
        for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET / HTTP/9\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port_of(base_url))) as raw:
                raw.sendall(nonsense)
                assert raw.recv(100)
        _, printed = process.communicate(timeout=20)
    assert "Traceback" not in printed
    assert "Invalid" in printed


def test_a_peer_that_reads_nothing_gets_no_pongs() -> None:
    """They would pile up without bound."""
    transport = StuckTransport()
    protocol = make_open_protocol(transport)
    protocol.writable.clear()
    protocol.handle_ping()
    assert transport.calls == []
    protocol.writable.set()
    protocol.handle_ping()
    assert transport.calls == ["write"]


def test_a_connection_that_ends_already_is_not_told_of_the_stop() -> None:
    """A second close frame would be an error, and the exit status with it."""
    transport = StuckTransport()
    protocol = make_open_protocol(transport)
    transport.is_closing = lambda: True
    protocol.shutdown()
    assert transport.calls == []


def test_what_is_being_closed_is_watched_to_its_end() -> None:
    """A peer that reads a little, and then nothing more, does not end the watch."""
    transport = StuckTransport()
    protocol = make_open_protocol(transport)
    transport.is_closing = lambda: True
    protocol.transport.stall.start()
    protocol.resume_writing()
    assert protocol.transport.stall.is_running
    transport.is_closing = lambda: False
    protocol.resume_writing()
    assert not protocol.transport.stall.is_running


def test_an_upgrade_behind_answers_that_nobody_reads_waits_for_its_reader() -> None:
    """asyncio has said that the transport is full, and does not say so again."""
    transport = StuckTransport()
    protocol = make_open_protocol(transport)
    protocol.transport.stall.start()
    protocol.connection_made(protocol.transport)
    assert not protocol.writable.is_set()
