"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random

import pytest

from pyresponses_ws._protocol.backoff import Backoff


class TopOfRange(random.Random):
    """Draws the largest number."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_delays_double_and_then_end() -> None:
    """1, 2, 4, 8, 16 seconds, and no sixth try."""
    backoff = Backoff()
    delays = [backoff.next_delay(TopOfRange()) for _ in range(6)]
    assert delays == [1, 2, 4, 8, 16, None]
    assert backoff.attempts == 5


@pytest.mark.parametrize("seed", range(20))
def test_jitter_takes_a_quarter_at_most(seed: int) -> None:
    """No wait is longer than its delay."""
    delay = Backoff((8,)).next_delay(random.Random(seed))
    assert delay is not None
    assert 6.0 <= delay <= 8.0


def test_a_reset_starts_the_row_again() -> None:
    """The connection has proved good."""
    backoff = Backoff((3, 5), jitter=(1.0, 1.0))
    rng = random.Random(0)
    before = [backoff.next_delay(rng) for _ in range(3)]
    backoff.reset()
    assert (before, backoff.next_delay(rng), backoff.attempts) == ([3.0, 5.0, None], 3.0, 1)


def test_no_delays_mean_no_attempts() -> None:
    """Reconnecting is off."""
    assert Backoff(()).next_delay(random.Random(0)) is None
