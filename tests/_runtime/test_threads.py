"""Locks, latches and helper threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from unittest.mock import Mock, patch

import pytest

from pyresponses_ws._runtime.threads import Threads, Worker, try_lock
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


def test_a_worker_that_could_not_start_is_started_again() -> None:
    """One refusal of the system does not end all work of that kind."""
    threads, ran = Threads(), threading.Event()
    worker = Worker(threads, "worker", ran.set)
    failing = {"start": Mock(side_effect=RuntimeError("can't start new thread"))}
    with patch.multiple(threads, **failing), pytest.raises(RuntimeError):
        worker.give(lambda: None)
    worker.give(lambda: None)
    assert ran.wait(10)


def test_a_worker_leaves_only_when_idle() -> None:
    """Work that is given while it looks is not left behind."""
    work, done = [1], threading.Event()

    def run() -> None:
        while not worker.may_leave(lambda: not work):
            work.pop()
        done.set()

    worker = Worker(Threads(), "worker", run)
    worker.give(lambda: work.append(2))
    assert done.wait(10)
    assert work == []


def test_a_thread_that_an_interrupt_hid_does_its_work() -> None:
    """It started, though the caller was told otherwise."""
    threads, work, done = Threads(), [1], threading.Event()

    def run() -> None:
        while not worker.may_leave(lambda: not work):
            work.pop()
        done.set()

    def start(role: str, target: Callable[[], None]) -> None:
        gate.append(threading.Thread(target=target))
        raise KeyboardInterrupt

    gate: list[threading.Thread] = []
    worker = Worker(threads, "worker", run)
    with patch.object(threads, "start", start), pytest.raises(KeyboardInterrupt):
        worker.give(lambda: work.append(2))
    gate[0].start()
    assert done.wait(10)
    assert work == []


def test_an_interrupted_start_does_not_stop_its_thread() -> None:
    """In a Condition, as Thread.start waits by itself, it could hang before its first line."""
    waits: list[object] = []
    ran = threading.Event()
    with patch.object(threading.Condition, "wait", lambda *_: waits.append(1)):
        Threads().start("role", ran.set)
    assert waits == []
    assert ran.wait(10)
