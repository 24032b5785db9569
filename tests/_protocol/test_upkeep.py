"""What a link needs, and when: on times that a test makes up."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyresponses_ws._protocol.upkeep import (
    CHAIN_IDLE,
    REPLACE_AGE,
    RETIRE_AGE,
    RETIRE_JITTER,
    Chore,
    LinkFacts,
    Upkeep,
)
from pyresponses_ws.config import Timeouts

#: When every link here was opened.
OPENED = 1_000.0
MINUTE = 60.0


class FixedJitter(random.Random):
    """Dice that always show the same part of the range."""

    def __init__(self, part: float) -> None:
        super().__init__(0)
        self._part = part

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._part


@dataclass(frozen=True)
class Bench:
    """An upkeep and the facts that it is shown."""

    upkeep: Upkeep
    facts: LinkFacts

    def at(self, seconds: float, **facts: object) -> Chore:
        """Look so many seconds after the opening."""
        return self.upkeep.look(OPENED + seconds, replace(self.facts, **facts))

    def due(self, seconds: float, **facts: object) -> float:
        """When to look again, counted from the opening."""
        return self.upkeep.due(OPENED + seconds, replace(self.facts, **facts)) - OPENED


def bench(
    *,
    ping_interval: float | None = None,
    idle: float | None = None,
    jitter: float = 0.0,
    **facts: object,
) -> Bench:
    """By default nothing is ever pinged, closed for idleness or taken off the full age."""
    timeouts = Timeouts(ping_interval=ping_interval, ping_timeout=20)
    upkeep = Upkeep(timeouts, opened_at=OPENED, idle=idle, rng=FixedJitter(jitter))
    known = LinkFacts(last_received=OPENED, unsent=0, idle_since=OPENED, holds_chain=False)
    return Bench(upkeep, replace(known, **facts))


# --- is the peer there ------------------------------------------------------------------------


def test_a_link_that_hears_something_is_not_pinged() -> None:
    """Whatever comes is a sign of life."""
    link = bench(ping_interval=20)
    assert link.at(19.9) is Chore.NOTHING
    assert link.at(39.9, last_received=OPENED + 20) is Chore.NOTHING
    assert link.due(39.9, last_received=OPENED + 20) == 40


def test_a_quiet_link_is_pinged_once() -> None:
    """The next word is the peer's, and is due twenty seconds after the ping."""
    link = bench(ping_interval=20)
    assert link.at(20) is Chore.PING
    link.upkeep.pinged(OPENED + 20, unsent=0)
    assert [link.at(second) for second in (20, 30, 39.9)] == [Chore.NOTHING] * 3
    assert link.due(20) == 40


def test_a_peer_that_answers_starts_the_count_again() -> None:
    """An answer in the very moment of the ping counts too."""
    link = bench(ping_interval=20)
    link.upkeep.pinged(OPENED + 20, unsent=0)
    assert link.at(20, last_received=OPENED + 20) is Chore.NOTHING
    assert link.due(20, last_received=OPENED + 20) == 40
    assert link.at(40, last_received=OPENED + 20) is Chore.PING


def test_a_peer_that_does_not_answer_is_cut() -> None:
    """Forty seconds after its last sign at most."""
    link = bench(ping_interval=20)
    link.upkeep.pinged(OPENED + 20, unsent=0)
    assert link.at(40) is Chore.CUT


def test_while_an_upload_drains_no_ping_leaves() -> None:
    """It would stand behind the upload; the peer takes bytes, so it is there."""
    link = bench(ping_interval=20)
    link.upkeep.pinged(OPENED + 1, unsent=9_000)
    link.at(2, last_received=OPENED + 2)
    assert link.at(22, last_received=OPENED + 2, unsent=8_000) is Chore.NOTHING
    assert link.due(22, last_received=OPENED + 2, unsent=8_000) == 42


def test_while_an_upload_drains_nobody_is_cut() -> None:
    """The answer to the ping waits for what stands before it."""
    link = bench(ping_interval=20)
    link.upkeep.pinged(OPENED + 20, unsent=9_000)
    assert link.at(40, unsent=8_000) is Chore.NOTHING
    assert link.due(40, unsent=8_000) == 60
    assert link.at(60, unsent=8_000) is Chore.CUT


