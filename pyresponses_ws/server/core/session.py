"""One WebSocket's side of the protocol: frames and deltas in, actions out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.chain import Chain, Checkpoint
from pyresponses_ws.server.core.lanes import Lane, LaneLimits, Lanes
from pyresponses_ws.server.core.request import CreateRequest, parse_create, parse_lane
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.steer import Steering
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import parse_object
from pyresponses_ws.server.engines.base import CloseDelta, Delta

#: How a connection ends at its age limit; the service's own code is not known.
_NORMAL_CLOSURE = 1000


@dataclass(frozen=True)
class Send:
    """Put this frame on the socket, ``times`` times in a row."""

    frame: dict[str, Any]
    times: int = 1


@dataclass(frozen=True)
class Run:
    """Run the engine for this turn; report with ``receive_deltas`` and ``receive_end``."""

    turn: Turn


@dataclass(frozen=True)
class Stop:
    """Stop the engine of this turn: its deltas change nothing any more."""

    turn: Turn


@dataclass(frozen=True)
class Close:
    """Close the socket; nothing follows."""

    code: int
    reason: str = ""


Action = Send | Run | Stop | Close


class Session:
    """What one connection knows: its lanes, its checkpoints, its steers and what to do next.

    Holds no lock: one thread calls it. Actions come out in the order in which they must happen.
    """

    def __init__(
        self,
        *,
        owner: str,
        service: Service,
        minutes: float = 60.0,
        limits: LaneLimits | None = None,
    ) -> None:
        self._owner = owner
        self._service = service
        # How long a connection may last; only for the words, receive_age tells when it is over.
        self._minutes = minutes
        self._chain = Chain(owner=owner, store=service.store)
        self._lanes = Lanes(limits)
        self._steering = Steering(service.new_steer)
        # Running turns that their engine may still refuse; the value says whether the client asked.
        self._vetted: dict[Turn, bool] = {}
        self._actions: deque[Action] = deque()
        self._is_too_old = False
        self._is_closed = False

    def receive_text(self, text: str, now: float) -> None:
        """Take one text frame; a bad one becomes an error frame, and the socket stays open."""
        if self._is_closed:
            return
        try:
            data = parse_object(text)
            kind = _read_type(data)
            if kind == "response.steer":
                self._steer(data, len(text))
                return
            lane = parse_lane(data)
        except APIError as error:
            self._send(errors.error_frame(error))
            return
        self._queue(lane, data, len(text), now)

    def receive_deltas(self, turn: Turn, deltas: Sequence[Delta]) -> None:
        """Take what the engine made for a running turn."""
        if turn in self._vetted:
            self._accept(turn)
        for delta in deltas:
            if isinstance(delta, CloseDelta):
                self._close(delta.code, delta.reason)
                return
            self._send(*turn.add(delta))
        if turn.is_cut:
            self._do(Stop(turn))

    def receive_end(self, turn: Turn, failure: APIError | None, now: float) -> None:
        """Take the end of a turn's engine, then start what comes next."""
        if self._is_closed:
            return
        if failure is not None and turn in self._vetted:
            self._refuse(turn.request, turn.parent, failure, is_asked_for=self._vetted.pop(turn))
        else:
            self._end(turn, failure, now)
        successor = self._steering.take_successor(turn.lane)
        if successor is None or not self._start(successor, now, is_asked_for=False):
            self._lanes.release(turn.lane)
        self._advance(now)

    def receive_age(self) -> None:
        """Take that the connection has reached its age limit.

        No turn starts any more, and the connection ends when those that run have ended; told
        again, it ends at once.
        """
        if self._is_too_old:
            self._expire()
        self._is_too_old = True
        self._expire_if_idle()

    def refuse_waiting(self, error: APIError) -> None:
        """Answer every create that waits with ``error``; running turns go on."""
        self._lanes.refuse_all(error)
        self._send_refusals()

    def take_action(self) -> Action | None:
        """Return the next thing to do; None when there is nothing."""
        return self._actions.popleft() if self._actions else None

    @property
    def backlog(self) -> int:
        """Number of actions that wait."""
        return len(self._actions)

    @property
    def is_running(self) -> bool:
        """Whether a turn of this connection runs."""
        return self._lanes.is_running and not self._is_closed

    def _steer(self, data: dict[str, Any], size: int) -> None:
        reply, turn = self._steering.receive(data, size)
        self._send(reply)
        if turn is not None and turn.is_cut:
            self._do(Stop(turn))

    def _queue(self, lane: Lane, data: dict[str, Any], size: int, now: float) -> None:
        """Queue a create, or its refusal, so that a lane answers in the order it was asked."""
        try:
            takes_nested = self._service.takes_nested_tools
            request = parse_create(data, lane=lane, size=size, takes_nested_tools=takes_nested)
            self._service.admit(self._owner, now)
        except APIError as error:
            self._lanes.refuse(lane, error)
        else:
            # Nothing starts on a connection that is too old, so nothing needs to be remembered.
            if not self._is_too_old:
                self._lanes.put(request)
        self._advance(now)

    def _advance(self, now: float) -> None:
        """Start what waits until nothing more can start."""
        self._send_refusals()
        if self._is_too_old:
            self._expire_if_idle()
            return
        while not self._is_closed and (request := self._lanes.take()) is not None:
            if not self._start(request, now):
                self._lanes.release(request.lane)
                self._send_refusals()

    def _start(self, request: CreateRequest, now: float, *, is_asked_for: bool = True) -> bool:
        """Start a turn; False if it ended at once, in an error frame if somebody asked for it."""
        parent: Checkpoint | None = None
        try:
            parent = self._chain.find(request, now)
            turn = self._open(request, parent, now)
        except APIError as error:
            self._refuse(request, parent, error, is_asked_for=is_asked_for)
            return False
        if self._turn_away(turn):
            return False
        if turn.is_vetted:
            self._vetted[turn] = is_asked_for
        else:
            self._accept(turn)
        self._do(Run(turn))
        return True

    def _refuse(
        self,
        request: CreateRequest,
        parent: Checkpoint | None,
        error: APIError,
        *,
        is_asked_for: bool,
    ) -> None:
        """Answer a create that does not become a response."""
        self._chain.evict(request, parent)
        if is_asked_for:
            self._send(errors.error_frame(error, request.lane))
        self._settle_create(request, has_started=False)

    def _open(self, request: CreateRequest, parent: Checkpoint | None, now: float) -> Turn:
        """Make the turn of a create, with the steers that wait for it. Raises APIError."""
        if self._is_too_old:
            raise errors.connection_limit_reached(self._minutes)
        request = self._steering.join(request)
        return self._service.open_turn(request, owner=self._owner, parent=parent, now=now)

    def _turn_away(self, turn: Turn) -> bool:
        """Do what a turn's direction says in the place of the turn; False if it says nothing."""
        direction = turn.direction
        if direction is None or (direction.refusal is None and direction.close is None):
            return False
        self._chain.evict(turn.request, turn.parent)
        if direction.refusal is not None:
            self._send(direction.refusal)
        if direction.close is not None:
            self._close(direction.close.code, direction.close.reason)
        self._settle_create(turn.request, has_started=False)
        return True

    def _accept(self, turn: Turn) -> None:
        """Send a turn's first events: from here on it is a response, and can be steered."""
        self._vetted.pop(turn, None)
        self._chain.start(turn.request)
        self._send(*turn.start())
        self._steering.open(turn)
        self._settle_create(turn.request, has_started=True)

    def _end(self, turn: Turn, failure: APIError | None, now: float) -> None:
        """Send a response's last events, and keep what it can be continued from."""
        if turn in self._vetted:
            self._accept(turn)  # It was cancelled before the engine had said a word.
        if failure is None:
            self._send(*turn.finish(now))
            self._chain.commit(turn.make_checkpoint())
            self._service.save(turn, now)
        else:
            self._send(*turn.fail(failure, now))
            self._chain.evict(turn.request, turn.parent)
        self._settle_steers(turn, is_failed=failure is not None)

    def _settle_steers(self, turn: Turn, *, is_failed: bool) -> None:
        following = self._lanes.peek(turn.lane)
        is_continued = following is not None and following.previous_response_id == turn.id
        self._send(*self._steering.end(turn, is_failed=is_failed, is_continued=is_continued))

    def _settle_create(self, request: CreateRequest, *, has_started: bool) -> None:
        target = self._steering.waiting_for(request.lane)
        is_kept = target is not None and self._chain.holds(request.lane, target)
        frames = self._steering.settle(request, has_started=has_started, is_kept=is_kept)
        self._send(*frames)

    def _send_refusals(self) -> None:
        while (refusal := self._lanes.take_refusal()) is not None:
            lane, error, times = refusal
            self._do(Send(errors.error_frame(error, lane), times))

    def _expire_if_idle(self) -> None:
        if not self._lanes.is_running:
            self._expire()

    def _expire(self) -> None:
        self._send(errors.error_frame(errors.connection_limit_reached(self._minutes)))
        self._close(_NORMAL_CLOSURE)

    def _close(self, code: int, reason: str = "") -> None:
        self._do(Close(code, reason))
        self._is_closed = True

    def _send(self, *frames: dict[str, Any]) -> None:
        for frame in frames:
            self._do(Send(frame))

    def _do(self, action: Action) -> None:
        """Add an action, unless the connection is to be closed before it."""
        if not self._is_closed:
            self._actions.append(action)


def _read_type(data: dict[str, Any]) -> str:
    kind = data.get("type")
    if kind is None:
        raise errors.missing_parameter("type")
    if not isinstance(kind, str):
        raise errors.invalid_type("type", "a string", kind)
    if kind not in ("response.create", "response.steer"):
        raise errors.invalid_value("type", kind, "'response.create' and 'response.steer'")
    return kind
