"""One WebSocket's side of the protocol: frames and deltas in, actions out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.chain import Chain, Checkpoint, Lane
from pyresponses_ws.server.core.lanes import Lanes
from pyresponses_ws.server.core.request import CreateRequest, parse_create, parse_lane
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import parse_object
from pyresponses_ws.server.engines.base import Delta


@dataclass(frozen=True)
class Send:
    """Put this frame on the socket."""

    frame: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Run the engine for this turn; report with ``receive_deltas`` and ``receive_end``."""

    turn: Turn


Action = Send | Run

#: A create that may run, or the error that its lane reports in its place.
_Job = CreateRequest | APIError


class Session:
    """What one connection knows: its lanes, its checkpoints and what to do next.

    Holds no lock: one thread calls it. Actions come out in the order in which they must happen.
    """

    def __init__(self, *, owner: str, service: Service) -> None:
        self._owner = owner
        self._service = service
        self._chain = Chain(owner=owner, store=service.store)
        self._lanes: Lanes[_Job] = Lanes()
        self._actions: deque[Action] = deque()

    def receive_text(self, text: str, now: float) -> None:
        """Take one text frame; a bad one becomes an error frame, and the socket stays open."""
        try:
            data = parse_object(text)
            _check_type(data)
            lane = parse_lane(data)
        except APIError as error:
            self._send(errors.error_frame(error))
            return
        self._queue(lane, data, now)

    def receive_deltas(self, turn: Turn, deltas: Sequence[Delta]) -> None:
        """Take what the engine made for a running turn."""
        for delta in deltas:
            self._send(*turn.add(delta))

    def receive_end(self, turn: Turn, failure: APIError | None, now: float) -> None:
        """Take the end of a turn's engine, then start the next turn of the lane."""
        if failure is None:
            self._send(*turn.finish(now))
            self._chain.commit(turn.make_checkpoint())
            self._service.save(turn, now)
        else:
            self._send(*turn.fail(failure, now))
            self._chain.evict(turn.request, turn.parent)
        self._lanes.release(turn.lane)
        self._advance(turn.lane, now)

    def take_action(self) -> Action | None:
        """Return the next thing to do; None when there is nothing."""
        return self._actions.popleft() if self._actions else None

    @property
    def backlog(self) -> int:
        """Number of actions that wait."""
        return len(self._actions)

    def _queue(self, lane: Lane, data: dict[str, Any], now: float) -> None:
        """Queue a create, or its error, so that a lane answers in the order it was asked."""
        job: _Job
        try:
            job = parse_create(data, lane=lane)
        except APIError as error:
            job = error
        self._lanes.put(lane, job)
        self._advance(lane, now)

    def _advance(self, lane: Lane, now: float) -> None:
        """Start what waits on the lane until a turn runs or nothing is left."""
        while (job := self._lanes.take(lane)) is not None:
            if isinstance(job, CreateRequest) and self._start(job, now):
                return
            if isinstance(job, APIError):
                self._send(errors.error_frame(job, lane))
            self._lanes.release(lane)

    def _start(self, request: CreateRequest, now: float) -> bool:
        """Start a turn; False if it ended at once in an error frame."""
        parent: Checkpoint | None = None
        try:
            parent = self._chain.start(request, now)
            turn = self._service.open_turn(request, owner=self._owner, parent=parent, now=now)
        except APIError as error:
            self._chain.evict(request, parent)
            self._send(errors.error_frame(error, request.lane))
            return False
        self._send(*turn.start())
        self._actions.append(Run(turn))
        return True

    def _send(self, *frames: dict[str, Any]) -> None:
        self._actions.extend(Send(frame) for frame in frames)


def _check_type(data: dict[str, Any]) -> None:
    kind = data.get("type")
    if kind is None:
        raise errors.missing_parameter("type")
    if not isinstance(kind, str):
        raise errors.invalid_type("type", "a string", kind)
    if kind != "response.create":
        raise errors.invalid_value("type", kind, "'response.create'")
