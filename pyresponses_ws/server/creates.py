"""``POST /v1/responses``: one turn, answered with events or with the finished Response."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.request import CreateRequest, parse_http_create
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.turn import Event, Turn
from pyresponses_ws.server.engines.base import CloseDelta, Delta, Direction
from pyresponses_ws.server.exchange import (
    ConnectionCut,
    Cut,
    read_object,
    reply_json,
    reply_refusal,
)
from pyresponses_ws.server.log import log_failure
from pyresponses_ws.server.pump import EngineRoom, Pump
from pyresponses_ws.server.sse import EventStream, run_unless_left

_logger = logging.getLogger(__name__)


class Creates:
    """Runs the turns of the HTTP side; every method runs on the loop."""

    def __init__(self, service: Service, room: EngineRoom, *, max_body_bytes: int) -> None:
        self._service = service
        self._room = room
        self._max_body_bytes = max_body_bytes
        # Turns that run or wait for a thread; _run counts.
        self._running = 0

    @property
    def is_running(self) -> bool:
        """Whether a turn runs."""
        return self._running > 0

    async def reply(self, request: Request) -> Response:
        """Answer a create."""
        body, size = await read_object(request, self._max_body_bytes)
        owner = request.scope["owner"]
        takes_nested = self._service.takes_nested_tools
        create = parse_http_create(body, size=size, takes_nested_tools=takes_nested)
        self._service.admit(owner, time.time())
        turn = self._open_turn(create, owner)
        refusal = _refuse(turn.direction)
        return await self._reply_turn(turn, request) if refusal is None else refusal

    async def _reply_turn(self, turn: Turn, request: Request) -> Response:
        events = self._run(turn)
        if turn.request.is_streamed:
            return await _reply_stream(events, request)
        try:
            is_finished = await run_unless_left(_drain(events), request.receive)
        except ConnectionCut:
            return Cut()
        return reply_json(turn.response) if is_finished else _left()

    def _open_turn(self, request: CreateRequest, owner: str) -> Turn:
        now = time.time()
        parent = self._service.find_parent(request, owner, now)
        return self._service.open_turn(request, owner=owner, parent=parent, now=now)

    async def _run(self, turn: Turn) -> AsyncGenerator[list[Event], None]:
        """Yield the events of a turn in the batches in which they come.

        Raises ConnectionCut, and ahead of the first batch the APIError that refuses the turn.
        """
        self._running += 1
        try:
            if not turn.is_vetted:
                yield turn.start()
            async with self._room.run(turn.engine_request) as pump:
                while not turn.is_cut and (deltas := await pump.take()):
                    if not turn.has_started:
                        yield turn.start()
                    events, ending = _add(turn, deltas)
                    yield events
                    if isinstance(ending, ConnectionCut):
                        raise ending
                    if ending is not None:
                        pump.cancel(ending)
                        break
            yield self._end(turn, pump)
        finally:
            self._running -= 1

    def _end(self, turn: Turn, pump: Pump) -> list[Event]:
        """Return the last events; the Response is stored before the client can ask for it."""
        now = time.time()
        if pump.failure is not None:
            if not turn.has_started:
                raise pump.failure
            return turn.fail(pump.failure, now, with_error=True)
        events = [] if turn.has_started else turn.start()
        events += turn.finish(now)
        self._service.save(turn, now)
        return events


def _add(turn: Turn, deltas: list[Delta]) -> tuple[list[Event], ConnectionCut | APIError | None]:
    """Return the events of an engine's deltas, and what ends the turn after them, if anything."""
    events: list[Event] = []
    try:
        for delta in deltas:
            if isinstance(delta, CloseDelta):
                return events, ConnectionCut()
            events += turn.add(delta)
    except Exception as exc:  # The safety net of this turn: it always ends.
        log_failure(_logger, "a turn", exc)
        return events, errors.engine_failed()
    return events, None


def _refuse(direction: Direction | None) -> Response | None:
    """Return what a direction answers in the place of the turn; None if the turn runs."""
    if direction is None:
        return None
    if direction.refusal is not None:
        response = reply_refusal(direction.refusal)
        if direction.close is not None:
            response.headers["connection"] = "close"
        return response
    return None if direction.close is None else Cut()


async def _reply_stream(events: AsyncGenerator[list[Event], None], request: Request) -> Response:
    """Answer with a stream once there is something to say: until then a turn may be refused."""
    first: list[list[Event]] = []

    async def fetch() -> None:
        first.append(await anext(events))

    if not await run_unless_left(fetch(), request.receive):
        return _left()
    return EventStream(first[0], events)


def _left() -> Response:
    """Answer a client that has left; 499 is for the log, since nobody reads it."""
    return Response(status_code=499)


async def _drain(events: AsyncGenerator[list[Event], None]) -> None:
    async with contextlib.aclosing(events) as batches:
        async for _ in batches:
            pass
