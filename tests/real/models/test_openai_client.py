"""The same conversations through openai-python: create, stream, connection, session of lanes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.lib.responses_websocket import (
    ResponsesWebSocketAccumulator,
    ResponsesWebSocketLane,
    ResponsesWebSocketLimits,
    ResponsesWebSocketSession,
)
from openai.types.responses import Response

from pyresponses_ws.testing import LocalServer
from tests.real.models.conversations import (
    CONCLUSION,
    GREETING,
    HELLO,
    MODEL,
    REPORT,
    THINK,
    THOUGHT,
)
from tests.support.turns import ENDS, IGNORE_CONNECT, QUESTION, TOOL, answer_call, call_of

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings(IGNORE_CONNECT)]

#: Seconds to wait for one response.
PATIENCE = 30.0
LIMITS = ResponsesWebSocketLimits(
    max_lanes=8,
    max_events_per_lane=10_000,
    max_events=20_000,
    max_bytes_per_lane=2**24,
    max_bytes=2**25,
)

#: Takes a turn with these fields.
Ask = Callable[..., Response]


@pytest.fixture
def client(server: LocalServer) -> Iterator[OpenAI]:
    """Make a client that tries once."""
    options: dict[str, Any] = {"base_url": server.base_url, "max_retries": 0, "timeout": PATIENCE}
    with OpenAI(api_key="test", **options) as made:
        yield made


@pytest.fixture(params=["create", "create a stream", "stream", "connection", "session"])
def ask(request: pytest.FixtureRequest, client: OpenAI) -> Iterator[Ask]:
    """Give each of the ways in which it takes a turn."""
    if request.param == "create":
        yield lambda **fields: client.responses.create(model=MODEL, **fields)
    elif request.param == "create a stream":
        yield lambda **fields: last_of(client, **fields)
    elif request.param == "stream":
        yield lambda **fields: streamed(client, **fields)
    else:
        with client.responses.connect() as connection:
            if request.param == "connection":
                yield lambda **fields: accumulated(connection, **fields)
            else:
                with ResponsesWebSocketSession(connection, limits=LIMITS) as session:
                    lane = session.lane("main")
                    yield lambda **fields: on_lane(lane, **fields)


def last_of(client: OpenAI, **fields: Any) -> Response:
    """Return the Response of the last event."""
    with client.responses.create(model=MODEL, stream=True, **fields) as stream:
        *_, last = stream
    assert last.type == "response.completed"
    return last.response


def streamed(client: OpenAI, **fields: Any) -> Response:
    """Return what the helper accumulates."""
    with client.responses.stream(model=MODEL, **fields) as stream:
        stream.until_done()
        return stream.get_final_response()


def accumulated(connection: Any, **fields: Any) -> Response:
    """Return what the accumulator makes of the events of a connection."""
    connection.response.create(model=MODEL, **fields)
    accumulator = ResponsesWebSocketAccumulator()
    for event in connection:
        accumulator.add_event(event)
        if event.type in ENDS:
            break
    return accumulator.get_final_response()


def on_lane(lane: ResponsesWebSocketLane, **fields: Any) -> Response:
    """Take a turn on a named lane."""
    command: Any = {"type": "response.create", "model": MODEL, **fields}
    lane.send(command)
    return lane.get_final_response(timeout=PATIENCE)


def test_it_greets(ask: Ask) -> None:
    """The text, and the usage that the model's own tokenizer counted."""
    response = ask(input=HELLO)
    assert (response.output_text, response.status, response.model) == (GREETING, "completed", MODEL)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (14, 12)


def test_it_calls_a_tool_and_finishes(ask: Ask) -> None:
    """The output of the call, with the id before, is enough for the answer."""
    question = ask(input=QUESTION, tools=[TOOL])
    assert json.loads(call_of(question).arguments) == {"city": "Paris"}
    output = answer_call(question, '{"temp_c": 14}')
    report = ask(input=output, previous_response_id=question.id, tools=[TOOL])
    assert report.output_text == REPORT


def test_it_thinks_before_it_answers(ask: Ask) -> None:
    """The reasoning is an item of its own with `reasoning_text` content, and no output text."""
    response = ask(input=THINK)
    reasoning: Any = response.output[0]
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert [part.type for part in reasoning.content] == ["reasoning_text"]
    assert reasoning.content[0].text.strip() == THOUGHT
    assert response.output_text.strip() == CONCLUSION


def test_an_unknown_parent_is_refused(client: OpenAI) -> None:
    """By our server: the model is not asked."""
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(model=MODEL, input=HELLO, previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"


def test_sampling_fields_reach_the_model(client: OpenAI) -> None:
    """A limit of tokens cuts the answer where it says, by the model's own count."""
    response = client.responses.create(model=MODEL, input=THINK, max_output_tokens=16)
    assert response.usage is not None
    assert response.usage.output_tokens == 16
    assert CONCLUSION.startswith(response.output_text.strip())
    assert response.output_text.strip() != CONCLUSION
