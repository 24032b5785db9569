"""The table of cells is whole: each is run, or says why it cannot be."""

from __future__ import annotations

import pytest

from pyresponses_ws._protocol.recovery import Budget, decide
from tests.matrix import cells
from tests.matrix.cells import (
    FAULTS,
    MODES,
    PHASES,
    RUNNING,
    Cell,
    all_cells,
    expected,
    possible_cells,
    reason_impossible,
)
from tests.matrix.verdict import LETTERS, render


def test_every_cell_is_run_or_has_its_reason() -> None:
    """No cell is both, none is neither, none is twice."""
    run = possible_cells()
    left = {cell: reason for cell in all_cells() if (reason := reason_impossible(cell))}
    assert len(set(run)) == len(run)
    assert set(run).isdisjoint(left)
    assert len(run) + len(left) == len(FAULTS) * len(PHASES) * len(MODES)
    assert all(len(reason.split()) >= 4 for reason in left.values())


def test_every_cell_that_is_run_has_an_outcome() -> None:
    """An answer needs no partial one; an error is an error."""
    for cell in possible_cells():
        outcome = expected(cell)
        assert outcome.error is None or issubclass(outcome.error, Exception)
        assert outcome.error is not None or not outcome.partial


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("phase", PHASES)
def test_no_phase_of_a_mode_is_left_out(phase: cells.Phase, mode: cells.Mode) -> None:
    """But the one that HTTP does not have."""
    run = [cell for cell in possible_cells() if (cell.phase, cell.mode) == (phase, mode)]
    assert bool(run) is (phase != "upgrade" or mode not in ("http", "http_stream"))


def test_no_fault_is_left_out() -> None:
    """Each is met in every mode that has words for it."""
    met = {(cell.fault, cell.mode) for cell in possible_cells()}
    missing = {(fault, mode) for fault in FAULTS for mode in MODES} - met
    spoken = {*cells.CLOSE_CODES, "too_old"}
    assert missing == {(fault, mode) for fault in spoken for mode in ("http", "http_stream")}


def test_what_was_seen_is_never_asked_for_twice() -> None:
    """Whatever the table says, no outcome breaks the first of its rules."""
    for cell in possible_cells():
        is_shown = cell.mode in ("stream", "http_stream") and cell.phase in RUNNING[2:]
        if is_shown:
            assert expected(cell).requests == 1, cell


def test_the_rows_of_the_table_about_lost_links_are_all_met() -> None:
    """And those about what a server says in the place of an answer."""
    running = [cell for cell in possible_cells() if cell.phase in RUNNING]
    situations = [
        cells._situation(cell, cells._details(cell)) for cell in running if cell.mode != "two_lanes"
    ]
    rows = {decide(each, Budget(), rng=cells.RNG).row for each in situations}
    about_losses = {"observed", "too_big", "refused", "lost", "delivery_unknown"}
    assert rows == about_losses | {"connection_limit", "overloaded", "other_error"}


def test_the_grid_shows_what_went_wrong() -> None:
    """By a capital; a square without a cell is a dot."""
    results = {Cell("cut", "sent", "create"): True, Cell("cut", "sent", "http"): False}
    (line,) = (line for line in render(results).splitlines() if line.startswith("cut"))
    assert line.split() == ["cut", ".", ".", ".", ".", "cH", *"......"]
    assert set(LETTERS) == set(MODES)
