"""The calls that a context leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.errors import BadRequestError
from pyresponses_ws.server.core.calls import check_calls, owed_input

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}


def test_calls_and_outputs_must_pair() -> None:
    """An output without its call and a call without its output are both refused."""
    check_calls([CALL], [OUTPUT], [])
    check_calls([], [CALL, OUTPUT], [])
    with pytest.raises(BadRequestError, match="No tool call found"):
        check_calls([], [OUTPUT], [])
    with pytest.raises(BadRequestError, match="No tool output found"):
        check_calls([CALL], [], [])


def test_calls_of_async_tools_may_stay_open() -> None:
    """Their output may come in any later create."""
    tool = {"type": "function", "name": "f", "async": True}
    check_calls([CALL], [], [tool])
    assert owed_input([], [CALL], [tool]) == []
    with pytest.raises(BadRequestError):
        check_calls([CALL], [], [{**tool, "async": False}])


@pytest.mark.parametrize(
    ("call", "stub"),
    [
        (CALL, {"type": "function_call_output", "call_id": "call_1", "name": "f"}),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": ""},
            {"type": "custom_tool_call_output", "call_id": "c"},
        ),
        (
            {"type": "shell_call", "call_id": "c", "action": {}},
            {"type": "shell_call_output", "call_id": "c"},
        ),
        (
            {"type": "tool_search_call", "call_id": "c", "execution": "client"},
            {"type": "tool_search_output", "call_id": "c", "execution": "client"},
        ),
        (
            {"type": "mcp_approval_request", "id": "mcpr_1", "name": "f"},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1"},
        ),
    ],
)
def test_a_call_of_the_client_is_owed_its_answer(
    call: dict[str, Any], stub: dict[str, Any]
) -> None:
    """The stub names what to send, in the shape of ``response.steer.pending``."""
    assert owed_input([], [call], []) == [stub]


def test_what_the_server_runs_or_has_answered_is_not_owed() -> None:
    """Neither a search of its own, nor a call with its output beside it, nor a message."""
    search = {"type": "tool_search_call", "call_id": "c", "execution": "server"}
    assert owed_input([], [search, CALL, OUTPUT, {"type": "message"}], []) == []


@pytest.mark.parametrize(
    ("tools", "context"),
    [
        ([{"type": "namespace", "name": "n", "tools": [{"name": "f", "async": True}]}], []),
        ([], [{"type": "additional_tools", "tools": [{"name": "f", "async": True}]}]),
    ],
)
def test_async_tools_are_found_wherever_they_are_defined(
    tools: list[dict[str, Any]], context: list[dict[str, Any]]
) -> None:
    """In a namespace, and among items that add tools."""
    check_calls([*context, CALL], [], tools)
    assert owed_input(context, [CALL], tools) == []


def test_half_a_call_may_be_answered_and_need_not_be() -> None:
    """The end of its response cut it short, so nobody can run it."""
    half = {**CALL, "status": "incomplete"}
    check_calls([half], [], [])
    check_calls([half], [OUTPUT], [])
    assert owed_input([], [half], []) == []
