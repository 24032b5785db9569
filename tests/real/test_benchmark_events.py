"""The benchmark of one event runs, compares what it claims to compare, and shows both sides."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.real

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SIDES = {"ours, orjson", "ours, stdlib json", "openai", "floor"}


def _run(*options: str) -> str:
    """Run a small comparison; return what it printed."""
    command = [sys.executable, str(FOLDER / "events.py"), "--events", "300", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the benchmark as its own process would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("blaster", "events"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("events")


def test_every_side_receives_every_text_in_every_run() -> None:
    """All four sides ran twice, each in its process, and each text was the one that was sent."""
    report = json.loads(_run("--runs", "2", "--json"))
    assert {name: side["texts"] for name, side in report["sides"].items()} == dict.fromkeys(
        SIDES, 600
    )
    assert {len(side["cpu_us_of_each_run"]) for side in report["sides"].values()} == {2}


def test_both_sides_and_their_ratio_are_printed() -> None:
    """A reader sees what was compared, at which versions, and what is divided by what."""
    lines = _run("--runs", "1").splitlines()
    starts = [line[:32].strip() for line in lines]
    assert {"openai / ours, orjson", "openai / ours, stdlib json"} <= set(starts)
    assert all(sum(line.startswith(side) for line in lines) >= 1 for side in SIDES)
    assert "openai 3." in lines[0]


def test_a_wrong_text_ends_the_benchmark(events: ModuleType) -> None:
    """A side that loses or swaps a delta has no figure."""
    swapped = [events.delta_text(index) for index in (1, 0, 2)]
    events.SIDES["openai"] = lambda port: lambda deltas: swapped
    with pytest.raises(SystemExit, match="openai: the texts differ"):
        events.measure("openai", 0, 3)


def test_side_without_orjson_reads_by_the_standard_library() -> None:
    """The fallback is what is measured, and not the fast path under another name."""
    script = (
        "import events, blaster\n"
        "with blaster.blaster(3) as port: assert len(events.ours_without_orjson(port)(3)) == 3\n"
        "from pyresponses_ws import codec\n"
        "assert codec.loads is codec.loads_json\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=FOLDER, check=True, timeout=50)


def test_deltas_have_the_size_that_is_announced(events: ModuleType) -> None:
    """Whatever the index, the JSON of a delta has the same length."""
    _, body, _ = importlib.import_module("blaster").build_turn(2_000)
    start = b"\x81\x7e\x00" + bytes((events.DELTA_BYTES,))
    assert body.count(start + b'{"type":"response.output_text.delta"') == 2_000
