"""The pure core keeps its promises over 100,000 turns of random faults."""

from __future__ import annotations

import pytest

from tests.simulation import seeds
from tests.simulation.core import World

#: Together 100,000 turns; the plain tests run the first 20,000 of them.
SEEDS, PLAIN, TURNS = 50, 10, 2_000


@pytest.mark.parametrize("seed", seeds(SEEDS, PLAIN))
def test_the_core_keeps_its_promises(seed: int) -> None:
    """One ending a turn, no reply shifted, nothing shown or run twice, no timer outlived."""
    world = World(seed, TURNS)
    world.run()
    assert world.outcomes["completed"] > TURNS / 4
