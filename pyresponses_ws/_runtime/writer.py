"""The sending half of a link: whose frame comes next.

A frame must go out whole before another may start, so one lock is held across each send. It is
never waited for where somebody else waits: whoever finds it taken leaves its frame to the holder,
or goes without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pyresponses_ws._runtime.threads import Threads, try_lock
from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, Close, Transport
from pyresponses_ws.errors import ConnectionLostError

logger = logging.getLogger("pyresponses_ws.writer")

#: Seconds that the reader waits for a sender to let go, to answer a close. A peer that answers at
#: once does so while its request's sender still holds the lock; one that is stuck must not be
#: waited for, as its turn is promised an end within 0.1 s.
_ANSWER_WAIT = 0.02

#: Seconds that the reader waits for a sender to notice that the socket is gone; reached only when
#: an interrupt took the lock away with it.
_DISPOSE_WAIT = 5.0


class SendError(Exception):
    """The socket is dead. ``is_partial`` says whether a byte of the message may have left."""

    def __init__(self, *, is_partial: bool, close: Close) -> None:
        super().__init__()
        self.is_partial = is_partial
        self.close = close


class Writer:
    """Sends frames over one transport. Safe for any thread, but not in a finalizer."""

    def __init__(self, transport: Transport, threads: Threads) -> None:
        self._transport = transport
        # Order of the frames; held across a send. First in the order of a link's locks.
        self._lock = threads.lock()
        # Our close frame is out, and one is enough. Written under _lock.
        self._has_said_goodbye = False
        # The descriptor is gone. Written under _lock, by the reader.
        self._is_disposed = False

    def send(
        self,
        payload: bytes,
        *,
        progress_timeout: float,
        timeout: float | None,
        before: Callable[[], None],
        on_failure: Callable[[BaseException, bool], None],
    ) -> None:
        """Send one message; ``before`` runs at its turn, just ahead of it.

        When it fails, ``on_failure`` is told the exception and whether a byte is out, still at its
        turn. Raises ConnectionLostError, and whatever ``before`` raises.
        """
        transport = self._transport
        with self._lock:
            start = transport.bytes_sent
            try:
                before()
                transport.send(payload, progress_timeout=progress_timeout, timeout=timeout)
            except BaseException as exc:
                on_failure(exc, transport.bytes_sent != start)
                raise
        # A ping may have come meanwhile. Looked at after the release: a reader that failed to get
        # the lock had stored it by then.
        while transport.pending_pong is not None and not self._is_disposed:
            with self._lock:
                self._pong()

    def answer_ping(self) -> None:
        """Send the pong that is due, unless a sender holds the socket: then it does, afterwards.

        The reader calls this.
        """
        if self._transport.pending_pong is not None:
            with try_lock(self._lock) as is_free:
                if is_free:
                    self._pong()

    def _pong(self) -> None:
        """Requires holding _lock. A dead socket is the reader's to notice."""
        payload = self._transport.pending_pong
        self._transport.pending_pong = None
        if payload is not None and not self._is_disposed:
            try:
                self._transport.pong(payload)
            except ConnectionLostError:
                logger.debug("a pong could not be sent")

    def ping(self) -> bool:
        """Send a ping if no sender holds the socket; returns whether one left. The keeper's."""
        with try_lock(self._lock) as is_free:
            if not is_free or self._is_disposed or self._has_said_goodbye:
                return False
            try:
                self._transport.ping()
            except ConnectionLostError:
                logger.debug("a ping could not be sent")
            return True

    def say_goodbye(self, code: int, reason: str) -> None:
        """Send a close frame as best effort, for a second at most. The keeper's."""
        with try_lock(self._lock) as is_free:
            if is_free and not self._is_disposed:
                self._has_said_goodbye = True
                self._transport.close(code, reason)

    def answer_close(self, wire: Close) -> None:
        """Say our half of the close that ended the link, as best effort. The reader's."""
        is_due = wire.reply_due or wire.code != ABNORMAL_CLOSURE
        with try_lock(self._lock, timeout=_ANSWER_WAIT) as is_free:
            if is_free and is_due and not self._has_said_goodbye:
                self._transport.close(wire.code, "" if wire.reply_due else wire.reason)

    def dispose(self) -> None:
        """Shut the socket down and close its descriptor. The reader's last act.

        Senders fail at once after the shutdown, so the lock is free soon; under it nobody can
        still be inside a system call with the descriptor's number.
        """
        self._transport.abort()
        with try_lock(self._lock, timeout=_DISPOSE_WAIT):
            self._is_disposed = True
            self._transport.dispose()
