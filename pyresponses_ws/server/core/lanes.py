"""The order of turns: within a lane one after the other, between lanes no order."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

JobT = TypeVar("JobT")


class Lanes(Generic[JobT]):
    """One queue a lane; None is the default lane."""

    def __init__(self) -> None:
        self._waiting: dict[str | None, deque[JobT]] = {}
        self._running: set[str | None] = set()

    def put(self, lane: str | None, job: JobT) -> None:
        """Queue a job behind those of its lane."""
        self._waiting.setdefault(lane, deque()).append(job)

    def take(self, lane: str | None) -> JobT | None:
        """Start the next job of an idle lane; None while one runs or none waits."""
        queue = self._waiting.get(lane)
        if lane in self._running or not queue:
            return None
        self._running.add(lane)
        job = queue.popleft()
        if not queue:
            # A name costs nothing once its lane is idle.
            del self._waiting[lane]
        return job

    def release(self, lane: str | None) -> None:
        """Note that the running job of the lane ended."""
        self._running.remove(lane)
