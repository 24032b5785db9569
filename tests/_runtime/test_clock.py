"""The system's clock."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue

import pytest

from pyresponses_ws._runtime.clock import SystemClock
from tests._runtime.rig import Call

CLOCK = SystemClock()


def test_time_does_not_go_back() -> None:
    """Two looks are in order."""
    first = CLOCK.now()
    assert CLOCK.now() >= first


def test_an_item_that_is_there_is_taken_after_the_deadline() -> None:
    """A deadline in the past still looks once."""
    queue: SimpleQueue[str] = SimpleQueue()
    queue.put("letter")
    assert CLOCK.get(queue, CLOCK.now() - 1) == "letter"


def test_a_deadline_ends_the_wait() -> None:
    """Nothing came: Empty, on the main thread and on another."""
    queue: SimpleQueue[str] = SimpleQueue()
    for wait in (lambda: CLOCK.get(queue, CLOCK.now() + 0.01),) * 2:
        with pytest.raises(Empty):
            wait()
        with pytest.raises(Empty):
            Call(wait).result()


def test_a_wait_goes_on_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice is a chance for a signal, or an exception that was set from outside."""
    monkeypatch.setattr("pyresponses_ws._runtime.clock._SLICE", 0.001)
    queue: SimpleQueue[str] = SimpleQueue()
    call = Call(lambda: CLOCK.get(queue, None))
    timer = threading.Timer(0.02, queue.put, ("late",))
    timer.start()
    assert call.result() == "late"
    timer.join()
