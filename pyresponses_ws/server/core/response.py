"""The Response object as the live service sends it: every key, in its order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.request import CreateRequest
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

#: Keys that were not seen in live responses, with the key that each comes before. They appear where
#: the create gave them (the official types have them; their place is by name).
_NEWER = {"access_programs": "background", "prompt": "prompt_cache_key"}
_NEWER |= {"prompt_cache_options": "prompt_cache_retention"}

#: What fills up given options: the official type needs both.
_CACHE_OPTIONS = {"mode": "implicit", "ttl": "30m"}

#: What a tool carries for whoever runs it, and nobody else may read: the service echoes neither.
_SECRETS = frozenset({"authorization", "headers"})

#: Echoed from the create as they are.
_ECHOED = (frozenset(_KEYS) | {"access_programs", "prompt"}) - {
    *("id", "object", "created_at", "status", "completed_at", "error", "incomplete_details"),
    *("moderation", "output", "reasoning", "text", "tool_usage", "tools", "usage"),
    # No fields of a create.
    *("frequency_penalty", "presence_penalty"),
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
        "reasoning": _fill(_REASONING, given.get("reasoning", {})),
        "text": _fill(_TEXT, given.get("text", {})),
        "tool_usage": _tool_usage(),
        "tools": [_echo_tool(tool) for tool in request.tools],
    }
    if "prompt_cache_options" in given:
        options = _fill(_CACHE_OPTIONS, given["prompt_cache_options"])
        # prewarm is what to do, not how the response was made.
        values["prompt_cache_options"] = {k: v for k, v in options.items() if k != "prewarm"}
    return {key: values.get(key, _DEFAULTS.get(key)) for key in _order(values)}


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
        "error": None if error is None else _describe(error),
        "incomplete_details": None if cut is None else {"reason": cut},
        "output": output,
        "service_tier": _real_tier(response["service_tier"]),
        "usage": None if usage is None else make_usage(usage),
    }


def make_usage(usage: UsageDelta) -> dict[str, Any]:
    """Return the usage of a Response, every detail filled in."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cache_write_tokens": usage.cache_write_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _order(values: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of a Response in order."""
    newer = {before: key for key, before in _NEWER.items() if key in values}
    for key in _KEYS:
        if key in newer:
            yield newer[key]
        yield key


def _fill(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given with the defaults around it; a null counts as not given."""
    return {**defaults, **{key: value for key, value in given.items() if value is not None}}


def _real_tier(asked: str) -> str:
    """Name the tier that answered: the service resolves ``auto`` at the end (observed live)."""
    return "default" if asked == "auto" else asked


def _describe(error: APIError) -> dict[str, Any]:
    """Return the ``error`` of a failed Response; its code must be a string."""
    return {"code": error.code or "server_error", "message": str(error)}


def _echo_tool(tool: Item) -> Item:
    """Order a tool's keys as the service does, with the defaults of a function filled in."""
    if tool["type"] == "mcp":
        tool = {key: value for key, value in tool.items() if key not in _SECRETS}
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
