"""Lanes under any order of events: no reply ever shifts, and every turn has one end."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyresponses_ws._protocol.lanes import Abandonment, Lanes
from pyresponses_ws.errors import ProtocolError

from .wire import (
    KEEPALIVE,
    break_off,
    completed,
    created,
    delta,
    event,
    failed,
    lifecycle,
    refusal_of_request,
)

LANES = st.sampled_from([None, "a", "b"])


class Asked:
    """A turn as its caller and the server see it."""

    def __init__(self, number: int, lane: str | None) -> None:
        self.response_id = f"resp_{number}"
        self.lane = lane
        self.is_created = False
        self.has_caller = True
        self.endings = 0


class HonestServer(RuleBasedStateMachine):
    """A server that runs each lane in order, with every quirk that the wire is known to have."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: Lanes[Asked] = Lanes()
        self.numbers = itertools.count()
        self.running: dict[str | None, list[Asked]] = {None: [], "a": [], "b": []}
        self.asked: list[Asked] = []
        #: The ``failed`` that follows an ``error`` sooner or later, by lane.
        self.owed: dict[str | None, Any] = {}

    def give(self, sent: Any, asked: Asked) -> None:
        """Route an event that is about this turn: to its caller, if there is one, or to nobody."""
        assert self.lanes.route(sent) == ((asked,) if asked.has_caller else ())

    def drop(self, sent: Any) -> None:
        """Route an event that is nobody's."""
        assert self.lanes.route(sent) == ()

    def end(self, asked: Asked) -> None:
        self.running[asked.lane].remove(asked)
        asked.endings += asked.has_caller

    @rule(lane=LANES)
    def ask(self, lane: str | None) -> None:
        asked = Asked(next(self.numbers), lane)
        self.running[lane].append(asked)
        self.asked.append(asked)
        self.lanes.begin(lane, asked)

    @rule(lane=LANES, is_repeated=st.booleans())
    def create(self, lane: str | None, is_repeated: bool) -> None:
        if not self.running[lane] or self.running[lane][0].is_created:
            return
        head = self.running[lane][0]
        self.owed.pop(lane, None)
        self.give(lifecycle("queued", head.response_id, lane=lane), head)
        self.give(created(head.response_id, lane=lane), head)
        head.is_created = True
        if is_repeated:
            self.drop(created(head.response_id, lane=lane))

    @rule(lane=LANES, count=st.integers(1, 3))
    def write(self, lane: str | None, count: int) -> None:
        if self.running[lane] and self.running[lane][0].is_created:
            for _ in range(count):
                self.give(delta(lane=lane), self.running[lane][0])
        elif not self.running[lane]:
            self.drop(delta("stray", lane=lane))

    @rule(lane=LANES)
    def keep_alive(self, lane: str | None) -> None:
        sent = event("keepalive", lane=lane)
        if self.running[lane]:
            self.give(sent, self.running[lane][0])
        else:
            self.drop(sent)

    @rule(lane=LANES, repeats=st.integers(0, 2))
    def complete(self, lane: str | None, repeats: int) -> None:
        """End the head, created or not; not while a failure is due, which looks the same."""
        if not self.running[lane] or lane in self.owed:
            return
        head = self.running[lane][0]
        self.give(completed(head.response_id, lane=lane), head)
        self.end(head)
        for _ in range(repeats):
            self.drop(completed(head.response_id, lane=lane))

    @rule(lane=LANES)
    def complete_another(self, lane: str | None) -> None:
        if self.running[lane] and self.running[lane][0].is_created:
            self.drop(completed("resp_foreign", lane=lane))

    @rule(lane=LANES)
    def fail(self, lane: str | None) -> None:
        """Break off, and owe the ``failed`` of the same response."""
        if not self.running[lane] or not self.running[lane][0].is_created:
            return
        head = self.running[lane][0]
        self.give(break_off(lane=lane), head)
        self.end(head)
        self.owed[lane] = failed(head.response_id, lane=lane)

    @rule(lane=st.sampled_from(["a", "b"]))
    def refuse(self, lane: str) -> None:
        """Refuse the first request that waits, and owe a ``failed`` whose id nobody has seen."""
        waiting = [asked for asked in self.running[lane] if not asked.is_created]
        if not waiting:
            return
        self.give(refusal_of_request(lane=lane), waiting[0])
        is_first = self.running[lane][0] is waiting[0]
        self.end(waiting[0])
        if is_first:
            self.owed[lane] = failed(waiting[0].response_id, lane=lane)

    @precondition(lambda self: self.owed)
    @rule(data=st.data())
    def pay(self, data: st.DataObject) -> None:
        self.drop(self.owed.pop(data.draw(st.sampled_from(list(self.owed)))))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """The caller leaves: any turn, finished or not."""
        asked = data.draw(st.sampled_from(self.asked))
        waiting = [each for each in self.unfinished() if each is not asked]
        found = self.lanes.abandon(asked)
        if asked in self.unfinished():
            assert found is (Abandonment.FENCED if waiting else Abandonment.ALONE)
        else:
            is_left_behind = any(self.running.values()) and not waiting
            assert found is (Abandonment.ALONE if is_left_behind else Abandonment.FINISHED)
        asked.has_caller = False

    @rule()
    def lose(self) -> None:
        assert self.lanes.lose() == self.unfinished()
        self.running = {lane: [] for lane in self.running}
        self.owed.clear()

    def unfinished(self) -> list[Asked]:
        """Turns that somebody waits for, in the order in which they were sent."""
        running = [asked for lane in self.running.values() for asked in lane]
        return [asked for asked in self.asked if asked in running and asked.has_caller]

    @invariant()
    def the_counts_agree(self) -> None:
        assert self.lanes.running == len(self.unfinished())
        assert self.lanes.is_quiet == (not any(self.running.values()))
        heads = [lane[0] for lane in self.running.values() if lane]
        for asked in self.unfinished():
            assert self.lanes.is_head(asked) == (asked in heads)

    @invariant()
    def no_turn_ends_twice(self) -> None:
        assert all(asked.endings <= 1 for asked in self.asked)


