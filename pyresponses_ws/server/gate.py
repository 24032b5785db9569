"""The gate in front of every route: whoever may not come in is answered here."""

from __future__ import annotations

import math

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import Access, check_single

#: Whoever watches whether the server lives needs no key, and gets an answer from a full server.
_OPEN_PATH = "/healthz"


class Gate:
    """Lets a request through to the routes, or answers it with the reason why not."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except APIError as error:
            await reply(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Set ``scope["owner"]``. Raises the APIError of a request that may not come in."""
        self._access.check_size(scope["raw_path"] + scope["query_string"], scope["headers"])
        check_single(scope["headers"])
        headers = Headers(scope=scope)
        self._access.check_source(headers)
        if scope["path"] == _OPEN_PATH:
            scope["owner"] = ""
            return
        self._access.check_room(is_over_limit=scope.get("state", {}).get("is_over_limit", False))
        scope["owner"] = self._access.find_owner(headers)


def reply(error: APIError) -> JSONResponse:
    """Answer with an error in the service's envelope."""
    body = {"error": errors.error_object(error)}
    response = JSONResponse(body, status_code=error.status or 500)
    if error.retry_after is not None:
        response.headers["retry-after"] = str(math.ceil(error.retry_after))
    return response
