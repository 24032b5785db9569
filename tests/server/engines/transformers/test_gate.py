"""Who uses the model at the same time, and in which order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from pyresponses_ws.server.engines.transformers.gate import TurnGate


class Visitor:
    """A thread that wants in, says so once it is, and stays until it is let go."""

    def __init__(self, gate: TurnGate, log: queue.SimpleQueue[Visitor], *, alone: bool) -> None:
        self.gate = gate
        self.has_left = False
        self.was_let_in: bool | None = None
        self.hurried = threading.Event()
        self._log = log
        self._alone = alone
        self._may_go = threading.Event()
        self.thread = threading.Thread(target=self._visit, daemon=True)

    def _visit(self) -> None:
        admitted = self.gate.admit(
            alone=self._alone, has_left=lambda: self.has_left, hurry=self.hurried.set
        )
        with admitted as is_in:
            self.was_let_in = is_in
            self._log.put(self)
            if is_in:
                self._may_go.wait()

    def go(self) -> None:
        """Leave, and be gone when this returns."""
        self._may_go.set()
        self.thread.join()

    def give_up(self) -> None:
        self.has_left = True
        self.gate.wake()


class Door:
    """A gate, its visitors, and who came in, in order."""

    def __init__(self) -> None:
        self.gate = TurnGate()
        self.log: queue.SimpleQueue[Visitor] = queue.SimpleQueue()
        self.visitors: list[Visitor] = []

    def come(self, *, alone: bool = False) -> Visitor:
        """Send a visitor, who is inside or in the queue when this returns."""
        visitor = Visitor(self.gate, self.log, alone=alone)
        self.visitors.append(visitor)
        before = self._waiting()
        visitor.thread.start()
        while self.log.empty() and self._waiting() == before:
            threading.Event().wait(0.001)
        return visitor

    def _waiting(self) -> int:
        return len(self.gate._waiting)

    def entered(self) -> Visitor:
        """Return who came in next."""
        return self.log.get(timeout=10)


def nothing() -> None:
    """Hear that others wait."""


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    for visitor in door.visitors:
        visitor.give_up()
        visitor.go()


def test_turns_share(door: Door) -> None:
    """Any number of turns is inside at once."""
    visitors = {door.come(), door.entered()} | {door.come(), door.entered()}
    assert len(visitors) == 2
    assert all(visitor.was_let_in for visitor in visitors)


def test_one_that_is_alone_waits_for_those_inside(door: Door) -> None:
    """It enters when the last of them has left."""
    first = door.come()
    assert door.entered() is first
    lonely = door.come(alone=True)
    assert lonely.was_let_in is None
    first.go()
    assert door.entered() is lonely


@pytest.mark.parametrize("alone", [False, True])
def test_one_that_is_alone_keeps_others_out(door: Door, alone: bool) -> None:
    """Whoever comes meanwhile enters when it has left."""
    lonely = door.come(alone=True)
    assert door.entered() is lonely
    other = door.come(alone=alone)
    assert other.was_let_in is None
    lonely.go()
    assert door.entered() is other


def test_later_ones_do_not_overtake(door: Door) -> None:
    """A turn that could share waits behind one that cannot, so that its time comes."""
    first = door.come()
    assert door.entered() is first
    lonely, late = door.come(alone=True), door.come()
    first.go()
    assert door.entered() is lonely
    assert late.was_let_in is None
    lonely.go()
    assert door.entered() is late


def test_all_that_share_enter_together(door: Door) -> None:
    """Those behind a turn that was alone need not wait for each other."""
    lonely = door.come(alone=True)
    assert door.entered() is lonely
    others = {door.come(), door.come(), door.come()}
    lonely.go()
    assert {door.entered(), door.entered(), door.entered()} == others


def test_a_visitor_gives_up(door: Door) -> None:
    """It is not let in, and holds nobody up."""
    first = door.come()
    assert door.entered() is first
    lonely, late = door.come(alone=True), door.come()
    lonely.give_up()
    assert {door.entered(), door.entered()} == {lonely, late}
    assert (lonely.was_let_in, late.was_let_in) == (False, True)


def test_one_that_has_given_up_does_not_enter(door: Door) -> None:
    """Even if nobody is inside."""
    with door.gate.admit(alone=False, has_left=lambda: True, hurry=nothing) as is_in:
        assert not is_in
    assert door.come() is door.entered()


def test_an_error_inside_opens_the_gate(door: Door) -> None:
    """The next one enters."""
    with (
        pytest.raises(ValueError, match="broken"),
        door.gate.admit(alone=True, has_left=lambda: False, hurry=nothing),
    ):
        raise ValueError("broken")
    assert door.come(alone=True) is door.entered()


def test_who_shares_is_hurried_by_one_that_is_to_be_alone(door: Door) -> None:
    """And by no other: a turn that can run beside it waits for nobody."""
    first = door.come()
    assert door.entered() is first
    second = door.come()
    assert door.entered() is second
    assert not first.hurried.is_set()
    door.come(alone=True)
    assert first.hurried.is_set()
    assert second.hurried.is_set()


def test_one_that_is_alone_is_hurried_by_whoever_waits(door: Door) -> None:
    """Nobody can run beside it."""
    lonely = door.come(alone=True)
    assert door.entered() is lonely
    assert not lonely.hurried.is_set()
    door.come()
    assert lonely.hurried.is_set()


def test_who_enters_ahead_of_one_that_is_to_be_alone_is_hurried(door: Door) -> None:
    """It has been waiting all the time."""
    lonely = door.come(alone=True)
    assert door.entered() is lonely
    sharing, _ = door.come(), door.come(alone=True)
    lonely.go()
    assert door.entered() is sharing
    assert sharing.hurried.is_set()
