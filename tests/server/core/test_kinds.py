"""Which items are calls of the client, and which answer them."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.server.core.kinds import answer_key, call_key

SEARCH = {"type": "tool_search_call", "call_id": "k", "execution": "client"}


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        *(
            ({"type": f"{kind}_call", "call_id": "k"}, {"type": f"{kind}_call_output"})
            for kind in ("function", "custom_tool", "computer", "shell", "apply_patch")
        ),
        ({"type": "local_shell_call", "call_id": "k"}, {"type": "local_shell_call_output"}),
        (SEARCH, {"type": "tool_search_output", "execution": "client"}),
    ],
)
def test_calls_are_answered_by_call_id(call: dict[str, Any], answer: dict[str, Any]) -> None:
    """The two keys meet, and neither item is the other."""
    answer = {**answer, "call_id": "k"}
    assert (call_key(call), answer_key(answer)) == ("k", "k")
    assert (answer_key(call), call_key(answer)) == (None, None)


def test_approvals_are_answered_by_the_id_of_the_request() -> None:
    """They carry no call_id."""
    assert call_key({"type": "mcp_approval_request", "id": "mcpr_1"}) == "mcpr_1"
    response = {"type": "mcp_approval_response", "id": "x", "approval_request_id": "mcpr_1"}
    assert answer_key(response) == "mcpr_1"


def test_a_local_shell_may_answer_by_its_id() -> None:
    """The published type knows no call_id."""
    assert answer_key({"type": "local_shell_call_output", "id": "call_1"}) == "call_1"


def test_what_the_service_runs_needs_no_answer() -> None:
    """A search on the server's side, and every other kind of item."""
    assert call_key({**SEARCH, "execution": "server"}) is None
    assert call_key({"type": "web_search_call", "id": "ws_1"}) is None
    assert call_key({"type": "function_call", "call_id": None}) is None
    assert answer_key({"type": "message", "call_id": "k"}) is None
