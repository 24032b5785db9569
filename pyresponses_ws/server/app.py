"""The ASGI application: routes, gates and the HTTP side of the API."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import Access, check_content_type
from pyresponses_ws.server.core.request import CreateRequest, parse_http_create
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.session import Session
from pyresponses_ws.server.core.turn import Event, Turn
from pyresponses_ws.server.core.wire import parse_object
from pyresponses_ws.server.engines.base import Director, Engine
from pyresponses_ws.server.gate import Gate, reply
from pyresponses_ws.server.peer import Peer
from pyresponses_ws.server.pump import EngineRoom, Pump
from pyresponses_ws.server.sse import EventStream, run_unless_left

_logger = logging.getLogger(__name__)


class ServerApp:
    """What the routes share: the engine, the stored responses, the open sockets."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._config = config
        director = engine if isinstance(engine, Director) else None
        self._service = Service(rng=random.Random(), director=director)
        self._created = int(time.time())
        # Open WebSockets; each serve_peer adds and removes its own.
        self._peers: set[Peer] = set()
        # Creates over HTTP that are being answered; _run_turn counts.
        self._running = 0
        # Whether creates are refused, since the server is about to stop.
        self._refuses_creates = False
        self.room = EngineRoom(engine, max_turns=config.max_turns)
        self.asgi: ASGIApp = _build(self, config)

    async def serve_peer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket from its upgrade to its end."""
        await receive()  # websocket.connect: the gate has let it in.
        minutes = self._config.connection_minutes
        peer = Peer(
            receive,
            send,
            session=Session(owner=scope["owner"], service=self._service, minutes=minutes),
            room=self.room,
            max_message_bytes=self._config.max_message_bytes,
            max_age=60 * minutes,
            abort=scope.get("state", {}).get("abort", lambda: None),
        )
        if self._refuses_creates:
            peer.refuse_creates(errors.shutting_down())
        self._peers.add(peer)
        try:
            await peer.run()
        finally:
            self._peers.discard(peer)

    async def create(self, request: Request) -> Response:
        """Answer ``POST /v1/responses`` with server-sent events or with one JSON object."""
        check_content_type(request.headers)
        body = await _read_body(request, self._config.max_message_bytes)
        if self._refuses_creates:
            raise errors.shutting_down()
        turn = self._open_turn(parse_http_create(parse_object(body)), request.scope["owner"])
        events = self._run_turn(turn)
        if turn.request.is_streamed:
            return EventStream(events)
        if not await run_unless_left(_drain(events), request.receive):
            return Response(status_code=499)  # Nobody reads it.
        return JSONResponse(turn.response)

    async def list_models(self, request: Request) -> Response:
        """Answer ``GET /v1/models``."""
        models = [
            {"id": name, "object": "model", "created": self._created, "owned_by": "pyresponses-ws"}
            for name in self.room.engine.models()
        ]
        return JSONResponse({"object": "list", "data": models})

    def refuse_creates(self) -> None:
        """Answer every create from now on with 503; turns that run go on. Idempotent."""
        self._refuses_creates = True
        for peer in self._peers:
            peer.refuse_creates(errors.shutting_down())

    @property
    def is_busy(self) -> bool:
        """Whether a turn runs."""
        return self._running > 0 or any(peer.is_running for peer in self._peers)

    async def close(self, timeout: float) -> None:
        """Send every peer away with 1001 and fail the turns over HTTP, in ``timeout`` seconds."""
        closing = [asyncio.ensure_future(peer.close()) for peer in self._peers]
        if closing:
            # A peer that does not read may never take its close frame; its socket is aborted then.
            await asyncio.wait(closing, timeout=timeout)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
        self.room.stop()

    def _open_turn(self, request: CreateRequest, owner: str) -> Turn:
        now = time.time()
        parent = None
        if request.previous_response_id is not None:
            parent = self._service.find_stored(owner, request.previous_response_id, now)
        return self._service.open_turn(request, owner=owner, parent=parent, now=now)

    async def _run_turn(self, turn: Turn) -> AsyncIterator[list[Event]]:
        """Yield the events of a turn in the batches in which they come."""
        self._running += 1
        try:
            async for events in self._make_events(turn):
                yield events
        finally:
            self._running -= 1

    async def _make_events(self, turn: Turn) -> AsyncIterator[list[Event]]:
        yield turn.start()
        async with self.room.run(turn.engine_request) as pump:
            async for events in _take_events(turn, pump):
                yield events
        if pump.failure is not None:
            yield turn.fail(pump.failure, time.time(), with_error=True)
            return
        yield turn.finish(time.time())
        self._service.save(turn, time.time())


class _Raw:
    """Makes a plain ASGI function a WebSocket route; Starlette wraps others in its own socket."""

    def __init__(self, function: ASGIApp) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._function(scope, receive, send)


async def _refuse_upgrade(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an upgrade of another path with 404; Starlette's own answer is a bare 403."""
    await reply(errors.unknown_url("GET", scope["path"]))(scope, receive, send)


async def _take_events(turn: Turn, pump: Pump) -> AsyncIterator[list[Event]]:
    """Yield the events of the engine's deltas; whatever breaks becomes the turn's failure."""
    while deltas := await pump.take():
        try:
            events = [event for delta in deltas for event in turn.add(delta)]
        except Exception as exc:  # The safety net of this turn: it always ends.
            _logger.error("a turn failed: %s: %s", type(exc).__name__, exc)
            pump.cancel(errors.engine_failed())
            return
        yield events


async def _drain(events: AsyncIterator[list[Event]]) -> None:
    async for _ in events:
        pass


async def _read_body(request: Request, limit: int) -> bytes:
    """Read the body, counting as it comes. Raises the 413, or the 400 of a client that left."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise errors.too_large(limit)
    except ClientDisconnect:
        raise errors.bad_request("The client left before its body was read.") from None
    return bytes(body)


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _reply_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)
    return reply(error)


async def _reply_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 405:
        return reply(errors.unknown_method(method, path))
    return reply(errors.unknown_url(method, path))


def _build(app: ServerApp, config: ServerConfig) -> ASGIApp:
    routes = [
        WebSocketRoute("/v1/responses", _Raw(app.serve_peer)),
        WebSocketRoute("/{path:path}", _Raw(_refuse_upgrade)),
        Route("/v1/responses", app.create, methods=["POST"]),
        Route("/v1/models", app.list_models, methods=["GET"]),
        Route("/healthz", _health, methods=["GET"]),
    ]
    gate = Middleware(Gate, access=Access(config))
    cors = Middleware(
        CORSMiddleware,
        allow_origins=config.cors_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
    )
    return Starlette(
        routes=routes,
        middleware=[cors, gate] if config.cors_origins else [gate],
        exception_handlers={
            APIError: _reply_api_error,
            HTTPException: _reply_http_exception,
        },
    )
