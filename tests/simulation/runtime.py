"""One run of the whole runtime: a client, its callers, a server that fails, and the promises."""

from __future__ import annotations

import gc
import hashlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pyresponses_ws import errors
from pyresponses_ws._protocol.machine import IllegalSignalError
from pyresponses_ws.client import ResponsesClient
from pyresponses_ws.config import Hooks, Timeouts
from pyresponses_ws.report import TurnReport
from tests.simulation.determinism import deterministic
from tests.simulation.http_pool import SimHTTPPool
from tests.simulation.peer import Peer
from tests.simulation.people import GRACE, Caller, Host, Story, is_prefix
from tests.simulation.scheduler import Scheduler
from tests.simulation.transport import SimTransport

TIMEOUTS = (
    Timeouts(),
    Timeouts(silence=20),
    Timeouts(connect=1, send=2, first_event=5, silence=10, ping_interval=5, ping_timeout=3),
    Timeouts(first_event=None, idle=None),
    Timeouts(create_total=15, ping_interval=None),
)
#: Seconds in which a turn ends that was lost with its link.
LOSS_GRACE = 0.1
#: Seconds in which a cancelled turn ends, and by which ``close`` may take longer than its timeout.
CANCEL_GRACE, CLOSE_GRACE = 0.2, 3.0
#: What no error may come from: faults of the product, which it would hide.
FAULTS = (AssertionError, AttributeError, NameError, TypeError, IllegalSignalError)
#: Outcomes that no hook need be told.
UNTOLD = ("ClosedError", "dropped", "interrupted")
#: They say that nothing was run.
NOT_RUN = (errors.ConnectError, errors.ClosedError, errors.PoolTimeoutError)


