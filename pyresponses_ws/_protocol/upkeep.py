"""What a link needs from time to time: a ping, a replacement before it is too old, an end.

Pure: facts and ``now`` come in, in seconds on one clock, and a chore comes out.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import Enum

from pyresponses_ws.config import Timeouts

#: Seconds of age at which a replacement is opened, and at which the link takes no new turn. The
#: service ends a connection after 60 minutes.
REPLACE_AGE, RETIRE_AGE = 50 * 60.0, 55 * 60.0
#: Up to so much earlier, at random, so that links opened together do not go together.
RETIRE_JITTER = 3 * 60.0
#: Seconds for which a link that holds a chain of ``store=False`` is kept though it is not used: its
#: server remembers that chain for this socket alone.
CHAIN_IDLE = 30 * 60.0


class Chore(Enum):
    """What the keeper does for a link next."""

    NOTHING = "nothing"
    #: Ask the peer whether it is there; ``pinged`` must follow, or ``skipped``.
    PING = "ping"
    #: The peer is gone: nothing came since a ping.
    CUT = "cut"
    #: Close it: nobody has used it for long. Named once each time.
    CLOSE_IDLE = "close_idle"
    #: Open another link beside it, for when it is too old. Named once.
    REPLACE = "replace"
    #: Give it no new turn. Named once.
    RETIRE = "retire"


@dataclass(frozen=True, kw_only=True)
class LinkFacts:
    """What is known of a link at one moment."""

    #: When anything last came.
    last_received: float
    #: Bytes that the kernel holds back.
    unsent: int
    #: Since when no turn runs; None while one does.
    idle_since: float | None
    #: The server remembers a chain for this link alone.
    holds_chain: bool


class Upkeep:
    """Decides for one link. ``idle`` is None where nobody may close it for being idle."""

    def __init__(
        self, timeouts: Timeouts, *, opened_at: float, idle: float | None, rng: random.Random
    ) -> None:
        self._timeouts = timeouts
        self._idle = math.inf if idle is None else idle
        self._replace_at = opened_at + REPLACE_AGE
        self._retire_at = opened_at + RETIRE_AGE - rng.uniform(0.0, RETIRE_JITTER)
        # When the ping that still waits for an answer left.
        self._pinged_at: float | None = None
        # The start of the idleness for which its end was named already.
        self._closed_since: float | None = None
        # A ping that could not leave is tried again then.
        self._not_before = -math.inf
        # Bytes held back at the last look; while they shrink, the clocks of liveness stand still.
        self._unsent = 0

    def look(self, now: float, facts: LinkFacts) -> Chore:
        """Name what is due now; call again until it is nothing."""
        if self._pinged_at is not None and facts.last_received >= self._pinged_at:
            self._pinged_at = None
        if now >= self._idle_at(facts):
            self._closed_since = facts.idle_since
            return Chore.CLOSE_IDLE
        if now >= self._retire_at:
            self._replace_at = self._retire_at = math.inf
            return Chore.RETIRE
        if now >= self._replace_at:
            self._replace_at = math.inf
            return Chore.REPLACE
        return self._look_at_life(now, facts)

    def due(self, now: float, facts: LinkFacts) -> float:
        """When to look again, after ``look`` has named nothing; infinite for never."""
        # A turn that runs now may end at once, and nobody says so.
        idle_at = now + self._idle if facts.idle_since is None else self._idle_at(facts)
        return min(self._life_at(facts), idle_at, self._replace_at, self._retire_at)

    def pinged(self, now: float, *, unsent: int) -> None:
        """A ping has left; ``unsent`` counts it in, since its leaving is a sign of life too."""
        self._pinged_at, self._unsent = now, unsent

    def skipped(self, now: float) -> None:
        """A sender holds the socket, so no ping could leave; its own timer watches that."""
        self._not_before = now + (self._timeouts.ping_interval or math.inf)

    def _look_at_life(self, now: float, facts: LinkFacts) -> Chore:
        if now < self._life_at(facts):
            return Chore.NOTHING
        # Pings queue behind an upload, so their answers cannot come earlier.
        is_uploading = 0 < facts.unsent < self._unsent
        self._unsent = facts.unsent
        if self._pinged_at is None:
            if is_uploading:
                self.skipped(now)
            return Chore.NOTHING if is_uploading else Chore.PING
        if is_uploading:
            self._pinged_at = now
        return Chore.NOTHING if is_uploading else Chore.CUT

    def _life_at(self, facts: LinkFacts) -> float:
        if self._timeouts.ping_interval is None:
            return math.inf
        if self._pinged_at is not None:
            return self._pinged_at + self._timeouts.ping_timeout
        return max(facts.last_received + self._timeouts.ping_interval, self._not_before)

    def _idle_at(self, facts: LinkFacts) -> float:
        if facts.idle_since is None or facts.idle_since == self._closed_since:
            return math.inf
        kept = max(self._idle, CHAIN_IDLE) if facts.holds_chain else self._idle
        return facts.idle_since + kept
