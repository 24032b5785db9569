"""What may be sent again whole when the server has forgotten a chain."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws._protocol.rebuild import REBUILD_RULES, rebuild

MESSAGE = {"role": "user", "content": "Hello"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "1"}
APPROVAL = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "f"}
ANSWER = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
SEALED = {"type": "reasoning", "id": "rs_1", "encrypted_content": "…"}
BARE = {"type": "reasoning", "id": "rs_1", "summary": []}


def test_self_contained() -> None:
    """Messages, calls with their outputs, approvals with their answers: as they stand."""
    history = [MESSAGE, SEALED, CALL, OUTPUT, APPROVAL, ANSWER]
    rebuilt = rebuild(history)
    assert (rebuilt.items, rebuilt.missing) == (history, [])


def test_bare_reasoning() -> None:
    """Reasoning that nobody else can read goes; the rest stays."""
    assert rebuild([MESSAGE, BARE, CALL]).items == [MESSAGE, CALL]


@pytest.mark.parametrize(
    ("history", "missing"),
    [
        ([OUTPUT], "orphan_output: function_call_output call_1"),
        ([OUTPUT, CALL], "orphan_output: function_call_output call_1"),
        ([ANSWER], "orphan_output: mcp_approval_response mcpr_1"),
        ([{"type": "custom_tool_call_output", "call_id": "c"}, CALL], "orphan_output"),
    ],
)
def test_orphan_output(history: list[dict[str, Any]], missing: str) -> None:
    """An answer whose question is not there before it, or not at all."""
    rebuilt = rebuild(history)
    assert not rebuilt.items
    assert rebuilt.missing[0].startswith(missing)


def test_item_reference() -> None:
    """What stands for an item that the server kept; nothing of it is known here."""
    rebuilt = rebuild([MESSAGE, {"type": "item_reference", "id": "msg_1"}, OUTPUT])
    assert rebuilt.missing == [
        "item_reference: item_reference msg_1",
        "orphan_output: function_call_output call_1",
    ]


def test_every_row_has_its_test() -> None:
    """A row of the table without a test named after it has no proof."""
    assert {f"test_{rule.name}" for rule in REBUILD_RULES} <= set(globals())
