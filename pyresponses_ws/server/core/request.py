"""A ``response.create`` checked and normalised: what the rest of the server works with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws.server.core import errors

Item = dict[str, Any]

#: Calls that the client runs, and the items that answer them by ``call_id``.
CALL_KINDS = frozenset({"function_call", "custom_tool_call"})
OUTPUT_KINDS = frozenset(f"{kind}_output" for kind in CALL_KINDS)

_LANE_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,256}")

_STRING = (str,), "a string"
_BOOLEAN = (bool,), "a boolean"
_INTEGER = (int,), "an integer"
_NUMBER = (int, float), "a number"
_OBJECT = (dict,), "an object"
_ARRAY = (list,), "an array"

#: JSON types of the fields that this server knows. Others pass unread, as clients send extra ones.
_FIELDS: dict[str, tuple[tuple[type, ...], str]] = {
    "background": _BOOLEAN,
    "generate": _BOOLEAN,
    "include": _ARRAY,
    "input": ((str, list), "a string or an array"),
    "instructions": _STRING,
    "max_output_tokens": _INTEGER,
    "max_tool_calls": _INTEGER,
    "metadata": _OBJECT,
    "model": _STRING,
    "parallel_tool_calls": _BOOLEAN,
    "previous_response_id": _STRING,
    "prompt_cache_key": _STRING,
    "prompt_cache_options": _OBJECT,
    "prompt_cache_retention": _STRING,
    "reasoning": _OBJECT,
    "safety_identifier": _STRING,
    "service_tier": _STRING,
    "store": _BOOLEAN,
    "stream": _BOOLEAN,
    "stream_options": _OBJECT,
    "temperature": _NUMBER,
    "text": _OBJECT,
    "tool_choice": ((str, dict), "a string or an object"),
    "tools": _ARRAY,
    "top_logprobs": _INTEGER,
    "top_p": _NUMBER,
    "truncation": _STRING,
    "user": _STRING,
}

#: Enumerated strings whose wrong value would change what the server does.
_CHOICES = {"truncation": ("auto", "disabled"), "tool_choice": ("none", "auto", "required")}


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """One create that may run. ``settings`` holds the fields as they came, nulls dropped."""

    settings: dict[str, Any]
    #: The input as items; a string becomes one user message.
    input: tuple[Item, ...]
    #: None is the default lane.
    lane: str | None = None
    model: str = field(default="")

    @property
    def previous_response_id(self) -> str | None:
        """The response to continue, or None for a new chain."""
        value: str | None = self.settings.get("previous_response_id")
        return value

    @property
    def is_stored(self) -> bool:
        """Whether the response outlives the connection; the default, as at the service."""
        return bool(self.settings.get("store", True))

    @property
    def is_warm_up(self) -> bool:
        """Whether to prepare state only; ``prewarm`` is the newer spelling."""
        prewarm = self.settings.get("prompt_cache_options", {}).get("prewarm")
        return self.settings.get("generate", True) is False or prewarm is True

    @property
    def is_streamed(self) -> bool:
        """Whether an HTTP reply comes as server-sent events."""
        return bool(self.settings.get("stream", False))

    @property
    def is_obfuscated(self) -> bool:
        """Whether deltas are padded; the default, as at the service."""
        return self.settings.get("stream_options", {}).get("include_obfuscation") is not False

    @property
    def tools(self) -> list[Item]:
        """The tools on offer."""
        value: list[Item] = self.settings.get("tools", [])
        return value


def parse_lane(data: dict[str, Any]) -> str | None:
    """Return the lane that a frame names, None for the default one. Raises BadRequestError."""
    lane = data.get("stream_id")
    if lane is None:
        return None
    if not isinstance(lane, str) or _LANE_NAME.fullmatch(lane) is None:
        raise errors.invalid_stream_id()
    return lane


def parse_create(data: dict[str, Any], *, lane: str | None = None) -> CreateRequest:
    """Check the fields of a create; nulls count as absent, unknown fields pass.

    Raises BadRequestError naming the field.
    """
    settings = {key: value for key, value in data.items() if value is not None}
    for name, value in settings.items():
        _check_field(name, value)
    if not settings.get("model"):
        raise errors.missing_parameter("model")
    _check_unsupported(settings)
    _check_tools(settings)
    items = _parse_input(settings.get("input", []))
    return CreateRequest(settings=settings, input=items, lane=lane, model=settings["model"])


def parse_http_create(data: dict[str, Any]) -> CreateRequest:
    """Check the body of ``POST /v1/responses``, which knows neither lanes nor ``generate``."""
    if data.get("stream_id") is not None:
        raise errors.bad_request("Unknown parameter: 'stream_id'.", param="stream_id")
    return parse_create({key: value for key, value in data.items() if key != "generate"})


def _check_field(name: str, value: object) -> None:
    kinds, expected = _FIELDS.get(name, ((object,), ""))
    # bool is an int to Python, but not to JSON.
    is_wrong_bool = isinstance(value, bool) and bool not in kinds and object not in kinds
    if is_wrong_bool or not isinstance(value, kinds):
        raise errors.invalid_type(name, expected, value)
    if isinstance(value, str) and value not in _CHOICES.get(name, (value,)):
        supported = ", ".join(f"'{choice}'" for choice in _CHOICES[name])
        raise errors.invalid_value(name, value, supported)


def _check_unsupported(settings: dict[str, Any]) -> None:
    """Refuse what would change the answer if it were ignored."""
    if settings.get("background"):
        raise errors.bad_request("'background' is not supported here.", param="background")
    if "conversation" in settings:
        raise errors.bad_request("'conversation' is not supported here.", param="conversation")


def _check_tools(settings: dict[str, Any]) -> None:
    for index, tool in enumerate(settings.get("tools", [])):
        if not isinstance(tool, dict):
            raise errors.invalid_type(f"tools[{index}]", "an object", tool)
        if not isinstance(tool.get("type"), str):
            raise errors.missing_parameter(f"tools[{index}].type")
        if tool["type"] in ("function", "custom") and not isinstance(tool.get("name"), str):
            raise errors.missing_parameter(f"tools[{index}].name")
    for index, name in enumerate(settings.get("include", [])):
        if not isinstance(name, str):
            raise errors.invalid_type(f"include[{index}]", "a string", name)


def _parse_input(value: str | list[Any]) -> tuple[Item, ...]:
    if isinstance(value, str):
        content = [{"type": "input_text", "text": value}]
        return ({"type": "message", "role": "user", "content": content},)
    return tuple(_parse_item(index, item) for index, item in enumerate(value))


def _parse_item(index: int, item: object) -> Item:
    if not isinstance(item, dict):
        raise errors.invalid_type(f"input[{index}]", "an object", item)
    kind = item.get("type") or "message"
    if not isinstance(kind, str):
        raise errors.invalid_type(f"input[{index}].type", "a string", kind)
    if kind == "message":
        _check_message(index, item)
    elif kind in CALL_KINDS | OUTPUT_KINDS and not isinstance(item.get("call_id"), str):
        raise errors.missing_parameter(f"input[{index}].call_id")
    return item if item.get("type") else {**item, "type": "message"}


def _check_message(index: int, item: Item) -> None:
    if not isinstance(item.get("role"), str):
        raise errors.missing_parameter(f"input[{index}].role")
    content = item.get("content")
    if not isinstance(content, (str, list)):
        raise errors.invalid_type(f"input[{index}].content", "a string or an array", content)
    for place, part in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(part, dict):
            raise errors.invalid_type(f"input[{index}].content[{place}]", "an object", part)
