"""From arguments to a frame."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws.errors import ConfigError, RequestTooLargeError, UsageError
from pyresponses_ws.prepare import prepare_turn


def frame(**turn: Any) -> dict[str, Any]:
    return dict(json.loads(prepare_turn(turn, max_bytes=10_000).payload))


def test_the_fields_are_the_wires_own() -> None:
    """None means not given; stream is implied; unknown ones pass."""
    assert frame(model="m", input="a", store=False, tools=None, stream=True, new_field=1) == {
        "type": "response.create",
        "model": "m",
        "input": "a",
        "store": False,
        "new_field": 1,
    }


def test_extra_body_comes_last() -> None:
    """It wins over the parameters, and may say null."""
    sent = frame(model="m", extra_body={"model": "n", "seed": None})
    assert (sent["model"], sent["seed"]) == ("n", None)


def test_models_of_others_are_taken() -> None:
    """Whatever has model_dump or to_dict."""

    class Item:
        def to_dict(self) -> dict[str, str]:
            return {"role": "user", "content": "ü"}

    prepared = prepare_turn({"model": "m", "input": [Item()]}, max_bytes=10_000)
    assert '"content":"ü"'.encode() in prepared.payload


def test_recovery_knows_what_it_needs() -> None:
    """Effects, warm-ups, the chain, the input's share."""
    plain = prepare_turn({"model": "m", "input": "abc"}, max_bytes=10_000)
    assert (plain.is_effect_free, plain.is_warm_up, plain.previous_response_id) == (
        True,
        False,
        None,
    )
    assert plain.input_bytes == len(',"input":"abc"')
    other = {"tools": [{"type": "mcp"}], "generate": False, "previous_response_id": "r"}
    bad = prepare_turn({"model": "m", **other}, max_bytes=10_000)
    assert (bad.is_effect_free, bad.is_warm_up, bad.previous_response_id) == (False, True, "r")


@pytest.mark.parametrize(
    ("turn", "error", "named"),
    [
        ({"model": ""}, ConfigError, "model is empty"),
        ({"extra_body": 3}, ConfigError, "extra_body must be a mapping"),
        ({"background": True}, UsageError, "background=True"),
        ({"stream_id": "a"}, UsageError, "lane"),
        ({"input": [{"content": {1, 2}}]}, UsageError, r"input\[0\]\.content"),
        ({"input": float("nan")}, UsageError, "input"),
        ({"input": "\ud83d"}, UsageError, "input"),
        ({"input": "x" * 20_000}, RequestTooLargeError, "20,0.. bytes.*10,000"),
    ],
)
def test_what_cannot_travel_is_refused(
    turn: dict[str, Any], error: type[Exception], named: str
) -> None:
    """Before anything is sent, naming the thing."""
    with pytest.raises(error, match=named):
        prepare_turn({"model": "m", **turn}, max_bytes=10_000)


def test_a_lane_names_the_stream() -> None:
    """Its turns carry its name."""
    prepared = prepare_turn({"model": "m"}, max_bytes=100, lane="left")
    assert json.loads(prepared.payload)["stream_id"] == "left"
    assert frame(model="m", background=False) == {"type": "response.create", "model": "m"}
