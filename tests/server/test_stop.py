"""How a server process ends: SIGTERM in the middle of turns, and the same on stock uvicorn."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

OURS = "import sys; from pyresponses_ws.server.__main__ import main; sys.exit(main(sys.argv[1:]))"
STOCK = """
import socket, uvicorn
from pyresponses_ws.server.app import ServerApp
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.engines.echo import EchoEngine
app = ServerApp(EchoEngine(delta_delay=0.05), ServerConfig())
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
uvicorn.Server(uvicorn.Config(app.asgi, log_config=None, lifespan="off")).run([listener])
"""


class ServerProcess:
    """A server process, and the sockets that a test opens to it."""

    def __init__(self, process: subprocess.Popen[str], stack: ExitStack) -> None:
        self.process = process
        self._stack = stack
        assert process.stdout is not None
        self._url = process.stdout.readline().strip().replace("http", "ws", 1) + "/responses"

    def start_turn(self, words: int) -> ClientConnection:
        """Open a socket and start a turn of so many words, 50 ms each; it runs."""
        ws = self._stack.enter_context(connect(self._url))
        send_create(ws, "word " * words)
        assert json.loads(ws.recv())["type"] == "response.created"
        return ws


def send_create(ws: ClientConnection, text: str) -> None:
    """Send a create."""
    ws.send(json.dumps({"type": "response.create", "model": "m", "input": text}))


def wait_for_refusal(ws: ClientConnection) -> dict[str, Any]:
    """Ask until the server, which has got its signal, refuses; return the error frame."""
    while True:
        send_create(ws, "word")
        while (frame := json.loads(ws.recv(timeout=30)))["type"] != "response.completed":
            if frame["type"] == "error":
                return dict(frame)


def read_to_end(ws: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """Return the frames until the close, and its code."""
    frames = []
    try:
        while True:
            frames.append(json.loads(ws.recv(timeout=30)))
    except ConnectionClosed as closed:
        return frames, closed.rcvd.code if closed.rcvd else None


@contextmanager
def start(program: str, *options: str) -> Iterator[ServerProcess]:
    """Run a server whose engine takes 50 ms a word."""
    command = [sys.executable, "-c", program, "--delta-delay=0.05", *options]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process,
        ExitStack() as stack,
    ):
        try:
            yield ServerProcess(process, stack)
        finally:
            process.kill()


@pytest.mark.parametrize(("program", "is_ours"), [(OURS, True), (STOCK, False)])
def test_sigterm_lets_running_turns_finish(program: str, is_ours: bool) -> None:
    """Ten turns on ten sockets end as they should, then come 1001 and 143; stock cuts them."""
    with start(program) as server:
        sockets = [server.start_turn(words=20) for _ in range(10)]
        server.process.terminate()
        ends = [read_to_end(ws) for ws in sockets]
        status = server.process.wait(20)
        printed = server.process.stderr.read()
    completed = [frames[-1]["type"] == "response.completed" for frames, _ in ends if frames]
    assert (all(completed) and len(completed) == 10) is is_ours
    assert {code for _, code in ends} == {1001 if is_ours else 1012}
    if is_ours:
        assert (status, printed) == (-signal.SIGTERM, "")


def test_a_create_during_the_grace_is_refused() -> None:
    """With a 503 on the open socket, which then waits for its own turn, and for 1001."""
    with start(OURS) as server:
        busy, idle = server.start_turn(words=30), server.start_turn(words=1)
        server.process.terminate()
        assert wait_for_refusal(idle)["status"] == 503
        frames, code = read_to_end(busy)
        assert (frames[-1]["type"], code) == ("response.completed", 1001)
        assert read_to_end(idle)[1] == 1001


def test_a_turn_longer_than_the_grace_is_cut() -> None:
    """Its socket gets 1001 all the same, and the process ends with 143."""
    with start(OURS, "--grace=0.2") as server:
        ws = server.start_turn(words=2000)
        server.process.terminate()
        frames, code = read_to_end(ws)
        assert (code, server.process.wait(20)) == (1001, -signal.SIGTERM)
    assert "response.completed" not in [frame["type"] for frame in frames]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(second: signal.Signals) -> None:
    """However long the grace is; no traceback is printed."""
    with start(OURS, "--grace=3600") as server:
        server.start_turn(words=2000)
        idle = server.start_turn(words=1)
        server.process.terminate()
        assert wait_for_refusal(idle)
        server.process.send_signal(second)
        assert server.process.wait(10) in (-signal.SIGTERM, 130)
        assert server.process.stderr.read() == ""


def test_the_end_of_stdin_waits_for_no_turn() -> None:
    """Whoever started it is gone, or stops it from a test."""
    with start(OURS, "--grace=3600") as server:
        ws = server.start_turn(words=2000)
        server.process.stdin.close()
        assert read_to_end(ws)[1] == 1001
        assert server.process.wait(10) == 0
