"""The project's own description: what it asks for, what it offers, what the tests run."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyresponses_ws

ROOT = Path(__file__).resolve().parent.parent
SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(ROOT / "setup.cfg", "utf-8")
EXTRAS = SETUP["options.extras_require"]


def _requirements(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _names(text: str) -> set[str]:
    return {re.split(r"[\[<>=!~ ]", line)[0] for line in _requirements(text)}


def test_the_checkout_is_what_is_tested() -> None:
    """An installed copy, stale or not, must not be what turns green."""
    assert Path(pyresponses_ws.__file__).resolve().parent == ROOT / "pyresponses_ws"


def test_child_processes_run_the_checkout_too(tmp_path: Path) -> None:
    """From any folder, as the server in a process of its own is started."""
    program = "import pyresponses_ws; print(pyresponses_ws.__file__)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).resolve() == ROOT / "pyresponses_ws" / "__init__.py"


def test_three_dependencies() -> None:
    """The core stands on these; everything else is an extra."""
    needed = {"dataclasses-json", "requests", "websocket-client"}
    assert _names(SETUP["options"]["install_requires"]) == needed


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_requirements_have_a_lower_bound_only(extra: str) -> None:
    """An upper bound turns somebody's next upgrade into a conflict; a red test is ours to fix."""
    for requirement in _requirements(EXTRAS[extra]):
        assert re.fullmatch(r"[\w-]+(\[[\w,]+\]|>=[\d.]+)", requirement)


def test_extras_bring_what_they_promise() -> None:
    """One command installs all that the tests need, another all that the demo needs."""
    assert set(EXTRAS) == {
        *("fast", "otel", "server", "socks", "transformers"),
        *("test", "real", "dev"),
    }
    assert _names(EXTRAS["fast"]) == {"orjson"}
    assert _names(EXTRAS["otel"]) == {"opentelemetry-api"}
    assert _names(EXTRAS["real"]) == {"openai-agents", "pyresponses-ws", "transformers"}
    assert _names(EXTRAS["server"]) == {"PyYAML", "rich", "starlette", "uvicorn", "websockets"}
    assert _names(EXTRAS["socks"]) == {"python-socks"}
    assert _names(EXTRAS["transformers"]) == {"Pillow", "torch", "transformers"}
    assert "pyresponses-ws[fast,otel,server,socks]" in _requirements(EXTRAS["test"])
    assert "pyresponses-ws[test]" in _requirements(EXTRAS["dev"])


@pytest.mark.parametrize("group", ["console_scripts", "pytest11"])
def test_entry_points_exist(group: str) -> None:
    """Each names a module of ours, and what it takes from it."""
    (line,) = _requirements(SETUP["options.entry_points"][group])
    module, _, attribute = line.partition("=")[2].strip().partition(":")
    source = (ROOT / Path(*module.split("."))).with_suffix(".py").read_text("utf-8")
    assert f"def {attribute}" in source


def test_pyproject_holds_only_what_setup_cfg_cannot() -> None:
    """One place to look."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    tables = re.findall(r"^\[(?:tool\.)?([\w-]+)", text, re.MULTILINE)
    assert set(tables) == {"build-system", "ruff"}


def test_version_is_one() -> None:
    """The package, the distribution and the changelog speak of the same release."""
    version = pyresponses_ws.__version__
    assert SETUP["metadata"]["version"] == "attr: pyresponses_ws.version.__version__"
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_package_is_marked_as_typed() -> None:
    """Without the marker type checkers ignore every annotation."""
    assert (ROOT / "pyresponses_ws" / "py.typed").is_file()
    assert SETUP["options.package_data"]["pyresponses_ws"] == "py.typed"


def test_every_folder_of_modules_is_a_package() -> None:
    """A folder without __init__.py would be left out of the wheel."""
    folders = {file.parent for file in (ROOT / "pyresponses_ws").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_ci_script_is_runnable() -> None:
    """It is executable, and bash can parse it."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
