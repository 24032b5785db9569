"""Keeps turns off a WebSocket that does not work, and finds out in the background when it does.

The reconnector thread probes: it opens a link, and looks at it again a little later, since some
servers close with 1008 right after the handshake. A link that stays is the pool's from then on.
Nobody probes for a client that nobody uses: the next turn asks for it.
"""

from __future__ import annotations

import logging
import random
import weakref
from collections.abc import Callable

from pyresponses_ws._protocol.breaker import DEFINITE_STATUSES, Breaker
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.errors import APIError, ConfigError, ConnectError

logger = logging.getLogger("pyresponses_ws.breaker")

#: Seconds for which a probe's link must stay open before turns are sent on it.
PROVING_TIME = 2.0


class WebSocketBreaker:
    """The breaker of one client's origin. Safe for any thread."""

    def __init__(
        self,
        threads: Threads,
        reconnector: Reconnector,
        *,
        host: str,
        open_link: Callable[[], Link],
    ) -> None:
        self._clock = threads.clock
        self._reconnector = reconnector
        self._host = host
        # Opens a link for the pool; weak, so that probes do not keep a client alive.
        self._open_link = weakref.WeakMethod(open_link)
        self._rng = random.Random()
        # Guards what follows; never held across I/O or a call of others.
        self._lock = threads.lock()
        self._breaker = Breaker()
        # A turn had to do without WebSocket since the last probe.
        self._is_wanted = False
        # The reconnector has a probe of ours to make.
        self._is_scheduled = False
        self._is_stopped = False
        # The link of a probe that must prove itself; the reconnector's thread only.
        self._candidate: Link | None = None
        # Its own: whoever holds it goes a moment earlier, and a cool-down is long.
        weakref.finalize(self, reconnector.wake)

    @property
    def is_open(self) -> bool:
        """Turns must not try WebSocket. Asking counts as wanting it, and so brings a probe."""
        with self._lock:
            if not self._breaker.is_open:
                return False
            self._is_wanted = True
        self._schedule()
        return True

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the next probe; None while turns may use WebSocket."""
        with self._lock:
            due = self._breaker.probe_at
        return None if due is None else max(0.0, due - self._clock.now())

    def note_failure(self, error: Exception) -> float | None:
        """Count a failure to get a WebSocket, and return the cool-down if it opened the breaker."""
        is_proxys = getattr(error, "stage", None) == "proxy"
        is_definite = not is_proxys and getattr(error, "status", None) in DEFINITE_STATUSES
        with self._lock:
            now = self._clock.now()
            seconds = self._breaker.note_failure(now, is_definite=is_definite, rng=self._rng)
            # This turn had to do without already.
            self._is_wanted |= seconds is not None
        if seconds is not None:
            self._schedule()
            logger.warning(
                "WebSocket to %s does not work (%s); turns go over HTTP, next look in %.0f s",
                self._host,
                # In words: a record may be kept, and an error's traceback holds the turn.
                str(error),
                seconds,
            )
        return seconds

    def note_success(self) -> None:
        """A turn was answered over WebSocket."""
        with self._lock:
            self._breaker.note_success()

    def stop(self) -> None:
        """Probe no more: the client is closed."""
        with self._lock:
            self._is_stopped, self._is_scheduled = True, False
        self._reconnector.wake()

    # --- Reconnectable: the reconnector's thread ----------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """There is a probe to make, or one under way."""
        return self._is_scheduled

    def reconnect(self) -> float | None:
        """Probe, or judge the probe before. Returns when to come again, None for not at all."""
        if self._candidate is not None:
            return self._judge(self._candidate)
        with self._lock:
            if not self._is_wanted or not self._breaker.is_open:
                self._is_scheduled = False
                return None
            self._is_wanted = False
        opener = self._open_link()
        if opener is None:
            return None
        try:
            self._candidate = opener()
        except Exception as exc:
            # Whatever it was, WebSocket does not work now.
            return self._fail(exc)
        return PROVING_TIME

    def _judge(self, link: Link) -> float | None:
        self._candidate = None
        if not link.is_open:
            return self._fail(ConnectError("the link was closed right after the handshake"))
        with self._lock:
            self._breaker.close()
            self._is_scheduled = False
        logger.info("WebSocket to %s works again", self._host)
        return None

    def _fail(self, error: Exception) -> float:
        with self._lock:
            seconds = self._breaker.cool_down(self._clock.now(), rng=self._rng)
        logger.debug("probe of %s failed (%s); next in %.0f s", self._host, str(error), seconds)
        return seconds

    def _schedule(self) -> None:
        starts = False
        try:
            with self._lock:
                due = self._breaker.probe_at
                if due is None or self._is_scheduled or self._is_stopped:
                    return
                starts = self._is_scheduled = True
            self._reconnector.schedule(self, max(0.0, due - self._clock.now()))
        except BaseException as exc:
            # The next turn asks again. A job that was given all the same is one with the next.
            if starts:
                with self._lock:
                    self._is_scheduled = False
            # RuntimeError: the system has no thread to give.
            if not isinstance(exc, RuntimeError):
                raise


def is_transport_failure(error: Exception) -> bool:
    """Whether an error of opening a link says that WebSocket, not the API, refuses.

    401, a 403 with the API's own word and 429 are the API's; HTTP would hear the same.
    """
    if isinstance(error, (APIError, ConfigError)):
        return False
    if not isinstance(error, ConnectError):
        return False
    return error.stage == "proxy" or error.status not in (401, 429)
