"""The timers of one turn: three questions, three clocks, and a fourth for the whole.

Did the server take it (``first_event``), is the model progressing (``silence``), is the caller's
patience over (``total``). Whether the peer is alive is the keeper's question. Pure: ``now`` and the
kernel's send queue come in as arguments; all times are seconds on the caller's clock.
"""

from __future__ import annotations

import math
from typing import Literal

from pyresponses_ws.config import Timeouts

Phase = Literal["first_event", "silence", "total"]

#: Seconds between two looks at an upload that is draining, or at a lane where others run.
_LOOK = 0.5


class TurnTimers:
    """Knows when a turn must be looked at next, and what has run out then."""

    def __init__(self, timeouts: Timeouts, *, now: float, total: float | None) -> None:
        self._timeouts = timeouts
        self.started_at = now
        #: When the caller's patience ends; infinite without a limit.
        self.ends_at = math.inf if total is None else now + total
        #: When the request was out.
        self.sent_at = now
        # The first event must come this long after this moment; it moves while an upload drains.
        self._counts_from = now
        self._last_event_at: float | None = None
        # Bytes of the request that the kernel still held back at the last look.
        self._unsent = 0
        # Nothing ran before it on its lane at the last look.
        self._is_head = True

    def sent(self, now: float, *, unsent: int, is_head: bool = True) -> None:
        """The request was handed to the kernel, which still holds ``unsent`` bytes of it.

        ``is_head``: nothing runs before it on its lane.
        """
        self.sent_at = self._counts_from = now
        self._unsent, self._is_head = unsent, is_head
        self._last_event_at = None

    def received(self, now: float) -> None:
        """An event came."""
        self._last_event_at = now

    def deadline(self, now: float) -> float | None:
        """When to look next; None when nothing limits the turn."""
        due = min(self.ends_at, self._first_event_at(), self._silent_at())
        if self._last_event_at is None and (self._unsent or not self._is_head):
            due = min(due, now + _LOOK)
        return None if due == math.inf else due

    def expired(self, now: float, *, unsent: int, is_head: bool = True) -> Phase | None:
        """Name the timer that has run out, if one has.

        A peer that is still taking the request cannot have answered it, so ``first_event`` counts
        from the last moment at which the kernel's queue shrank; and from the moment at which the
        turn became the head of its lane.
        """
        if now >= self.ends_at:
            return "total"
        if now >= self._silent_at():
            return "silence"
        if unsent < self._unsent or not self._is_head:
            self._counts_from = now
        self._unsent, self._is_head = unsent, is_head
        return "first_event" if now >= self._first_event_at() else None

    def left(self, now: float) -> float | None:
        """Seconds until ``total`` ends the turn; None without a limit."""
        return None if self.ends_at == math.inf else self.ends_at - now

    def _first_event_at(self) -> float:
        if self._last_event_at is not None or self._timeouts.first_event is None:
            return math.inf
        return self._counts_from + self._timeouts.first_event

    def _silent_at(self) -> float:
        if self._last_event_at is None or self._timeouts.silence is None:
            return math.inf
        return self._last_event_at + self._timeouts.silence
