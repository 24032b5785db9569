"""The pure core under random faults: lanes, turns, timers, the recovery table, upkeep, breaker.

No thread, and no clock but a number. ``World`` makes one random step after another, and whoever
breaks a promise raises AssertionError there and then.
"""

from __future__ import annotations

import math
import random
from collections import Counter

from pyresponses_ws._protocol.breaker import LONGEST_COOL_DOWN, Breaker
from pyresponses_ws.config import Timeouts
from tests.simulation.answers import Ask, Author
from tests.simulation.core_caller import Caller
from tests.simulation.core_link import Job, Link, Loss

TIMEOUTS = (
    Timeouts(),
    Timeouts(silence=30),
    Timeouts(first_event=5, silence=5, idle=None),
    Timeouts(first_event=None, ping_interval=5, ping_timeout=3, idle=10),
)
#: Turns that run at the same time.
CALLERS = 4
#: Close codes of a link that is lost, and those that answer a request.
LOSSES = (1000, 1001, 1005, 1006, 1011, 1012, 3000, 4999)
REFUSING = (1002, 1003, 1007, 1008, 1009, 1010)


class World:
    """Callers, links and time; one random step after another."""

    def __init__(self, seed: int, turns: int) -> None:
        self.rng = rng = random.Random(seed)
        self.now = 1000.0
        self.turns_left = turns
        self.is_shared = rng.random() < 0.5
        self.has_http = rng.random() < 0.5
        self.timeouts = rng.choice(TIMEOUTS)
        self.author = Author(rng)
        self.links: list[Link] = []
        self.callers: list[Caller] = []
        self.breaker = Breaker()
        #: Steps for which no WebSocket can be opened, and since when one can.
        self.down, self.healed_at = 0, self.now
        self.begun = 0
        #: Times that the server ran each request.
        self.runs: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.rows: Counter[tuple[str, str]] = Counter()

    def run(self) -> None:
        """Run every turn to its end, and see that nothing is left."""
        while self.turns_left or self.callers:
            self.step()
        for link in list(self.links):
            assert not link.lanes.running, "a turn is left on a link"
            assert link.lanes.is_quiet or link.is_retired, "a lane is left open"
        assert sum(self.outcomes.values()) == self.begun, "a turn has no ending"

    def step(self) -> None:
        roll = self.rng.random()
        self.down -= self.down > 0
        if roll < 0.004:
            self.disturb()
        elif (
            (roll < 0.5 and self.serve())
            or (roll < 0.93 and self.read())
            or (roll < 0.98 and self.begin())
            or (self.rng.random() < 0.3 and self.pass_time())
        ):
            return
        elif not (self.serve() or self.read() or self.begin() or self.pass_time()):
            # A turn without a timer that nobody answers: some day its link goes.
            self.rng.choice(self.links).end(1006)

    def serve(self) -> bool:
        speaking = [link for link in self.links if link.can_speak()]
        if speaking:
            self.rng.choice(speaking).speak()
        return bool(speaking)

    def read(self) -> bool:
        ready = [caller for caller in self.callers if caller.inbox and caller.resume_at is None]
        if ready:
            self.rng.choice(ready).read()
        return bool(ready)

    def begin(self) -> bool:
        if not self.turns_left or len(self.callers) >= CALLERS:
            return False
        self.turns_left -= 1
        caller = Caller(self, self.begun)
        self.begun += 1
        self.callers.append(caller)
        caller.send()
        return True

    def disturb(self) -> None:
        """Lose a link, have a caller cancel, or let no WebSocket be opened for a while."""
        rng = self.rng
        kind = rng.randrange(4)
        if kind < 2 and self.links:
            rng.choice(self.links).end(rng.choice(LOSSES))
        elif kind == 2 and self.callers:
            rng.choice(self.callers).finish("cancelled")
        elif kind == 3:
            self.down = rng.randrange(5, 100)

    def end(self, caller: Caller) -> None:
        self.callers.remove(caller)
        self.outcomes[caller.outcome or ""] += 1
        runs = self.runs.pop(caller.mark, 0)
        limit = 1 if caller.has_effects or caller.policy == "never" else 2
        assert runs <= limit, f"{caller.mark} ran {runs} times"
        assert runs == 0 or caller.outcome != "ConnectError", f"{caller.mark} said it was not sent"

    # --- links ----------------------------------------------------------------------------------

    def lease(self, caller: Caller) -> Link | None:
        """Find or open a link; None when none can be had."""
        if caller.wants_http:
            return self.open(is_http=True)
        alone = not self.is_shared
        usable = [link for link in self.links if not link.is_http and link.takes(alone=alone)]
        if usable and not caller.wants_fresh:
            return self.rng.choice(usable)
        if not self.down and not self.breaker.is_open:
            self.breaker.note_success()
            return self.open(is_http=False)
        if not self.has_http:
            return None
        self.breaker.note_failure(self.now, is_definite=self.rng.random() < 0.2, rng=self.rng)
        caller.wants_http = True
        return self.open(is_http=True)

    def open(self, *, is_http: bool) -> Link:
        link = Link(self, is_http=is_http)
        link.is_retired = is_http
        self.links.append(link)
        return link

    def carry_request(self, caller: Caller, link: Link) -> None:
        """Bring a request to the server, or break the link on the way."""
        roll = self.rng.random()
        if roll < 0.02:
            # Dead before the first byte: as if the turn had never begun here.
            link.withdraw(caller)
            link.end(1006)
            caller.turn.restart()
            caller.recover("not_sent", Loss(1006, is_provoked=True))
            return
        if self.rng.random() < 0.03:
            link.upload_ends = self.now + self.rng.uniform(0, 100)
        caller.note_sent(link)
        if roll < 0.04:
            link.end(self.rng.choice(LOSSES))
        elif roll < 0.06:
            link.end(self.rng.choice(REFUSING))
        else:
            self.take_request(caller, link)

    def take_request(self, caller: Caller, link: Link) -> None:
        response_id = f"resp_{caller.mark}_{caller.attempts}"
        ask = Ask(caller.mark, caller.lane, response_id, caller.is_continued)
        caller.answer = self.author.answer(ask)
        self.runs[caller.mark] += caller.answer.runs
        link.jobs[caller.lane].append(Job(caller.answer, caller))

    # --- time -----------------------------------------------------------------------------------

    def pass_time(self) -> bool:
        """Let time pass up to the next timer at most; False when nothing will ever be due."""
        dues = [due for each in self.callers if (due := each.due()) is not None]
        dues += [link.upload_ends for link in self.links if link.unsent()]
        dues += [link.upkeep.due(self.now, link.facts()) for link in self.links]
        if self.breaker.probe_at is not None:
            dues.append(self.breaker.probe_at)
        # What was due before now and is not done is left to the oracles.
        until = min((due for due in dues if due > self.now), default=math.inf)
        if until == math.inf:
            return not self.links
        step = self.rng.choice((0.001, 0.1, 1.0, 30.0, 300.0))
        self.now = min(until, self.now + step)
        self.look()
        return True

    def look(self) -> None:
        """Do whatever is due now, then see that every promise is kept."""
        for link in list(self.links):
            link.look()
        for caller in list(self.callers):
            due = caller.due()
            if due is not None and due <= self.now:
                caller.look()
        self.probe()
        for link in self.links:
            link.check()
        for caller in self.callers:
            caller.check()

    def probe(self) -> None:
        breaker = self.breaker
        if breaker.probe_at is not None and breaker.probe_at <= self.now:
            if self.down:
                breaker.cool_down(self.now, rng=self.rng)
            else:
                breaker.close()
        self.healed_at = self.now if self.down else self.healed_at
        is_healed = self.now > self.healed_at + LONGEST_COOL_DOWN
        assert not (breaker.is_open and is_healed), "WebSocket is left alone for too long"
