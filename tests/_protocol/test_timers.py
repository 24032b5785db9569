"""The timers of one turn."""

from __future__ import annotations

from pyresponses_ws._protocol.timers import TurnTimers
from pyresponses_ws.config import Timeouts


def timers(*, total: float | None = None, **limits: float | None) -> TurnTimers:
    made = TurnTimers(Timeouts(**limits), now=100, total=total)
    made.sent(100, unsent=0)
    return made


def test_the_first_event_is_awaited_from_the_end_of_the_send() -> None:
    """It rings when the time is up, not before."""
    made = timers(first_event=60)
    assert made.deadline(100) == 160
    assert made.expired(159, unsent=0) is None
    assert made.expired(160, unsent=0) == "first_event"


def test_an_event_ends_the_first_timer_and_starts_silence() -> None:
    """Silence counts from the newest event."""
    made = timers(first_event=60, silence=5)
    made.received(150)
    assert made.deadline(150) == 155
    assert made.expired(154, unsent=0) is None
    assert made.expired(155, unsent=0) == "silence"


def test_nothing_limits_a_stream_that_runs() -> None:
    """Neither silence nor total by default: reasoning may take minutes."""
    made = timers()
    made.received(150)
    assert made.deadline(150) is None
    assert made.left(150) is None
    assert made.expired(10_000, unsent=0) is None


def test_total_comes_first() -> None:
    """The caller's patience beats every other reason."""
    made = timers(total=30, first_event=30)
    assert made.deadline(100) == 130
    assert made.left(120) == 10
    assert made.expired(130, unsent=0) == "total"


def test_first_event_can_be_off() -> None:
    """None waits for ever."""
    assert timers(first_event=None).deadline(100) is None


def test_an_upload_that_drains_stops_the_clock() -> None:
    """The first event counts from the last moment at which the kernel's queue moved."""
    made = TurnTimers(Timeouts(first_event=10), now=100, total=None)
    made.sent(100, unsent=3_000_000)
    assert made.deadline(100) == 100.5
    assert made.expired(111, unsent=2_000_000) is None
    assert made.expired(120, unsent=2_000_000) is None
    assert made.expired(121, unsent=2_000_000) == "first_event"


def test_a_second_attempt_starts_again() -> None:
    """sent() forgets the events of the attempt before."""
    made = timers(first_event=60, silence=5)
    made.received(101)
    made.sent(200, unsent=0)
    assert made.deadline(200) == 260
