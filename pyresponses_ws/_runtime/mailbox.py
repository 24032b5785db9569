"""Hand-off of events from the reader to the thread that waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.base import SEND_TIMED_OUT, Close
from pyresponses_ws.errors import ResponsesWSError
from pyresponses_ws.events import Event

#: A full answer of 128k tokens fits, each delta wrapped in its frame.
MAILBOX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Batch:
    """Events in order, and the bytes they came in."""

    events: list[Event]
    size: int


@dataclass(frozen=True)
class Lost:
    """The link has ended."""

    close: Close
    #: The close answered this turn's own send, so its code speaks of this turn.
    is_provoked: bool
    #: A timer ran out: the caller was promised an end by now, and no other attempt.
    is_late: bool = False

    @classmethod
    def by(cls, close: Close, *, is_provoked: bool) -> Lost:
        """Tell a loss by its close."""
        return cls(close, is_provoked, is_late=close.reason == SEND_TIMED_OUT)


@dataclass(frozen=True)
class Failed:
    """Nothing will come any more, and why."""

    error: ResponsesWSError


class Overflow:
    """The queue was full; what came after is gone."""


class Cancelled:
    """Somebody called ``cancel`` or ``close``."""


Letter = Batch | Lost | Failed | Overflow | Cancelled


class Sink(Protocol):
    """Whatever a turn's events go to; called on the reader thread."""

    def put(self, events: list[Event], size: int) -> None: ...

    def lose(self, close: Close, *, is_provoked: bool) -> None: ...


class Discard:
    """A sink for turns whose events are read elsewhere."""

    def put(self, events: list[Event], size: int) -> None:
        """Do nothing."""

    def lose(self, close: Close, *, is_provoked: bool) -> None:
        """Do nothing."""


class Mailbox:
    """A queue bounded by bytes, from one reader to one consumer at a time.

    The reader alone calls ``put`` and ``lose``; ``cancel`` and ``fail`` may come from any thread,
    and from a finalizer, since they take no lock.
    """

    def __init__(self, threads: Threads, *, limit: int = MAILBOX_BYTES) -> None:
        self._clock = threads.clock
        self._queue = threads.queue()
        self._limit = limit
        # Bytes ever put; written by the reader only.
        self._put_bytes = 0
        # Bytes ever taken; written by the consumer only. The difference is what is queued, at
        # worst a batch too high, and no lock is needed.
        self._taken_bytes = 0
        # Set by the reader once the limit was passed, and reset by the consumer who has been told.
        self._is_full = False

    def put(self, events: list[Event], size: int) -> None:
        """Queue a batch; one that does not fit becomes an Overflow.

        What comes after it is dropped until the consumer has read that far.
        """
        if self._is_full:
            return
        queued = self._put_bytes - self._taken_bytes
        # One batch always fits, however large: a single frame may exceed any limit.
        if queued and queued + size > self._limit:
            self._is_full = True
            self._queue.put(Overflow())
            return
        self._put_bytes += size
        self._queue.put(Batch(events, size))

    def lose(self, close: Close, *, is_provoked: bool) -> None:
        """Say that the link is gone, behind everything that came before."""
        self._queue.put(Lost.by(close, is_provoked=is_provoked))

    def cancel(self) -> None:
        """Wake the consumer. Any thread, finalizers included."""
        self._queue.put(Cancelled())

    def fail(self, error: ResponsesWSError) -> None:
        """Tell the consumer why nothing more will come. Any thread."""
        self._queue.put(Failed(error))

    def get(self, deadline: float | None) -> Letter:
        """Take the next letter. Raises Empty at the deadline."""
        letter: Letter = self._clock.get(self._queue, deadline)
        if type(letter) is Batch:
            self._taken_bytes += letter.size
        elif type(letter) is Overflow:
            self._is_full = False
        return letter


def count_bytes(texts: Sequence[str]) -> int:
    """Bytes of UTF-8 that the texts came in."""
    return len("".join(texts).encode())
