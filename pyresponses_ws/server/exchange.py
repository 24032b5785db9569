"""One HTTP exchange: reads the body of a request, writes a JSON reply, or cuts the connection."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import check_content_type
from pyresponses_ws.server.core.wire import encode, parse_object

#: What a header may hold; h11 refuses the rest, and the reply with it.
_HEADER_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")

#: Headers that say how the reply is framed; whoever writes the reply sets them.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "upgrade"})


class ConnectionCut(Exception):
    """The connection is to be cut here, without an end of the reply."""


async def read_object(request: Request, limit: int) -> tuple[dict[str, Any], int]:
    """Read a JSON object of at most ``limit`` bytes; return it and its size.

    Raises the 415, the 413 or the 400.
    """
    check_content_type(request.headers)
    body = await _read_body(request, limit)
    return parse_object(body), len(body)


def reply_json(
    body: dict[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Reply with an object, even with text that has no UTF-8: half of a surrogate pair."""
    made = Response(encode(body), status_code=status, media_type="application/json")
    made.headers.update(headers or {})
    return made


def reply_error(error: APIError, headers: Mapping[str, str] | None = None) -> Response:
    """Reply with an error in the service's envelope."""
    retry: dict[str, str] = {}
    if error.retry_after is not None:
        retry["retry-after"] = str(math.ceil(error.retry_after))
    body = {"error": errors.error_object(error)}
    return reply_json(body, status=error.status or 500, headers={**retry, **(headers or {})})


def reply_refusal(frame: dict[str, Any]) -> Response:
    """Reply with what would be an ``error`` frame on a WebSocket: its status, error and headers.

    The frame may be of any shape, as faults are; a flat one becomes the error itself.
    """
    facts = {key: value for key, value in frame.items() if key not in ("type", "sequence_number")}
    status = facts.pop("status", None) or facts.pop("status_code", None)
    given = facts.pop("headers", None)
    error = facts.get("error", facts)
    if isinstance(error, dict):
        given = given or error.get("headers")
    is_status = isinstance(status, int) and 400 <= status <= 599
    body = {"error": error}
    return reply_json(body, status=status if is_status else 400, headers=_clean(given))


class Cut(Response):
    """The reply that is none: the connection ends instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await cut(scope, receive)


async def cut(scope: Scope, receive: Receive) -> None:
    """Cut the connection, by what its owner left in the scope, and wait until it is gone.

    Returning before would look like a route that forgot its reply.
    """
    abort = scope.get("state", {}).get("abort")
    if abort is not None:
        abort()
        await wait_until_left(receive)


async def wait_until_left(receive: Receive) -> None:
    """Return when the client is gone; what it still sends is dropped."""
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


def _clean(headers: object) -> dict[str, str]:
    """Return the headers that a reply can carry."""
    pairs = headers.items() if isinstance(headers, dict) else ()
    return {
        name: str(value)
        for name, value in pairs
        if name.lower() not in _FRAMING
        and _HEADER_NAME.fullmatch(name)
        and _HEADER_VALUE.fullmatch(str(value))
    }
