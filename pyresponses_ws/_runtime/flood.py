"""Reads that bring nothing and never have to wait: the one place where a timer could be missed."""

from __future__ import annotations

from pyresponses_ws._runtime.clock import Clock
from pyresponses_ws._transport.base import Check

#: Seconds, and reads of up to 64 KiB each, after which the timers are looked at: as soon as a call
#: looks at them itself while nothing comes.
TIME, READS = 0.1, 256


class Flood:
    """Counts what one wait of an HTTP call reads in vain.

    A call looks at the timers itself while nothing comes. Not here after each read: whoever comes
    late must find what came in time, and a large event comes in many.
    """

    def __init__(self, clock: Clock, check: Check) -> None:
        self._clock = clock
        self._check = check
        self._began = clock.now()
        self._reads = 0

    def note_read(self) -> None:
        """A read has brought nothing to hand over. Raises what the check raises."""
        self._reads += 1
        if self._reads % READS == 0 or self._clock.now() - self._began >= TIME:
            self._check()
