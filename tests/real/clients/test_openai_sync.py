"""openai-python: ``client.responses.connect()``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.lib.responses_websocket import ResponsesWebSocketAccumulator
from openai.resources.responses.responses import ResponsesConnection
from openai.types.responses import Response

from tests.support import turns

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings(turns.IGNORE_CONNECT)]


@pytest.fixture
def connection(base_url: str) -> Iterator[ResponsesConnection]:
    """Open a WebSocket; every wait for a frame ends within the timeout of a test."""
    with (
        OpenAI(api_key="test", base_url=base_url, max_retries=0) as client,
        client.responses.connect() as opened,
    ):
        yield opened


def take_turn(connection: ResponsesConnection, **fields: Any) -> Response:
    """Send a create and read to its end."""
    connection.response.create(model=turns.MODEL, **fields)
    return read_response(connection)


def read_response(connection: ResponsesConnection) -> Response:
    """Read to the end of a response; return what the client's accumulator makes of it."""
    accumulator = ResponsesWebSocketAccumulator()
    for event in connection:
        accumulator.add_event(event)
        if event.type in turns.ENDS:
            break
    return accumulator.get_final_response()


def test_text(connection: ResponsesConnection) -> None:
    """The echo, under the name of the model that was asked for."""
    response = take_turn(connection, input="Say hello.", store=False)
    assert response.output_text == "You said: Say hello."
    assert (response.model, response.status, response.store) == (turns.MODEL, "completed", False)


def test_snapshots_grow_with_the_text(connection: ResponsesConnection) -> None:
    """The accumulator shows the text that has come so far, at every delta."""
    connection.response.create(model=turns.MODEL, input="one two three")
    accumulator, texts = ResponsesWebSocketAccumulator(), []
    for event in connection:
        accumulator.add_event(event)
        texts += [accumulator.snapshot().output_text] * (event.type.endswith("text.delta"))
        if event.type in turns.ENDS:
            break
    whole = "You said: one two three"
    assert len(texts) == 5
    assert [whole.startswith(text) for text in texts] == [True] * 5
    assert texts[-1] == accumulator.get_final_response().output_text == whole


def test_tool_and_continuation(connection: ResponsesConnection) -> None:
    """The call has its arguments; its output alone, with the id before, is enough to answer."""
    first = take_turn(connection, input=turns.QUESTION, tools=[turns.TOOL], store=False)
    assert turns.call_of(first).arguments == '{"city":"Paris"}'
    second = take_turn(
        connection,
        input=turns.answer_call(first),
        previous_response_id=first.id,
        tools=[turns.TOOL],
        store=False,
    )
    assert second.output_text == "get_weather returned: 14 °C"
    assert second.previous_response_id == first.id


def test_warm_up(connection: ResponsesConnection) -> None:
    """It reads its input and says nothing; the next turn continues it."""
    warm = take_turn(connection, input=turns.QUESTION, generate=False, store=False)
    assert warm.usage is not None
    assert (warm.output, warm.usage.output_tokens) == ([], 0)
    assert warm.usage.input_tokens > 0
    # The question is in the history: the tool that it names is called without asking again.
    more = take_turn(
        connection, input=[], tools=[turns.TOOL], previous_response_id=warm.id, store=False
    )
    assert turns.call_of(more).arguments == '{"city":"Paris"}'


def test_unknown_previous_id(connection: ResponsesConnection) -> None:
    """One error event, and the socket works on."""
    connection.response.create(
        model=turns.MODEL, input="hi", previous_response_id="resp_none", store=False
    )
    event = connection.recv()
    assert event.type == "error"
    assert (event.status, event.error.code) == (400, "previous_response_not_found")
    assert event.error.param == "previous_response_id"
    assert take_turn(connection, input="hi").output_text == "You said: hi"


def test_unknown_previous_id_reaches_the_handler_of_errors(
    connection: ResponsesConnection,
) -> None:
    """``dispatch_events`` hands the event to whoever asked for errors."""
    codes = []

    def on_error(event: Any) -> None:
        codes.append(event.error.code)
        connection.close()

    connection.on("error", on_error)
    connection.response.create(model=turns.MODEL, input="hi", previous_response_id="resp_none")
    connection.dispatch_events()
    assert codes == ["previous_response_not_found"]


def test_two_lanes_at_once(connection: ResponsesConnection) -> None:
    """Their events are interleaved, each carries its lane, and both texts are whole."""
    for lane in ("a", "b"):
        connection.response.create(
            model=turns.MODEL, input=f"{lane} {turns.PAIR_TEXT}", stream_id=lane, store=False
        )
    accumulators = {lane: ResponsesWebSocketAccumulator() for lane in ("a", "b")}
    seen: list[str] = []
    ends = 0
    while ends < 2:
        event = connection.recv()
        seen.append(str(event.stream_id))
        accumulators[seen[-1]].add_event(event)
        ends += event.type in turns.ENDS
    texts = {lane: one.get_final_response().output_text for lane, one in accumulators.items()}
    assert texts == {lane: f"You said: {lane} {turns.PAIR_TEXT}" for lane in ("a", "b")}
    assert seen.index("b") < len(seen) - 1 - seen[::-1].index("a")


def test_steering(connection: ResponsesConnection) -> None:
    """The turn ends as steered; its successor comes unasked and answers the new words."""
    connection.response.create(model=turns.MODEL, input=turns.LONG_TEXT, store=False)
    created = connection.recv()
    assert created.type == "response.created"
    first_id = created.response.id
    connection.response.steer(previous_response_id=first_id, input=turns.CLOSING)
    kinds = []
    while not kinds or kinds[-1] not in turns.ENDS:
        kinds.append(connection.recv().type)
    assert kinds.count("response.steer.accepted") == 1
    assert kinds[-1] == "response.incomplete"
    successor = read_response(connection)
    assert successor.previous_response_id == first_id
    assert successor.output_text == f"You said: {turns.CLOSING}"


def test_steering_of_an_unknown_response_fails(connection: ResponsesConnection) -> None:
    """The words come back with the reason, and the socket works on."""
    connection.response.steer(previous_response_id="resp_none", input=turns.CLOSING)
    event = connection.recv()
    assert event.type == "response.steer.failed"
    assert event.error.code == "response_not_found"
    assert event.steer.input == turns.CLOSING
    assert take_turn(connection, input="hi").output_text == "You said: hi"


def test_steering_waits_for_the_output_of_a_tool(connection: ResponsesConnection) -> None:
    """What is missing is named; the create that brings it is answered with the words in mind."""
    connection.response.create(model=turns.MODEL, input=turns.LONG_QUESTION, tools=[turns.TOOL])
    first_id = connection.recv().response.id
    connection.response.steer(previous_response_id=first_id, input=turns.CLOSING)
    first = read_response(connection)
    pending = connection.recv()
    assert pending.type == "response.steer.pending"
    assert [stub.call_id for stub in pending.required_input] == [turns.call_of(first).call_id]
    second = take_turn(connection, input=turns.answer_call(first), previous_response_id=first_id)
    assert second.output_text == "get_weather returned: 14 °C"
