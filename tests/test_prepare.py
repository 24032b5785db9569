"""From arguments to a frame."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.errors import ConfigError, RequestTooLargeError, UsageError
from pyresponses_ws.prepare import prepare_turn


def configured(transport: Any = "websocket", limit: int = 10_000) -> ClientConfig:
    return ClientConfig(api_key="k", transport=transport, max_request_bytes=limit)


def prepare(transport: str = "websocket", **turn: Any) -> TurnRequest:
    return prepare_turn(turn, configured(transport), is_pooled=True)


def frame(**turn: Any) -> dict[str, Any]:
    return dict(json.loads(prepare(**turn).payload))


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

    prepared = prepare(model="m", input=[Item()])
    assert '"content":"ü"'.encode() in prepared.payload


def test_recovery_knows_what_it_needs() -> None:
    """Effects, warm-ups, the chain, the input's share."""
    plain = prepare(model="m", input="abc")
    assert (plain.is_effect_free, plain.is_warm_up, plain.previous_response_id) == (
        True,
        False,
        None,
    )
    assert plain.input_bytes == len(',"input":"abc"')
    other = {"tools": [{"type": "mcp"}], "generate": False, "previous_response_id": "r"}
    bad = prepare(model="m", **other)
    assert (bad.is_effect_free, bad.is_warm_up, bad.previous_response_id) == (False, True, "r")


@pytest.mark.parametrize(
    ("turn", "error", "named"),
    [
        ({"model": ""}, ConfigError, "model is empty"),
        ({"extra_body": 3}, ConfigError, "extra_body must be a mapping"),
        ({"background": True}, UsageError, "background=True"),
        ({"stream_id": "a"}, UsageError, "lane"),
        ({"extra_headers": {"X-Key": "secret"}}, UsageError, "extra_headers.*headers="),
        ({"extra_query": {"a": "b"}}, UsageError, "extra_query.*query="),
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
        prepare(**{"model": "m", **turn})


def test_a_lane_names_the_stream() -> None:
    """Its turns carry its name."""
    prepared = prepare_turn({"model": "m"}, configured(), lane="left", is_pooled=False)
    assert json.loads(prepared.payload)["stream_id"] == "left"
    assert frame(model="m", background=False) == {"type": "response.create", "model": "m"}


def test_over_http_the_same_fields_travel() -> None:
    """In a streaming body; what only a WebSocket knows stays behind, in whatever order it came."""
    plain = prepare("auto", model="m", input="a")
    assert json.loads(plain.http_body()) == {"stream": True, "model": "m", "input": "a"}
    other = prepare("auto", model="m", client_metadata={"a": "b"}, generate=True)
    assert json.loads(other.http_body()) == {"stream": True, "model": "m"}
    odd = prepare("auto", model="m", extra_body={"type": "response.create", "generate": True})
    assert json.loads(odd.http_body()) == {"stream": True, "model": "m"}


def test_what_may_go_over_http() -> None:
    """Whatever is not a warm-up, of a pooled turn, where the option lets it."""
    assert prepare("auto", model="m").allows_http
    assert not prepare("websocket", model="m").allows_http
    assert not prepare("auto", model="m", generate=False).allows_http
    prewarm = {"prompt_cache_options": {"prewarm": True}}
    assert not prepare("auto", model="m", **prewarm).allows_http
    assert not prepare_turn({}, configured("auto"), is_pooled=False).allows_http


def test_a_large_request_is_for_http() -> None:
    """In auto it is marked, over HTTP alone there is no limit, and over WebSocket it is refused."""
    assert prepare("auto", input="x" * 20_000).is_too_large
    assert prepare("http", input="x" * 20_000).is_too_large
    with pytest.raises(RequestTooLargeError):
        prepare("auto", input="x" * 20_000, generate=False)


def test_http_alone_takes_what_only_http_can_do() -> None:
    """Background turns; and refuses what only a WebSocket can."""
    assert json.loads(prepare("http", background=True).http_body())["background"] is True
    with pytest.raises(ConfigError, match="cannot warm up"):
        prepare("http", generate=False)
