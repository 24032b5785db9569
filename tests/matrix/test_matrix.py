"""Each cell through real sockets: the turn ends as the table says, and the next one is well."""

from __future__ import annotations

import os

import pytest

from tests.matrix.cells import Cell, possible_cells
from tests.matrix.stage import play
from tests.matrix.verdict import differences
from tests.support.responses_peer import wait_for


def descriptors() -> int:
    """Count the open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("cell", possible_cells(), ids=str)
def test_the_turn_ends_as_expected_and_the_next_one_is_well(
    cell: Cell, results: dict[Cell, bool]
) -> None:
    """Error, attempts, requests and partial answer are due ones; every answer is its own turn's."""
    before, results[cell] = descriptors(), False
    assert differences(cell, play(cell)) == []
    wait_for(lambda: descriptors() <= before, "the end of every socket")
    results[cell] = True
