"""Server-sent events without a socket: who leaves, who reads nothing, who is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from pyresponses_ws.server.exchange import ConnectionCut
from pyresponses_ws.server.sse import EventStream

Message = dict[str, Any]


class Exchange:
    """One HTTP exchange that a test plays the client of."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.has_left = asyncio.Event()
        # Clear while the client reads nothing.
        self.reads = asyncio.Event()
        self.reads.set()
        self.aborts = 0
        self.scope: Message = {"type": "http", "state": {"abort": self._abort}}

    async def receive(self) -> Message:
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)

    def _abort(self) -> None:
        self.aborts += 1
        self.has_left.set()


def play(events: Callable[[Exchange], AsyncGenerator[list[Message], None]]) -> Exchange:
    """Send a stream of events to a client; return what came of it."""

    async def run() -> Exchange:
        exchange = Exchange()
        rest = events(exchange)
        stream = EventStream(await anext(rest), rest)
        await stream(exchange.scope, exchange.receive, exchange.send)
        return exchange

    return asyncio.run(run())


def test_a_batch_is_one_write() -> None:
    """However many events it holds; the end comes after the last."""

    async def events(exchange: Exchange) -> AsyncGenerator[list[Message], None]:
        yield [{"type": "a"}, {"type": "b"}]
        yield [{"type": "c"}]

    sent = play(events).sent
    assert [message.get("body") for message in sent] == [
        None,
        b'event: a\ndata: {"type":"a"}\n\nevent: b\ndata: {"type":"b"}\n\n',
        b'event: c\ndata: {"type":"c"}\n\n',
        b"",
    ]
    assert [message.get("more_body") for message in sent] == [None, True, True, False]


def test_a_client_that_leaves_ends_the_events() -> None:
    """Whoever makes them is told at once."""
    ended: list[bool] = []

    async def events(exchange: Exchange) -> AsyncGenerator[list[Message], None]:
        try:
            yield [{"type": "a"}]
            exchange.has_left.set()
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    exchange = play(events)
    assert ended == [True]
    assert exchange.aborts == 0


def test_a_client_that_leaves_as_a_write_ends_is_noticed() -> None:
    """Both wake the server at once; the events, which would never end, are given up."""
    ended: list[bool] = []

    async def events(exchange: Exchange) -> AsyncGenerator[list[Message], None]:
        def leave() -> None:
            exchange.reads.set()
            exchange.has_left.set()

        try:
            yield [{"type": "a"}]
            exchange.reads.clear()
            asyncio.get_running_loop().call_later(0, leave)
            yield [{"type": "b"}]
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    play(events)
    assert ended == [True]


def test_a_cut_ends_the_connection_without_an_end_of_the_reply() -> None:
    """What was said before it is out."""

    async def events(exchange: Exchange) -> AsyncGenerator[list[Message], None]:
        yield [{"type": "a"}]
        raise ConnectionCut

    exchange = play(events)
    assert exchange.aborts == 1
    assert exchange.sent[-1]["more_body"]


def test_a_cut_without_an_owner_of_the_connection_returns() -> None:
    """Nobody is there to cut it."""

    async def events(exchange: Exchange) -> AsyncGenerator[list[Message], None]:
        del exchange.scope["state"]
        yield [{"type": "a"}]
        raise ConnectionCut

    assert play(events).aborts == 0
