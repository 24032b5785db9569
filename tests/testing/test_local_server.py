"""The server that users start in their own tests."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from pyresponses_ws.errors import ConfigError, ConnectError, UsageError
from pyresponses_ws.server.engines.echo import EchoEngine
from pyresponses_ws.testing import LocalServer
from tests.support.deadlines import at_most


def ask(server: LocalServer, key: str = "test") -> requests.Response:
    """Post a create."""
    body = {"model": "m", "input": "hi"}
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{server.base_url}/responses", json=body, headers=headers, timeout=30)


def is_running(pid: int) -> bool:
    """Say whether a process that is not our child runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("process", [False, True])
def test_it_answers_in_a_thread_and_in_a_process(process: bool) -> None:
    """The same server either way; it has a process of its own only in the second."""
    with LocalServer(process=process) as server:
        assert ask(server).json()["output"][0]["content"][0]["text"] == "You said: hi"
        assert (server.pid is not None) is process
        assert server.base_url == f"http://127.0.0.1:{server.port}/v1"


@pytest.mark.parametrize("process", [False, True])
def test_it_starts_again_and_stops_twice(process: bool) -> None:
    """``start`` and ``stop`` may be repeated; a stopped one has no address."""
    server = LocalServer(process=process)
    for _ in range(2):
        assert server.start().start() is server
        assert ask(server).ok
        server.stop()
        server.stop()
        with pytest.raises(UsageError, match="not running"):
            _ = server.base_url


def test_nothing_is_left_of_a_thread_server() -> None:
    """Its threads end with it, those of running turns included."""
    before = set(threading.enumerate())
    with LocalServer(delta_delay=60) as server:
        url, body = f"{server.base_url}/responses", {"model": "m", "input": "hi", "stream": True}
        with requests.post(url, json=body, stream=True, timeout=30) as reply:
            assert next(reply.iter_lines()) == b"event: response.created"
            server.stop()
    assert set(threading.enumerate()) <= before


def test_nothing_is_left_of_a_process_server() -> None:
    """Its process is gone after ``stop``, and so is the thread that read its log."""
    before = set(threading.enumerate())
    with LocalServer(process=True) as server:
        pid = server.pid
    assert pid is not None
    assert not is_running(pid)
    assert set(threading.enumerate()) <= before


def test_a_process_server_ends_with_its_parent() -> None:
    """Even if the parent is killed: the server sees its pipe end, and sends its peers away."""
    code = (
        "import sys; from pyresponses_ws.testing import LocalServer;"
        "print(LocalServer(process=True).start().base_url, flush=True); sys.stdin.read()"
    )
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip().replace("http", "ws", 1) + "/responses"
        with connect(url) as ws:
            parent.kill()
            with pytest.raises(ConnectionClosedOK, match="1001"):
                ws.recv()


def test_keys_are_asked_for_in_both_modes() -> None:
    """They travel to a process by its environment, not by its command line."""
    for process in (False, True):
        with LocalServer(process=process, api_keys="right") as server:
            assert [ask(server, key).status_code for key in ("right", "wrong")] == [200, 401]


@pytest.mark.parametrize("process", [False, True])
def test_its_options_are_those_of_the_command(process: bool) -> None:
    """Limits, names and rates hold in both modes."""
    options = {"max_message_bytes": 100, "allowed_hosts": ["box.lan"], "requests_per_second": 9.5}
    with LocalServer(process=process, cors_origins=["http://a.lan"], **options) as server:
        url = f"{server.base_url}/models"
        page = {"Host": "box.lan", "Origin": "http://a.lan"}
        assert requests.get(url, headers=page, timeout=30).status_code == 200
        large = requests.post(f"{server.base_url}/responses", json={"x": "x" * 100}, timeout=30)
        assert large.status_code == 413


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("name", ["max_turns", "max_connections", "connection_minutes"])
def test_options_that_cannot_work_are_config_errors(name: str, process: bool) -> None:
    """Before any process is started; the option is named as it was written."""
    server = LocalServer(process=process, **{name: 0})
    with pytest.raises(ConfigError, match=f"^{name} must be"):
        server.start()


@pytest.mark.parametrize("process", [False, True])
def test_a_stop_waits_for_no_turn(process: bool) -> None:
    """However long the grace is that a signal would give."""
    with LocalServer(process=process, delta_delay=60, grace=3600) as server:
        url = server.base_url.replace("http", "ws", 1) + "/responses"
        with connect(url) as ws:
            ws.send('{"type": "response.create", "model": "m", "input": "hi"}')
            assert "response.created" in str(ws.recv())
            with at_most(5):
                server.stop()


def test_an_engine_of_ones_own_runs_in_a_thread_only() -> None:
    """An object cannot travel to another process."""
    with LocalServer(EchoEngine()) as server:
        assert ask(server).ok
    with pytest.raises(ConfigError, match="name of an engine"):
        LocalServer(EchoEngine(), process=True)


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("gpt", "unknown engine 'gpt'; known: 'echo', 'script:FILE', "),
        ("script:none.yaml", "cannot read the script none.yaml: "),
    ],
)
def test_options_that_cannot_work_are_told_by_start(engine: str, line: str, process: bool) -> None:
    """Wherever the server runs, by the same error and words."""
    with pytest.raises(ConfigError, match=f"^{line}"):
        LocalServer(engine, process=process).start()


def test_a_process_that_dies_at_its_start_is_told_with_what_it_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That is no fault of an option."""
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('no room')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConnectError, match=r"did not start: .*no room"):
        LocalServer(process=True).start()


def test_a_process_that_dies_is_stopped_like_any_other() -> None:
    """``stop`` neither raises nor waits."""
    with LocalServer(process=True) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pyresponses-ws\[server\]'"):
        LocalServer().start()


def test_a_fork_that_holds_its_pipe_does_not_hold_its_stop() -> None:
    """A child of ours inherits the pipe whose end stops the server."""
    with LocalServer(process=True) as server:
        process = server._host._process
        held = os.dup(process.stdin.fileno())
        server.stop()
        os.close(held)
    assert process.returncode == 0