TestHonestServer = HonestServer.TestCase

IDS = st.sampled_from(["r1", "r2", "r3"])
EVENTS = st.one_of(
    st.builds(created, IDS, lane=LANES),
    st.builds(completed, IDS, lane=LANES),
    st.builds(failed, IDS, lane=LANES),
    st.builds(lambda name, lane: lifecycle(name, "r1", lane=lane), st.just("in_progress"), LANES),
    st.builds(lambda lane: event("response.done", lane=lane), LANES),
    st.builds(lambda lane: event("response.created", lane=lane, response=7), LANES),
    st.builds(lambda lane: delta(lane=lane), LANES),
    st.builds(lambda lane: refusal_of_request(lane=lane), LANES),
    st.builds(lambda lane: break_off(lane=lane), LANES),
    st.just(KEEPALIVE),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), LANES),
        st.tuples(st.just("abandon"), st.integers(0, 5)),
        st.tuples(st.just("route"), EVENTS),
    ),
    max_size=40,
)
ENDINGS = ("response.completed", "response.failed", "response.done", "error")


@given(STEPS)
def test_any_order_of_events_ends_every_turn_at_most_once(steps: list[tuple[str, Any]]) -> None:
    """Nothing but ProtocolError escapes, after which the link is lost; and nobody is forgotten."""
    lanes: Lanes[int] = Lanes()
    begun, ended = 0, list[int]()
    left: set[int] = set()
    for step, value in steps:
        if step == "begin":
            lanes.begin(value, begun)
            begun += 1
        elif step == "abandon":
            lanes.abandon(value)
            left.update(range(begun)[value : value + 1])
        else:
            try:
                receivers = lanes.route(value)
            except ProtocolError:
                break
            assert not left.intersection(receivers)
            ended += receivers if value.type in ENDINGS else ()
    told = [*ended, *lanes.lose()]
    assert len(told) == len(set(told))
    assert set(told) | left == set(range(begun))
