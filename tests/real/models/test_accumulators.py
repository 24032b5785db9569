"""The events of every engine, added up by the official accumulators, are its final Response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI, omit
from openai._models import construct_type_unchecked
from openai.lib.responses_websocket import ResponsesWebSocketAccumulator
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponsesServerEvent

from pyresponses_ws.testing import LocalServer
from tests.real.models.conversations import HELLO, MODEL, THINK
from tests.support.turns import ENDS, IGNORE_CONNECT, QUESTION, TOOL

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings(IGNORE_CONNECT)]

SCRIPT = """
rules:
  - when: {user: ^Say}
    reply: [{text: Hello}, {usage: {input_tokens: 3, output_tokens: 1}}]
  - when: {user: weather}
    reply: [{text: Let me look.}, {call: {name: get_weather, arguments: {city: Paris}}}]
  - when: {user: ^think}
    reply: [{reasoning_content: Hm.}, {reasoning: Briefly}, {text: "42"}, {cut: max_output_tokens}]
"""
TURNS: dict[str, Any] = {
    "greeting": {"input": HELLO},
    "call": {"input": QUESTION, "tools": [TOOL]},
    "thinking": {"input": THINK},
    "cut": {"input": THINK, "max_output_tokens": 16},
}


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Serve a script."""
    script: Path = tmp_path_factory.mktemp("script") / "answers.yaml"
    script.write_text(SCRIPT, "utf-8")
    with LocalServer(engine=f"script:{script}") as server:
        yield server


@pytest.fixture(params=["responses_server", "scripted", "upstream", "local_model"])
def client(request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    """Connect to a server with each engine: echo, a script, an upstream, a model."""
    server: LocalServer = request.getfixturevalue(request.param)
    with OpenAI(api_key="test", base_url=server.base_url, max_retries=0) as made:
        yield made


def websocket_events(client: OpenAI, fields: dict[str, Any]) -> list[Any]:
    """Take a turn over a WebSocket."""
    events = []
    with client.responses.connect() as connection:
        connection.response.create(model=MODEL, **fields)
        for event in connection:
            events.append(event)
            if event.type in ENDS:
                break
    return events


def unparsed(value: Any) -> Any:
    """Leave out what the official client adds to a Response by parsing the texts in it."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [unparsed(each) for each in value]
    if not isinstance(value, dict):
        return value
    added = ("parsed", "parsed_arguments")
    return {name: unparsed(each) for name, each in value.items() if name not in added}


@pytest.mark.parametrize("name", TURNS)
def test_the_accumulator_of_sockets_agrees(client: OpenAI, name: str) -> None:
    """What it has before the end is what the end tells; the Response is kept as it came."""
    *events, last = websocket_events(client, TURNS[name])
    accumulator = ResponsesWebSocketAccumulator()
    for event in events:
        accumulator.add_event(event)
    known = accumulator.snapshot().output
    accumulator.add_event(last)
    assert known == accumulator.snapshot().output
    assert len(known) == len(last.response.output) > 0
    assert accumulator.get_final_response().to_dict() == last.response.to_dict()


@pytest.mark.parametrize("name", TURNS)
def test_the_state_of_streams_agrees(client: OpenAI, name: str) -> None:
    """Its output, made from the items alone, is the one of the final Response."""
    with client.responses.create(model=MODEL, stream=True, **TURNS[name]) as stream:
        *events, last = (event.to_dict() for event in stream)
    response: Any = last["response"]
    state = ResponseStreamState[Any](input_tools=omit, text_format=omit)
    for frame in [*events, {**last, "response": {**response, "output": None}}]:
        event: Any = construct_type_unchecked(type_=ResponsesServerEvent, value=frame)
        shown = state.handle_event(event)
    ended: Any = shown[-1]
    assert unparsed(ended.response.to_dict()["output"]) == response["output"] != []


@pytest.mark.parametrize("name", TURNS)
def test_the_events_are_numbered_without_a_gap(client: OpenAI, name: str) -> None:
    """From zero to the one end, whatever numbers an upstream gave."""
    events = websocket_events(client, TURNS[name])
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if event.type in ENDS] == [events[-1].type]
