"""How long a send may stand still, and whether it does."""

from __future__ import annotations

import array
import math
import socket
import sys
import time
from collections.abc import Callable

if sys.platform != "win32":
    import fcntl
    from termios import TIOCOUTQ

#: Seconds of one wait for room in the kernel; between two of them the progress is measured, so
#: this is how late the end of a patience may be noticed.
STEP = 0.5


def count_unsent(sock: socket.socket) -> int | None:
    """Return the bytes that the peer has not acknowledged yet, or None where nobody can tell."""
    if sys.platform == "win32":
        return None
    held = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), TIOCOUTQ, held)
    except (OSError, ValueError):  # ValueError: closed already
        return None
    return held[0]


class Patience:
    """Ends ``seconds`` after the last sign that the peer takes bytes, ``limit`` after the start.

    A sign is a send that succeeds and, given ``count``, a queue in the kernel that shrinks: on a
    slow line the kernel reports room only when a third of its megabytes has left.
    """

    def __init__(
        self,
        seconds: float,
        count: Callable[[], int | None] | None = None,
        *,
        limit: float | None = None,
    ) -> None:
        self._seconds = seconds
        self._count = count or _count_nothing
        self._since = time.monotonic()
        self._ends_at = math.inf if limit is None else self._since + limit
        self._queued = self._count()

    def renew(self) -> None:
        """Note that the peer took something."""
        self._since = time.monotonic()
        self._queued = self._count()

    def step(self) -> float:
        """Return the seconds to wait before asking again; 0 or less when it has ended."""
        queued = self._count()
        if queued is not None and self._queued is not None and queued < self._queued:
            self._since = time.monotonic()
        self._queued = queued
        ends_at = min(self._since + self._seconds, self._ends_at)
        return min(STEP, ends_at - time.monotonic())


def _count_nothing() -> None:
    """Stand in for a count where the queue in the kernel does not matter."""
