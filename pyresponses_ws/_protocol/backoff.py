"""How long to wait before the next attempt to connect, and when to give up."""

from __future__ import annotations

import random
from collections.abc import Sequence


class Backoff:
    """A row of delays in seconds, used up one by one.

    ``reset`` when the connection has proved good, which is at its first event and not when it
    opens: a server that accepts and drops must not be hammered for ever.
    """

    def __init__(
        self,
        delays: Sequence[float] = (1, 2, 4, 8, 16),
        *,
        jitter: tuple[float, float] = (0.75, 1.0),
    ) -> None:
        self._delays = tuple(delays)
        # A quarter off at most. Clients that one restart threw out do not come back in step, no
        # wait is longer than promised, and none is so short that the row loses its meaning.
        self._jitter = jitter
        #: Delays handed out since the start or the last reset.
        self.attempts = 0

    def next_delay(self, rng: random.Random) -> float | None:
        """Return the seconds to wait before the next attempt, or None when none is left."""
        if self.attempts >= len(self._delays):
            return None
        delay = self._delays[self.attempts]
        self.attempts += 1
        return delay * rng.uniform(*self._jitter)

    def reset(self) -> None:
        """Start the row again."""
        self.attempts = 0
