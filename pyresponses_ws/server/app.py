"""The ASGI application: routes, gates and the HTTP side of the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import Headers
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
from pyresponses_ws.server.core.chain import find_stored
from pyresponses_ws.server.core.ids import Padding
from pyresponses_ws.server.core.request import CreateRequest, parse_http_create
from pyresponses_ws.server.core.store import ResponseStore
from pyresponses_ws.server.core.turn import Event, Turn
from pyresponses_ws.server.core.wire import encode, parse_object
from pyresponses_ws.server.engines.base import Engine
from pyresponses_ws.server.peer import Peer
from pyresponses_ws.server.pump import EngineRoom, Pump

_logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Seconds that one write may take; a client that reads nothing for so long is gone.
_WRITE_TIMEOUT = 30.0


class ServerApp:
    """What the routes share: the engine, the stored responses, the open sockets."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._config = config
        self._store = ResponseStore()
        self._rng = random.Random()
        self._padding = Padding(self._rng)
        self._created = int(time.time())
        # Open WebSockets; each serve_peer adds and removes its own.
        self._peers: set[Peer] = set()
        self.room = EngineRoom(engine, max_turns=config.max_turns)
        self.asgi: ASGIApp = _build(self, config)

    async def serve_peer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket from its upgrade to its end."""
        await receive()  # websocket.connect: the gate has let it in.
        peer = Peer(
            receive,
            send,
            owner=scope["owner"],
            store=self._store,
            room=self.room,
            max_message_bytes=self._config.max_message_bytes,
        )
        self._peers.add(peer)
        try:
            await peer.run()
        finally:
            self._peers.discard(peer)

    async def create(self, request: Request) -> Response:
        """Answer ``POST /v1/responses`` with server-sent events or with one JSON object."""
        check_content_type(request.headers)
        body = await _read_body(request, self._config.max_message_bytes)
        turn = self._open_turn(parse_http_create(parse_object(body)), request.scope["owner"])
        events = self._run_turn(turn, request.scope["owner"])
        if turn.request.is_streamed:
            return _EventStream(events)
        if not await _run_unless_left(_drain(events), request.receive):
            return Response(status_code=499)  # Nobody reads it.
        return JSONResponse(turn.response)

    async def list_models(self, request: Request) -> Response:
        """Answer ``GET /v1/models``."""
        models = [
            {"id": name, "object": "model", "created": self._created, "owned_by": "pyresponses-ws"}
            for name in self.room.engine.models()
        ]
        return JSONResponse({"object": "list", "data": models})

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
        parent_id = request.previous_response_id
        parent = None if parent_id is None else find_stored(self._store, owner, parent_id, now)
        return Turn(request, parent=parent, rng=self._rng, padding=self._padding, now=now)

    async def _run_turn(self, turn: Turn, owner: str) -> AsyncIterator[list[Event]]:
        """Yield the events of a turn in the batches in which they come."""
        yield turn.start()
        async with self.room.run(turn.engine_request) as pump:
            async for events in _take_events(turn, pump):
                yield events
        if pump.failure is not None:
            yield turn.fail(pump.failure, time.time(), with_error=True)
            return
        yield turn.finish(time.time())
        turn.save(self._store, owner, time.time())


class _Gate:
    """Lets a request through to the routes, or answers it with the reason why not."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._access.check_source(headers)
            # Whoever watches whether the server lives needs no key.
            is_open = scope["path"] == "/healthz"
            scope["owner"] = "" if is_open else self._access.find_owner(headers)
        except APIError as error:
            await _reply(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _Raw:
    """Makes a plain ASGI function a WebSocket route; Starlette wraps others in its own socket."""

    def __init__(self, function: ASGIApp) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._function(scope, receive, send)


async def _refuse_upgrade(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an upgrade of another path with 404; Starlette's own answer is a bare 403."""
    await _reply(errors.unknown_url("GET", scope["path"]))(scope, receive, send)


class _EventStream(Response):
    """Server-sent events, ended early when the client leaves."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[list[Event]]) -> None:
        self.status_code = 200
        self.background = None
        self._events = events
        self.init_headers({"cache-control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _run_unless_left(self._write(send), receive)

    async def _write(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        async with contextlib.aclosing(self._events) as batches:  # type: ignore[type-var]
            async for batch in batches:
                body = "".join(map(_to_sse, batch)).encode()
                await _write_body(send, body, more_body=True)
        await _write_body(send, b"", more_body=False)


async def _write_body(send: Send, body: bytes, *, more_body: bool) -> None:
    message = {"type": "http.response.body", "body": body, "more_body": more_body}
    await asyncio.wait_for(send(message), _WRITE_TIMEOUT)


def _to_sse(event: Event) -> str:
    return f"event: {event['type']}\ndata: {encode(event)}\n\n"


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


async def _run_unless_left(work: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Run ``work``, cancelled when the client leaves; return whether it finished."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_wait_until_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
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


def _reply(error: APIError) -> JSONResponse:
    body = {"error": errors.error_object(error)}
    return JSONResponse(body, status_code=error.status or 500)


async def _reply_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)
    return _reply(error)


async def _reply_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 405:
        return _reply(errors.unknown_method(method, path))
    return _reply(errors.unknown_url(method, path))


def _build(app: ServerApp, config: ServerConfig) -> ASGIApp:
    routes = [
        WebSocketRoute("/v1/responses", _Raw(app.serve_peer)),
        WebSocketRoute("/{path:path}", _Raw(_refuse_upgrade)),
        Route("/v1/responses", app.create, methods=["POST"]),
        Route("/v1/models", app.list_models, methods=["GET"]),
        Route("/healthz", _health, methods=["GET"]),
    ]
    gate = Middleware(_Gate, access=Access(config))
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
