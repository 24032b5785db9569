"""The threads that run the model now, and how they end with the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds that the end of the process waits for turns that nobody stopped.
EXIT_TIMEOUT = 1.0


class Generations:
    """Knows what generates. Safe from any thread, and without a lock: it is used as all ends."""

    def __init__(self) -> None:
        # What stops each; every turn adds and removes its own.
        self._stops: dict[threading.Thread, Callable[[], None]] = {}
        # Set before the end looks at those above; who adds one looks afterwards.
        self._has_ended = False

    def __len__(self) -> int:
        return len(self._stops)

    def add(self, thread: threading.Thread, stop: Callable[[], None]) -> None:
        """Know a generation ahead of its start; once all has ended, it is stopped at once."""
        self._stops[thread] = stop
        if self._has_ended:
            stop()

    def remove(self, thread: threading.Thread) -> None:
        """Forget a generation that has ended, or could not start."""
        del self._stops[thread]

    def end(self) -> None:
        """Stop all, those to come too, and wait for a second at most."""
        self._has_ended = True
        ends_at = time.monotonic() + EXIT_TIMEOUT
        left = list(self._stops.items())
        for _, stop in left:
            stop()
        for thread, _ in left:
            if thread.ident is not None:
                thread.join(max(0.0, ends_at - time.monotonic()))
