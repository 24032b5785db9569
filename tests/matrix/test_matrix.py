"""Each cell through real sockets: the turn ends as the table says, and the next one is well."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.matrix.cells import Cell, possible_cells
from tests.matrix.grid import CELL
from tests.matrix.stage import play
from tests.matrix.verdict import differences
from tests.support.responses_peer import wait_for


def descriptors() -> int:
    """Count the open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("cell", possible_cells(), ids=str)
def test_the_turn_ends_as_expected_and_the_next_one_is_well(
    cell: Cell, record_property: Callable[[str, object], None]
) -> None:
    """Error, attempts, requests and partial answer are due ones; every answer is its own turn's."""
    record_property(CELL, tuple(cell))
    before = descriptors()
    assert differences(cell, play(cell)) == []
    wait_for(lambda: descriptors() <= before, "the end of every socket")
