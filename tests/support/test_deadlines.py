"""What counts for a deadline: waits and work of ours, and nothing that the machine did to us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.support.deadlines import LOOK, STALL, Account, at_most, ends_within


def work(seconds: float) -> None:
    """Keep a processor busy for so long, however much the machine does beside it."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_waiting_counts() -> None:
    """Whoever looks in time has seen that only we stood still."""
    account = Account(100.0, 5.0)
    for number in range(1, 51):
        account.look(100.0 + number * (LOOK + STALL / 2), 5.0)
    assert account.stalled == 0


def test_a_stall_does_not_count() -> None:
    """Nobody looked and nobody worked; what a look waits for is no part of it."""
    account = Account(100.0, 5.0)
    account.look(100.01, 5.0)
    account.look(100.81, 5.0)
    account.look(100.82, 5.0)
    assert account.stalled == pytest.approx(0.8 - LOOK)


def test_work_that_keeps_the_witness_away_counts() -> None:
    """It may come late because of ourselves; the rest of the time is the machine's."""
    account = Account(100.0, 5.0)
    account.look(100.5, 5.5)
    assert account.stalled == 0
    account.look(101.0, 5.6)
    assert account.stalled == pytest.approx(0.4 - LOOK)


def test_work_on_several_processors_takes_nothing_back() -> None:
    """It is more than the time that passed."""
    account = Account(100.0, 5.0)
    account.look(100.5, 6.5)
    assert account.stalled == 0


def test_a_block_that_is_too_long_fails() -> None:
    """The message says what counted."""
    with (
        pytest.raises(AssertionError, match=r"that count, of .*, not 0\.02 at most"),
        at_most(0.02),
    ):
        work(0.05)
    with pytest.raises(AssertionError, match="at most"), ends_within(0.01, grace=0.01):
        work(0.05)


def test_a_block_that_is_shorter_than_its_timer_fails() -> None:
    """A call that gave up at once has not kept its timer."""
    with pytest.raises(AssertionError, match="less than its 60"), ends_within(60):
        pass


def test_what_a_block_raises_comes_out() -> None:
    """However long it took, and the witness is gone."""
    with pytest.raises(KeyError), at_most(0):
        raise KeyError
    assert "witness" not in [thread.name for thread in threading.enumerate()]


#: Measures how long it takes until a line comes.
CHILD = """
import sys
from tests.support.deadlines import Stopwatch
with Stopwatch() as watch:
    print("begun", flush=True)
    sys.stdin.readline()
print(watch.elapsed, watch.seconds)
"""


def test_a_process_that_is_stopped_stands_still() -> None:
    """As one that a busy machine leaves out."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        threading.Event().wait(0.3)
        os.kill(child.pid, signal.SIGCONT)
        elapsed, seconds = map(float, child.communicate("\n", timeout=20)[0].split())
    assert elapsed - seconds >= 0.3 - STALL
