"""openai-python: ``connect()`` of the asynchronous client, and its session of lanes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from openai import AsyncOpenAI
from openai.lib.responses_websocket import (
    AsyncResponsesWebSocketSession,
    ResponsesWebSocketAccumulator,
    ResponsesWebSocketLimits,
)
from openai.resources.responses.responses import AsyncResponsesConnection
from openai.types.responses import Response

from tests.support import turns

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings(turns.IGNORE_CONNECT)]

T = TypeVar("T")
#: Seconds for a whole test.
PATIENCE = 50.0


@asynccontextmanager
async def connect(base_url: str) -> AsyncIterator[AsyncResponsesConnection]:
    """Open a WebSocket."""
    async with (
        AsyncOpenAI(api_key="test", base_url=base_url, max_retries=0) as client,
        client.responses.connect() as opened,
    ):
        yield opened


def run(base_url: str, work: Callable[[AsyncResponsesConnection], Awaitable[T]]) -> T:
    """Do ``work`` with a connection."""

    async def main() -> T:
        async with connect(base_url) as connection:
            return await asyncio.wait_for(work(connection), PATIENCE)

    return asyncio.run(main())


async def take_turn(connection: AsyncResponsesConnection, **fields: Any) -> Response:
    """Send a create and read to its end."""
    await connection.response.create(model=turns.MODEL, **fields)
    return await read_response(connection)


async def read_response(connection: AsyncResponsesConnection) -> Response:
    """Read to the end of a response; return what the client's accumulator makes of it."""
    accumulator = ResponsesWebSocketAccumulator()
    async for event in connection:
        accumulator.add_event(event)
        if event.type in turns.ENDS:
            break
    return accumulator.get_final_response()


def test_text(base_url: str) -> None:
    """The echo."""
    response = run(base_url, lambda connection: take_turn(connection, input="Say hello."))
    assert response.output_text == "You said: Say hello."


def test_tool_and_continuation(base_url: str) -> None:
    """The output of a call, sent with the id before, is answered; nothing is stored."""

    async def work(connection: AsyncResponsesConnection) -> tuple[Response, Response]:
        common: dict[str, Any] = {"tools": [turns.TOOL], "store": False}
        first = await take_turn(connection, input=turns.QUESTION, **common)
        output = turns.answer_call(first)
        return first, await take_turn(
            connection, input=output, previous_response_id=first.id, **common
        )

    first, second = run(base_url, work)
    assert turns.call_of(first).arguments == '{"city":"Paris"}'
    assert second.output_text == "get_weather returned: 14 °C"


def test_warm_up(base_url: str) -> None:
    """It has no output, and the next turn continues it."""

    async def work(connection: AsyncResponsesConnection) -> tuple[Response, Response]:
        warm = await take_turn(connection, input=[], generate=False, store=False)
        more = await take_turn(connection, input="Hello", previous_response_id=warm.id, store=False)
        return warm, more

    warm, more = run(base_url, work)
    assert (warm.output, more.output_text) == ([], "You said: Hello")
    assert more.previous_response_id == warm.id


def test_unknown_previous_id(base_url: str) -> None:
    """One error event, and the socket works on."""

    async def work(connection: AsyncResponsesConnection) -> tuple[Any, Response]:
        await connection.response.create(
            model=turns.MODEL, input="hi", previous_response_id="resp_none", store=False
        )
        return await connection.recv(), await take_turn(connection, input="hi")

    event, response = run(base_url, work)
    assert (event.type, event.error.code) == ("error", "previous_response_not_found")
    assert response.output_text == "You said: hi"


def test_two_lanes_of_a_session(base_url: str) -> None:
    """Two tasks, each with its lane, get their own answers over one socket."""
    limits = ResponsesWebSocketLimits(
        max_lanes=3,
        max_events_per_lane=5_000,
        max_events=10_000,
        max_bytes_per_lane=2**22,
        max_bytes=2**23,
    )

    async def work(connection: AsyncResponsesConnection) -> list[str]:
        async with AsyncResponsesWebSocketSession(connection, limits=limits) as session:
            return await asyncio.gather(*(ask(session, lane) for lane in ("a", "b")))

    async def ask(session: AsyncResponsesWebSocketSession, name: str) -> str:
        lane = session.lane(name)
        text = f"{name} {turns.PAIR_TEXT}"
        await lane.send({"type": "response.create", "model": turns.MODEL, "input": text})
        return (await lane.get_final_response()).output_text

    assert run(base_url, work) == [f"You said: {name} {turns.PAIR_TEXT}" for name in ("a", "b")]


def test_steering(base_url: str) -> None:
    """The successor comes unasked and answers the new words."""

    async def work(connection: AsyncResponsesConnection) -> tuple[str, Response]:
        await connection.response.create(model=turns.MODEL, input=turns.LONG_TEXT)
        first_id = (await connection.recv()).response.id
        await connection.response.steer(previous_response_id=first_id, input=turns.CLOSING)
        while (await connection.recv()).type not in turns.ENDS:
            pass
        return first_id, await read_response(connection)

    first_id, successor = run(base_url, work)
    assert successor.previous_response_id == first_id
    assert successor.output_text == f"You said: {turns.CLOSING}"
