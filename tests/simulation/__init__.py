"""Random faults, schedules and callers, replayed exactly by a seed; see docs/simulation.md."""

from __future__ import annotations

import pytest


def seeds(count: int, plain: int) -> list[object]:
    """Return so many seeds; those beyond ``plain`` run with the slow tests, marked ``real``."""
    slow = [pytest.param(seed, marks=pytest.mark.real) for seed in range(plain, count)]
    return [*range(plain), *slow]
