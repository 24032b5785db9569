"""Connections that wait for their next call."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyresponses_ws._transport.http_body import Body, BodyError
from pyresponses_ws._transport.http_origin import Origin
from pyresponses_ws._transport.http_wire import MIN_WAIT, is_nothing_yet

#: Seconds after which a connection is not used again. Proxies commonly end one after 60, and one
#: that ends just while a request leaves costs that request its certainty.
IDLE_SECONDS = 55.0
#: Seconds by which we leave earlier than the server says it will.
MARGIN = 1.0
#: Most bytes that the end of an answer may still bring after its last event.
LATE_BYTES = 64 * 1024
#: Seconds for which that end is waited for when the next call comes sooner.
LATE_WAIT = 0.02

_KEEP_ALIVE = re.compile(r"\btimeout\s*=\s*(\d{1,9})")


@dataclass(frozen=True, kw_only=True)
class IdleSocket:
    """A connection between two calls."""

    sock: socket.socket
    origin: Origin
    #: Body of the answer before; its end may not have come yet.
    body: Body
    #: A moment on the monotonic clock.
    expires_at: float
    #: The process that opened it: after a fork it still belongs to that one alone.
    process: int = field(default_factory=os.getpid)

    def is_usable(self) -> bool:
        """Tell whether the answer before has ended and nothing has come since.

        Waits a moment for an end that is on its way, which costs less than another connection.
        """
        if self.process != os.getpid() or time.monotonic() >= self.expires_at:
            return False
        try:
            return self._read_late() and not self.body.has_excess and self._is_silent()
        except (OSError, BodyError):
            return False

    def _read_late(self) -> bool:
        """Read the end of the answer; tells whether it came. Raises OSError and BodyError."""
        size, ends_at = 0, time.monotonic() + LATE_WAIT
        while not self.body.is_complete and size <= LATE_BYTES:
            self.sock.settimeout(max(ends_at - time.monotonic(), MIN_WAIT))
            data = self.sock.recv(LATE_BYTES)
            if not data:
                return False
            self.body.receive_data(data)
            size += len(data)
        return self.body.is_complete

    def _is_silent(self) -> bool:
        """Tell whether the connection is open and nothing has come. Never waits."""
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)
        except OSError as exc:
            return is_nothing_yet(exc)
        return False

    def close(self) -> None:
        """Close the descriptor, and nothing else: a parent process may be using the connection."""
        with contextlib.suppress(OSError):
            self.sock.close()


class IdleSockets:
    """A bounded number of idle connections, newest first. Safe for any thread.

    Needs no lock: single operations of a deque are whole.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Any thread adds and takes; oldest at the left.
        self._waiting: deque[IdleSocket] = deque()
        # Set once, by close().
        self._is_closed = False

    def take(self, origin: Origin) -> socket.socket | None:
        """Return an open connection to ``origin``, which is then the caller's; None if none."""
        for _ in range(len(self._waiting)):
            try:
                idle = self._waiting.pop()
            except IndexError:  # another thread took it
                break
            if idle.origin != origin:
                self._waiting.appendleft(idle)
            elif idle.is_usable():
                return idle.sock
            else:
                idle.close()
        return None

    def put(self, idle: IdleSocket) -> None:
        """Keep a connection, or close it, or an older one, where that would be too many."""
        self._waiting.append(idle)
        self._close_beyond(0 if self._is_closed else self._limit)

    def close(self) -> None:
        """Close all of them, and whatever is still put here."""
        self._is_closed = True
        self._close_beyond(0)

    def __del__(self) -> None:
        self._close_beyond(0)

    def _close_beyond(self, limit: int) -> None:
        with contextlib.suppress(IndexError):  # another thread closed it
            while len(self._waiting) > limit:
                self._waiting.popleft().close()


def expiry(headers: Mapping[str, str]) -> float:
    """Return when a connection is too old, by the server's ``keep-alive`` if that is sooner."""
    said = _KEEP_ALIVE.search(headers.get("keep-alive", "").lower())
    seconds = min(IDLE_SECONDS, float(said[1]) - MARGIN) if said else IDLE_SECONDS
    return time.monotonic() + seconds
