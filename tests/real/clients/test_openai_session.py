"""openai-python: ``ResponsesWebSocketSession``, its reader thread and its lanes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.lib.responses_websocket import (
    ResponsesWebSocketError,
    ResponsesWebSocketLane,
    ResponsesWebSocketLimits,
    ResponsesWebSocketSession,
)
from openai.types.responses import Response

from tests.support import turns

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings(turns.IGNORE_CONNECT)]

#: Seconds to wait for one event or response.
PATIENCE = 30.0
LIMITS = ResponsesWebSocketLimits(
    max_lanes=33,
    max_events_per_lane=10_000,
    max_events=20_000,
    max_bytes_per_lane=2**24,
    max_bytes=2**25,
)


@pytest.fixture
def session(base_url: str) -> Iterator[ResponsesWebSocketSession]:
    """Open a WebSocket with a session of lanes."""
    with (
        OpenAI(api_key="test", base_url=base_url, max_retries=0) as client,
        client.responses.connect(websocket_connection_options={"max_size": None}) as connection,
        ResponsesWebSocketSession(connection, limits=LIMITS) as opened,
    ):
        yield opened


def send(lane: ResponsesWebSocketLane, **fields: Any) -> None:
    """Send a create that stores nothing."""
    command: Any = {"type": "response.create", "model": turns.MODEL, "store": False, **fields}
    lane.send(command)


def take_turn(lane: ResponsesWebSocketLane, **fields: Any) -> Response:
    """Send a create and wait for its end."""
    send(lane, **fields)
    return lane.get_final_response(timeout=PATIENCE)


def test_text_on_the_default_lane(session: ResponsesWebSocketSession) -> None:
    """The lane without a name works as a connection does."""
    response = take_turn(session.default, input="Say hello.")
    assert response.output_text == "You said: Say hello."


def test_tool_and_continuation_on_a_lane(session: ResponsesWebSocketSession) -> None:
    """A named lane remembers its last response."""
    lane = session.lane("main")
    first = take_turn(lane, input=turns.QUESTION, tools=[turns.TOOL])
    second = take_turn(
        lane, input=turns.answer_call(first), previous_response_id=first.id, tools=[turns.TOOL]
    )
    assert second.output_text == "get_weather returned: 14 °C"


def test_warm_up_on_a_lane(session: ResponsesWebSocketSession) -> None:
    """It has no output, and the next turn of the lane continues it."""
    lane = session.lane("main")
    warm = take_turn(lane, input=[], instructions="Be terse.", generate=False)
    more = take_turn(lane, input="Hello", previous_response_id=warm.id)
    assert (warm.output, more.output_text) == ([], "You said: Hello")


def test_unknown_previous_id_is_an_error_of_its_lane(session: ResponsesWebSocketSession) -> None:
    """The lane raises it and works on; nothing reaches the default lane."""
    lane = session.lane("main")
    with pytest.raises(ResponsesWebSocketError) as caught:
        take_turn(lane, input="hi", previous_response_id="resp_none")
    event: Any = caught.value.event
    assert (event.error.code, event.stream_id) == ("previous_response_not_found", "main")
    assert take_turn(lane, input="hi").output_text == "You said: hi"
    with pytest.raises(TimeoutError):
        session.default.recv(timeout=0)


def test_two_lanes_at_once(session: ResponsesWebSocketSession) -> None:
    """Both run before either is read; each gets its own answer."""
    lanes = {name: session.lane(name) for name in ("a", "b")}
    for name, lane in lanes.items():
        send(lane, input=f"{name} {turns.PAIR_TEXT}")
    texts = {
        name: lane.get_final_response(timeout=PATIENCE).output_text for name, lane in lanes.items()
    }
    assert texts == {name: f"You said: {name} {turns.PAIR_TEXT}" for name in lanes}


def test_fork_of_a_lane(session: ResponsesWebSocketSession) -> None:
    """A second lane continues the first lane's response, while the first goes on."""
    main, side = session.lane("main"), session.lane("side")
    first = take_turn(main, input=turns.QUESTION)
    forked = take_turn(side, input=[], tools=[turns.TOOL], previous_response_id=first.id)
    assert turns.call_of(forked).arguments == '{"city":"Paris"}'
    more = take_turn(main, input="And you?", previous_response_id=first.id)
    assert more.output_text == "You said: And you?"


def test_every_lane_that_the_service_allows(session: ResponsesWebSocketSession) -> None:
    """32 names at once: 16 turns run and the others wait, and all are answered."""
    lanes = {f"lane-{number}": session.lane(f"lane-{number}") for number in range(32)}
    for name, lane in lanes.items():
        send(lane, input=f"I am {name}")
    texts = [lane.get_final_response(timeout=PATIENCE).output_text for lane in lanes.values()]
    assert texts == [f"You said: I am {name}" for name in lanes]


def test_steering_on_a_lane(session: ResponsesWebSocketSession) -> None:
    """The steered response ends, and its successor is the lane's next final response."""
    lane = session.lane("main")
    send(lane, input=turns.LONG_TEXT)
    created: Any = lane.recv(timeout=PATIENCE)
    first_id = created.response.id
    lane.send({"type": "response.steer", "previous_response_id": first_id, "input": turns.CLOSING})
    assert lane.get_final_response(timeout=PATIENCE).id == first_id
    while (event := lane.recv(timeout=PATIENCE)).type != "response.created":
        pass
    successor = lane.get_final_response(timeout=PATIENCE)
    assert successor.id == event.response.id
    assert successor.previous_response_id == first_id
    assert successor.output_text == f"You said: {turns.CLOSING}"
