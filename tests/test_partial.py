"""What can be sent again after a turn that broke off."""

from __future__ import annotations

from typing import Any

from pyresponses_ws.codec import decode_item
from pyresponses_ws.items import UnknownItem
from pyresponses_ws.partial import Partial

MESSAGE = {"type": "message", "role": "assistant", "content": []}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}


def as_input(*wires: dict[str, Any]) -> list[dict[str, Any]]:
    return Partial(items=[decode_item(dict(wire)) for wire in wires]).as_input()


def test_finished_messages_and_hosted_calls_go_again() -> None:
    """In wire form, in order."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    assert as_input(search, MESSAGE) == [search, MESSAGE]


def test_a_call_without_its_output_stays_behind() -> None:
    """And an output without its call: either alone is refused."""
    assert as_input(MESSAGE, CALL) == [MESSAGE]
    assert as_input(OUTPUT) == []
    assert as_input(CALL, OUTPUT) == [CALL, OUTPUT]


def test_an_item_of_no_kind_at_all_is_no_error() -> None:
    """Servers send what they like; it is kept as it came."""
    strange = {"type": ["message"]}
    assert Partial(items=[UnknownItem.from_dict(strange)]).as_input() == [strange]


def test_only_encrypted_reasoning_goes_again() -> None:
    """Other servers cannot know what its id meant."""
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "x"}
    assert as_input({"type": "reasoning", "summary": []}, sealed) == [sealed]
