"""The input as items, each checked by its type."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.inputs import parse_input

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "tool", "content": "x"}, "role"),
        ({"role": "user", "content": [{"text": "x"}]}, "content[0].type"),
        ({"role": "user", "content": [{"type": 5}]}, "content[0].type"),
        ({"role": "user", "content": [{"type": "input_text", "text": 5}]}, "content[0].text"),
        ({**CALL, "call_id": 5}, "call_id"),
        ({**CALL, "name": ["f"]}, "name"),
        ({**CALL, "arguments": {}}, "arguments"),
        ({"type": "function_call_output", "call_id": "c"}, "output"),
        ({"type": "function_call_output", "call_id": "c", "output": [1]}, "output[0]"),
        ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input"),
        ({"type": "computer_call_output"}, "call_id"),
        ({"type": "shell_call"}, "call_id"),
        ({"type": "apply_patch_call_output"}, "call_id"),
        ({"type": "local_shell_call"}, "call_id"),
        ({"type": "mcp_approval_response", "approve": True}, "approval_request_id"),
        ({"type": "mcp_approval_response", "approval_request_id": "x"}, "approve"),
        ({"type": "reasoning", "summary": "x"}, "summary"),
        ({"type": "compaction"}, "encrypted_content"),
        ({"type": "item_reference"}, "id"),
        ({"type": "item_reference", "id": 5}, "id"),
        ({"type": "additional_tools", "tools": [{}]}, "tools[0].type"),
        ({"type": "of_next_year", "id": 5}, "id"),
        ({"type": "input_text", "text": 5}, "text"),
    ],
)
def test_a_wrong_item_is_named(item: dict[str, Any], param: str) -> None:
    """With its place in the input."""
    with pytest.raises(BadRequestError) as caught:
        parse_input([item])
    assert caught.value.param == f"input[0].{param}"


def test_parts_without_a_message_are_one() -> None:
    """As some local servers take them; those on either side of an item are two."""
    text, image = {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "u"}
    message = {"type": "message", "role": "user"}
    assert parse_input([text, image, CALL, text]) == (
        {**message, "content": [text, image]},
        CALL,
        {**message, "content": [text]},
    )


def test_what_clients_send_back_passes_as_it_is() -> None:
    """Output items of every kind, nulls and new keys included."""
    items = [
        CALL,
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None},
        {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {}},
        {"type": "local_shell_call_output", "id": "call_2", "output": "{}"},
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}},
        {"type": "of_next_year", "call_id": 5},
    ]
    assert parse_input(items) == tuple(items)


def test_a_role_that_is_no_role_lists_the_roles() -> None:
    """In the words of the service."""
    with pytest.raises(BadRequestError) as caught:
        parse_input([{"role": "tool", "content": "x"}])
    assert str(caught.value) == (
        "Invalid value: 'tool'. "
        "Supported values are: 'assistant', 'system', 'developer', and 'user'."
    )
