"""Prints the grid at the end of a run that has cells in it: a plugin of pytest.

What became of a cell travels with the report of its test, so that it arrives wherever the tests
run: in this process, or in those that pytest-xdist starts.
"""

from __future__ import annotations

from typing import Any

import pytest

#: The property of a test's report that names its cell.
CELL = "cell"


class Grid:
    """The results of one run."""

    def __init__(self) -> None:
        #: By fault, phase and mode, whether all was well.
        self.results: dict[Any, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the result of a cell: every part of its test must be well."""
        properties: list[tuple[str, Any]] = report.user_properties
        for name, value in properties:
            if name == CELL:
                cell = tuple(value)
                self.results[cell] = self.results.get(cell, True) and report.passed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Draw the grid."""
        if not self.results:
            return
        # Here, since every run loads this plugin, and few have a cell.
        from tests.matrix.cells import Cell
        from tests.matrix.verdict import render

        terminalreporter.section("fault matrix")
        results = {Cell(*cell): is_well for cell, is_well in self.results.items()}
        terminalreporter.write_line(render(results))


def pytest_configure(config: pytest.Config) -> None:
    """Begin with an empty grid."""
    config.pluginmanager.register(Grid())
