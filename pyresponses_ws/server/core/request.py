"""A ``response.create`` checked and normalised: what the rest of the server works with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.fields import check_settings
from pyresponses_ws.server.core.inputs import parse_input
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.tools import check_tool_choice, check_tools, flatten_tools

__all__ = ["CreateRequest", "Item", "parse_create", "parse_http_create", "parse_lane"]

_LANE_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,256}")


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """One create that may run. ``settings`` holds the fields as they came, nulls dropped."""

    settings: dict[str, Any]
    #: The input as items; a string becomes one user message.
    input: tuple[Item, ...]
    #: None is the default lane.
    lane: str | None = None
    #: Characters of JSON that it came as.
    size: int = 0

    @property
    def model(self) -> str:
        """The model that is to answer."""
        value: str = self.settings["model"]
        return value

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


def parse_create(
    data: dict[str, Any],
    *,
    lane: str | None = None,
    size: int = 0,
    takes_nested_tools: bool = False,
) -> CreateRequest:
    """Check the fields of a create; nulls count as absent, unknown fields pass.

    Tools in the shape of chat completions are refused, as by the service, or made flat. Raises
    BadRequestError naming the field.
    """
    settings = {key: value for key, value in data.items() if value is not None}
    if takes_nested_tools:
        settings = flatten_tools(settings)
    check_settings(settings)
    if not settings.get("model"):
        raise errors.missing_parameter("model")
    _check_unsupported(settings)
    check_tools("tools", settings.get("tools", []))
    check_tool_choice(settings.get("tool_choice", "auto"))
    items = parse_input(settings.get("input", []))
    return CreateRequest(settings=settings, input=items, lane=lane, size=size)


def parse_http_create(
    data: dict[str, Any], *, size: int = 0, takes_nested_tools: bool = False
) -> CreateRequest:
    """Check the body of ``POST /v1/responses``, which knows neither lanes nor ``generate``."""
    if data.get("stream_id") is not None:
        raise errors.bad_request("Unknown parameter: 'stream_id'.", param="stream_id")
    known = {key: value for key, value in data.items() if key != "generate"}
    return parse_create(known, size=size, takes_nested_tools=takes_nested_tools)


def _check_unsupported(settings: dict[str, Any]) -> None:
    """Refuse what would change the answer if it were ignored."""
    if settings.get("background"):
        raise errors.bad_request("'background' is not supported here.", param="background")
    if "conversation" in settings:
        raise errors.bad_request("'conversation' is not supported here.", param="conversation")
