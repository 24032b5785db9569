"""The server as users start it, with a model of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pyresponses_ws import ResponsesClient
from tests.real.models.conversations import FOLDER, GREETING, HELLO, MODEL

pytestmark = pytest.mark.real

#: What the installed ``pyresponses-ws`` runs, from the checkout.
_COMMAND = "import sys; from pyresponses_ws.cli.main import main; sys.exit(main())"
#: Seconds for a process to load its model, and to end; generous, for a loaded machine.
PATIENCE = 60.0


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start the command with the rest of its line; none outlives the test."""
    processes = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _COMMAND, "serve", "--port", "0", *options]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def read_url(process: subprocess.Popen[str]) -> str:
    """Wait for the ready line; return the URL in it."""
    assert process.stdout is not None
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    watchdog.join()
    assert line.startswith("listening on "), process.communicate()
    return line.removeprefix("listening on ").strip()


def test_it_serves_a_model_until_interrupted(serve: Any) -> None:
    """Ready when it says so; at Ctrl-C it ends with 130, having logged nothing."""
    process = serve("--engine", f"transformers:{FOLDER}")
    url = read_url(process)
    assert requests.get(f"{url}/models", timeout=PATIENCE).json()["data"][0]["id"] == MODEL
    with ResponsesClient("any", base_url=url) as client:
        assert client.create(model=MODEL, input=HELLO).output_text == GREETING
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "\ninterrupted\n")


@pytest.mark.parametrize("name", ["no-such-folder", "data"])
def test_what_is_no_model_is_said_in_one_line(serve: Any, name: str) -> None:
    """A folder that is missing, or that holds none, is named; the status is that of wrong usage."""
    folder = Path(__file__).with_name(name) if name != "data" else FOLDER.parent
    process = serve("--engine", f"transformers:{folder}")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("pyresponses-ws: ")
    assert str(folder) in err
