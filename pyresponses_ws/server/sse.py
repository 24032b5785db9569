"""Server-sent events, and replies that end early when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyresponses_ws.server.core.turn import Event
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.exchange import ConnectionCut, cut, wait_until_left


class EventStream(Response):
    """Server-sent events, those of ``first`` and the batches behind them.

    Ended early when the client leaves; ``ConnectionCut`` cuts them off.

    A client that reads nothing is cut off by the connection itself.
    """

    media_type = "text/event-stream"

    def __init__(self, first: list[Event], rest: AsyncGenerator[list[Event], None]) -> None:
        self.status_code = 200
        self.background = None
        self._first = first
        self._rest = rest
        self.init_headers({"cache-control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await run_unless_left(self._write(send), receive)
        except ConnectionCut:
            await cut(scope, receive)

    async def _write(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        async with contextlib.aclosing(self._rest) as batches:
            await send({"type": "http.response.start", **start})
            await send(_body(self._first, more_body=True))
            async for batch in batches:
                await send(_body(batch, more_body=True))
            await send(_body([], more_body=False))


def _body(batch: list[Event], *, more_body: bool) -> dict[str, Any]:
    """Make the message of a batch: what it says goes out at once."""
    body = "".join(map(_to_sse, batch)).encode()
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
