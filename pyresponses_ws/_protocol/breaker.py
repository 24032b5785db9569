"""Whether WebSocket is asked at all: a circuit breaker for one origin.

It opens on one definite refusal (this server has no WebSocket here) or on a few failures that may
pass, and stays open for a cool-down that doubles each time. Then one probe in the background, not
a turn, finds out whether WebSocket works again. Pure: times come in, in seconds on one clock.
"""

from __future__ import annotations

import random

#: Failures that may pass, and the seconds within which so many of them open the breaker.
SOFT_FAILURES, SOFT_WINDOW = 3, 60.0
#: The first and the longest cool-down in seconds. Up to a quarter is taken off at random, so that
#: clients that one outage threw out do not come back in step.
FIRST_COOL_DOWN, LONGEST_COOL_DOWN = 60.0, 900.0
JITTER = 0.25
#: Statuses of a handshake by which a server says that it has no WebSocket here.
DEFINITE_STATUSES = frozenset({404, 405, 426})


class Breaker:
    """Counts failures to open a WebSocket. Holds no lock: one thread at a time."""

    def __init__(self) -> None:
        #: When a probe is due; None while turns may use WebSocket.
        self.probe_at: float | None = None
        # Times of the failures that may pass, newest last.
        self._failures: list[float] = []
        # The next cool-down, jitter apart.
        self._cool_down = FIRST_COOL_DOWN

    @property
    def is_open(self) -> bool:
        """Turns must leave WebSocket alone."""
        return self.probe_at is not None

    def note_failure(self, now: float, *, is_definite: bool, rng: random.Random) -> float | None:
        """Count a turn's failure. Returns the cool-down in seconds if this one opened the breaker.

        One that began before the breaker opened changes nothing any more.
        """
        if self.is_open:
            return None
        recent = [at for at in self._failures if at > now - SOFT_WINDOW]
        self._failures = [*recent, now]
        if not is_definite and len(self._failures) < SOFT_FAILURES:
            return None
        return self.cool_down(now, rng=rng)

    def cool_down(self, now: float, *, rng: random.Random) -> float:
        """Open, or stay so after a probe that failed. Returns the seconds until the next probe."""
        seconds = self._cool_down * rng.uniform(1 - JITTER, 1)
        self._cool_down = min(self._cool_down * 2, LONGEST_COOL_DOWN)
        self.probe_at = now + seconds
        return seconds

    def close(self) -> None:
        """Let turns use WebSocket again: a probe got through.

        The next cool-down stays long until a turn has been answered: a server may take a handshake
        and refuse every request.
        """
        self.probe_at = None
        self._failures.clear()

    def note_success(self) -> None:
        """A turn was answered over WebSocket: forget what was.

        While the breaker is open, it was one on an old link, and says nothing of new ones.
        """
        if not self.is_open:
            self._failures.clear()
            self._cool_down = FIRST_COOL_DOWN
