"""One real model behind three servers: ours, the one of transformers, and ours in front of that."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from pyresponses_ws.testing import LocalServer
from tests.real.models.conversations import FOLDER, MODEL
from tests.real.models.passes import Passes

# For a model of this size a second thread only waits for the first; on a busy machine the two take
# turns, and one token takes as long as a hundred. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

#: Seconds for the server of transformers to load and listen, and for it to end after SIGTERM; it
#: takes five and one. Together with its first test it must fit into the time of one.
_START_PATIENCE, _END_PATIENCE = 50, 20
#: Seconds between two looks whether it listens.
_LOOK = 0.2


@pytest.fixture(scope="session")
def local_model() -> Iterator[LocalServer]:
    """Serve the model from this process; it is loaded once for all tests."""
    with LocalServer(engine=f"transformers:{FOLDER}") as server:
        yield server


@pytest.fixture(scope="session")
def transformers_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server of the transformers package on the same model; give its base URL.

    Started beside the folder, it knows the model by the folder's name, and by no other.
    """
    folder = tmp_path_factory.mktemp("transformers-serve")
    port = _unused_port()
    url = f"http://127.0.0.1:{port}"
    options = ("serve", MODEL, "--host", "127.0.0.1", "--port", str(port))
    with _running([str(_program()), *options], folder) as process:
        _wait_until_healthy(url, process)
        assert process.poll() is None, (folder / "log").read_text("utf-8")
        yield f"{url}/v1"


@pytest.fixture
def passes() -> Iterator[Passes]:
    """Count the passes through every model."""
    with Passes() as counting:
        yield counting


def _program() -> Path:
    """Return the program ``transformers`` of this environment."""
    program = Path(sys.executable).with_name("transformers")
    if not program.exists():
        pytest.fail("transformers is missing: pip install '.[test,real,transformers]'")
    return program


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=FOLDER.parent, env=_environment(folder), stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_END_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(folder: Path) -> dict[str, str]:
    """Return ours without proxies, and with what keeps the hub and its counters out.

    The list of models comes from the cache of the hub, which must be there, empty or not.
    """
    (folder / "hub").mkdir()
    ours = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    return {**ours, **offline, "HF_HOME": str(folder)}


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once it answers, or has ended."""
    pause = threading.Event()
    for _ in range(int(_START_PATIENCE / _LOOK)):
        if process.poll() is not None or _is_healthy(url):
            return
        pause.wait(_LOOK)
    pytest.fail(f"transformers serve did not listen within {_START_PATIENCE} s")


def _is_healthy(url: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"{url}/health", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def upstream(transformers_serve: str) -> Iterator[LocalServer]:
    """Stand in front of the server of transformers."""
    with LocalServer(engine=f"upstream:{transformers_serve}") as server:
        yield server


@pytest.fixture(scope="session", params=["local_model", "upstream"])
def server(request: pytest.FixtureRequest) -> LocalServer:
    """Give each test both ways to the model."""
    found: LocalServer = request.getfixturevalue(request.param)
    return found
