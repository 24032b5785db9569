"""Tools that the client runs, and how the model may find and combine them."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.guards import renamed
from pyresponses_ws.items.shared import AllowedCaller
from pyresponses_ws.items.skills import ContainerAuto, ContainerReference, LocalEnvironment
from pyresponses_ws.model import WireModel

__all__ = [
    "ApplyPatchTool",
    "ComputerTool",
    "ComputerUsePreviewTool",
    "CustomTool",
    "CustomToolGrammar",
    "CustomToolText",
    "FunctionShellTool",
    "FunctionTool",
    "LocalShell",
    "NamespaceTool",
    "ProgrammaticToolCalling",
    "ToolSearchTool",
]


class FunctionTool(WireModel):
    """A function with a JSON schema."""

    type: Literal["function"] = "function"
    name: str
    allowed_callers: list[AllowedCaller] | None = None
    async_: bool | None = renamed("async", default=None)
    defer_loading: bool | None = None
    description: str | None = None
    output_schema: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CustomToolText(WireModel):
    """Free text."""

    type: Literal["text"] = "text"


class CustomToolGrammar(WireModel):
    """Text of a grammar."""

    type: Literal["grammar"] = "grammar"
    definition: str
    syntax: Literal["lark", "regex"]


class CustomTool(WireModel):
    """A tool that takes text instead of JSON."""

    type: Literal["custom"] = "custom"
    name: str
    allowed_callers: list[AllowedCaller] | None = None
    async_: bool | None = renamed("async", default=None)
    defer_loading: bool | None = None
    description: str | None = None
    format: CustomToolText | CustomToolGrammar | None = None


class NamespaceTool(WireModel):
    """A named group of tools."""

    type: Literal["namespace"] = "namespace"
    description: str
    name: str
    tools: list[FunctionTool | CustomTool]


class ToolSearchTool(WireModel):
    """Lets the model look for tools whose loading is deferred."""

    type: Literal["tool_search"] = "tool_search"
    description: str | None = None
    execution: Literal["server", "client"] | None = None
    parameters: Any = None


class ProgrammaticToolCalling(WireModel):
    """Lets the model write programs that call tools."""

    type: Literal["programmatic_tool_calling"] = "programmatic_tool_calling"


class FunctionShellTool(WireModel):
    """A shell, in a container or on the client's machine."""

    type: Literal["shell"] = "shell"
    allowed_callers: list[AllowedCaller] | None = None
    environment: ContainerAuto | LocalEnvironment | ContainerReference | None = None


class LocalShell(WireModel):
    """A shell on the client's machine; the older tool."""

    type: Literal["local_shell"] = "local_shell"


class ApplyPatchTool(WireModel):
    """Edits of files on the client's machine."""

    type: Literal["apply_patch"] = "apply_patch"
    allowed_callers: list[AllowedCaller] | None = None


class ComputerTool(WireModel):
    """A screen, a mouse and a keyboard."""

    type: Literal["computer"] = "computer"


class ComputerUsePreviewTool(WireModel):
    """A screen of a given size, in pixels; the older tool."""

    type: Literal["computer_use_preview"] = "computer_use_preview"
    display_height: int
    display_width: int
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]
