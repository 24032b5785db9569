"""The scheduler: one thread at a time, time that jumps, and failures that say who waits where."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any

import pytest

from pyresponses_ws._runtime.threads import try_lock
from tests.simulation.scheduler import Scheduler, SimulationError

Work = Callable[[Scheduler], object]


def run(seed: int, *works: Work) -> Scheduler:
    """Run functions, each on a thread of its own."""
    scheduler = Scheduler(seed)
    run_on(scheduler, *works)
    return scheduler


def run_on(scheduler: Scheduler, *works: Work) -> None:
    def main() -> None:
        for number, work in enumerate(works):
            scheduler.spawn(f"task {number}", partial(work, scheduler))
        scheduler.wait(lambda: len(scheduler.tasks()) == 1, None, "the end")

    scheduler.run(main)


def test_a_seed_chooses_the_order() -> None:
    """The same one every time, and not the same for all."""
    orders = []
    for seed in [*range(8), *range(8)]:
        order: list[str] = []

        def work(scheduler: Scheduler, order: list[str] = order) -> None:
            for _ in range(3):
                scheduler.point("work")
                order.append(scheduler.current.name)

        run(seed, work, work)
        orders.append(tuple(order))
    assert orders[:8] == orders[8:]
    assert len(set(orders)) > 1


def test_only_one_thread_runs() -> None:
    """Even between two points, where nothing keeps the others out but the baton."""
    inside: list[str] = []

    def work(scheduler: Scheduler) -> None:
        for _ in range(50):
            inside.append(threading.current_thread().name)
            assert len(inside) == 1
            inside.pop()
            scheduler.point("work")

    run(1, work, work, work)


def test_time_jumps_to_the_earliest_deadline() -> None:
    """And stands still while anybody can run."""
    woken: list[tuple[str, float]] = []

    def sleeper(seconds: float) -> Any:
        def sleep(scheduler: Scheduler) -> None:
            started = scheduler.now()
            scheduler.sleep(seconds)
            woken.append((scheduler.current.name, scheduler.now() - started))

        return sleep

    run(1, sleeper(300.0), sleeper(2.0))
    assert woken == [("task 1#1", 2.0), ("task 0#1", 300.0)]


def test_a_lock_is_held_by_one() -> None:
    """Others wait for it, or go without after a while."""
    tried: list[bool] = []

    def hold(scheduler: Scheduler) -> None:
        with lock:
            scheduler.sleep(10.0)

    def attempt(scheduler: Scheduler) -> None:
        scheduler.sleep(1.0)
        for timeout in (0.0, 2.0, 20.0):
            with try_lock(lock, timeout=timeout) as held:
                tried.append(held)

    scheduler = Scheduler(1)
    lock = scheduler.lock()
    run_on(scheduler, hold, attempt)
    assert tried == [False, False, True]


def test_a_queue_waits_until_a_deadline() -> None:
    """What is put first comes first."""
    got: list[Any] = []

    def take(scheduler: Scheduler) -> None:
        queue = scheduler.queue()
        scheduler.spawn("putter", lambda: [queue.put(1), queue.put(2)])
        got.extend([scheduler.get(queue, None), scheduler.get(queue, None)])
        with pytest.raises(Empty):
            scheduler.get(queue, scheduler.now() + 5.0)

    scheduler = run(1, take)
    assert (got, scheduler.now()) == ([1, 2], 1005.0)


def test_a_latch_opens_for_all() -> None:
    """Before or after they come."""
    seen: list[bool] = []

    def work(scheduler: Scheduler) -> None:
        latch = scheduler.latch()
        seen.append(latch.wait(1.0))
        scheduler.start("opener", latch.open)
        seen.extend([latch.wait(1.0), latch.wait(1.0)])

    run(1, work)
    assert seen == [False, True, True]


def find_deadlock(seed: int) -> str | None:
    """Take two locks in two orders; return what the failure says, if there is one."""
    scheduler = Scheduler(seed)
    first, second = scheduler.lock(), scheduler.lock()

    def take(one: Any, other: Any, scheduler: Scheduler) -> None:
        with one, other:
            scheduler.point("inside")

    try:
        run_on(scheduler, partial(take, first, second), partial(take, second, first))
    except SimulationError as exc:
        return str(exc)
    return None


def test_a_deadlock_is_told_with_who_waits_where() -> None:
    """Some orders find it, and the others are fine."""
    found = [said for seed in range(20) if (said := find_deadlock(seed)) is not None]
    assert 0 < len(found) < 20
    assert "a deadlock" in found[0]
    assert "task 0#1: take test_scheduler" in found[0]


def test_a_failed_thread_fails_the_run() -> None:
    """Those who wait are torn out of their waits, and every thread ends."""

    def wait(scheduler: Scheduler) -> None:
        scheduler.queue().get()

    def break_down(scheduler: Scheduler) -> None:
        raise ValueError("broken")

    before = threading.active_count()
    with pytest.raises(SimulationError, match="ValueError: broken"):
        run(1, wait, break_down)
    assert threading.active_count() == before


def test_a_lock_taken_twice_is_told() -> None:
    """Nobody else could ever give it back."""

    def work(scheduler: Scheduler) -> None:
        lock = scheduler.lock()
        with lock, lock:
            pass

    with pytest.raises(SimulationError, match="taken twice"):
        run(1, work)


def test_an_interrupt_comes_out_of_a_wait() -> None:
    """As Ctrl-C does, and only once."""
    seen: list[str] = []

    def work(scheduler: Scheduler) -> None:
        me = scheduler.current

        def interrupt() -> None:
            scheduler.sleep(1.0)
            me.interrupt = KeyboardInterrupt()

        scheduler.start("interrupter", interrupt)
        with pytest.raises(KeyboardInterrupt):
            scheduler.sleep(100.0)
        seen.append("interrupted")
        scheduler.sleep(1.0)

    scheduler = run(1, work)
    assert (seen, scheduler.now()) == (["interrupted"], 1002.0)
