"""Prints the grid at the end of a run that has cells in it."""

from __future__ import annotations

import pytest

from tests.matrix.cells import Cell
from tests.matrix.verdict import render

RESULTS = pytest.StashKey[dict[Cell, bool]]()


@pytest.fixture
def results(request: pytest.FixtureRequest) -> dict[Cell, bool]:
    """What became of each cell that was run; written by the tests."""
    return request.config.stash.setdefault(RESULTS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Draw the grid."""
    found = terminalreporter.config.stash.get(RESULTS, {})
    if found:
        terminalreporter.section("fault matrix")
        terminalreporter.write_line(render(found))
