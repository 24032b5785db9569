"""The simulated server of a run and its links: what the runtime talks to instead of sockets."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws._protocol.kinds import CREATED, ERROR_TYPES, TERMINAL_TYPES
from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, Close
from tests.simulation.answers import Answer, Ask, Author, Frame
from tests.simulation.scheduler import Scheduler

#: Seconds between two frames; mostly none, sometimes just as long as some timer.
PAUSES = (0.0, 0.0, 0.0, 0.001, 0.001, 0.02, 0.5, 3.0)
LONG_PAUSES = (5.0, 20.0, 30.0, 40.0, 60.0, 61.0)
#: Close codes of a link that is lost, and those that answer a request.
LOSSES = (1000, 1001, 1005, 1006, 1006, 1006, 1011, 1012, 3000, 4999)
REFUSING = (1008, 1009, 1002, 1003, 1007, 1010)
#: Statuses of refused handshakes; only those of the API itself have a body.
STATUSES = (401, 403, 404, 426, 429, 500, 503)


@dataclass(order=True)
class Arrival:
    """What reaches the client at some moment: a text, a ping or pong, or the end."""

    at: float
    number: int
    text: str | None = field(default=None, compare=False)
    ping: bytes | None = field(default=None, compare=False)
    pong: bytes | None = field(default=None, compare=False)
    close: Close | None = field(default=None, compare=False)
    #: Mark of the turn that the text is for, and whether it ends it.
    mark: str | None = field(default=None, compare=False)
    is_last: bool = field(default=False, compare=False)


@dataclass
class LaneOfPeer:
    """One lane as the server works on it: in order, one request at a time."""

    free_at: float = 0.0
    #: The last turn ended by an ``error``, so that a ``failed`` may follow.
    is_failure_due: bool = False


class Peer:
    """The server behind all links of a run. It counts what it was asked, and what it ran."""

    def __init__(self, scheduler: Scheduler, rng: random.Random) -> None:
        self.scheduler = scheduler
        self.rng = rng
        self.author = Author(rng)
        #: How much goes wrong in this run.
        self.malice = rng.choice((0.0, 0.02, 0.1))
        #: By mark: requests that came whole, and those of them that were run.
        self.asked: Counter[str] = Counter()
        self.ran: Counter[str] = Counter()
        #: By response id: the text of the answer.
        self.texts: dict[str, str] = {}
        #: Every wire that was ever opened.
        self.wires: list[Wire] = []

    def happens(self, share: float = 1.0) -> bool:
        return self.rng.random() < self.malice * share

    def answer(self, command: dict[str, Any]) -> Answer:
        """Read a request and write what comes back."""
        mark, lane = command["input"], command.get("stream_id")
        self.asked[mark] += 1
        response_id = f"resp_{mark}_{self.asked[mark]}"
        is_continued = command.get("previous_response_id") is not None
        answer = self.author.answer(Ask(mark, lane, response_id, is_continued))
        self.texts[response_id] = answer.text
        self.ran[mark] += answer.runs
        return answer


class Wire:
    """One connection as the server sees it: what is on its way to the client."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.opened_at = peer.scheduler.now()
        #: The peer takes bytes and says nothing, not even a pong.
        self.is_deaf = peer.happens(0.5)
        self._arrivals: list[Arrival] = []
        self._lanes: dict[str | None, LaneOfPeer] = {}
        self._count = 0
        #: Nothing can come after.
        self.ends_at: float | None = None
        peer.wires.append(self)
        if self.is_deaf or peer.happens(0.3):
            self.end(self._later(0.0, 1.0, 100.0, 2000.0), *self._loss())

    # --- towards the client ---------------------------------------------------------------------

    def next_at(self) -> float | None:
        """When the next arrival comes; None when none is on its way."""
        return self._arrivals[0].at if self._arrivals else None

    def is_due(self) -> bool:
        at = self.next_at()
        return at is not None and at <= self.peer.scheduler.now()

    def take(self) -> Arrival:
        return self._arrivals.pop(0)

    def put_back(self, arrival: Arrival) -> None:
        self._arrivals.insert(0, arrival)

    def _arrive(self, at: float, **what: Any) -> None:
        if self.ends_at is not None and at >= self.ends_at:
            return
        self._count += 1
        self._arrivals.append(Arrival(at, self._count, **what))
        self._arrivals.sort()

    def end(self, at: float, code: int, reason: str = "") -> None:
        """End at that moment; what would come later never does."""
        is_said = code != ABNORMAL_CLOSURE
        if self.ends_at is None or at < self.ends_at:
            self._arrivals = [each for each in self._arrivals if each.at < at]
            self._arrive(at, close=Close(code=code, reason=reason, reply_due=is_said))
            self.ends_at = at

    def pong(self) -> None:
        if not self.is_deaf:
            self._arrive(self._later(0.0, 0.05), pong=b"")

    def ping(self) -> None:
        """Ask the client whether it is there, in a moment."""
        self._arrive(self._later(0.0, 0.01), ping=b"are you there")

    def hear_close(self, code: int, reason: str) -> None:
        """Answer the client's close frame, at once, late or never."""
        if not self.is_deaf and not self.peer.happens(2.0):
            self.end(self._later(0.0, 0.05, 0.5, 1.5), code, reason)

    def say(self, texts: list[str], *, ends_as: str | None) -> None:
        """Send an HTTP answer's body in pieces, and end it unless the server stalls."""
        peer, at = self.peer, self.peer.scheduler.now()
        cut = peer.rng.randrange(len(texts) + 1) if peer.happens(2.0) else None
        for index, text in enumerate(texts):
            if index == cut:
                self.end(at, *self._loss())
            at += self._pause()
            self._arrive(at, text=text)
        if ends_as is None:
            self.end(at + peer.rng.uniform(100.0, 1500.0), *self._loss())
        else:
            # A moment later than the last piece, since nothing comes at the end itself.
            self.end(at + 0.0001, 1000, ends_as)

    # --- requests -------------------------------------------------------------------------------

    def hear(self, payload: bytes) -> None:
        """Take a whole request: answer it, close at it, or be lost."""
        peer, now = self.peer, self.peer.scheduler.now()
        if self.is_deaf or (self.ends_at is not None and now >= self.ends_at):
            return
        if peer.happens(0.5):
            self.end(self._later(0.0, 0.01), peer.rng.choice(REFUSING), "not this")
            return
        self._schedule(json.loads(payload))

    def _schedule(self, command: dict[str, Any]) -> None:
        rng = self.peer.rng
        answer = self.peer.answer(command)
        lane = self._lanes.setdefault(command.get("stream_id"), LaneOfPeer())
        at = max(self.peer.scheduler.now(), lane.free_at)
        frames = _made_plain(answer.frames) if lane.is_failure_due else answer.frames
        cut = rng.randrange(len(frames) + 1) if self.peer.happens(2.0) else None
        for index, frame in enumerate([*frames, *answer.late]):
            if index == cut:
                self.end(at, *self._loss())
            at += self._pause()
            mark = command["input"] if index < len(frames) else None
            is_last = answer.ends and index == len(frames) - 1
            self._arrive(at, text=self._write(frame), mark=mark, is_last=is_last)
            lane.is_failure_due = _leaves_failure_due(frame, lane.is_failure_due)
        lane.free_at = at
        if not answer.ends:
            # Its caller may have no timer at all, so some day the link goes.
            self.end(at + rng.uniform(100.0, 1500.0), *self._loss())

    def _write(self, frame: Frame) -> str:
        return json.dumps(frame) if not self.peer.happens(0.02) else '{"type": "response.cre'

    def _pause(self) -> float:
        rng = self.peer.rng
        pauses = LONG_PAUSES if self.peer.happens(0.3) else PAUSES
        if self.peer.happens(0.2):
            self.ping()
        return rng.choice(pauses)

    def _later(self, *seconds: float) -> float:
        return self.peer.scheduler.now() + self.peer.rng.choice(seconds)

    def _loss(self) -> tuple[int, str]:
        return self.peer.rng.choice(LOSSES), "lost"


def _made_plain(frames: list[Frame]) -> list[Frame]:
    """Give a bare ending its beginning.

    After an error it would look like the failure that may follow: no client can tell them apart.
    """
    if frames and frames[0]["type"] in TERMINAL_TYPES:
        return [{**frames[0], "type": CREATED}, *frames]
    return frames


def _leaves_failure_due(frame: Frame, was_due: bool) -> bool:
    if frame["type"] in ERROR_TYPES:
        return True
    return was_due and frame["type"] not in TERMINAL_TYPES | {CREATED}
