"""Time and waiting, behind one door so that a test can own both."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import Any, Protocol

__all__ = ["Clock", "Empty", "SystemClock"]

# CLOCK_BOOTTIME goes on while a laptop sleeps, so a link that died meanwhile is found dead at
# wake-up and not two minutes of use later. Only Linux has it.
_CLOCK_ID: int | None = getattr(time, "CLOCK_BOOTTIME", None)

#: Every wait looks up this often. An exception that is set asynchronously wakes none, and a
#: signal that comes just ahead of the wait does not end it either: seen once in a hundred Ctrl-C.
_SLICE = 0.5


class Clock(Protocol):
    """Seconds that only grow, and the one kind of wait that this package knows."""

    def now(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    def get(self, queue: SimpleQueue[Any], deadline: float | None) -> Any:
        """Take the next item, waiting until ``deadline`` on this clock (None: for ever).

        Raises Empty when the time is up. Interruptible by signals on the main thread.
        """


class SystemClock:
    """The real one. Stateless, so any thread may use it."""

    def now(self) -> float:
        return time.monotonic() if _CLOCK_ID is None else time.clock_gettime(_CLOCK_ID)

    def get(self, queue: SimpleQueue[Any], deadline: float | None) -> Any:
        while True:
            left = _SLICE if deadline is None else deadline - self.now()
            if left <= 0:
                return queue.get_nowait()
            try:
                return queue.get(timeout=min(left, _SLICE))
            except Empty:
                continue
