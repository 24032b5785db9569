"""Server-sent events, and replies that end early when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyresponses_ws.server.core.turn import Event
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.exchange import ConnectionCut, cut, wait_until_left


class EventStream(Response):
    """Server-sent events, ended early when the client leaves; ``ConnectionCut`` cuts them off.

    A client that reads nothing is cut off by the connection itself.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[list[Event]]) -> None:
        self.status_code = 200
        self.background = None
        self._events = events
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
                await send(_body("".join(map(_to_sse, batch)).encode(), more_body=True))
            await send(_body(b"", more_body=False))


def _body(body: bytes, *, more_body: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more_body}


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
