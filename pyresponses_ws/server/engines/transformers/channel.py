"""From the thread that runs the model to the thread of the turn: deltas, and few of them ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from pyresponses_ws.server.engines.base import Delta


class Channel:
    """Hands deltas over in order, from one maker to one taker. Each side may leave first.

    ``limit`` is how many the maker may be ahead, until ``relax``. Safe from any thread.
    """

    def __init__(self, limit: int) -> None:
        # None is any number.
        self._limit: int | None = limit
        # Guards the rest; notified when any of it changes.
        self._changed = threading.Condition()
        # Put by the maker, not yet taken.
        self._ready: deque[Delta] = deque()
        # Whether the maker is done, and what it failed with.
        self._has_ended = False
        self._failure: BaseException | None = None
        # Whether the taker has left; what is put then is dropped.
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nobody takes any more."""
        return self._is_closed

    def put(self, delta: Delta) -> bool:
        """Hand a delta over, once there is room; return whether anybody will take it."""
        with self._changed:
            # Ends by the taker, who takes or closes.
            self._changed.wait_for(lambda: self._is_closed or self._has_room())
            if self._is_closed:
                return False
            self._ready.append(delta)
            self._changed.notify_all()
        return True

    def end(self, failure: BaseException | None = None) -> None:
        """Say that nothing follows; ``failure`` is raised to the taker behind what is ready."""
        with self._changed:
            self._has_ended = True
            self._failure = failure
            self._changed.notify_all()

    def relax(self) -> None:
        """Let the maker be ahead as far as it likes; idempotent, and it never blocks for long."""
        with self._changed:
            self._limit = None
            self._changed.notify_all()

    def close(self) -> None:
        """Take nothing more; idempotent, and it never blocks for long."""
        with self._changed:
            self._is_closed = True
            self._ready.clear()
            self._changed.notify_all()

    def take_all(self) -> Iterator[Delta]:
        """Yield what is put until the end or ``close``. Raises what the maker failed with."""
        while (delta := self._take()) is not None:
            yield delta

    def _take(self) -> Delta | None:
        with self._changed:
            # Ends by the maker, who puts or ends, or by close().
            self._changed.wait_for(lambda: self._ready or self._has_ended or self._is_closed)
            if self._is_closed:
                return None
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return None

    def _has_room(self) -> bool:
        """Say whether one more fits. Requires holding _changed."""
        return self._limit is None or len(self._ready) < self._limit
