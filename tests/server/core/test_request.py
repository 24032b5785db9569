"""What a create may look like."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.request import parse_create, parse_http_create, parse_lane

MESSAGE = {"type": "message", "role": "user", "content": "hi"}


def test_a_string_is_one_user_message() -> None:
    """The input of a create is items, however it came."""
    (item,) = parse_create({"model": "m", "input": "hi"}).input
    assert (item["role"], item["content"]) == ("user", [{"type": "input_text", "text": "hi"}])


def test_a_message_may_leave_its_type_out() -> None:
    """Role and content are enough."""
    (item,) = parse_create({"model": "m", "input": [{"role": "user", "content": "hi"}]}).input
    assert item == MESSAGE


def test_the_defaults_are_those_of_the_service() -> None:
    """Stored, generated, padded, not streamed over HTTP."""
    request = parse_create({"model": "m"})
    assert request.is_stored
    assert request.is_obfuscated
    assert not request.is_warm_up
    assert not request.is_streamed
    assert request.previous_response_id is None


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, "missing_required_parameter", "model"),
        ({"model": ""}, "missing_required_parameter", "model"),
        ({"model": 5}, "invalid_type", "model"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": ["hi"]}, "invalid_type", "input[0]"),
        ({"input": [{"type": 5}]}, "invalid_type", "input[0].type"),
        ({"input": [{"content": "hi"}]}, "missing_required_parameter", "input[0].role"),
        ({"input": [{"role": "user"}]}, "invalid_type", "input[0].content"),
        ({"input": [{"role": "user", "content": ["a"]}]}, "invalid_type", "input[0].content[0]"),
        ({"input": [MESSAGE, {"type": "function_call_output"}]}, None, "input[1].call_id"),
        ({"store": "yes"}, "invalid_type", "store"),
        ({"store": 1}, "invalid_type", "store"),
        ({"max_output_tokens": True}, "invalid_type", "max_output_tokens"),
        ({"temperature": "hot"}, "invalid_type", "temperature"),
        ({"tools": {}}, "invalid_type", "tools"),
        ({"tools": [1]}, "invalid_type", "tools[0]"),
        ({"tools": [{"name": "f"}]}, "missing_required_parameter", "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
        ({"tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        ({"truncation": "some"}, "invalid_value", "truncation"),
        ({"include": [1]}, "invalid_type", "include[0]"),
        ({"background": True}, None, "background"),
        ({"conversation": "conv_1"}, None, "conversation"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], code: str | None, param: str) -> None:
    """Each is a 400 with the path of what is wrong."""
    with pytest.raises(BadRequestError) as caught:
        parse_create({"model": "m", **fields})
    assert (caught.value.status, caught.value.param) == (400, param)
    assert code in (None, caught.value.code)


def test_the_message_of_a_wrong_type_is_the_services() -> None:
    """Expected and found are both told."""
    with pytest.raises(BadRequestError) as caught:
        parse_create({"model": "m", "store": 1.5})
    assert str(caught.value) == (
        "Invalid type for 'store': expected a boolean, but got a decimal instead."
    )


def test_lanes_have_the_services_alphabet() -> None:
    """Letters, digits, underscore, hyphen, period; up to 256; none is the default lane."""
    assert parse_lane({"stream_id": "a-Z_0.9"}) == "a-Z_0.9"
    assert parse_lane({"stream_id": "x" * 256}) == "x" * 256
    assert parse_lane({}) is None
    for name in ("é", "a\n", " a"):
        with pytest.raises(BadRequestError):
            parse_lane({"stream_id": name})


def test_http_has_no_lanes_and_no_warm_up() -> None:
    """``stream_id`` is refused there, and ``generate`` ignored: over HTTP it generates."""
    with pytest.raises(BadRequestError, match="stream_id"):
        parse_http_create({"model": "m", "stream_id": "a"})
    assert not parse_http_create({"model": "m", "generate": False}).is_warm_up
