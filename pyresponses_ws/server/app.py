"""The ASGI application: its routes, its open sockets and its end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.config import ServerConfig
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import Access
from pyresponses_ws.server.core.rate import RateLimiter
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.session import Session
from pyresponses_ws.server.creates import Creates
from pyresponses_ws.server.engines.base import Director, Engine, has_trait
from pyresponses_ws.server.exchange import reply_error, reply_json
from pyresponses_ws.server.gate import KeyGate, SourceGate
from pyresponses_ws.server.peer import Peer
from pyresponses_ws.server.pump import EngineRoom
from pyresponses_ws.server.resources import Resources


class ServerApp:
    """What the routes share: the engine, the stored responses, the open sockets."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._config = config
        self.room = EngineRoom(engine, max_turns=config.max_turns)
        self._service = Service(
            rng=random.Random(),
            director=self.room if isinstance(engine, Director) else None,
            vets=has_trait(engine, "vets"),
            takes_nested_tools=has_trait(engine, "takes_nested_tools"),
            rates=RateLimiter(config.requests_per_second),
        )
        self._created = int(time.time())
        # Open WebSockets; each serve_peer adds and removes its own.
        self._peers: set[Peer] = set()
        limit = config.max_message_bytes
        self.creates = Creates(self._service, self.room, max_body_bytes=limit)
        self.resources = Resources(self._service, max_body_bytes=limit)
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
        self._peers.add(peer)
        try:
            await peer.run()
        finally:
            self._peers.discard(peer)

    async def list_models(self, request: Request) -> Response:
        """Answer ``GET /v1/models``."""
        names = await self.room.list_models()
        models = [
            {"id": name, "object": "model", "created": self._created, "owned_by": "pyresponses-ws"}
            for name in names
        ]
        return reply_json({"object": "list", "data": models})

    def refuse_creates(self) -> None:
        """Answer every create from now on with 503; turns that run go on. Idempotent."""
        error = errors.shutting_down()
        self._service.refuse(error)
        for peer in self._peers:
            peer.refuse_waiting(error)

    @property
    def is_busy(self) -> bool:
        """Whether a turn runs."""
        return self.creates.is_running or any(peer.is_running for peer in self._peers)

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


class _Raw:
    """Makes a plain ASGI function a WebSocket route; Starlette wraps others in its own socket."""

    def __init__(self, function: ASGIApp) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._function(scope, receive, send)


async def _refuse_upgrade(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an upgrade of another path with 404; Starlette's own answer is a bare 403."""
    await reply_error(errors.unknown_url("GET", scope["path"]))(scope, receive, send)


async def _health(request: Request) -> Response:
    return reply_json({"status": "ok"})


async def _reply_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)
    return reply_error(error)


async def _reply_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.scope["path"]
    if error.status_code == 405:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        return reply_error(errors.unknown_method(method, path), {"allow": ", ".join(allowed)})
    return reply_error(errors.unknown_url(method, path))


async def _reply_broken(request: Request, error: Exception) -> Response:
    """Answer for a route that broke; Starlette raises the exception on, to be logged."""
    return reply_error(errors.engine_failed())


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], *methods: str) -> Route:
    """Make a route of these methods only; Starlette would add HEAD to GET."""
    route = Route(path, endpoint, methods=methods)
    route.methods = set(methods)
    return route


def _routes(app: ServerApp) -> list[BaseRoute]:
    stored = "/v1/responses/{id}"
    return [
        WebSocketRoute("/v1/responses", _Raw(app.serve_peer)),
        WebSocketRoute("/{path:path}", _Raw(_refuse_upgrade)),
        _route("/v1/responses", app.creates.reply, "POST"),
        # Before the ids, of which it would be one.
        _route("/v1/responses/compact", app.resources.compact, "POST"),
        _route(stored, app.resources.reply, "GET", "DELETE"),
        _route(f"{stored}/cancel", app.resources.cancel, "POST"),
        _route(f"{stored}/input_items", app.resources.list_input, "GET"),
        _route("/v1/models", app.list_models, "GET"),
        # Balancers ask with HEAD.
        _route("/healthz", _health, "GET", "HEAD"),
    ]


def _gates(config: ServerConfig) -> list[Middleware]:
    access = Access(config)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=config.cors_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
    )
    # What browsers ask beforehand carries no key, and a page must be able to read a 401.
    between = [cors] if config.cors_origins else []
    return [Middleware(SourceGate, access=access), *between, Middleware(KeyGate, access=access)]


def _build(app: ServerApp, config: ServerConfig) -> ASGIApp:
    built = Starlette(
        routes=_routes(app),
        middleware=_gates(config),
        exception_handlers={
            APIError: _reply_api_error,
            HTTPException: _reply_http_exception,
            Exception: _reply_broken,
        },
    )
    # A path with one slash too many is unknown, as at the service; a redirect would drop the body.
    built.router.redirect_slashes = False
    return built
