"""The Response object as the live service sends it: every key, in its order."""

from __future__ import annotations

from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.request import CreateRequest, Item
from pyresponses_ws.server.engines.base import UsageDelta

_REASONING = {"context": "all_turns", "effort": "medium", "mode": "standard", "summary": None}
_TEXT = {"format": {"type": "text"}, "verbosity": "medium"}

#: Values that the service was seen to echo for fields that a create left out.
_DEFAULTS: dict[str, Any] = {
    "background": False,
    "frequency_penalty": 0.0,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "prompt_cache_retention": "24h",
    "service_tier": "auto",
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 0.98,
    "truncation": "disabled",
}

#: Keys in the order of live responses (observed 2026-07).
_KEYS = (
    "id",
    "object",
    "created_at",
    "status",
    "background",
    "completed_at",
    "error",
    "frequency_penalty",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "model",
    "moderation",
    "output",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tool_usage",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
    "metadata",
)

#: Echoed from the create as they are.
_ECHOED = frozenset(_KEYS) - {
    *("id", "object", "created_at", "status", "completed_at", "error", "incomplete_details"),
    *("moderation", "output", "reasoning", "text", "tool_usage", "tools", "usage"),
}


def open_response(request: CreateRequest, *, response_id: str, now: float) -> dict[str, Any]:
    """Return the Response of ``response.created``: in progress, without output or usage."""
    given = request.settings
    values: dict[str, Any] = {key: given[key] for key in _ECHOED & given.keys()}
    values |= {
        "id": response_id,
        "object": "response",
        "created_at": int(now),
        "status": "in_progress",
        "output": [],
        "reasoning": {**_REASONING, **given.get("reasoning", {})},
        "text": {**_TEXT, **given.get("text", {})},
        "tool_usage": _tool_usage(),
        "tools": [_echo_tool(tool) for tool in request.tools],
    }
    return {key: values.get(key, _DEFAULTS.get(key)) for key in _KEYS}


def close_response(
    response: dict[str, Any],
    *,
    status: str,
    output: list[Item],
    usage: UsageDelta | None,
    now: float,
    error: APIError | None = None,
    cut: str | None = None,
) -> dict[str, Any]:
    """Return the Response of a terminal event; only a completed one has ``completed_at``."""
    return {
        **response,
        "status": status,
        "completed_at": int(now) if status == "completed" else None,
        "error": None if error is None else {"code": error.code, "message": str(error)},
        "incomplete_details": None if cut is None else {"reason": cut},
        "output": output,
        "service_tier": "default",
        "usage": None if usage is None else _usage(usage),
    }


def _usage(usage: UsageDelta) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _echo_tool(tool: Item) -> Item:
    """Order a tool's keys as the service does, with the defaults of a function filled in."""
    known = {"description": None, "strict": True} if tool["type"] == "function" else {}
    return {"type": tool["type"], **dict(sorted({**known, **tool}.items()))}


def _tool_usage() -> dict[str, Any]:
    return {
        "image_gen": {
            "input_tokens": 0,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            "total_tokens": 0,
        },
        "web_search": {"num_requests": 0},
    }
