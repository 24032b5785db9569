"""One turn of the simulated core and whoever waits for it: the delivery without its waits."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from pyresponses_ws._protocol.recovery import Action, Budget, Situation, decide
from pyresponses_ws._protocol.timers import TurnTimers
from pyresponses_ws._protocol.turn import Turn
from tests.simulation.answers import Answer, piece, text_of
from tests.simulation.core_link import GRACE, LANES, Link, Loss

if TYPE_CHECKING:
    from tests.simulation.core import World


class Caller:
    """One turn and whoever waits for it: the runtime's delivery without its waits."""

    def __init__(self, world: World, number: int) -> None:
        rng = world.rng
        self.world = world
        self.mark = f"t{number}"
        self.lane = rng.choice(LANES) if world.is_shared else None
        #: It reads a stream; otherwise nothing is shown to it before the end.
        self.reads = rng.random() < 0.6
        self.is_slow = rng.random() < 0.1
        self.has_effects = rng.random() < 0.3
        self.is_continued = rng.random() < 0.1
        self.policy: Any = rng.choice(("safe", "safe", "never"))
        #: Letters after which it gives up, if it comes so far.
        self.patience = rng.randrange(8) if rng.random() < 0.1 else None
        total = rng.choice((None, None, 3.0, 600.0))
        self.total_at = math.inf if total is None else world.now + total
        self.timers = TurnTimers(world.timeouts, now=world.now, total=total)
        self.turn = Turn()
        self.budget = Budget()
        self.inbox: deque[Any] = deque()
        self.link: Link | None = None
        self.answer = Answer([])
        #: When the next attempt is made, and when a wait that began before now ends.
        self.resume_at: float | None = None
        self.wakes_at: float | None = None
        self.wants_fresh = self.wants_http = self.is_replay = False
        self.attempts = 0
        #: Number of pieces of text that were shown.
        self.shown = 0
        self.outcome: str | None = None
        # What the oracle of the timers knows of this attempt.
        self.counts_from = self.last_event_at = world.now
        self.has_event = self.was_head = False

    # --- sending --------------------------------------------------------------------------------

    def send(self) -> None:
        """Hand the request to a link, or find that there is none."""
        self.resume_at = None
        if self.world.now >= self.total_at:
            self.finish("TurnTimeoutError")
            return
        link = self.world.lease(self)
        if link is None:
            self.finish("DeliveryUnknownError" if self.is_replay else "ConnectError")
            return
        self.link = link
        self.inbox.clear()
        link.begin(self)
        self.turn.restart()
        self.turn.mark_sent()
        self.world.carry_request(self, link)

    def note_sent(self, link: Link) -> None:
        now = self.world.now
        self.attempts += 1
        self.was_head, self.has_event = link.lanes.is_head(self), False
        self.counts_from = now
        self.timers.sent(now, unsent=link.unsent(), is_head=self.was_head)
        self.wait()

    def wait(self) -> None:
        self.wakes_at = self.timers.deadline(self.world.now)

    # --- receiving ------------------------------------------------------------------------------

    def read(self) -> None:
        """Take one letter, or leave."""
        if self.patience is not None:
            self.patience -= 1
            if self.patience < 0:
                self.finish("left")
                return
        letter = self.inbox.popleft()
        if isinstance(letter, Loss):
            self.lose(letter)
        else:
            self.receive(letter)

    def receive(self, event: Any) -> None:
        self.timers.received(self.world.now)
        self.has_event, self.last_event_at = True, self.world.now
        self.turn.receive_event(event)
        ending = self.turn.ending
        if ending is None:
            self.show(event)
        elif ending.kind == "error":
            self.recover("error")
        else:
            self.check_response()
            self.finish(ending.kind)

    def show(self, event: Any) -> None:
        if event.type == "response.output_text.delta":
            expected = piece(self.mark, self.shown if self.reads else _index_of(event.delta))
            assert event.delta == expected, f"{self.mark} was shown {event.delta}, not {expected}"
            self.shown += self.reads
        if self.reads:
            self.turn.mark_observed(event)
        self.wait()

    def check_response(self) -> None:
        response = self.turn.response()
        assert f"_{self.mark}_" in str(response.id), f"{self.mark} got {response.id}"
        assert response.output_text == self.answer.text, f"{self.mark} got {response.output_text}"

    def look(self) -> None:
        """Ask the timers; called when one is due and nothing waits to be read."""
        if self.resume_at is not None:
            if self.resume_at <= self.world.now:
                self.send()
            return
        link = self.link
        assert link is not None, "only a turn that was sent waits"
        is_head = link.lanes.is_head(self)
        phase = self.timers.expired(self.world.now, unsent=link.unsent(), is_head=is_head)
        if phase in ("total", "silence"):
            self.finish("TurnTimeoutError")
        elif phase == "first_event":
            self.recover("disconnect", Loss(1006, is_provoked=True), is_late=True)
        else:
            self.wait()

    # --- recovery -------------------------------------------------------------------------------

    def lose(self, loss: Loss) -> None:
        if loss.is_protocol_error:
            self.finish("ProtocolError")
        else:
            self.recover("disconnect", loss)

    def recover(self, kind: Any, loss: Loss | None = None, *, is_late: bool = False) -> None:
        """Ask the table, and do what it says."""
        world, ending = self.world, self.turn.ending
        situation = Situation(
            kind=kind,
            state=self.turn.reached,
            effect_free=not self.has_effects,
            details=ending.details if ending is not None else None,
            close_code=loss.code if loss is not None else None,
            provoked=loss is not None and loss.is_provoked,
            seconds_since_sent=math.inf if is_late else world.now - self.timers.sent_at,
            http_available=world.has_http and not self.wants_http,
            total_left=self.timers.left(world.now),
        )
        decision = decide(situation, self.budget, policy=self.policy, rng=world.rng)
        self.budget = decision.budget
        world.rows[decision.row, decision.action.value] += 1
        if decision.action is Action.RAISE:
            self.finish(decision.error.__name__ if decision.error else kind)
            return
        self.leave()
        self.wants_fresh = decision.action is not Action.RETRY
        self.wants_http |= decision.action is Action.HTTP
        self.is_continued &= decision.action is not Action.REBUILD
        self.is_replay |= decision.action is Action.REPLAY
        self.resume_at = world.now + decision.delay

    # --- endings --------------------------------------------------------------------------------

    def leave(self) -> None:
        """Give the attempt up; what still comes of it reaches nobody."""
        if self.link is not None and self.link.is_open:
            self.link.leave(self)

    def finish(self, outcome: str) -> None:
        assert self.outcome is None, f"{self.mark} ended as {self.outcome} and as {outcome}"
        self.outcome = outcome
        partial = self.turn.partial().text
        assert partial == text_of(self.mark, 4)[: len(partial)], f"{self.mark} kept {partial}"
        self.leave()
        self.world.end(self)

    # --- the oracle of the timers ---------------------------------------------------------------

    def due(self) -> float | None:
        if self.resume_at is not None:
            return self.resume_at
        return None if self.inbox else self.wakes_at

    def check(self) -> None:
        """It waits no longer than was promised, by a count that is not the product's own."""
        now, timeouts = self.world.now, self.world.timeouts
        if self.is_slow or self.inbox or self.resume_at is not None or self.link is None:
            return
        if self.link.unsent() or not self.was_head:
            # The clock of the first event stands still.
            self.was_head, self.counts_from = self.link.lanes.is_head(self), now
        assert now <= self.total_at + GRACE, f"{self.mark} outlived total"
        if self.has_event:
            silent_at = self.last_event_at + (timeouts.silence or math.inf)
            assert now <= silent_at + GRACE, f"{self.mark} outlived silence"
        elif self.was_head:
            ends_at = self.counts_from + (timeouts.first_event or math.inf)
            assert now <= ends_at + GRACE, f"{self.mark} outlived first_event"


def _index_of(delta: str) -> int:
    return int(delta.rstrip(";").rpartition(":")[2])
