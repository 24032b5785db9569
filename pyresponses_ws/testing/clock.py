"""A clock that moves when a test says so."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Any

#: Real seconds after which a rendezvous gives up: the code under test never waited.
_PATIENCE = 10.0


class _Wake:
    """Put into a queue to tell its waiter that the time is up."""


class ManualClock:
    """Stands in for the system's clock: ``ResponsesClient(..., clock=ManualClock())``.

    Time stands still until ``advance``. A waiter whose time comes is woken inside ``advance``
    itself, so a rendezvous afterwards does not count one that is already leaving. Any thread.
    """

    def __init__(self, start: float = 1000.0) -> None:
        # Guards what follows, and tells of each change.
        self._changed = threading.Condition()
        self._now = start
        # Who waits for what, until when; None is for ever.
        self._waiters: dict[_Wake, tuple[SimpleQueue[Any], float | None]] = {}

    def now(self) -> float:
        """Seconds since an arbitrary start."""
        return self._now

    def get(self, queue: SimpleQueue[Any], deadline: float | None) -> Any:
        """Take the next item, waiting until ``advance`` passes ``deadline``. Raises Empty then."""
        token = _Wake()
        with self._changed:
            is_over = deadline is not None and deadline <= self._now
            if not is_over:
                self._waiters[token] = (queue, deadline)
                self._changed.notify_all()
        try:
            while True:
                item = queue.get_nowait() if is_over else queue.get()
                if item is token:
                    raise Empty
                # Another token is left from an earlier wait, which an item ended first.
                if not isinstance(item, _Wake):
                    return item
        finally:
            with self._changed:
                self._waiters.pop(token, None)

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake whoever waited for it."""
        with self._changed:
            self._now += seconds
            for token, (queue, deadline) in list(self._waiters.items()):
                if deadline is not None and deadline <= self._now:
                    del self._waiters[token]
                    queue.put(token)

    def wait_for_waiters(self, count: int = 1, *, within: float | None = None) -> None:
        """Block until ``count`` threads wait on this clock.

        With ``within``, only waits that end in at most so many seconds count. Raises TimeoutError
        after ten real seconds.
        """

        def is_so() -> bool:
            return self._count(within) >= count

        with self._changed:
            if not self._changed.wait_for(is_so, _PATIENCE):
                raise TimeoutError(f"{self._count(within)} of {count} threads wait on the clock")

    def _count(self, within: float | None) -> int:
        """Requires holding _changed."""
        if within is None:
            return len(self._waiters)
        latest = self._now + within
        deadlines = [deadline for _, deadline in self._waiters.values()]
        return sum(deadline is not None and deadline <= latest for deadline in deadlines)
