"""Steering: more input from the user for a response that is still running.

The steering guide: an accepted steer waits until the current output item is finished; then the
response ends, and a successor with the steers as its input starts by itself on the same lane. If
the client owes the outputs of calls first, the steers wait for the create that brings them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.envelope import Envelope
from pyresponses_ws.server.core.inputs import parse_input
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.lanes import Lane
from pyresponses_ws.server.core.request import CreateRequest
from pyresponses_ws.server.core.turn import Event, Turn

#: Steers that may wait on one response; the service's bound is unpublished.
MAX_PENDING = 16

#: Characters that the waiting steers of a connection may come as: one message of the largest size.
MAX_PENDING_SIZE = 16 * 2**20

#: Ended responses whose steers are told that they come too late; older ones are unknown.
_MAX_ENDED = 256

#: The incomplete reason of a response that was cut for its steers.
STEERED = "steered"

_PARTS = ("input_text", "input_image", "input_file")

_MESSAGES = {
    "response_not_found": "Response '{id}' was not found on this connection.",
    "response_already_completed": "Response '{id}' has already completed.",
    "response_not_active": "Response '{id}' is no longer active.",
    "steering_not_supported": "This response does not support steering.",
    "too_many_pending_steers": (
        f"At most {MAX_PENDING} steers may wait on one response, and 16 MiB on one connection."
    ),
    "successor_creation_failed": (
        "We couldn't start the next response. Send this steering input again with response.create."
    ),
}


@dataclass(frozen=True)
class _Steer:
    id: str
    # As it came, to be given back if it cannot be used.
    input: Any
    items: tuple[Item, ...]
    size: int


@dataclass
class _Target:
    turn: Turn
    steers: list[_Steer] = field(default_factory=list)
    # Whether, once the response has ended, its steers wait for a create of the client.
    is_patient: bool = False


class Steering:
    """The steers of one connection, in the order in which they were sent."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._running: dict[str, _Target] = {}
        # Ended responses whose steers wait for the create that they go into, by lane.
        self._waiting: dict[Lane, _Target] = {}
        # How ended responses count on, and why they take no more steers.
        self._ended: OrderedDict[str, tuple[Envelope, str]] = OrderedDict()

    def open(self, turn: Turn) -> None:
        """Take steers for a response from its ``created`` on."""
        self._running[turn.id] = _Target(turn)

    def receive(self, data: dict[str, Any], size: int) -> tuple[Event, Turn | None]:
        """Take a ``response.steer``; return the reply, and the turn that is to stop for it.

        Raises BadRequestError for a frame that names no target or no input.
        """
        target_id, value = _read(data)
        target = self._running.get(target_id)
        try:
            steer = self._make(target, target_id, value, size)
        except APIError as error:
            facts = {"previous_response_id": target_id, "input": value}
            return _failed(self._envelope(target_id), error, facts), None
        assert target is not None
        target.steers.append(steer)
        target.turn.stop(STEERED)
        return _accept(target, steer), target.turn

    def end(self, turn: Turn, *, is_failed: bool, is_continued: bool) -> list[Event]:
        """Note the end of a response; return what to send. ``take_successor`` comes next.

        ``is_continued`` says that the lane's next create continues it, so that what the client
        owes is on its way.
        """
        target = self._running.pop(turn.id)
        self._remember(turn)
        if not target.steers:
            return []
        if is_failed:
            return _fail(target)
        self._waiting[turn.lane] = target
        owed = turn.owed_input()
        target.is_patient = bool(owed)
        if not owed or is_continued:
            return []
        return [_pend(target, steer, owed) for steer in target.steers]

    def take_successor(self, lane: Lane) -> CreateRequest | None:
        """Return the create that starts by itself, without its steers; None if none is due."""
        target = self._waiting.get(lane)
        if target is None or target.is_patient:
            return None
        request = target.turn.request
        settings = {**request.settings, "previous_response_id": target.turn.id}
        return replace(request, settings=settings, input=())

    def join(self, request: CreateRequest) -> CreateRequest:
        """Return a create with the steers that wait for it ahead of its own input."""
        target = self._waiting.get(request.lane)
        if target is None or request.previous_response_id != target.turn.id:
            return request
        steered = tuple(item for steer in target.steers for item in steer.items)
        return replace(request, input=(*steered, *request.input))

    def settle(self, request: CreateRequest, *, has_started: bool, is_kept: bool) -> list[Event]:
        """Note what became of a create; return the failures of the steers that it leaves behind.

        They wait on while creates are refused and their response ``is_kept`` to be continued.
        """
        target = self._waiting.get(request.lane)
        if target is None or (not has_started and is_kept and target.is_patient):
            return []
        del self._waiting[request.lane]
        has_joined = has_started and request.previous_response_id == target.turn.id
        return [] if has_joined else _fail(target)

    def waiting_for(self, lane: Lane) -> str | None:
        """Return the id of the response whose steers wait on a lane."""
        target = self._waiting.get(lane)
        return None if target is None else target.turn.id

    def _make(self, target: _Target | None, target_id: str, value: object, size: int) -> _Steer:
        """Return the steer, or raise the reason why it is refused."""
        if target is None:
            _, code = self._ended.get(target_id, (None, "response_not_found"))
            raise _refusal(code, target_id)
        if not target.turn.is_steerable:
            raise _refusal("steering_not_supported", target_id)
        items = _parse(value)
        if len(target.steers) >= MAX_PENDING or self._pending_size + size > MAX_PENDING_SIZE:
            raise _refusal("too_many_pending_steers", target_id)
        return _Steer(self._new_id(), value, items, size)

    @property
    def _pending_size(self) -> int:
        targets = (*self._running.values(), *self._waiting.values())
        return sum(steer.size for target in targets for steer in target.steers)

    def _envelope(self, target_id: str) -> Envelope:
        """Return what numbers the events of a target; an unknown one has none on the wire."""
        if target_id in self._running:
            return self._running[target_id].turn.envelope
        return self._ended.get(target_id, (Envelope(), ""))[0]

    def _remember(self, turn: Turn) -> None:
        is_completed = turn.response["status"] == "completed"
        code = "response_already_completed" if is_completed else "response_not_active"
        self._ended[turn.id] = (turn.envelope, code)
        if len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)


