"""How many creates a second one owner may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws.server.core.rate import RateLimiter


def take_all(limiter: RateLimiter, now: float, owner: str = "a") -> int:
    """Take tokens until there are none; return how many there were."""
    taken = 0
    while limiter.take(owner, now) is None:
        taken += 1
    return taken


def test_without_a_rate_everything_passes() -> None:
    """And nobody is remembered."""
    limiter = RateLimiter(None)
    assert [limiter.take("a", 0.0) for _ in range(1000)] == [None] * 1000
    assert len(limiter) == 0


@pytest.mark.parametrize(("rate", "burst"), [(10.0, 10), (1.0, 1), (0.5, 1), (0.001, 1), (2.5, 2)])
def test_an_idle_owner_has_a_seconds_worth(rate: float, burst: int) -> None:
    """But at least one create, however low the rate."""
    assert take_all(RateLimiter(rate), 1000.0) == burst


def test_the_wait_is_until_the_next_token() -> None:
    """Whoever waits that long gets one; whoever does not is told how much is left."""
    limiter = RateLimiter(4.0)
    assert take_all(limiter, 0.0) == 4
    assert limiter.take("a", 0.1) == pytest.approx(0.15)
    assert limiter.take("a", 0.25) is None
    assert limiter.take("a", 0.25) == pytest.approx(0.25)


def test_a_refusal_costs_nothing() -> None:
    """Asking again and again does not push the time away."""
    limiter = RateLimiter(1.0)
    assert take_all(limiter, 0.0) == 1
    assert [limiter.take("a", 0.5) for _ in range(9)] == [pytest.approx(0.5)] * 9
    assert limiter.take("a", 1.0) is None


def test_owners_do_not_share() -> None:
    """Each has its own bucket."""
    limiter = RateLimiter(1.0)
    assert [take_all(limiter, 0.0, owner) for owner in "abc"] == [1, 1, 1]


def test_only_so_many_owners_are_remembered() -> None:
    """The one longest unseen is forgotten, and starts afresh."""
    limiter = RateLimiter(1.0, max_owners=2)
    for owner in "abac":
        limiter.take(owner, 0.0 if owner != "c" else 0.5)
    assert len(limiter) == 2
    assert limiter.take("a", 0.5) is not None
    assert limiter.take("b", 0.5) is None


def test_a_clock_set_back_locks_nobody_out() -> None:
    """The wait is never longer than for one token."""
    limiter = RateLimiter(2.0)
    assert take_all(limiter, 1_000_000.0) == 2
    assert limiter.take("a", 0.0) == pytest.approx(0.5)


@given(
    rate=st.floats(0.1, 1000),
    steps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_pattern_beats_the_rate(rate: float, steps: list[float]) -> None:
    """Over any time, at most the burst and the rate times the time pass."""
    limiter, now, passed = RateLimiter(rate), 0.0, 0
    for step in steps:
        now += step
        passed += limiter.take("a", now) is None
    assert passed <= max(1.0, rate) + now * rate + 1e-3
