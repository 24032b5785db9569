"""When things happened on a link, for its upkeep and for reports."""

from __future__ import annotations

import math

from pyresponses_ws._protocol.upkeep import LinkFacts
from pyresponses_ws._runtime.clock import Clock
from pyresponses_ws._transport.base import Transport


class Vitals:
    """Times in seconds on one clock. Each attribute has one writer; any thread reads."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        #: When it was open, and how long that took; the opening thread's, before anybody else
        #: sees the link.
        self.opened_at = 0.0
        self.connect_ms = 0.0
        #: When anything last came; the reader's.
        self.last_received = 0.0
        #: Round trip of the newest ping that was answered; the reader's.
        self.ping_ms: float | None = None
        # When the newest ping left; the keeper's.
        self._pinged_at = 0.0
        #: When our close frame, being out, must have been answered; the keeper's.
        self.ends_at = math.inf
        #: Since when no turn runs; None while one does. Written under the link's lock.
        self.idle_since: float | None = None
        #: The latest response was not stored, so the server remembers it for this link alone.
        #: Written under the link's lock.
        self.holds_chain = False

    def note_open(self, started: float) -> None:
        """The handshake that began at ``started`` is done."""
        self.opened_at = self.last_received = self._clock.now()
        self.connect_ms = (self.opened_at - started) * 1000

    def note_arrival(self) -> None:
        """Something came, if only a pong."""
        self.last_received = self._clock.now()
        if self._transport.last_pong is not None:
            self._transport.last_pong = None
            self.ping_ms = (self.last_received - self._pinged_at) * 1000

    def note_ping(self) -> None:
        """A ping is about to leave."""
        self._pinged_at = self._clock.now()

    def note_quiet(self) -> None:
        """No turn runs any more. Requires holding the link's lock."""
        if self.idle_since is None:
            self.idle_since = self._clock.now()

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return max(0.0, self._clock.now() - self.opened_at)

    def facts(self) -> LinkFacts:
        """What upkeep goes by."""
        return LinkFacts(
            last_received=self.last_received,
            unsent=self._transport.unsent_bytes() or 0,
            idle_since=self.idle_since,
            holds_chain=self.holds_chain,
        )
