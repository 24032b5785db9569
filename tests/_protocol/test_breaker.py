"""When WebSocket is asked, and when it is left alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyresponses_ws._protocol.breaker import (
    DEFINITE_STATUSES,
    FIRST_COOL_DOWN,
    JITTER,
    LONGEST_COOL_DOWN,
    SOFT_FAILURES,
    SOFT_WINDOW,
    Breaker,
)

#: Any moment; the breaker knows no other zero than the clock's.
START = 5_000.0


def fail(breaker: Breaker, now: float = START, *, is_definite: bool = False) -> float | None:
    return breaker.note_failure(now, is_definite=is_definite, rng=random.Random(0))


def opened(now: float = START) -> Breaker:
    """A breaker that one definite refusal has opened."""
    breaker = Breaker()
    fail(breaker, now, is_definite=True)
    return breaker


def test_a_new_breaker_is_closed() -> None:
    """WebSocket is asked until it has failed."""
    assert not Breaker().is_open
    assert Breaker().probe_at is None


def test_the_figures_are_the_promised_ones() -> None:
    """One minute, doubling to fifteen; three failures within a minute; 404, 405 and 426."""
    assert (FIRST_COOL_DOWN, LONGEST_COOL_DOWN, JITTER) == (60.0, 900.0, 0.25)
    assert (SOFT_FAILURES, SOFT_WINDOW) == (3, 60.0)
    assert frozenset({404, 405, 426}) == DEFINITE_STATUSES


def test_one_definite_refusal_opens_it() -> None:
    """The server has no WebSocket here, and will have none in a second."""
    breaker = Breaker()
    seconds = fail(breaker, is_definite=True)
    assert seconds is not None
    assert breaker.is_open
    assert breaker.probe_at == START + seconds


def test_two_failures_that_may_pass_do_not_open_it() -> None:
    """Each of their turns went over HTTP alone; the next one asks WebSocket again."""
    breaker = Breaker()
    assert [fail(breaker, START + second) for second in (0, 1)] == [None, None]
    assert not breaker.is_open


def test_the_third_failure_within_a_minute_opens_it() -> None:
    """Only that one tells a cool-down."""
    breaker = Breaker()
    told = [fail(breaker, START + second) for second in (0, 30, 59.9)]
    assert told[:2] == [None, None]
    assert told[2] is not None
    assert breaker.is_open


def test_failures_that_are_a_minute_old_do_not_count() -> None:
    """One failure every half minute never opens it."""
    breaker = Breaker()
    assert [fail(breaker, START + 30.0 * count) for count in range(50)] == [None] * 50


def test_a_failure_behind_the_opening_changes_nothing() -> None:
    """It began when WebSocket still seemed to work."""
    breaker = opened()
    due = breaker.probe_at
    assert fail(breaker, START + 1, is_definite=True) is None
    assert breaker.probe_at == due


def test_a_success_forgets_the_failures_before_it() -> None:
    """Three in a row count, not three in all."""
    breaker = Breaker()
    for second in range(20):
        assert fail(breaker, START + second) is None
        assert fail(breaker, START + second) is None
        breaker.note_success()
    assert not breaker.is_open


def test_a_probe_that_fails_doubles_the_cool_down() -> None:
    """60, 120, 240, 480, 900, 900 s, a quarter of it off at most."""
    breaker = Breaker()
    ceilings = [60.0, 120.0, 240.0, 480.0, 900.0, 900.0]
    for ceiling in ceilings:
        seconds = breaker.cool_down(START, rng=random.Random(3))
        assert ceiling * (1 - JITTER) <= seconds <= ceiling
        assert breaker.probe_at == START + seconds


def test_a_probe_that_succeeds_closes_it() -> None:
    """Turns ask WebSocket again, and the failures before count no more."""
    breaker = opened()
    breaker.close()
    assert not breaker.is_open
    assert [fail(breaker, START + 1) for _ in range(2)] == [None, None]


def test_a_handshake_alone_does_not_make_the_cool_down_short_again() -> None:
    """A server may take each handshake and refuse each request."""
    breaker = opened()
    breaker.close()
    seconds = fail(breaker, START + 100, is_definite=True)
    assert seconds is not None
    assert 90.0 <= seconds <= 120.0


def test_an_answer_makes_the_cool_down_short_again() -> None:
    """WebSocket has carried a turn."""
    breaker = opened()
    breaker.close()
    breaker.note_success()
    seconds = fail(breaker, START + 100, is_definite=True)
    assert seconds is not None
    assert seconds <= 60.0


def test_an_answer_while_it_is_open_makes_no_cool_down_shorter() -> None:
    """It came over a link from before; a server that opens no new ones is asked as rarely."""
    breaker, rng = opened(), random.Random(3)
    for _ in range(3):
        breaker.cool_down(START, rng=rng)
    breaker.note_success()
    assert breaker.cool_down(START, rng=rng) >= 900.0 * (1 - JITTER)


def test_an_answer_does_not_close_it() -> None:
    """It came over a link from before; a probe is what finds out whether new ones open."""
    breaker = opened()
    breaker.note_success()
    assert breaker.is_open


@given(st.integers(), st.integers(1, 40))
def test_cool_downs_stay_within_their_jitter(seed: int, count: int) -> None:
    """Whatever the dice say, the next look is at most fifteen minutes away."""
    breaker, rng = Breaker(), random.Random(seed)
    for number in range(count):
        ceiling = min(FIRST_COOL_DOWN * 2**number, LONGEST_COOL_DOWN)
        assert ceiling * (1 - JITTER) <= breaker.cool_down(START, rng=rng) <= ceiling


def test_clients_do_not_come_back_in_step() -> None:
    """Fifty clients, fifty moments."""
    seconds = {Breaker().cool_down(START, rng=random.Random(seed)) for seed in range(50)}
    assert len(seconds) == 50


class BreakerLife(RuleBasedStateMachine):
    """Failures, probes and answers in any order and at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.rng = random.Random(1)
        self.now = START
        self.soft: list[float] = []

    @rule(seconds=st.floats(0, 2_000))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(is_definite=st.booleans())
    def fail(self, is_definite: bool) -> None:
        was_open = self.breaker.is_open
        seconds = self.breaker.note_failure(self.now, is_definite=is_definite, rng=self.rng)
        if was_open:
            assert seconds is None
            return
        self.soft.append(self.now)
        recent = [at for at in self.soft if at > self.now - SOFT_WINDOW]
        opens = is_definite or len(recent) >= SOFT_FAILURES
        assert (seconds is not None) is opens is self.breaker.is_open

    @precondition(lambda self: self.breaker.is_open)
    @rule(is_good=st.booleans())
    def probe(self, is_good: bool) -> None:
        self.now = max(self.now, self.breaker.probe_at or 0.0)
        if is_good:
            self.soft.clear()
            self.breaker.close()
        else:
            self.breaker.cool_down(self.now, rng=self.rng)

    @rule()
    def answer(self) -> None:
        self.soft.clear()
        self.breaker.note_success()

    @invariant()
    def the_next_probe_is_never_far(self) -> None:
        due = self.breaker.probe_at
        assert due is None or due <= self.now + LONGEST_COOL_DOWN


TestBreakerLife = BreakerLife.TestCase


@pytest.mark.parametrize("is_definite", [True, False])
def test_it_opens_again_after_it_was_closed(is_definite: bool) -> None:
    """One outage may follow another."""
    breaker = opened()
    breaker.close()
    needed = 1 if is_definite else SOFT_FAILURES
    told = [fail(breaker, START + 70, is_definite=is_definite) for _ in range(needed)]
    assert told[-1] is not None
    assert breaker.is_open
