"""A session survives whatever frames, deltas and ends come in whatever order.

Every test says the seed of its life in its name; the same seed lives the same life again.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyresponses_ws.server.core.lanes import LaneLimits
from pyresponses_ws.server.core.rate import RateLimiter
from pyresponses_ws.server.core.service import Service
from tests.server.drivers import make_service
from tests.support.fuzz_session import LAST_STEPS, STEPS, Life, make_life

#: Limits that a short life reaches.
NARROW = LaneLimits(running=2, waiting=4, waiting_size=3000, names=3)

#: Short lives, which hypothesis can cut down to the steps that matter.
LIVES = st.lists(
    st.tuples(st.sampled_from([*STEPS, *LAST_STEPS]), st.integers(0, 2**32 - 1)), max_size=40
)


def live(seed: int, length: int, *, limits: LaneLimits | None = None) -> Life:
    """Live a life to its end; the checks are in its steps."""
    life = Life(service=make_service(), limits=limits)
    life.live(make_life(seed, length))
    life.finish()
    return life


@pytest.mark.parametrize("seed", range(12))
def test_a_long_life_with_the_usual_limits(seed: int) -> None:
    """Each create has one answer, each steer one fate, and nothing follows the close."""
    assert live(seed, 400).watch.seen


@pytest.mark.parametrize("seed", range(100, 112))
def test_a_long_life_with_narrow_limits(seed: int) -> None:
    """So it is where hardly anything may wait."""
    assert live(seed, 400, limits=NARROW).watch.seen


@settings(max_examples=300)
@given(LIVES)
@example([("create", 0), ("age", 0), ("mutated create", 2**32 - 1)])
def test_a_short_life(steps: list[tuple[str, int]]) -> None:
    """Any order of steps will do, the last ones first too."""
    life = Life(service=make_service(), limits=NARROW)
    life.live(steps)
    life.finish()
    assert not life.watch.running


@pytest.mark.parametrize("seed", range(200, 204))
def test_lives_that_share_a_service_do_not_mix(seed: int) -> None:
    """Each is answered what it asked, though responses are stored for both."""
    rng = random.Random(seed)
    service = Service(rng=random.Random(seed))
    lives = [Life(service=service), Life(service=service)]
    for kind, number in make_life(seed, 600, last_steps=0):
        rng.choice(lives).step(kind, number)
    for life in lives:
        life.finish()
        assert life.watch.seen["response.completed"]
    assert not set(lives[0].watch.known) & set(lives[1].watch.known)


@pytest.mark.parametrize("seed", range(400, 403))
def test_a_life_with_a_limit_on_creates_a_second(seed: int) -> None:
    """The time stands still, so that nearly every create is one too many; each is told so."""
    rates = RateLimiter(20.0)
    life = Life(service=Service(rng=random.Random(seed), rates=rates))
    life.live(make_life(seed, 300, last_steps=0))
    life.rest()
    # A successor, for which nobody asked, takes no token.
    most = 20 + life.watch.seen["response.steer.accepted"]
    assert 0 < life.watch.seen["response.created"] <= most


def test_a_life_is_no_monotony() -> None:
    """Lives of this kind see every ending, full queues, refusals and all fates of a steer."""
    seen: Counter[str] = sum((live(seed, 300).watch.seen for seed in range(300, 312)), Counter())
    fates = ("accepted", "pending", "failed")
    ends = ("response.completed", "response.incomplete", "response.failed", "error")
    assert min(seen[name] for name in (*ends, *(f"response.steer.{f}" for f in fates))) > 10


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("start", range(1000, 1400, 100))
def test_hundreds_of_lives(start: int) -> None:
    """The same for 120,000 steps."""
    for seed in range(start, start + 100):
        life = live(seed, 300, limits=NARROW if seed % 2 else None)
        assert life.watch.seen, f"seed {seed}"
