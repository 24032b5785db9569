"""One server process, started as users start it, and what clients of others need."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.real.clients.node_programs import NodePrograms, install_packages
from tests.real.clients.recorder import Recorder

#: What the installed ``pyresponses-ws`` runs, from the checkout.
_COMMAND = "import sys; from pyresponses_ws.cli.main import main; sys.exit(main())"
_READY = re.compile(r"listening on (http://127\.0\.0\.1:\d+/v1)\n")
#: Seconds for the process to listen, and to end after SIGTERM; generous, for a loaded machine.
_PATIENCE = 60.0
#: 128 + SIGTERM: a server that was asked to end.
_TERMINATED = (143, -15)


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run ``pyresponses-ws serve`` for all clients; afterwards its log must show no traceback."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "serve", "--engine", "echo", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        with process:
            yield _read_url(process, log)
            process.terminate()
            status = process.wait(_PATIENCE)
    assert status in _TERMINATED, log.read_text()
    assert "Traceback" not in log.read_text()


def _read_url(process: subprocess.Popen[str], log: Path) -> str:
    """Wait for the ready line; kill a process that prints another, or none."""
    assert process.stdout is not None
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    watchdog.join()
    ready = _READY.fullmatch(line)
    if ready is None:
        process.kill()
        process.wait()
        pytest.fail(f"not a ready line: {line!r}; the log: {log.read_text()}")
    return ready[1]


@pytest.fixture
def recorder(base_url: str) -> Iterator[Recorder]:
    """Put a relay before the server that keeps every command it passes on."""
    with Recorder(base_url) as started:
        yield started


@pytest.fixture(scope="session")
def agents() -> ModuleType:
    """Import openai-agents with its tracing off, which would call the internet."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    try:
        module = importlib.import_module("agents")
    except ImportError as exc:
        pytest.fail(f"openai-agents is missing ({exc}): pip install '.[test,real]'")
    module.set_tracing_disabled(True)
    return module


@pytest.fixture(scope="session")
def _programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the npm packages beside a copy of our programs; return that folder."""
    folder = tmp_path_factory.mktemp("node")
    for program in Path(__file__).with_name("node").glob("*.mjs"):
        shutil.copy(program, folder)
    install_packages(folder)
    return folder


@pytest.fixture
def run_node(_programs: Path, base_url: str) -> Callable[[str], list[dict[str, Any]]]:
    """Return what runs one program and returns the JSON lines that it printed."""
    return NodePrograms(_programs, base_url).run
