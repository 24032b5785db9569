"""``pyresponses-ws demo``: the embedded server, one real WebSocket, real tools."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws.cli.folder import ENTRY_LIMIT
from pyresponses_ws.cli.main import main

Turns = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["demo", "--json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def _leave_empty(folder: Path) -> None:
    """The demo needs no file at all."""


def _add_text(folder: Path) -> None:
    (folder / "README.md").write_text("# Title\nSome sentence with words.\n")


def _add_closed(folder: Path) -> None:
    _add_text(folder)
    (folder / "README.md").chmod(0)


def _add_odd(folder: Path) -> None:
    (folder / 'quo"te').write_bytes(b"\0binary")
    (folder / "search text.txt").write_text("read file search text\n")
    (folder / "\N{SNOWMAN}\n").mkdir()
    (folder / "loop").symlink_to("loop")


def _add_thousands(folder: Path) -> None:
    for number in range(ENTRY_LIMIT + 100):
        (folder / f"{number}.txt").touch()


@pytest.mark.parametrize("fill", [_leave_empty, _add_text, _add_closed, _add_odd, _add_thousands])
def test_every_turn_is_incremental_on_one_link(
    fill: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever folder it runs in: one WebSocket, three tools, fewer bytes than the replay."""
    fill(folder)
    report = _run_json(capsys)
    turns: Turns = report["turns"]
    assert {turn["transport"] for turn in turns} == {"websocket"}
    assert [turn["reused_link"] for turn in turns] == [False] + [True] * (len(turns) - 1)
    assert [turn["tool_calls"] for turn in turns] == [1, 0, 1, 0, 1, 0, 0, 0]
    assert all(turn["bytes_sent"] < turn["full_replay_bytes"] for turn in turns[1:])
    assert all(turn["events"] > 0 for turn in turns)


def test_totals_add_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script need not add."""
    report = _run_json(capsys)
    totals, turns = report["totals"], report["turns"]
    assert totals["turns"] == len(turns)
    for name in ("bytes_sent", "full_replay_bytes", "events", "tool_calls", "total_tokens"):
        assert totals[name] == sum(turn[name] for turn in turns) > 0


def test_tools_really_ran(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What they found is quoted by the answers, and the table closes the show."""
    _add_text(folder)
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert "Some sentence with words." in captured.out
    assert "README.md:1: # Title" in captured.out
    assert "times fewer than" in captured.out
    assert 'tool: search_text {"query":"Title","path":"."}' in captured.err


def test_text_and_progress_part_ways(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets the answers; the person at the terminal sees who asked what."""
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert "user: " not in captured.out
    assert captured.err.startswith("embedded server: http://127.0.0.1:")
    assert captured.err.count("user: ") == 5


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what is missing and what installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rich" else name)
    assert main(["demo"]) == 1
    err = capsys.readouterr().err
    assert err == "pyresponses-ws: the demo needs rich: pip install 'pyresponses-ws[server]'\n"


def test_a_folder_that_is_gone_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody deleted the folder that the shell stands in."""
    folder.rmdir()
    assert main(["demo"]) == 1
    assert capsys.readouterr().err.startswith("pyresponses-ws: the current folder is gone")


def test_interrupt_in_the_middle_of_a_turn(folder: Path) -> None:
    """Ctrl-C while an answer streams ends client and server, with 130 and no traceback."""
    program = (
        "import signal, sys, threading\n"
        "from pyresponses_ws.cli import main, tour\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def show(self, text):\n"
        "    print('streaming', flush=True)\n"
        "    threading.Event().wait()\n"
        "tour.Screen.show = show\n"
        "sys.exit(main.main(['demo']))\n"
    )
    command = [sys.executable, "-c", program]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "streaming\n"
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert err.endswith("\ninterrupted\n")
    assert "Traceback" not in err
