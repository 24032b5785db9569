"""Locks, latches and helper threads."""

from __future__ import annotations

import threading

import pytest

from pyresponses_ws._runtime.threads import Threads, try_lock
from pyresponses_ws.testing.clock import ManualClock
from tests._runtime.rig import Call


def test_a_lock_that_is_held_is_not_waited_for() -> None:
    """try_lock says whether it got it, and gives back only what it got."""
    lock = Threads().lock()
    with try_lock(lock) as is_held, try_lock(lock) as is_held_twice:
        assert (is_held, is_held_twice) == (True, False)
    assert not lock.locked()


def test_a_latch_lets_every_waiter_through() -> None:
    """One open serves any number of waits, before and after."""
    threads = Threads(ManualClock())
    latch = threads.latch()
    waits = [Call(lambda: latch.wait(5)) for _ in range(3)]
    threads.clock.wait_for_waiters(3)
    latch.open()
    assert [wait.result() for wait in waits] == [True] * 3
    assert latch.wait(0)


def test_a_closed_latch_times_out() -> None:
    """False when nobody opened it."""
    clock = ManualClock()
    latch = Threads(clock).latch()
    wait = Call(lambda: latch.wait(5))
    clock.wait_for_waiters()
    clock.advance(5)
    assert wait.result() is False


def test_a_helper_hands_over_its_result_or_its_error() -> None:
    """run_with_deadline returns and raises what the function does."""
    run = Threads().run_with_deadline
    assert run(lambda: 41 + 1, 5) == 42
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0, 5)


def test_a_helper_that_is_late_is_left_behind() -> None:
    """The wait ends at the deadline, whatever the function does."""
    clock, gate = ManualClock(), threading.Event()
    call = Call(lambda: Threads(clock).run_with_deadline(gate.wait, 5))
    clock.wait_for_waiters()
    clock.advance(5)
    with pytest.raises(TimeoutError, match="within 5 s"):
        call.result()
    gate.set()