def test_bytes_that_do_not_shrink_are_no_sign_of_life() -> None:
    """A black hole takes nothing."""
    link = bench(ping_interval=20)
    link.upkeep.pinged(OPENED + 20, unsent=6)
    assert link.at(40, unsent=6) is Chore.CUT


def test_a_queue_that_ran_empty_is_no_upload() -> None:
    """Then the peer has had the time of a whole ping to answer."""
    link = bench(ping_interval=20)
    link.upkeep.pinged(OPENED + 20, unsent=6)
    assert link.at(40, unsent=0) is Chore.CUT


def test_a_ping_that_could_not_leave_is_tried_again() -> None:
    """An interval later: who holds the socket has a timer of its own."""
    link = bench(ping_interval=20)
    assert link.at(20) is Chore.PING
    link.upkeep.skipped(OPENED + 20)
    assert link.at(20) is Chore.NOTHING
    assert link.due(20) == 40
    assert link.at(40) is Chore.PING


def test_without_an_interval_no_ping_is_due() -> None:
    """Nor ever will be."""
    link = bench()
    assert link.at(49 * MINUTE) is Chore.NOTHING
    assert link.due(0) == REPLACE_AGE
    link.upkeep.skipped(OPENED)
    assert link.due(0) == REPLACE_AGE


# --- does anybody use it ------------------------------------------------------------------------


def test_an_unused_link_is_closed() -> None:
    """Five minutes after the end of its last turn."""
    link = bench(idle=300, idle_since=OPENED + 10)
    assert (link.at(309.9), link.due(309.9)) == (Chore.NOTHING, 310)
    assert link.at(310) is Chore.CLOSE_IDLE


def test_a_link_that_holds_a_chain_is_kept_for_half_an_hour() -> None:
    """Its server remembers the chain for this socket alone."""
    link = bench(idle=300, holds_chain=True)
    assert (link.at(1799.9), link.due(1799.9)) == (Chore.NOTHING, CHAIN_IDLE)
    assert link.at(CHAIN_IDLE) is Chore.CLOSE_IDLE


def test_a_chain_does_not_shorten_a_longer_patience() -> None:
    """Whoever asks for forty minutes has them."""
    assert bench(idle=2400, holds_chain=True).at(CHAIN_IDLE) is Chore.NOTHING


def test_a_link_with_a_turn_is_not_idle() -> None:
    """However long it takes."""
    link = bench(idle=300, idle_since=None)
    assert link.at(49 * MINUTE) is Chore.NOTHING


def test_a_turn_that_runs_may_end_at_once() -> None:
    """Nobody says so; the next look is no later than its idleness could be over."""
    assert bench(idle=300, idle_since=None).due(100) == 400


def test_the_end_of_an_idleness_is_named_once() -> None:
    """A turn may have begun just then; the next idleness counts anew."""
    link = bench(idle=300)
    assert [link.at(300), link.at(300)] == [Chore.CLOSE_IDLE, Chore.NOTHING]
    assert link.due(300) == REPLACE_AGE
    assert link.at(700, idle_since=OPENED + 400) is Chore.CLOSE_IDLE


def test_without_a_limit_nothing_is_idle() -> None:
    """A connection of one's own stays open."""
    assert bench().at(49 * MINUTE) is Chore.NOTHING
    assert bench(holds_chain=True).at(49 * MINUTE) is Chore.NOTHING


# --- is it too old ------------------------------------------------------------------------------


def test_a_replacement_is_asked_for_once() -> None:
    """At fifty minutes, turn or not."""
    for idle_since in (OPENED, None):
        link = bench(idle_since=idle_since)
        assert link.at(REPLACE_AGE - 1) is Chore.NOTHING
        assert [link.at(REPLACE_AGE) for _ in range(2)] == [Chore.REPLACE, Chore.NOTHING]
        assert link.due(REPLACE_AGE) == RETIRE_AGE


def test_an_old_link_is_retired_once() -> None:
    """At fifty-five minutes, and there is nothing more to do about its age."""
    link = bench(idle_since=None)
    link.at(REPLACE_AGE)
    assert [link.at(RETIRE_AGE) for _ in range(2)] == [Chore.RETIRE, Chore.NOTHING]
    assert link.due(RETIRE_AGE) == math.inf


