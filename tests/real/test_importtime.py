"""What importing the package costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.real

#: Packages that most programs do without, so that the import must not pay for them.
HEAVY = {"asyncio", "django", "openai", "pydantic", "rich", "starlette", "uvicorn", "yaml"}


def _imported(statement: str) -> dict[str, int]:
    """Run a statement in a fresh process; return each module with its own microseconds."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()]
    return {
        row[2].strip(): int(row[0]) for row in rows if len(row) == 3 and row[0].strip().isdigit()
    }


@pytest.mark.parametrize("names", ["", "ResponsesClient, parse_event, ResponseCompletedEvent"])
def test_import_loads_nothing_heavy(names: str) -> None:
    """Neither the package nor its client pulls in a server, a table or a web framework."""
    statement = f"from pyresponses_ws import {names}" if names else "import pyresponses_ws"
    modules = _imported(statement)
    assert "pyresponses_ws" in modules
    assert {name.split(".")[0] for name in modules} & HEAVY == set()
