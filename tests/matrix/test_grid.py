"""The grid shows what became of each cell, in whichever process its test ran."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.matrix.grid import CELL, Grid


def report(outcome: Literal["passed", "failed"], *cell: str) -> pytest.TestReport:
    """Make a report of one part of a test, as it comes back from another process."""
    properties = pytest.TestReport(
        *("tests/x.py::test_x", ("tests/x.py", 1, "test_x"), {}, outcome, None, "call"),
        user_properties=[(CELL, cell)] if cell else [],
    )
    data = properties._to_json()
    data["user_properties"] = [[name, list(value)] for name, value in data["user_properties"]]
    return pytest.TestReport._from_json(data)


def test_a_cell_is_well_if_every_part_of_its_test_is() -> None:
    """What its fixtures find at the end counts too; another test is no cell."""
    grid, good, bad = Grid(), ("cut", "sent", "create"), ("cut", "sent", "http")
    for outcome, cell in [("passed", good), ("passed", bad), ("failed", bad), ("passed", ())]:
        grid.pytest_runtest_logreport(report(outcome, *cell))  # type: ignore[arg-type]
    assert grid.results == {good: True, bad: False}


def test_a_cell_that_failed_stays_so() -> None:
    """Though the rest of its test was well."""
    grid, cell = Grid(), ("stall", "sent", "http")
    grid.pytest_runtest_logreport(report("failed", *cell))
    grid.pytest_runtest_logreport(report("passed", *cell))
    assert grid.results == {cell: False}
