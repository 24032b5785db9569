"""Exit statuses and what goes to stderr."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pytest

from pyresponses_ws.cli import demo
from pyresponses_ws.cli.main import main
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.version import __version__


def _make_demo_raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(demo, "run", run)


@pytest.mark.parametrize(
    "argv",
    [
        *([], ["dance"], ["demo", "--jason"], ["demo", "extra"]),
        # A prefix that means one option today may mean another tomorrow.
        *(["--vers"], ["demo", "--js"], ["serve", "--max-t", "5"]),
    ],
)
def test_wrong_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage goes to stderr, so that a script's stdout stays clean."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    captured = capsys.readouterr()
    assert caught.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("usage: pyresponses-ws")


@pytest.mark.parametrize("argv", [["--help"], ["demo", "--help"]])
def test_help_is_status_0(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The program and each command explain themselves on stdout."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert "usage: pyresponses-ws" in capsys.readouterr().out


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """One number, from one place."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    "error", [ConnectError("no server at example"), FileNotFoundError(2, "No such file", "gone")]
)
def test_a_failure_is_status_1_and_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors of ours and of the system are told without a traceback."""
    _make_demo_raise(monkeypatch, error)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == f"pyresponses-ws: {error}\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw must not shrink to one line."""
    _make_demo_raise(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["demo"])


def test_interrupt_is_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends the program as shells expect."""
    _make_demo_raise(monkeypatch, KeyboardInterrupt())
    assert main(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_leaves_is_status_1_without_a_word() -> None:
    """``pyresponses-ws demo | head -1`` ends quietly."""
    program = (
        "import os, sys\n"
        "from pyresponses_ws.cli import demo, main\n"
        "demo.run = lambda args: print('x' * 100_000) or 0\n"
        "sys.stdin.read()\n"
        "sys.exit(main.main(['demo']))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        child.stdout.close()
        _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (1, b"")


def test_a_narrow_encoding_gets_question_marks() -> None:
    """A terminal that lacks a character is no reason to fail."""
    program = (
        "import sys\n"
        "from pyresponses_ws.cli import demo, main\n"
        "demo.run = lambda args: print('caf\\u00e9') or 0\n"
        "sys.exit(main.main(['demo']))\n"
    )
    command = [sys.executable, "-X", "utf8=0", "-c", program]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"caf?\n")
