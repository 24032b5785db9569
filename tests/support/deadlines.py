"""Upper bounds of the documented deadlines, in seconds that the machine gave this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds that a call may take beyond its timer (behaviours 1), and beyond a cancel (16).
GRACE, PROMPT = 0.5, 0.2

#: Seconds between two looks of the witness.
LOOK = 0.01
#: Seconds without a look and without work by which the process stood still. A calm machine is late
#: by a few thousandths, a busy one mostly by less than this.
STALL = 0.03


class Account:
    """Tells from looks at two clocks for how long a process stood still. Pure."""

    def __init__(self, now: float, worked: float) -> None:
        #: Seconds in which it could neither look nor work.
        self.stalled = 0.0
        self.looked_at = now
        self._worked = worked

    def look(self, now: float, worked: float) -> None:
        """Note the time, and the seconds for which processors have worked for the process."""
        idle = (now - self.looked_at) - (worked - self._worked)
        if idle > STALL:
            self.stalled += idle - LOOK
        self.looked_at, self._worked = now, worked


class Stopwatch:
    """Measures a block; the time in which the whole process stood still does not count.

    A busy machine gives a process nothing for tenths of a second now and then. A witness sees it, a
    thread that does nothing but look at the clocks: it comes late, and the process has not worked
    meanwhile. A wait of ours that is too long does not keep the witness from looking; work of ours
    that takes too long does, and its processor time tells. So both count.
    """

    def __init__(self) -> None:
        #: Seconds that the block took, and those of them that count; set at its end.
        self.elapsed = self.seconds = 0.0
        self._is_over = threading.Event()
        # Guards the account: whoever looks writes it, mostly the witness.
        self._lock = threading.Lock()

    def __enter__(self) -> Stopwatch:
        self._began = time.monotonic()
        self._account = Account(self._began, time.process_time())
        self._witness = threading.Thread(target=self._watch, name="witness", daemon=True)
        self._witness.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.elapsed = time.monotonic() - self._began
        self.seconds = self.read()
        self._is_over.set()
        self._witness.join()

    def read(self) -> float:
        """Return the seconds that count so far; for any thread."""
        with self._lock:
            # Of those whom a stall has kept waiting, the witness need not be the first.
            self._account.look(time.monotonic(), time.process_time())
            return self._account.looked_at - self._began - self._account.stalled

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK):
            self.read()


@contextmanager
def at_most(limit: float) -> Iterator[None]:
    """Fail unless the block ends within so many seconds that count."""
    with Stopwatch() as watch:
        yield
    _check(watch, limit)


@contextmanager
def ends_within(timer: float, *, grace: float = GRACE) -> Iterator[None]:
    """Fail unless the block takes at least the timer, and at most the grace longer."""
    with Stopwatch() as watch:
        yield
    # The clock of a timer and this one may differ by a tick.
    assert watch.elapsed + 0.01 >= timer, f"it took {watch.elapsed:.2f} s, less than its {timer}"
    _check(watch, timer + grace)


def _check(watch: Stopwatch, limit: float) -> None:
    took = f"{watch.seconds:.2f} s that count, of {watch.elapsed:.2f}"
    assert watch.seconds < limit, f"it took {took}, not {limit:.2f} at most"