class Run:
    """Everything of one seed. ``run`` raises SimulationError when a promise is broken."""

    def __init__(self, seed: int, turns: int) -> None:
        self.seed = seed
        self.scheduler = Scheduler(seed)
        self.rng = random.Random(f"people {seed}")
        self.peer = Peer(self.scheduler, random.Random(f"peer {seed}"))
        self.turns = turns
        self.replay: Any = self.rng.choice(("safe", "safe", "safe", "never"))
        self.timeouts = self.rng.choice(TIMEOUTS)
        self.transport: Any = self.rng.choice(("websocket", "auto", "auto", "http"))
        self.http = SimHTTPPool(self.peer)
        self.transports: list[SimTransport] = []
        self.stories: list[Story] = []
        #: What the hooks were told.
        self.told: Counter[str] = Counter()
        self.is_closing = False
        #: All turns by mark, those that have not ended, and the one that each thread is in.
        self.by_mark: dict[str, Story] = {}
        self.waiting: dict[str, Story] = {}
        self.turn_of: dict[str, Story] = {}
        #: When ``close`` had returned.
        self.closed_at = math.inf
        self.scheduler.on_jump = self._check_time
        self._numbers = itertools.count()

    def run(self) -> None:
        with deterministic(self.seed, self.scheduler, self.http):
            self.scheduler.run(self._main)

    def digest(self) -> str:
        """A fingerprint of every step, of what came of each turn, and of what was sent."""
        outcomes = [(story.mark, story.outcome, story.ended) for story in self.stories]
        bytes_moved = [(each.bytes_sent, each.bytes_received) for each in self.transports]
        facts = repr((self.scheduler.trace, outcomes, bytes_moved))
        return hashlib.sha256(facts.encode()).hexdigest()

    def outcomes(self) -> Counter[str | None]:
        """How many turns ended in which way."""
        return Counter(story.outcome for story in self.stories)

    # --- the run --------------------------------------------------------------------------------

    def _main(self) -> None:
        self._live()
        gc.collect()
        self.scheduler.wait(self._is_alone, None, "the end of every thread")
        # The finalizers of what goes in one pass hold things until they have run.
        while gc.collect():
            pass
        self._check_the_end()

    def _live(self) -> None:
        client = self._make_client()
        self._invite(client)
        enough = self.turns * (0.8 if self.rng.random() < 0.3 else 2.0)
        self.scheduler.wait(
            lambda: self._is_done() or len(self.stories) >= enough, None, "the callers"
        )
        if self.rng.random() < 0.7:
            self.is_closing = True
            self._close(client)

    def _close(self, client: ResponsesClient) -> None:
        """Close it, and see that it takes no longer than it may, and leaves nothing open."""
        # An exception may have tied a dropped turn into a circle, which waits for the collector.
        gc.collect()
        timeout, started = self.rng.choice((0.0, 1.0, 5.0)), self.scheduler.now()
        client.close(timeout)
        self.closed_at = self.scheduler.now()
        took = self.closed_at - started
        assert took <= timeout + CLOSE_GRACE, f"close({timeout}) took {took} s"
        self.scheduler.wait(self._is_alone, None, "the end of every thread")
        assert self.told["connect"] == self.told["disconnect"], f"links are left: {self.told}"
        stats = client.stats()
        assert stats.links == 0, f"links are left: {stats}"
        # Dropped too late for ``close`` to see; or Ctrl-C came while the count was kept.
        uncounted = sum(
            story.outcome == "interrupted"
            or (story.outcome == "dropped" and story.ended >= started)
            for story in self.stories
        )
        assert stats.turns_running <= uncounted, f"turns are left: {stats}"
        assert stats.turns == self.told["turn_end"], f"{self.told} of {stats}"

    def _make_client(self) -> ResponsesClient:
        hooks = Hooks(
            on_connect=lambda report: self._hear("connect"),
            on_disconnect=lambda report: self._hear("disconnect"),
            on_retry=lambda report: self._hear("retry"),
            on_turn_end=self._hear_turn_end,
        )
        return ResponsesClient(
            "sk-test",
            base_url="http://localhost:9/v1",
            transport=self.transport,
            transport_factory=self._make_transport,
            timeouts=self.timeouts,
            replay=self.replay,
            hooks=hooks,
        )

    def _make_transport(self) -> SimTransport:
        self.transports.append(SimTransport(self.peer, self._note_loss))
        return self.transports[-1]

    def _note_loss(self, marks: set[str]) -> None:
        """A link has ended, and the turns of these marks had not."""
        for mark in marks & self.waiting.keys():
            self.waiting[mark].lost_at = self.scheduler.now()

    def _hear(self, what: str) -> None:
        self.told[what] += 1
        self.scheduler.point(f"hook {what}")

    def _hear_turn_end(self, report: TurnReport) -> None:
        self.turn_of[self.scheduler.current.name].endings += 1
        self._hear("turn_end")

    def _invite(self, client: ResponsesClient) -> None:
        users = self.rng.randrange(1, 5)
        share = self.turns // users
        for number in range(users):
            turns = share if number else self.turns - share * (users - 1)
            if self.rng.random() < 0.25 and self.transport != "http":
                self.scheduler.spawn("host", Host(self, client, turns).live)
            else:
                self.scheduler.spawn("caller", Caller(self, client, turns).live)

    def _is_done(self) -> bool:
        people = ("host", "lane user", "caller")
        return not any(task.name.startswith(people) for task in self.scheduler.tasks())

    def _is_alone(self) -> bool:
        return len(self.scheduler.tasks()) == 1

    # --- time -----------------------------------------------------------------------------------

    def _check_time(self, until: float) -> None:
        """Nobody outlives a timer: asked when no thread has anything to do before ``until``."""
        if any(transport.is_closing for transport in self.transports):
            # It may be the keeper, whom all the other links wait for then.
            return
        for transport in self.transports:
            if transport.is_live and not transport.is_sending:
                self._check_use(transport)
                self._check_liveness(transport, until)
                story = self.waiting.get(transport.mark or "")
                if story is not None and story.is_prompt and story.outcome is None:
                    self._check_timers(transport, story, until)

    def _check_use(self, transport: SimTransport) -> None:
        """A link whose only turn was given up is cut, and so is one that is too old, once quiet."""
        left = [story for mark in transport.marks if (story := self.by_mark[mark]).outcome]
        assert not left or left[0].is_on_lane, f"{left[0].mark} is over, and its link lives"
        assert transport.marks or not transport.is_condemned, "a link lives that took its leave"

    def _check_liveness(self, transport: SimTransport, until: float) -> None:
        """A link of which nothing is heard is cut, some time after a ping."""
        timeouts = self.timeouts
        patience = (timeouts.ping_interval or math.inf) + timeouts.ping_timeout
        since = max(transport.heard_at, transport.moved_at)
        # Its close frame may have taken a second, and so may another link's.
        patience += 1.0
        assert until <= since + patience + GRACE, f"a dead link lives: {until - since} s"

    def _check_timers(self, transport: SimTransport, story: Story, until: float) -> None:
        timeouts, waited = self.timeouts, until - transport.waits_since
        limit = timeouts.silence if transport.has_event else timeouts.first_event
        assert waited <= (limit or math.inf) + GRACE, f"{story.mark} waits for {waited} s"

    # --- one turn -------------------------------------------------------------------------------

    def begin(self, has_effects: bool, total: float | None) -> Story:
        mark = f"t{next(self._numbers)}"
        story = Story(mark, has_effects, total, self.scheduler.now())
        self.stories.append(story)
        self.by_mark[mark] = self.waiting[mark] = story
        self.turn_of[self.scheduler.current.name] = story
        return story

    def check_response(self, story: Story, response: Any) -> None:
        """It is this turn's own, and whole."""
        assert f"_{story.mark}_" in str(response.id), f"{story.mark} got {response.id}"
        expected = self.peer.texts[response.id]
        assert response.output_text == expected, f"{story.mark} got {response.output_text!r}"
        if response.report is not None:
            story.attempts = response.report.attempts
            story.is_replayed = response.report.possible_duplicate_charge

    def note_error(self, story: Story, exc: errors.ResponsesWSError) -> None:
        """It says what is true."""
        story.outcome = type(exc).__name__
        ran = self.peer.ran[story.mark]
        assert not (isinstance(exc, NOT_RUN) and ran), f"{story.mark}: {exc!r}, but it ran"
        for each in _chain(exc):
            assert not isinstance(each, FAULTS), f"{story.mark}: {exc!r} hides {each!r}"
        if isinstance(exc, errors.TurnFacts) and exc.report is not None:
            self._check_facts(story, exc)
        if isinstance(exc, errors.TurnCancelledError):
            assert story.is_disturbed or self.is_closing, f"{story.mark}: cancelled by nobody"
        if isinstance(exc, errors.ClosedError):
            is_known = story.is_disturbed or self.is_closing or story.is_on_lane
            assert is_known, f"{story.mark}: closed by nobody"

    def _check_facts(self, story: Story, exc: errors.TurnFacts) -> None:
        story.attempts = exc.report.attempts
        story.is_replayed = exc.report.possible_duplicate_charge
        assert is_prefix(exc.partial.text, story), f"{story.mark} kept {exc.partial.text!r}"
        if isinstance(exc, errors.ResponseInterruptedError):
            assert exc.state == "observed", f"{story.mark}: interrupted when {exc.state}"
        if isinstance(exc, errors.DeliveryUnknownError):
            assert exc.attempts > 0, f"{story.mark}: unknown, though it was never sent"
            assert exc.state != "observed", f"{story.mark}: unknown, though it was observed"

    def end(self, story: Story) -> None:
        """Nothing was run twice that must not be, and no timer was outlived."""
        story.ended = self.scheduler.now()
        del self.waiting[story.mark]
        ran, asked = self.peer.ran[story.mark], self.peer.asked[story.mark]
        is_once = story.has_effects or self.replay == "never" or story.is_on_lane
        assert ran <= (1 if is_once else 2), f"{story.mark} ran {ran} times"
        assert asked <= 5, f"{story.mark} was asked {asked} times"
        took = story.ended - story.started
        if story.is_prompt and story.total is not None:
            assert took <= story.total + GRACE, f"{story.mark} took {took} of {story.total} s"
        if story.cancelled_at is not None and story.is_prompt:
            late = story.ended - story.cancelled_at
            assert late <= CANCEL_GRACE, f"{story.mark} ended {late} s after its cancel"
        if story.is_prompt and story.ended > self.closed_at:
            late = story.ended - max(self.closed_at, story.started)
            assert late <= CANCEL_GRACE, f"{story.mark} ended {late} s after close"
        if story.lost_at is not None and story.is_on_lane:
            late = story.ended - story.lost_at
            assert late <= LOSS_GRACE, f"{story.mark} ended {late} s after its link"
        if ran == 2 and story.attempts:
            assert story.is_replayed, f"{story.mark} ran twice, and its report does not say so"

    # --- the end --------------------------------------------------------------------------------

    def _check_the_end(self) -> None:
        """Every turn has its ending, and nothing is left of any."""
        for story in self.stories:
            assert story.outcome is not None, f"{story.mark} has no ending"
            # None where it was refused before it began, or let go of: finalizers call no hook.
            fewest = story.is_delivered and story.outcome not in UNTOLD
            assert fewest <= story.endings <= 1, f"{story.mark} was told {story.endings} endings"
        left = sum(transport.is_left for transport in self.transports)
        assert left == self.http.busy == 0, f"left: {left} sockets, {self.http.busy} calls"
        made = [made() for made in self.scheduler.made]
        names = sorted(each.name for each in made if each is not None)
        assert names == [], f"never let go of: {names}"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything behind it."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [exc]
    while waiting:
        each = waiting.pop()
        if each is not None and not any(each is known for known in seen):
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
    yield from seen
