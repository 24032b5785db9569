"""Server-sent events, and replies that end early when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyresponses_ws.server.core.turn import Event
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.exchange import ConnectionCut, cut, wait_until_left

_logger = logging.getLogger(__name__)

#: Seconds that one write may take; a client that reads nothing for so long is gone.
_WRITE_TIMEOUT = 30.0


class EventStream(Response):
    """Server-sent events, ended early when the client leaves; ``ConnectionCut`` cuts them off."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncIterator[list[Event]], *, write_timeout: float = _WRITE_TIMEOUT
    ) -> None:
        self.status_code = 200
        self.background = None
        self._events = events
        self._write_timeout = write_timeout
        self.init_headers({"cache-control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await run_unless_left(self._write(send), receive)
        except ConnectionCut:
            await cut(scope, receive)

    async def _write(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        async with contextlib.aclosing(self._events) as batches:  # type: ignore[type-var]
            await send({"type": "http.response.start", **start})
            async for batch in batches:
                # What one batch says goes out at once.
                await self._write_body(send, "".join(map(_to_sse, batch)).encode(), more_body=True)
            await self._write_body(send, b"", more_body=False)

    async def _write_body(self, send: Send, body: bytes, *, more_body: bool) -> None:
        message = {"type": "http.response.body", "body": body, "more_body": more_body}
        try:
            await asyncio.wait_for(send(message), self._write_timeout)
        except asyncio.TimeoutError:  # Another class than TimeoutError before Python 3.11.
            _logger.info("a client read nothing for %s seconds", self._write_timeout)
            raise ConnectionCut from None


def _to_sse(event: Event) -> str:
    return f"event: {event.get('type')}\ndata: {encode(event)}\n\n"


async def run_unless_left(work: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Run ``work``, cancelled when the client leaves; return whether it finished."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(wait_until_left(receive))
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
