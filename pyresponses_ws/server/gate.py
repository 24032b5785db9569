"""The gates in front of every route: whoever may not come in is answered here."""

from __future__ import annotations

from abc import ABC, abstractmethod

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.access import Access, check_single
from pyresponses_ws.server.exchange import reply_error

#: Whoever watches whether the server lives needs no key, and gets an answer from a full server.
_OPEN_PATH = "/healthz"


class _Gate(ABC):
    """Lets a request through to what is behind it, or answers it with the reason why not."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except APIError as error:
            await reply_error(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @abstractmethod
    def _check(self, scope: Scope) -> None:
        """Raise the APIError of a request that may not come in."""


class SourceGate(_Gate):
    """Looks at where a request comes from; the questions that browsers ask beforehand too."""

    def _check(self, scope: Scope) -> None:
        self._access.check_size(scope["raw_path"] + scope["query_string"], scope["headers"])
        check_single(scope["headers"])
        self._access.check_source(Headers(scope=scope))


class KeyGate(_Gate):
    """Looks at whose a request is, and sets ``scope["owner"]``."""

    def _check(self, scope: Scope) -> None:
        if scope["path"] == _OPEN_PATH:
            scope["owner"] = ""
            return
        self._access.check_room(is_over_limit=scope.get("state", {}).get("is_over_limit", False))
        scope["owner"] = self._access.find_owner(Headers(scope=scope))