def _read(data: dict[str, Any]) -> tuple[str, Any]:
    """Return target and input. Raises BadRequestError."""
    for name in ("previous_response_id", "input"):
        if data.get(name) is None:
            raise errors.missing_parameter(name)
    target_id = data["previous_response_id"]
    if not isinstance(target_id, str):
        raise errors.invalid_type("previous_response_id", "a string", target_id)
    return target_id, data["input"]


def _parse(value: object) -> tuple[Item, ...]:
    """Return the input as items: user messages only. Raises BadRequestError."""
    if isinstance(value, str | list) and value:
        try:
            items = parse_input(value)
        except APIError as error:
            raise errors.bad_request(str(error), code="invalid_input") from None
        if all(map(_is_user_message, items)):
            return items
    message = "Steering input must be a string or a non-empty array of user messages."
    raise errors.bad_request(message, code="invalid_input")


def _is_user_message(item: Item) -> bool:
    content = item.get("content")
    is_readable = isinstance(content, str) or (
        bool(content) and all(part["type"] in _PARTS for part in content or ())
    )
    return item["type"] == "message" and item["role"] == "user" and is_readable


def _refusal(code: str, target_id: str) -> APIError:
    return errors.bad_request(_MESSAGES[code].format(id=target_id), code=code)


def _failed(envelope: Envelope, error: APIError, steer: dict[str, Any]) -> Event:
    kinds = ("type", "code", "message")
    facts = {name: errors.error_object(error)[name] for name in kinds}
    return envelope.wrap({"type": "response.steer.failed", "error": facts, "steer": steer})


def _fail(target: _Target) -> list[Event]:
    """Give the input of every steer back."""
    target_id = target.turn.id
    error = _refusal("successor_creation_failed", target_id)
    return [
        _failed(target.turn.envelope, error, {**_name(target, steer), "input": steer.input})
        for steer in target.steers
    ]


def _accept(target: _Target, steer: _Steer) -> Event:
    body = {"type": "response.steer.accepted", "steer": _name(target, steer)}
    return target.turn.envelope.wrap(body)


def _pend(target: _Target, steer: _Steer, owed: list[Item]) -> Event:
    body = {
        "type": "response.steer.pending",
        "reason": "waiting_for_required_input",
        "required_input": owed,
        "steer": _name(target, steer),
    }
    return target.turn.envelope.wrap(body)


def _name(target: _Target, steer: _Steer) -> dict[str, Any]:
    return {"id": steer.id, "previous_response_id": target.turn.id}
