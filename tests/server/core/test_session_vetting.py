"""Turns that their engine takes or refuses itself, before a response is created."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.engines.base import ReasoningDelta, StartDelta, TextDelta
from tests.server.drivers import NOW, Wire, types

REFUSAL = errors.bad_request("No images here.", param="input")
CREATED = ["response.created", "response.in_progress"]


def vetted() -> Wire:
    """Make a session whose engine vets."""
    return Wire(service=Service(rng=random.Random(1), vets=True, takes_nested_tools=True))


def take(wire: Wire) -> list[str]:
    """Let the engine take the first turn; return the types of what is sent."""
    wire.session.receive_deltas(wire.turns[0], [StartDelta()])
    return types(wire.drain())


def refuse(wire: Wire) -> list[dict[str, object]]:
    """Let the engine refuse the first turn; return what is sent."""
    wire.session.receive_end(wire.turns.pop(0), REFUSAL, NOW)
    return wire.drain()


def test_nothing_is_sent_before_the_engine_takes_the_turn() -> None:
    """Then the first two events, and the answer as of any engine."""
    wire = vetted()
    assert wire.send(input="hi") == []
    assert take(wire) == CREATED
    assert types(wire.run())[-1] == "response.completed"


def test_a_refused_turn_is_one_error_frame_on_its_lane() -> None:
    """With the status of the error, and no response was ever created."""
    wire = vetted()
    wire.send(input="hi", stream_id="a")
    (frame,) = refuse(wire)
    assert (frame["type"], frame["status"], frame["stream_id"]) == ("error", 400, "a")
    assert frame["error"]["param"] == "input"  # type: ignore[index]


def test_the_lane_goes_on_behind_a_refusal() -> None:
    """What waits starts as behind any other end."""
    wire = vetted()
    wire.send(input="one")
    wire.send(input="two")
    refuse(wire)
    assert len(wire.turns) == 1
    assert take(wire) == CREATED


def test_a_refused_new_chain_keeps_the_old_one() -> None:
    """The lane's response is given up when another starts, and none did."""
    wire = vetted()
    parent = wire.complete(input="one", store=False)
    wire.send(input="other")
    refuse(wire)
    wire.send(input="two", store=False, previous_response_id=parent["id"])
    assert take(wire) == CREATED


def test_a_refused_continuation_evicts_its_parent() -> None:
    """As every continuation that fails once its parent is found."""
    wire = vetted()
    parent = wire.complete(input="one", store=False)
    wire.send(input="two", store=False, previous_response_id=parent["id"])
    refuse(wire)
    (frame,) = wire.send(input="two", store=False, previous_response_id=parent["id"])
    assert frame["error"]["code"] == "previous_response_not_found"


NESTED = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FLAT = {"type": "function", "name": "f", "parameters": {"type": "object"}}
NESTED_CUSTOM = {"type": "custom", "custom": {"name": "c"}}
FLAT_CUSTOM = {"type": "custom", "name": "c"}
IN_NAMESPACE = {"type": "namespace", "name": "n"}
ALLOWED = {"type": "allowed_tools"}


@pytest.mark.parametrize(
    ("given", "flat"),
    [
        ({"tools": [NESTED, NESTED_CUSTOM]}, {"tools": [FLAT, FLAT_CUSTOM]}),
        (
            {"tools": [IN_NAMESPACE | {"tools": [NESTED]}]},
            {"tools": [IN_NAMESPACE | {"tools": [FLAT]}]},
        ),
        ({"tool_choice": NESTED_CUSTOM}, {"tool_choice": FLAT_CUSTOM}),
        (
            {"tool_choice": ALLOWED | {"allowed_tools": {"mode": "auto", "tools": [NESTED]}}},
            {"tool_choice": ALLOWED | {"mode": "auto", "tools": [FLAT]}},
        ),
    ],
)
def test_tools_may_be_nested_and_become_flat(given: dict[str, Any], flat: dict[str, Any]) -> None:
    """As callers of chat models have them, wherever they stand."""
    wire = vetted()
    assert wire.send(input="hi", **given) == []
    settings = wire.turns[0].engine_request.settings
    assert {name: settings[name] for name in flat} == flat


def test_tools_in_the_input_may_be_nested() -> None:
    """Those that come with an item."""
    wire = vetted()
    wire.send(input=[{"type": "additional_tools", "tools": [NESTED]}])
    assert wire.turns[0].engine_request.items[0]["tools"] == [FLAT]


def test_nested_tools_are_refused_by_other_engines() -> None:
    """As the service does."""
    (frame,) = Wire().send(input="hi", tools=[NESTED])
    assert frame["error"]["param"] == "tools[0].function"


def test_no_phase_is_made_up() -> None:
    """Of a message about which the model said nothing; sent back, it would be said to have."""
    wire = vetted()
    wire.send(input="hi")
    wire.session.receive_deltas(wire.turns[0], [StartDelta(), TextDelta("Hm")])
    assert not any("phase" in frame["item"] for frame in wire.drain() if "item" in frame)


def test_no_encrypted_reasoning_is_made_up() -> None:
    """A model, or a server behind this one, would get it back as if it were its own."""
    wire = vetted()
    wire.send(input="hi", include=["reasoning.encrypted_content"])
    wire.session.receive_deltas(wire.turns[0], [StartDelta(), ReasoningDelta("Hm")])
    assert not any(
        "encrypted_content" in frame["item"] for frame in wire.drain() if "item" in frame
    )


@pytest.mark.parametrize("tools", [[5], [{"type": "function", "function": 5}], {"a": 1}])
def test_other_shapes_of_tools_are_refused(tools: object) -> None:
    """With their place."""
    (frame,) = vetted().send(input="hi", tools=tools)
    assert frame["error"]["param"].startswith("tools")


def test_a_failure_behind_the_start_fails_the_response() -> None:
    """It is too late for an error frame."""
    wire = vetted()
    wire.send(input="hi")
    take(wire)
    assert types(refuse(wire)) == ["response.failed"]


def test_an_engine_that_says_nothing_has_taken_the_turn() -> None:
    """It was stopped before its first word; the response is whole all the same."""
    wire = vetted()
    wire.send(input="hi")
    wire.session.receive_end(wire.turns[0], None, NOW)
    assert types(wire.drain()) == [*CREATED, "response.completed"]


def test_any_delta_takes_the_turn() -> None:
    """An engine that forgets to say so loses nothing."""
    wire = vetted()
    wire.send(input="hi")
    wire.session.receive_deltas(wire.turns[0], [TextDelta("a")])
    assert types(wire.drain())[:2] == CREATED


def test_a_turn_takes_no_steer_before_it_is_taken() -> None:
    """Nobody can know its id yet."""
    wire = vetted()
    wire.send(input="hi")
    steer = {"type": "response.steer", "previous_response_id": wire.turns[0].id, "input": "No"}
    assert types(wire.send(**steer)) == ["response.steer.failed"]
    take(wire)
    assert types(wire.send(**steer)) == ["response.steer.accepted"]


def test_a_refused_successor_gives_the_steers_back() -> None:
    """Nobody asked for it, so nobody gets an error frame."""
    wire = vetted()
    wire.send(input="hi")
    take(wire)
    wire.send(type="response.steer", previous_response_id=wire.turns[0].id, input="No")
    wire.run()
    assert len(wire.turns) == 1
    frames = refuse(wire)
    assert types(frames) == ["response.steer.failed"]
    assert frames[0]["steer"]["input"] == "No"  # type: ignore[index]
