"""One socket of the simulated core: what the client knows of it, and the server behind it."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pyresponses_ws._protocol.kinds import CREATED, ERROR_TYPES, TERMINAL_TYPES
from pyresponses_ws._protocol.lanes import Abandonment, Lanes
from pyresponses_ws._protocol.upkeep import Chore, LinkFacts, Upkeep
from pyresponses_ws.codec import parse_event
from pyresponses_ws.errors import ProtocolError
from tests.simulation.answers import Answer, Frame

if TYPE_CHECKING:
    from tests.simulation.core import World
    from tests.simulation.core_caller import Caller

#: Seconds by which a timer may be late.
GRACE = 0.5
LANES = (None, "a", "b")
#: Events that begin or end a turn.
STEPS = TERMINAL_TYPES | ERROR_TYPES | {CREATED}

#: On a lane that nobody has used, so nobody's.
STRAYS: tuple[Frame, ...] = (
    {"type": "response.completed", "response": {"id": "resp_stray"}, "stream_id": "unused"},
    {"type": "response.created", "response": {"id": "resp_stray"}, "stream_id": "unused"},
    {"type": "response.output_text.delta", "delta": "stray", "stream_id": "unused"},
    {"type": "keepalive", "stream_id": "unused"},
)


class Loss(NamedTuple):
    """The link has ended; stands behind the events that came before."""

    code: int
    is_provoked: bool
    is_protocol_error: bool = False


class Job:
    """A request as the server works on it."""

    def __init__(self, answer: Answer, caller: Caller) -> None:
        self.frames = deque(answer.frames)
        self.answer = answer
        self.caller = caller
        self.is_created = False

    @property
    def is_bare(self) -> bool:
        """Its next frame ends it, without a beginning."""
        return not self.is_created and self.frames[0]["type"] in TERMINAL_TYPES

    def begin(self) -> None:
        """Put a ``created`` in front."""
        self.frames.appendleft({**self.frames[0], "type": CREATED})

    def take_frame(self) -> Frame:
        frame = self.frames.popleft()
        self.is_created |= frame["type"] == CREATED
        return frame


class Link:
    """One socket: what the client knows of it, and the server's side."""

    def __init__(self, world: World, *, is_http: bool) -> None:
        self.world = world
        self.is_http = is_http
        self.lanes: Lanes[Caller] = Lanes()
        self.is_open, self.is_retired = True, False
        self.last_sender: Caller | None = None
        #: Who waits for an ending here, in the order of the requests: the oracle's own list.
        self.unanswered: list[Caller] = []
        self.jobs: dict[str | None, deque[Job]] = {lane: deque() for lane in LANES}
        self.late: dict[str | None, list[Frame]] = {lane: [] for lane in LANES}
        #: The last turn there ended by an ``error``, so that a ``failed`` may follow.
        self.is_failure_due = dict.fromkeys(LANES, False)
        self.timeouts = world.timeouts
        self.upkeep = Upkeep(
            world.timeouts, opened_at=world.now, idle=world.timeouts.idle, rng=world.rng
        )
        self.last_received = self.idle_since = world.now
        #: The peer takes bytes and says nothing, not even a pong.
        self.is_deaf = not is_http and world.rng.random() < 0.02
        #: Until then the kernel holds back bytes of the request.
        self.upload_ends = 0.0

    def unsent(self) -> int:
        return max(0, math.ceil((self.upload_ends - self.world.now) * 1000))

    # --- the server -----------------------------------------------------------------------------

    def can_speak(self) -> bool:
        if not self.is_open or self.is_deaf or self.unsent():
            return False
        return any(self.late.values()) or any(q and q[0].frames for q in self.jobs.values())

    def speak(self) -> None:
        """Send one frame of some lane, or one that belongs to nobody."""
        rng = self.world.rng
        if rng.random() < 0.002:
            self.carry(dict(rng.choice(STRAYS)), expected=None)
            return
        speaking = [x for x in LANES if self.late[x] or (self.jobs[x] and self.jobs[x][0].frames)]
        lane = rng.choice(speaking)
        queue = self.jobs[lane]
        if self.late[lane] and (not queue or rng.random() < 0.5):
            self.carry(self.late[lane].pop(), expected=None)
            return
        is_second_due = len(queue) > 1 and queue[0].is_created and not queue[1].answer.runs
        if is_second_due and rng.random() < 0.5:
            second = queue[1]
            del queue[1]
            self.carry(second.take_frame(), expected=second.caller)
        elif queue and queue[0].frames:
            self.late[lane].clear()
            self.work_on(lane)

    def work_on(self, lane: str | None) -> None:
        queue = self.jobs[lane]
        job = queue[0]
        if self.is_failure_due[lane] and job.is_bare:
            # A bare ending would look like the failure that is due: no client can tell them apart.
            job.begin()
        frame = job.take_frame()
        if not job.frames and job.answer.ends:
            queue.popleft()
            self.late[job.caller.lane] = list(job.answer.late)
        self.carry(frame, expected=job.caller)

    def carry(self, frame: Frame, *, expected: Caller | None) -> None:
        """Bring a frame to the client, which must give it to nobody else than is meant."""
        self.last_received = self.world.now
        if frame["type"] in STEPS and frame not in STRAYS:
            self.is_failure_due[frame.get("stream_id")] = frame["type"] in ERROR_TYPES
        event = parse_event(frame)
        try:
            receivers = self.lanes.route(event)
        except ProtocolError:
            assert expected is not None, "a late event was blamed"
            assert expected.answer.is_torn, "an honest peer was blamed"
            self.end(1002, is_protocol_error=True)
            return
        assert receivers in ((), (expected,)), f"{frame} went to {receivers}"
        for caller in receivers:
            caller.inbox.append(event)
            if frame["type"] in TERMINAL_TYPES | ERROR_TYPES:
                self.unanswered.remove(caller)
        self.tidy()

    # --- the client -----------------------------------------------------------------------------

    def tidy(self) -> None:
        """Do what the runtime does after it has routed, or fenced."""
        if self.lanes.is_quiet:
            self.last_sender, self.idle_since = None, self.world.now
        if self.lanes.limit_reached or self.lanes.is_retiring:
            self.is_retired = True
        if self.is_retired and self.lanes.is_quiet:
            self.end(1006)

    def begin(self, caller: Caller) -> None:
        self.lanes.begin(caller.lane, caller)
        self.last_sender = caller
        self.unanswered.append(caller)

    def leave(self, caller: Caller) -> None:
        """Nothing more of it reaches the caller."""
        if caller in self.unanswered:
            self.unanswered.remove(caller)
        if self.lanes.abandon(caller) is Abandonment.ALONE:
            self.end(1006)
        else:
            self.tidy()

    def withdraw(self, caller: Caller) -> None:
        self.lanes.withdraw(caller)
        self.unanswered.remove(caller)

    def takes(self, *, alone: bool) -> bool:
        return self.is_open and not self.is_retired and (self.lanes.is_quiet or not alone)

    def end(self, code: int, *, is_protocol_error: bool = False) -> None:
        """Lose it: each unfinished turn hears of it once."""
        if not self.is_open:
            return
        self.is_open = False
        lost = self.lanes.lose()
        assert lost == self.unanswered, "a loss was not told to whom it concerns"
        for caller in lost:
            loss = Loss(code, caller is self.last_sender, is_protocol_error)
            caller.inbox.append(loss)
        self.world.links.remove(self)

    def facts(self) -> LinkFacts:
        return LinkFacts(
            last_received=self.last_received,
            unsent=self.unsent(),
            idle_since=self.idle_since if self.lanes.is_quiet else None,
            holds_chain=False,
        )

    def look(self) -> None:
        """Do the chores that are due."""
        now = self.world.now
        while self.is_open and (chore := self.upkeep.look(now, self.facts())) is not Chore.NOTHING:
            if chore is Chore.PING:
                self.upkeep.pinged(now, unsent=self.unsent())
                self.last_received = self.last_received if self.is_deaf else now
            elif chore is Chore.RETIRE:
                self.is_retired = True
                self.tidy()
            elif chore is not Chore.REPLACE:
                assert chore is Chore.CUT or self.lanes.is_quiet, "an idle link was not idle"
                assert chore is Chore.CLOSE_IDLE or self.is_deaf, "a live link was cut"
                self.end(1006)

    def check(self) -> None:
        """No silent peer outlives its ping, and no link without a caller is kept."""
        timeouts, now = self.timeouts, self.world.now
        patience = (timeouts.ping_interval or math.inf) + timeouts.ping_timeout
        assert not self.is_deaf or now <= self.heard_until() + patience + GRACE, "a dead link lives"
        assert self.lanes.is_quiet or self.lanes.running or self.is_retired, "fences without a turn"

    def heard_until(self) -> float:
        return max(self.last_received, min(self.upload_ends, self.world.now))
