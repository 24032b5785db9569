"""Ctrl-C at a chosen moment."""

from __future__ import annotations

import linecache
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pyresponses_ws
from tests.support.deadlines import at_most

PACKAGE = str(Path(pyresponses_ws.__file__).parent)
#: Seconds in which a call must hear Ctrl-C.
PROMPT = 1.0


def press_ctrl_c() -> None:
    """Send SIGINT to this process, as the terminal does; the kernel gives it to the main thread."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def python_handles_sigint() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, and SIGALRM press Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    alarm = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGINT, before)


def press_soon(_: object = None) -> None:
    """Press Ctrl-C when the caller, who calls this, has gone on to wait."""
    signal.setitimer(signal.ITIMER_REAL, 0.05)


def interrupted(call: Callable[[], object]) -> None:
    """Run a call that Ctrl-C ends, promptly and with nothing but KeyboardInterrupt."""
    with at_most(PROMPT), pytest.raises(KeyboardInterrupt) as caught:
        call()
    assert type(caught.value) is KeyboardInterrupt


class InterruptAtLine:
    """A trace function: KeyboardInterrupt before the n-th line that runs in the package.

    It spares lines at which no signal can arrive, but a trace function is called: the end of a
    ``with``, a ``try``, and finalizers, out of which Python lets nothing.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._entered: set[tuple[int, int]] = set()
        self.is_over = False

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        is_ours = frame.f_code.co_filename.startswith(PACKAGE)
        return self._step if is_ours and frame.f_code.co_name != "drop" else None

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line" and not self._is_spared(frame):
            self._count -= 1
            if self._count == 0:
                self.is_over = True
                raise KeyboardInterrupt
        return self._step

    def _is_spared(self, frame: FrameType) -> bool:
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        place = (id(frame), frame.f_lineno)
        if not line.startswith("with ") or place in self._entered:
            self._entered.discard(place)
            return line.startswith("with ") or line == "try:"
        self._entered.add(place)
        return False


def is_interrupted(call: Callable[[], object], line: int) -> bool:
    """Run the call with an interrupt at that line; False when it ended before."""
    bomb, before = InterruptAtLine(line), sys.gettrace()
    sys.settrace(bomb)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert not bomb.is_over, "the interrupt was swallowed"
    return False
