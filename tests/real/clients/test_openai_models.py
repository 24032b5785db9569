"""openai-python: its models, which its connections fill without a check, checked strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.resources.responses.responses import ResponsesConnection
from openai.types.responses import ResponsesServerEvent, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support import turns

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings(turns.IGNORE_CONNECT)]

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
#: Creates that make the server say different things, and the last word of each.
CREATES: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"input": "Say hello."}, "response.completed"),
    "function": ({"input": turns.QUESTION, "tools": [turns.TOOL]}, "response.completed"),
    "custom tool": (
        {"input": "Please run it.", "tools": [{"type": "custom", "name": "run"}]},
        "response.completed",
    ),
    "warm-up": ({"input": "Say hello.", "generate": False}, "response.completed"),
    "cut": ({"input": turns.PAIR_TEXT, "max_output_tokens": 16}, "response.incomplete"),
    "settings": (
        {
            "input": "Say hello.",
            "instructions": "Be terse.",
            "metadata": {"who": "me"},
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "json_object"}, "verbosity": "low"},
            "tool_choice": "none",
            "tools": [turns.TOOL],
        },
        "response.completed",
    ),
    "lane": ({"input": "Say hello.", "stream_id": "main"}, "response.completed"),
    "unknown id": ({"input": "hi", "previous_response_id": "resp_none"}, "error"),
    "wrong type": ({"input": 7}, "error"),
}


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    """Make a client."""
    with OpenAI(api_key="test", base_url=base_url, max_retries=0) as made:
        yield made


@pytest.fixture
def connection(client: OpenAI) -> Iterator[ResponsesConnection]:
    """Open its WebSocket."""
    with client.responses.connect() as opened:
        yield opened


def read_strictly(connection: ResponsesConnection) -> dict[str, Any]:
    """Read one event and have its model check it."""
    event: dict[str, Any] = json.loads(connection.recv_bytes())
    SERVER_EVENT.validate_python(event)
    return event


def read_to_end(connection: ResponsesConnection) -> dict[str, Any]:
    """Read strictly to the end of a response, or to an error; return the last event."""
    while (event := read_strictly(connection))["type"] not in turns.ENDS | {"error"}:
        pass
    return event


@pytest.mark.parametrize("name", CREATES)
def test_events_of_a_turn_over_websocket(connection: ResponsesConnection, name: str) -> None:
    """Every event of every kind of turn is of a type that openai has a model for, and fits it."""
    fields, end = CREATES[name]
    connection.send_raw(json.dumps({"type": "response.create", "model": turns.MODEL, **fields}))
    assert read_to_end(connection)["type"] == end


@pytest.mark.parametrize("name", ["text", "function", "custom tool", "cut", "settings"])
def test_events_of_a_turn_over_http(client: OpenAI, name: str) -> None:
    """Server-sent events fit the models of a stream."""
    fields, end = CREATES[name]
    with client.responses.create(model=turns.MODEL, stream=True, **fields) as stream:
        events = [event.to_dict() for event in stream]
    for event in events:
        STREAM_EVENT.validate_python(event)
    assert events[-1]["type"] == end


def test_events_of_steering(connection: ResponsesConnection) -> None:
    """So do acceptance, the steered end, the successor, and a refusal."""
    connection.response.create(model=turns.MODEL, input=turns.LONG_TEXT)
    first_id = read_strictly(connection)["response"]["id"]
    connection.response.steer(previous_response_id=first_id, input=turns.CLOSING)
    steered, successor = read_to_end(connection), read_to_end(connection)
    assert steered["response"]["incomplete_details"] == {"reason": "steered"}
    assert successor["type"] == "response.completed"
    connection.response.steer(previous_response_id=first_id, input=turns.CLOSING)
    assert read_strictly(connection)["type"] == "response.steer.failed"
