"""The runtime keeps its promises over 5,000 turns, one thread at a time in any order."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation import seeds
from tests.simulation.runtime import Run

#: Together 5,000 turns and more, as those who are refused leave early; the plain tests run the
#: first fifth of them.
SEEDS, PLAIN, TURNS = 120, 24, 50


@pytest.mark.parametrize("seed", seeds(SEEDS, PLAIN))
def test_the_runtime_keeps_its_promises(seed: int) -> None:
    """One ending a turn, no reply shifted, nothing shown or run twice, no timer outlived.

    And at the end no thread, no socket and no byte is left.
    """
    run = Run(seed, TURNS)
    run.run()
    assert None not in run.outcomes()


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_a_seed_replays_exactly(seed: int) -> None:
    """Every step is the same, in the same order, and so is what comes of each turn."""
    first, second = Run(seed, 20), Run(seed, 20)
    first.run()
    second.run()
    assert first.scheduler.trace == second.scheduler.trace
    assert first.digest() == second.digest()


def test_a_seed_replays_in_another_process() -> None:
    """Where text has other hashes, too."""
    command = [sys.executable, "-m", "tests.simulation", "--seed", "3", "--turns", "20"]
    said = {_output(command, hash_seed) for hash_seed in ("1", "2")}
    assert len(said) == 1
    assert said.pop().strip()


def _output(command: list[str], hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=30
    ).stdout


def test_other_seeds_are_other_runs() -> None:
    """A fingerprint that never changes would prove nothing."""
    runs = [Run(seed, 10) for seed in range(3)]
    for run in runs:
        run.run()
    assert len({run.digest() for run in runs}) == len(runs)
