"""The gate in front of every route: whoever may not come in is answered here."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.access import Access


class Gate:
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
            await reply(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def reply(error: APIError) -> JSONResponse:
    """Answer with an error in the service's envelope."""
    body = {"error": errors.error_object(error)}
    return JSONResponse(body, status_code=error.status or 500)
