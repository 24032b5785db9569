"""Runs programs of Node.js that use the npm packages ``openai`` and ``ws``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

#: The majors that these programs are written for. openai 7 says that it needs Node 22; it runs on
#: 20 too, where npm, left to choose, would take the last openai 6.
_PACKAGES = ("openai@7", "ws@8")
_OLDEST_NODE = 20
#: Seconds for npm to fetch two packages that have no dependencies, and for a program to end.
_INSTALL_TIMEOUT = 120
_PROGRAM_TIMEOUT = 50


def install_packages(folder: Path) -> None:
    """Install the packages into ``folder``, or fail the test. No script of theirs runs."""
    _check_node()
    (folder / "package.json").write_text('{"private": true}')
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
    done = subprocess.run(
        [_program("npm"), "install", *options, *_PACKAGES],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT,
    )
    if done.returncode != 0:
        pytest.fail(f"npm could not install {' and '.join(_PACKAGES)}: {done.stderr}")


class NodePrograms:
    """The programs in ``folder``, which talk to the server at ``base_url``."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._folder = folder
        self._environment = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "test"}

    def run(self, name: str) -> list[dict[str, Any]]:
        """Run ``name``.mjs to its end; return the objects it printed, one a line."""
        done = subprocess.run(
            [_program("node"), f"{name}.mjs"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_PROGRAM_TIMEOUT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def _check_node() -> None:
    version = subprocess.run([_program("node"), "--version"], capture_output=True, text=True)
    found = re.match(r"v(\d+)\.", version.stdout)
    if found is None or int(found[1]) < _OLDEST_NODE:
        pytest.fail(f"these tests need Node.js {_OLDEST_NODE} or newer, not {version.stdout!r}")


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"these tests need Node.js {_OLDEST_NODE} or newer with npm: no {name} on PATH")
    return path
