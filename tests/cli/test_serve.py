"""``pyresponses-ws serve`` as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import requests

PROGRAM = "import sys; from pyresponses_ws.cli.main import main; sys.exit(main())"


@contextmanager
def start(*options: str, program: str = PROGRAM) -> Iterator[subprocess.Popen[str]]:
    """Run the command at a free port."""
    command = [sys.executable, "-c", program, "serve", "--port=0", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def read_url(process: subprocess.Popen[str]) -> str:
    """Wait for the ready line and return its URL."""
    line = process.stdout.readline() if process.stdout else ""
    found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+/v1)\n", line)
    assert found is not None
    return found[1]


def ask(url: str, headers: Mapping[str, str] | None = None) -> int:
    """Send a create and return the status."""
    body = {"model": "m", "input": "hi"}
    return requests.post(f"{url}/responses", json=body, headers=headers, timeout=30).status_code


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGTERM, -signal.SIGTERM, ""), (signal.SIGINT, 130, "\ninterrupted\n")],
)
def test_it_says_when_it_listens_and_ends_by_a_signal(
    number: signal.Signals, status: int, said: str
) -> None:
    """One line on stdout, no traceback, and the status that shells know: 143 or 130."""
    with start() as process:
        assert ask(read_url(process)) == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (status, "", said)


def test_a_process_that_ignores_the_signal_ends_with_its_status() -> None:
    """As the first process of a container does."""
    program = f"import signal; signal.signal(signal.SIGTERM, lambda *_: None); {PROGRAM}"
    with start(program=program) as process:
        assert ask(read_url(process)) == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 143


def test_its_log_holds_no_key() -> None:
    """At no level, neither the server's keys nor those that clients try."""
    with start("--api-key=sk-right", "--log-level=debug") as process:
        url = read_url(process)
        keys = ("sk-right", "sk-wrong")
        assert [ask(url, {"Authorization": f"Bearer {key}"}) for key in keys] == [200, 401]
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert "POST /v1/responses" in log
    assert "sk-" not in log


def test_a_bad_option_is_status_2_and_one_line() -> None:
    """Nothing is on stdout, so that a script that waits for the URL is not misled."""
    with start("--max-connections=none") as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err == "pyresponses-ws: --max-connections must be a whole number, not 'none'\n"
