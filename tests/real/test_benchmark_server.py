"""The benchmark of the server runs, counts what it claims to count, and notices what goes wrong."""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.real

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
#: 20 idle connections that run a short turn each at the end, and 5 that stream.
SMALL = ("--idle", "20", "--streaming", "5", "--deltas", "30", "--every", "0.005")
ONCE = ("--runs", "1", "--hold", "0")
#: A turn: created, in_progress, item and part added, deltas, text, part and item done, completed.
EVENTS_BESIDE_DELTAS = 8


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Run a small comparison once; return its figures."""
    command = [sys.executable, str(FOLDER / "server.py"), *SMALL, *ONCE, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Import the benchmark as its own process would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("crowd", "bare", "server")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return {name: importlib.import_module(name) for name in names}


def test_every_text_comes_on_both_sides(report: dict[str, Any]) -> None:
    """Five turns stream and twenty idle connections answer afterwards; nothing fails."""
    sides = report["sides"]
    assert {name: side["texts"] for name, side in sides.items()} == {"ours": 25, "floor": 25}
    assert {name: side["failures"] for name, side in sides.items()} == {"ours": 0, "floor": 0}


def test_both_sides_send_the_same_events(report: dict[str, Any]) -> None:
    """The floor is a floor of this work: as many deltas, and as many events around them."""
    expected = (5 * 30, 5 * (30 + EVENTS_BESIDE_DELTAS))
    counted = {(side["deltas"], side["events"]) for side in report["sides"].values()}
    assert counted == {expected}


def test_idle_connections_hold_a_descriptor_and_no_thread(report: dict[str, Any]) -> None:
    """Only turns have threads; a connection that says nothing is a socket and some memory."""
    ours = report["sides"]["ours"]
    assert (ours["connection_descriptors"], ours["connection_threads"]) == (1, 0)


def test_a_lost_event_is_a_failure(modules: dict[str, ModuleType]) -> None:
    """A server that leaves one delta out has no figure, but a reason."""
    load = _load(modules)
    recordings = modules["server"].record(load)
    del recordings[30][10]
    with (
        modules["bare"].bare(recordings, clients=2, every=0.0, is_deflated=False) as (_, url),
        load.crowd(url) as command,
    ):
        command("ready", 2)
        reply = command("stream", 30)
    assert (reply["failures"], reply["texts"]) == (2, 0)
    assert all(reason.startswith("WrongAnswer: event 10 is") for reason in reply["reasons"])


def test_a_text_of_another_client_is_a_failure(modules: dict[str, ModuleType]) -> None:
    """A frame that went to the wrong connection shows, since each text names its client."""
    load, mark = _load(modules), modules["crowd"].mark
    recordings = modules["server"].record(load)
    recordings[3] = [frame.replace(mark(0), mark(7)) for frame in recordings[3]]
    with (
        modules["bare"].bare(recordings, clients=1, every=0.0, is_deflated=False) as (_, url),
        load.crowd(url) as command,
    ):
        command("idle", 1)
        reply = command("wake")
    assert reply["reasons"] == ["WrongAnswer: client 0 was told 'You said: n0007.0000'"]


def test_too_few_descriptors_are_said_beforehand(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the hard limit is too low, a sentence says so before anything starts."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 512))
    with pytest.raises(SystemExit, match=r"need 700 open files .* the hard limit is 512"):
        modules["server"].raise_descriptor_limit(700)


def _load(modules: dict[str, ModuleType]) -> Any:
    return modules["server"].Load(
        idle=1, streaming=2, deltas=30, every=0.0, hold=0.0, engine="echo", is_deflated=False
    )
