"""Kinds of items: the calls that a client runs, and what answers them."""

from __future__ import annotations

from typing import Any

Item = dict[str, Any]

#: Calls that the client runs and answers with an item that carries their ``call_id``.
CALL_KINDS = frozenset(
    {"function_call", "custom_tool_call", "computer_call", "shell_call", "apply_patch_call"}
)
OUTPUT_KINDS = frozenset(f"{kind}_output" for kind in CALL_KINDS)


def user_message(text: str) -> Item:
    """Return what the service makes of an input that is a string."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


def call_key(item: Item) -> str | None:
    """Return what an answer to this item must name; None if the client has nothing to answer.

    A tool search counts where the client executes it, and a request for approval by its own id.
    """
    kind = item.get("type")
    if kind in CALL_KINDS or kind == "local_shell_call":
        return _text(item.get("call_id"))
    if kind == "tool_search_call" and item.get("execution") == "client":
        return _text(item.get("call_id"))
    return _text(item.get("id")) if kind == "mcp_approval_request" else None


def answer_key(item: Item) -> str | None:
    """Return the ``call_key`` of what this item answers; None if it answers nothing."""
    kind = item.get("type")
    if kind in OUTPUT_KINDS:
        return _text(item.get("call_id"))
    if kind == "tool_search_output" and item.get("execution") == "client":
        return _text(item.get("call_id"))
    if kind == "local_shell_call_output":
        # The published type has no call_id: the id is the call's.
        return _text(item.get("call_id") or item.get("id"))
    return _text(item.get("approval_request_id")) if kind == "mcp_approval_response" else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
