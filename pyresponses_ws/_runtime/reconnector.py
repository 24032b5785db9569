"""The reconnector thread: one per client; opens new links for connections that lost theirs.

It blocks on the clock and in ``Session.reconnect``, which is bounded by the connect timer and ended
early by ``Session.close``. It holds sessions weakly and ends when none waits.
"""

from __future__ import annotations

import logging
import math
import weakref
from dataclasses import dataclass
from typing import Protocol

from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.threads import Threads, Worker

logger = logging.getLogger("pyresponses_ws.reconnector")


class Reconnectable(Protocol):
    """What the thread asks of a session."""

    @property
    def is_waiting(self) -> bool:
        """It still wants a link."""

    def reconnect(self) -> float | None:
        """Try once. Returns the seconds to wait before the next try, None when none is due."""


@dataclass
class _Job:
    session: weakref.ref[Reconnectable]
    due: float

    @property
    def is_wanted(self) -> bool:
        session = self.session()
        return session is not None and session.is_waiting


class Reconnector:
    """Schedules reconnects. ``schedule`` and ``wake`` are safe from any thread."""

    def __init__(self, threads: Threads) -> None:
        self._clock = threads.clock
        # Anything put here makes the thread look again.
        self._words = threads.queue()
        # Jobs that the thread has not seen yet; guarded by the worker's lock.
        self._new: list[_Job] = []
        self._worker = Worker(threads, "reconnector", self._run)

    def schedule(self, session: Reconnectable, delay: float) -> None:
        """Try in ``delay`` seconds; starts the thread if none runs."""
        job = _Job(weakref.ref(session), self._clock.now() + delay)
        # Once it is gone, a reference can be hashed only if it was before.
        hash(job.session)
        self._worker.give(lambda: self._new.append(job))
        self.wake()

    def wake(self) -> None:
        """Look again soon: a session was closed or dropped. Safe in a finalizer."""
        self._words.put(None)

    def _run(self) -> None:
        jobs: list[_Job] = []

        def is_idle() -> bool:
            # One for each session, the newest.
            newest = {job.session: job for job in jobs + self._new if job.is_wanted}
            jobs[:] = newest.values()
            self._new.clear()
            return not jobs

        while not self._worker.may_leave(is_idle):
            now = self._clock.now()
            jobs[:] = [job for job in jobs if job.due > now or self._try(job)]
            due = min((job.due for job in jobs), default=-math.inf)
            if due > -math.inf:
                self._wait(due)

    def _try(self, job: _Job) -> bool:
        """Make one attempt; returns whether another is due."""
        session = job.session()
        try:
            delay = session.reconnect() if session is not None and session.is_waiting else None
        except Exception:
            # Safety net: one broken session must not end the reconnects of the others.
            logger.exception("a reconnect failed in an unexpected way")
            return False
        if delay is None:
            return False
        job.due = self._clock.now() + delay
        return True

    def _wait(self, due: float) -> None:
        try:
            self._clock.get(self._words, due)
        except Empty:
            return
