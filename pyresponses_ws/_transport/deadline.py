"""One moment that several steps share."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A moment on the monotonic clock that several steps share."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(at=time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds that remain, always above 0. Raises TimeoutError when none do."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds
