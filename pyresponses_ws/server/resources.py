"""The routes of stored responses, and the one that compacts a conversation."""

from __future__ import annotations

import random
import time

from starlette.requests import Request
from starlette.responses import Response

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import check_content_type
from pyresponses_ws.server.core.compaction import make_compacted
from pyresponses_ws.server.core.ids import Ids
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.request import CreateRequest, parse_http_create
from pyresponses_ws.server.core.resources import (
    check_retrieve_query,
    deleted,
    make_page,
    parse_page_query,
)
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.store import StoredResponse
from pyresponses_ws.server.exchange import read_object, reply_json


class Resources:
    """Answers from what the service stored for the owner who asks."""

    def __init__(self, service: Service, *, max_body_bytes: int) -> None:
        self._service = service
        self._max_body_bytes = max_body_bytes
        self._rng = random.Random()

    async def reply(self, request: Request) -> Response:
        """Answer ``GET`` and ``DELETE /v1/responses/{id}``."""
        return self._delete(request) if request.method == "DELETE" else self._retrieve(request)

    async def cancel(self, request: Request) -> Response:
        """Answer ``POST /v1/responses/{id}/cancel``: no response here runs in the background."""
        check_content_type(request.headers)
        self._find(request)
        raise errors.not_cancellable(request.path_params["id"])

    async def list_input(self, request: Request) -> Response:
        """Answer ``GET /v1/responses/{id}/input_items``."""
        query = parse_page_query(request.query_params)
        items = self._service.store.list_input(self._find(request))
        return reply_json(make_page(items, query))

    async def compact(self, request: Request) -> Response:
        """Answer ``POST /v1/responses/compact``."""
        body, size = await read_object(request, self._max_body_bytes)
        create = parse_http_create(body, size=size)
        items = self._read_context(create, request.scope["owner"])
        if not items:
            raise errors.missing_parameter("input")
        ids = Ids(self._rng, parent_id=create.previous_response_id)
        instructions = create.settings.get("instructions")
        now = time.time()
        return reply_json(make_compacted(items, instructions=instructions, ids=ids, now=now))

    def _retrieve(self, request: Request) -> Response:
        check_retrieve_query(request.query_params)
        return reply_json(self._find(request).response)

    def _delete(self, request: Request) -> Response:
        response_id = request.path_params["id"]
        if not self._service.store.delete(request.scope["owner"], response_id, time.time()):
            raise errors.response_not_found(response_id)
        return reply_json(deleted(response_id))

    def _find(self, request: Request) -> StoredResponse:
        """Return the stored response that the path names. Raises the 404."""
        response_id = request.path_params["id"]
        stored = self._service.store.get(request.scope["owner"], response_id, time.time())
        if stored is None:
            raise errors.response_not_found(response_id)
        return stored

    def _read_context(self, create: CreateRequest, owner: str) -> tuple[Item, ...]:
        """Return the history and the input, references replaced by what they name."""
        now = time.time()
        parent = self._service.find_parent(create, owner, now)
        given = self._service.resolve(create, owner=owner, parent=parent, now=now).input
        return given if parent is None else (*parent.items, *given)
