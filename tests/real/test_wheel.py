"""What users install: the distributions build, are well formed, and work away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

#: Building and installing use the package index, so minutes are allowed and seconds expected.
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
#: Generated files; a stale build folder would be packed with the rest.
GENERATED = ("build", "dist", "*.egg-info", ".git", ".*_cache", "__pycache__", ".venv", "venv")


def _try(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without this checkout on its path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=580)


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; return what it printed."""
    done = _try(*command, cwd=cwd)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel and an sdist from a copy of the checkout; return their folder."""
    copy = tmp_path_factory.mktemp("build") / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*GENERATED))
    _run(sys.executable, "-m", "build", "--outdir", "dist", ".", cwd=copy)
    return copy / "dist"


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone, with the server extra, into a fresh environment; return its bin."""
    place = tmp_path_factory.mktemp("fresh")
    _run(sys.executable, "-m", "venv", "venv", cwd=place)
    (wheel,) = dist.glob("*.whl")
    python = place / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "-q", f"{wheel}[server]", "pytest", cwd=place)
    return python.parent


def test_twine_accepts_both_distributions(dist: Path) -> None:
    """The index would take them, and show the README."""
    out = _run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)
    assert out.count("PASSED") == 2


def test_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    """Tests and examples stay out; the marker of typed packages and the licence are in."""
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0].split("-")[0] for name in names}
    assert top == {"pyresponses_ws"}
    assert "pyresponses_ws/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)
    modules = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("pyresponses_ws/**/*.py")}
    assert modules == {name for name in names if name.endswith(".py")}


def test_sdist_can_run_its_own_tests(dist: Path) -> None:
    """Who repackages it finds the tests, their data, the examples and the changelog."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").rglob("*") if p.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    assert wanted | {"CHANGELOG.md", "LICENSE", "README.md", "examples/hello.py"} <= names


def test_wheel_alone_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    """One line after the install a conversation streams over one real WebSocket."""
    report = json.loads(_run(installed / "pyresponses-ws", "demo", "--json", cwd=tmp_path))
    turns = report["turns"]
    assert {turn["transport"] for turn in turns} == {"websocket"}
    assert [turn["reused_link"] for turn in turns] == [False] + [True] * (len(turns) - 1)
    assert sum(turn["tool_calls"] for turn in turns) >= 3
    assert sum(t["bytes_sent"] for t in turns) < sum(t["full_replay_bytes"] for t in turns)


def test_wheel_brings_its_pytest_fixtures(installed: Path, tmp_path: Path) -> None:
    """A user's test takes a client of the embedded server without any set-up."""
    (tmp_path / "test_mine.py").write_text(
        "def test_mine(responses_client):\n"
        "    response = responses_client.create(model='any', input='Hello')\n"
        "    assert response.output_text\n"
    )
    assert "1 passed" in _run(installed / "pytest", "-q", "-W", "error", cwd=tmp_path)


def test_wheel_without_the_extra_names_it(dist: Path, tmp_path: Path) -> None:
    """Who forgot the extra reads one line that says what to install."""
    _run(sys.executable, "-m", "venv", "bare", cwd=tmp_path)
    (wheel,) = dist.glob("*.whl")
    _run(tmp_path / "bare" / "bin" / "pip", "install", "-q", wheel, cwd=tmp_path)
    done = _try(tmp_path / "bare" / "bin" / "pyresponses-ws", "demo", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'pyresponses-ws[server]'" in done.stderr
