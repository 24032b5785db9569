"""What a create may look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.request import (
    CreateRequest,
    parse_create,
    parse_http_create,
    parse_lane,
)

#: Words of the protocol, so that random objects come near to what is read.
FIELDS = (
    *("background", "context_management", "generate", "include", "input", "instructions"),
    *("max_output_tokens", "metadata", "moderation", "previous_response_id", "prompt", "stream"),
    *("prompt_cache_options", "reasoning", "store", "stream_options", "temperature", "text"),
    *("tool_choice", "tools", "top_logprobs", "top_p", "truncation", "conversation", "stream_id"),
)
WORDS = (
    *("type", "role", "content", "name", "call_id", "id", "output", "function", "format", "mode"),
    *("function_call", "message", "namespace", "allowed_tools", "json_schema", "custom", "user"),
)
KEYS = st.sampled_from((*FIELDS, *WORDS, "model")) | st.text(max_size=3)

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
        ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
        ({"input": [{"role": "user", "content": 5}]}, "invalid_type", "input[0].content"),
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.sampled_from(WORDS)
        | st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
CREATES = st.fixed_dictionaries({"model": st.just("m")}, optional=dict.fromkeys(FIELDS, JSON))


def parse_or_refuse(data: dict[str, Any]) -> CreateRequest | BadRequestError:
    """Return what the checks make of an object."""
    try:
        return parse_http_create(data)
    except BadRequestError as error:
        return error


@given(CREATES | st.dictionaries(KEYS, JSON))
@settings(max_examples=400, deadline=None)
def test_any_object_is_a_request_or_a_400(data: dict[str, Any]) -> None:
    """No JSON object gets another exception out of the checks."""
    outcome = parse_or_refuse(data)
    if isinstance(outcome, BadRequestError):
        assert (outcome.status, bool(str(outcome))) == (400, True)
    else:
        assert outcome.model
        assert all(isinstance(item["type"], str) for item in outcome.input)


def test_an_id_alone_is_a_reference() -> None:
    """The official types let its type be null or missing."""
    items = parse_create(
        {"model": "m", "input": [{"id": "msg_1"}, {"id": "x", "type": None}]}
    ).input
    assert [item["type"] for item in items] == ["item_reference"] * 2


def test_http_has_no_lanes_and_no_warm_up() -> None:
    """``stream_id`` is refused there, and ``generate`` ignored: over HTTP it generates."""
    with pytest.raises(BadRequestError, match="stream_id"):
        parse_http_create({"model": "m", "stream_id": "a"})
    assert not parse_http_create({"model": "m", "generate": False}).is_warm_up
