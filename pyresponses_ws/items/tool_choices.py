"""Which tools the model may or must use."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.model import WireModel

__all__ = [
    "ToolChoice",
    "ToolChoiceAllowed",
    "ToolChoiceApplyPatch",
    "ToolChoiceCustom",
    "ToolChoiceFunction",
    "ToolChoiceMcp",
    "ToolChoiceOptions",
    "ToolChoiceProgrammaticToolCalling",
    "ToolChoiceShell",
    "ToolChoiceTypes",
]

ToolChoiceOptions = Literal["none", "auto", "required"]


class ToolChoiceAllowed(WireModel):
    """Only these tools; ``tools`` holds short forms such as type and name."""

    type: Literal["allowed_tools"] = "allowed_tools"
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


class ToolChoiceTypes(WireModel):
    """This hosted tool."""

    type: Literal[
        "file_search",
        "web_search_preview",
        "computer",
        "computer_use_preview",
        "computer_use",
        "web_search_preview_2025_03_11",
        "image_generation",
        "code_interpreter",
    ]


class ToolChoiceFunction(WireModel):
    """This function."""

    type: Literal["function"] = "function"
    name: str


class ToolChoiceMcp(WireModel):
    """This MCP server, or one tool of it."""

    type: Literal["mcp"] = "mcp"
    name: str | None = None
    server_label: str


class ToolChoiceCustom(WireModel):
    """This custom tool."""

    type: Literal["custom"] = "custom"
    name: str


class ToolChoiceProgrammaticToolCalling(WireModel):
    """A program."""

    type: Literal["programmatic_tool_calling"] = "programmatic_tool_calling"


class ToolChoiceApplyPatch(WireModel):
    """An edit of a file."""

    type: Literal["apply_patch"] = "apply_patch"


class ToolChoiceShell(WireModel):
    """The shell."""

    type: Literal["shell"] = "shell"


ToolChoice = (
    ToolChoiceOptions
    | ToolChoiceAllowed
    | ToolChoiceTypes
    | ToolChoiceFunction
    | ToolChoiceMcp
    | ToolChoiceCustom
    | ToolChoiceProgrammaticToolCalling
    | ToolChoiceApplyPatch
    | ToolChoiceShell
)
