"""openai-python: server-sent events, by ``create(stream=True)`` and by ``stream()``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.support import turns

pytestmark = pytest.mark.real


class City(BaseModel):
    """What a text is parsed to."""

    name: str
    inhabitants: int


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    """Make a client that waits a minute at most and tries once."""
    with OpenAI(api_key="test", base_url=base_url, max_retries=0, timeout=50) as made:
        yield made


def create(client: OpenAI, **fields: Any) -> Response:
    """Create with ``stream=True``; return the response of the last event."""
    with client.responses.create(model=turns.MODEL, stream=True, **fields) as stream:
        *_, last = stream
    assert last.type == "response.completed"
    return last.response


def stream_to_end(client: OpenAI, **fields: Any) -> Response:
    """Use the ``stream()`` helper; return the response that it accumulated."""
    with client.responses.stream(model=turns.MODEL, **fields) as stream:
        stream.until_done()
        return stream.get_final_response()


@pytest.mark.parametrize("ask", [create, stream_to_end])
def test_text(client: OpenAI, ask: Any) -> None:
    """The echo, and what it cost."""
    response = ask(client, input="Say hello.")
    assert response.output_text == "You said: Say hello."
    assert response.usage.output_tokens > 0


@pytest.mark.parametrize("ask", [create, stream_to_end])
def test_tool_and_continuation(client: OpenAI, ask: Any) -> None:
    """A stored response continues by its id."""
    first = ask(client, input=turns.QUESTION, tools=[turns.TOOL])
    assert turns.call_of(first).arguments == '{"city":"Paris"}'
    second = ask(
        client,
        input=turns.answer_call(first),
        previous_response_id=first.id,
        tools=[turns.TOOL],
    )
    assert second.output_text == "get_weather returned: 14 °C"


@pytest.mark.parametrize("ask", [create, stream_to_end])
def test_unknown_previous_id(client: OpenAI, ask: Any) -> None:
    """The client's own exception for a 400, with the code."""
    with pytest.raises(BadRequestError) as caught:
        ask(client, input="hi", previous_response_id="resp_none")
    assert (caught.value.code, caught.value.param) == (
        "previous_response_not_found",
        "previous_response_id",
    )


def test_streamed_text_is_the_final_text(client: OpenAI) -> None:
    """Each delta is a piece of it, in order, and the helper's snapshot grows with them."""
    with client.responses.stream(model=turns.MODEL, input=turns.PAIR_TEXT) as stream:
        events = [event for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(event.delta for event in events) == final.output_text
    assert events[-1].snapshot == final.output_text == f"You said: {turns.PAIR_TEXT}"


def test_streamed_arguments_are_the_final_arguments(client: OpenAI) -> None:
    """The helper follows the arguments of a call as they come."""
    with client.responses.stream(
        model=turns.MODEL, input=turns.QUESTION, tools=[turns.TOOL]
    ) as stream:
        deltas = [e.delta for e in stream if e.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    assert len(deltas) > 1
    assert "".join(deltas) == turns.call_of(final).arguments


def test_text_is_parsed_to_a_model(client: OpenAI) -> None:
    """The helper sends the schema of a class, and makes an object of it from the answer."""
    with client.responses.stream(
        model=turns.MODEL, input='"Paris" has 2102650 inhabitants.', text_format=City
    ) as stream:
        final = stream.get_final_response()
    assert final.output_parsed == City(name="Paris", inhabitants=2102650)
