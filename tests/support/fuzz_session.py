"""Random lives of a session, and what must hold in each of them whatever happens.

A life is a list of steps, each a name and a seed, so that any part of a list is a life too: a
failing one can be cut down to the steps that matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from pyresponses_ws.errors import APIError, ServerError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.lanes import LaneLimits
from pyresponses_ws.server.core.request import parse_lane
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.session import Action, Session
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import encode, parse_object
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CloseDelta,
    CutDelta,
    Delta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)
from tests.server.drivers import NOW, Frame
from tests.support.fuzz_frames import FrameMaker
from tests.support.fuzz_watch import Watch
from tests.support.wire_strategies import SCHEMA, Wire

Step = tuple[str, int]

#: What may happen, and how often beside the others.
STEPS = {
    "create": 12,
    "answer": 4,
    "wild create": 4,
    "mutated create": 4,
    "awkward text": 2,
    "garbage": 2,
    "command": 2,
    "burst": 1,
    "steer": 10,
    "steers": 1,
    "deltas": 16,
    "end": 14,
    "failure": 3,
}
#: What ends a life, or much of it.
LAST_STEPS = ("refuse", "age", "close")


def make_life(seed: int, length: int, *, last_steps: float = 0.001) -> list[Step]:
    """Draw a life; ``last_steps`` is the share of steps that may be its end."""
    random = Random(seed)
    kinds = random.choices(list(STEPS), list(STEPS.values()), k=length)
    for place in range(length):
        if random.random() < last_steps:
            kinds[place] = random.choice(LAST_STEPS)
    return [(kind, random.randrange(2**32)) for kind in kinds]


class Life:
    """A session and the steps that happen to it."""

    def __init__(self, *, service: Service, limits: LaneLimits | None = None) -> None:
        self._limits = limits or LaneLimits()
        self._service = service
        self.session = Session(owner="me", service=service, limits=self._limits)
        self.watch = Watch(self._limits)
        self._number = 0

    def live(self, steps: Iterable[Step]) -> None:
        """Take steps one after the other, and check after each."""
        for kind, seed in steps:
            self.step(kind, seed)

    def step(self, kind: str, seed: int) -> None:
        """Take one step."""
        getattr(self, "_" + kind.replace(" ", "_"))(Random(seed), FrameMaker(seed))
        self.watch.take_all(self._drain())
        self._check_bounds()

    def finish(self) -> None:
        """End what runs, ask once more on every lane, and check that nothing is left over."""
        self.rest()
        for lane in (None, *sorted(self.watch.names)):
            self._send_create(FrameMaker(0).create(stream_id=lane, input="last"))
        self._settle()
        self.watch.check_end()
        assert self.watch.is_closed or not self.session.is_running

    def rest(self) -> None:
        """End what runs, and check that only what was told to waits."""
        self._settle()
        self.watch.check_steers()

    def _settle(self) -> None:
        while self.watch.running:
            self.step("end", 0)

    # One method for each kind of step.

    def _create(self, random: Random, maker: FrameMaker) -> None:
        self._send_create(maker.create(**self._place(random)))

    def _answer(self, random: Random, maker: FrameMaker) -> None:
        """Continue a response that made calls, with the outputs of them."""
        lane, parent, given = random.choice(self.watch.owing or [(None, None, [])])
        self._send_create(
            maker.create(stream_id=lane, previous_response_id=parent, input=list(given))
        )

    def _wild_create(self, random: Random, maker: FrameMaker) -> None:
        self._send_create(maker.wild_create(**self._place(random)))

    def _mutated_create(self, random: Random, maker: FrameMaker) -> None:
        self._send_create(maker.mutate(maker.create(**self._place(random))))

    def _awkward_text(self, random: Random, maker: FrameMaker) -> None:
        self._send_text(f'{maker.awkward()[:-1]}, "metadata": {{"mark": "{self._next_mark()}"}}}}')

    def _garbage(self, random: Random, maker: FrameMaker) -> None:
        self._send_text(maker.garbage())

    def _command(self, random: Random, maker: FrameMaker) -> None:
        self._send_create(maker.command())

    def _burst(self, random: Random, maker: FrameMaker) -> None:
        place = self._place(random)
        for _ in range(random.choice([3, 20, 300])):
            self._send_create(maker.create(**place, input=random.choice(["x", None, 3])))

    def _steer(self, random: Random, maker: FrameMaker) -> None:
        running = [turn.id for turn in self.watch.running.values()]
        self._send_steer(
            random.choice([*running * 3, *self.watch.known[-3:], "resp_unknown"]), random, maker
        )

    def _steers(self, random: Random, maker: FrameMaker) -> None:
        for _ in range(20 if self.watch.running else 0):
            target = next(iter(self.watch.running.values())).id
            self._send_steer(target, random, maker)

    def _send_steer(self, target: str, random: Random, maker: FrameMaker) -> None:
        text = f"steer-{self._next_number()}."
        frame = maker.steer(target, text)
        if random.random() < 0.2:
            frame = maker.mutate(frame)
        # One that was mutated may have lost its text; it is not followed then.
        self.watch.next_steer = text if text in json.dumps(frame) else None
        self._send_text(encode(frame))

    def _deltas(self, random: Random, maker: FrameMaker) -> None:
        if self.watch.running:
            count = random.randrange(4)
            deltas = [delta for _ in range(count) for delta in _draw_deltas(random)]
            self.session.receive_deltas(self._turn(random), deltas)

    def _end(self, random: Random, maker: FrameMaker) -> None:
        self._end_turn(random, None)

    def _failure(self, random: Random, maker: FrameMaker) -> None:
        self._end_turn(random, ServerError("It broke.", code="server_error"))

    def _close(self, random: Random, maker: FrameMaker) -> None:
        if self.watch.running:
            self.session.receive_deltas(self._turn(random), [CloseDelta(1011)])

    def _refuse(self, random: Random, maker: FrameMaker) -> None:
        self.watch.is_refusing = True
        self._service.refuse(errors.shutting_down())
        self.session.refuse_waiting(errors.shutting_down())

    def _age(self, random: Random, maker: FrameMaker) -> None:
        self.watch.is_old = True
        self.session.receive_age()
        self.watch.take_all(self._drain())
        assert self.watch.is_closed or self.session.is_running

    # What they are made of.

    def _place(self, random: Random) -> dict[str, Any]:
        """Draw lane and parent of a create."""
        known = self.watch.known
        parent = random.choice([None, None, "resp_unknown", *known[-4:], *known[-1:] * 3])
        return {"stream_id": _draw_lane(random), "previous_response_id": parent}

    def _send_create(self, frame: Frame) -> None:
        """Send a create whose Response, if it gets one, will tell its mark."""
        self._send_text(encode({**frame, "metadata": {"mark": self._next_mark()}}))

    def _send_text(self, text: str) -> None:
        """Send a frame; what is no create is answered at once, by one frame."""
        create = _read_create(text)
        if create is not None:
            self.watch.expect(create)
        self.session.receive_text(text, NOW)
        actions = self._drain()
        if create is None and not self.watch.is_closed:
            self.watch.take_reply(actions.pop(0))
        self.watch.take_all(actions)

    def _end_turn(self, random: Random, failure: APIError | None) -> None:
        if self.watch.running:
            turn = self._turn(random)
            del self.watch.running[turn.lane]
            self.session.receive_end(turn, failure, NOW)
            self.watch.take_all(self._drain())
            assert failure is None or not self.watch.waits_for(turn.id)

    def _turn(self, random: Random) -> Turn:
        return random.choice(list(self.watch.running.values()))

    def _next_mark(self) -> str:
        return f"mark-{self._next_number()}"

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _drain(self) -> list[Action]:
        actions = []
        while (action := self.session.take_action()) is not None:
            actions.append(action)
        return actions

    def _check_bounds(self) -> None:
        """Check that what a peer makes the session remember is bounded."""
        lanes, steering = self.session._lanes, self.session._steering
        places = self._limits.names + 1
        assert lanes._waiting == sum(len(queue) for queue in lanes._queues.values())
        assert lanes._waiting <= self._limits.waiting + places
        assert 0 <= lanes._waiting_size <= self._limits.waiting_size
        assert len(lanes._queues) <= places
        assert len(steering._running) <= self._limits.running
        assert len(steering._waiting) <= places
        assert len(steering._ended) <= 256
        assert len(self.session._chain._by_lane) <= places


def _draw_lane(random: Random) -> Any:
    if random.random() < 0.05:
        return random.choice(["", " ", 3, "x" * 257, "é"])
    number = random.choice([random.randrange(3), random.randrange(60)])
    return random.choice([None, f"lane-{number}"])


def _draw_deltas(random: Random) -> Sequence[Delta]:
    text = random.choice(["", "a", "two words", "🙂", "\ud83d", "\x00"])
    item = random.choice(SCHEMA["unions"]["ResponseOutputItem"])
    choices: list[list[Delta]] = [
        [TextDelta(text), TextDelta(text)],
        [ReasoningDelta(text, random.choice(["summary", "content"]))],
        [RefusalDelta(text)],
        [CallDelta(text, "get_weather"), CallDelta("{}")],
        [CallDelta(text, "shell", kind="custom", namespace="crm")],
        [ItemDelta(Wire(random.randrange(2**32)).model(item))],
        [UsageDelta(1, 2)],
        [CutDelta("max_output_tokens")],
    ]
    return random.choices(choices, [6, 4, 2, 3, 1, 2, 1, 1])[0]


def _read_create(text: str) -> Frame | None:
    """Return the create that a frame is, good or bad, if it is one; its lane must be sound."""
    try:
        frame = parse_object(text)
        parse_lane(frame)
    except APIError:
        return None
    return frame if frame.get("type") == "response.create" else None