@given(st.floats(0, 1))
def test_links_opened_together_do_not_retire_together(part: float) -> None:
    """Up to three minutes apart, and each after its replacement was asked for."""
    link = bench(idle_since=None, jitter=part)
    link.at(REPLACE_AGE)
    age = RETIRE_AGE - part * RETIRE_JITTER
    assert REPLACE_AGE < age <= RETIRE_AGE
    assert link.at(age - 0.01) is Chore.NOTHING
    assert link.at(age + 0.01) is Chore.RETIRE


def test_a_machine_that_slept_retires_without_a_replacement() -> None:
    """Both ages passed at once; another link beside it would come too late."""
    link = bench(idle_since=None)
    chores = [link.at(2 * RETIRE_AGE) for _ in range(2)]
    assert chores == [Chore.RETIRE, Chore.NOTHING]


def test_what_is_due_together_comes_one_by_one() -> None:
    """Its idleness first, then its age, then its life."""
    link = bench(ping_interval=20, idle=300)
    chores = [link.at(2 * RETIRE_AGE) for _ in range(3)]
    assert chores == [Chore.CLOSE_IDLE, Chore.RETIRE, Chore.PING]


# --- lives --------------------------------------------------------------------------------------


class UpkeepLife(RuleBasedStateMachine):
    """A link whose peer, caller and kernel do what they like, kept as the keeper keeps it."""

    def __init__(self) -> None:
        super().__init__()
        rng = random.Random(2)
        self.timeouts = Timeouts(ping_interval=20, ping_timeout=20)
        self.upkeep = Upkeep(self.timeouts, opened_at=OPENED, idle=300, rng=rng)
        self.now = OPENED
        self.facts = LinkFacts(last_received=OPENED, unsent=0, idle_since=OPENED, holds_chain=False)
        self.pinged_at: float | None = None
        self.named: list[Chore] = []
        self.is_cut = False

    @rule(seconds=st.sampled_from([0.0, 0.1, 19.9, 20.0, 60.0, 300.0, 1500.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def hear(self) -> None:
        self.facts = replace(self.facts, last_received=self.now)

    @rule(unsent=st.sampled_from([0, 10, 1_000]))
    def hold_back(self, unsent: int) -> None:
        self.facts = replace(self.facts, unsent=unsent)

    @rule()
    def begin_turn(self) -> None:
        self.facts = replace(self.facts, idle_since=None)

    @precondition(lambda self: self.facts.idle_since is None)
    @rule(holds_chain=st.booleans())
    def end_turn(self, holds_chain: bool) -> None:
        self.facts = replace(self.facts, idle_since=self.now, holds_chain=holds_chain)

    @precondition(lambda self: not self.is_cut)
    @rule(is_busy=st.booleans())
    def look(self, is_busy: bool) -> None:
        for _ in range(len(Chore)):
            chore = self.upkeep.look(self.now, self.facts)
            if chore is Chore.NOTHING:
                assert self.upkeep.due(self.now, self.facts) > self.now
                return
            self._obey(chore, is_busy=is_busy)
            if self.is_cut:
                return
        pytest.fail("there is always something to do")

    def _obey(self, chore: Chore, *, is_busy: bool) -> None:
        self.named.append(chore)
        if chore is Chore.PING:
            self._ping(is_busy=is_busy)
        elif chore is Chore.CLOSE_IDLE:
            assert self.facts.idle_since is not None
            kept = 1800 if self.facts.holds_chain else 300
            assert self.now >= self.facts.idle_since + kept
        elif chore is Chore.CUT:
            assert self.pinged_at is not None
            assert self.facts.last_received < self.pinged_at <= self.now - 20
            self.is_cut = True

    def _ping(self, *, is_busy: bool) -> None:
        waits = self.pinged_at is not None and self.facts.last_received < self.pinged_at
        assert not waits, "one ping at a time"
        assert self.now >= self.facts.last_received + 20
        if is_busy:
            self.upkeep.skipped(self.now)
        else:
            self.pinged_at = self.now
            self.upkeep.pinged(self.now, unsent=self.facts.unsent + 6)

    @invariant()
    def age_is_told_once(self) -> None:
        assert self.named.count(Chore.REPLACE) <= 1
        assert self.named.count(Chore.RETIRE) <= 1
        if Chore.RETIRE in self.named:
            assert Chore.REPLACE not in self.named[self.named.index(Chore.RETIRE) :]


TestUpkeepLife = UpkeepLife.TestCase
