"""The official client against the embedded server, over WebSocket and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI
from openai.lib.responses_websocket import ResponsesWebSocketAccumulator
from openai.resources.responses.responses import ResponsesConnection
from openai.types.responses import Response, ResponseFunctionToolCall

from pyresponses_ws.testing import LocalServer
from tests.support.turns import IGNORE_CONNECT, MODEL, QUESTION, TOOL

pytestmark = pytest.mark.filterwarnings(IGNORE_CONNECT)


@pytest.fixture
def client(server: LocalServer) -> Iterator[OpenAI]:
    """Make an official client of the session's server."""
    with OpenAI(api_key="test", base_url=server.base_url, max_retries=0) as made:
        yield made


@pytest.fixture
def connection(client: OpenAI) -> Iterator[ResponsesConnection]:
    """Open its WebSocket."""
    with client.responses.connect() as opened:
        yield opened


def take_turn(connection: ResponsesConnection, **fields: Any) -> Response:
    """Send a create and return the Response that the client's accumulator makes of the events."""
    connection.response.create(model=MODEL, **fields)
    accumulator = ResponsesWebSocketAccumulator()
    for event in connection:
        accumulator.add_event(event)
        if event.type == "response.completed":
            break
    return accumulator.get_final_response()


def answer_call(response: Response, output: str) -> list[Any]:
    """Make the output of the one call of a response."""
    (call,) = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    return [{"type": "function_call_output", "call_id": call.call_id, "output": output}]


def test_a_text_turn_over_websocket(connection: ResponsesConnection) -> None:
    """The echo, and a Response with its model and usage."""
    response = take_turn(connection, input="Say hello.")
    assert response.output_text == "You said: Say hello."
    assert (response.model, response.status) == (MODEL, "completed")
    assert response.usage is not None
    assert response.usage.total_tokens > 0


def test_a_tool_turn_and_its_continuation_over_websocket(connection: ResponsesConnection) -> None:
    """The call has its arguments; the answer quotes the output sent with the previous id alone."""
    first = take_turn(connection, input=QUESTION, tools=[TOOL], store=False)
    output = answer_call(first, "14 °C")
    second = take_turn(
        connection, input=output, previous_response_id=first.id, tools=[TOOL], store=False
    )
    assert second.output_text == "get_weather returned: 14 °C"
    assert second.previous_response_id == first.id


def test_a_warm_up_over_websocket(connection: ResponsesConnection) -> None:
    """It has no output, and the next turn continues it."""
    warm = take_turn(connection, input=[], instructions="Be terse.", generate=False, store=False)
    assert warm.output == []
    more = take_turn(connection, input="Hello", previous_response_id=warm.id, store=False)
    assert more.output_text == "You said: Hello"


def test_an_unknown_parent_is_an_error_and_the_socket_stays(
    connection: ResponsesConnection,
) -> None:
    """One error event with its code; the next turn works."""
    connection.response.create(model=MODEL, input="hi", previous_response_id="resp_none")
    event = connection.recv()
    assert event.type == "error"
    assert (event.error.code, event.status) == ("previous_response_not_found", 400)
    assert take_turn(connection, input="hi").output_text == "You said: hi"


def test_two_lanes_over_websocket(connection: ResponsesConnection) -> None:
    """Each lane gets its own events, marked with its name."""
    for lane in ("a", "b"):
        connection.response.create(model=MODEL, input=f"I am {lane}", stream_id=lane)
    accumulators = {lane: ResponsesWebSocketAccumulator() for lane in ("a", "b")}
    ends = 0
    while ends < 2:
        event = connection.recv()
        accumulators[str(event.stream_id)].add_event(event)
        ends += event.type == "response.completed"
    texts = [each.get_final_response().output_text for each in accumulators.values()]
    assert texts == ["You said: I am a", "You said: I am b"]


def test_a_text_turn_over_server_sent_events(client: OpenAI) -> None:
    """``create(stream=True)`` yields the same events."""
    with client.responses.create(model=MODEL, input="Say hello.", stream=True) as stream:
        events = list(stream)
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == "You said: Say hello."
    assert events[-1].type == "response.completed"


def test_the_stream_helper_over_server_sent_events(client: OpenAI) -> None:
    """``stream()`` accumulates to the final Response."""
    with client.responses.stream(model=MODEL, input="Say hello.") as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert {"response.created", "response.output_text.delta"} < kinds
    assert final.output_text == "You said: Say hello."


def test_a_tool_turn_and_its_continuation_over_http(client: OpenAI) -> None:
    """Stored responses continue by id, streamed or not."""
    first = client.responses.create(model=MODEL, input=QUESTION, tools=[TOOL])
    output = answer_call(first, "14 °C")
    with client.responses.stream(
        model=MODEL, input=output, previous_response_id=first.id, tools=[TOOL]
    ) as stream:
        assert stream.get_final_response().output_text == "get_weather returned: 14 °C"


def test_a_response_is_shared_between_the_wires(
    client: OpenAI, connection: ResponsesConnection
) -> None:
    """What was stored over HTTP continues over WebSocket, for the same key."""
    first = client.responses.create(model=MODEL, input="one")
    second = take_turn(connection, input="two", previous_response_id=first.id)
    assert second.output_text == "You said: two"


def test_an_unstored_response_does_not_continue_over_http(client: OpenAI) -> None:
    """There is no connection to remember it."""
    first = client.responses.create(model=MODEL, input="one", store=False)
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(model=MODEL, input="two", previous_response_id=first.id)
    assert caught.value.code == "previous_response_not_found"


def test_the_models_are_listed(client: OpenAI) -> None:
    """The engine tells its names."""
    assert [model.id for model in client.models.list()] == ["echo"]


def test_the_async_client_connects_too(server: LocalServer) -> None:
    """One turn over the other implementation of the official client."""

    async def run() -> str:
        async with (
            AsyncOpenAI(api_key="test", base_url=server.base_url) as client,
            client.responses.connect() as connection,
        ):
            await connection.response.create(model=MODEL, input="Say hello.")
            async for event in connection:
                if event.type == "response.completed":
                    return str(event.response.output_text)
        return ""

    assert asyncio.run(run()) == "You said: Say hello."
