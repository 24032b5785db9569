"""Calls of the user's own tools, and what they returned."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.guards import renamed
from pyresponses_ws.items.content import InputContent
from pyresponses_ws.items.shared import CallerDirect, CallerProgram, ItemStatus
from pyresponses_ws.model import WireModel

__all__ = [
    "FunctionCallOutput",
    "ResponseCustomToolCall",
    "ResponseCustomToolCallOutput",
    "ResponseFunctionToolCall",
]


class ResponseFunctionToolCall(WireModel):
    """The model calls a function; ``arguments`` is a JSON object as text."""

    id: str | None = None
    type: Literal["function_call"] = "function_call"
    status: ItemStatus | None = None
    arguments: str
    async_: bool | None = renamed("async", default=None)
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    name: str
    namespace: str | None = None


class FunctionCallOutput(WireModel):
    """What a function returned: text, or content parts."""

    id: str | None = None
    type: Literal["function_call_output"] = "function_call_output"
    status: ItemStatus | None = None
    call_id: str | None = None
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    name: str | None = None
    namespace: str | None = None
    output: str | list[InputContent]


class ResponseCustomToolCall(WireModel):
    """The model calls a custom tool; ``input`` is free text, or text of the tool's grammar."""

    id: str | None = None
    type: Literal["custom_tool_call"] = "custom_tool_call"
    status: ItemStatus | None = None
    async_: bool | None = renamed("async", default=None)
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    input: str
    name: str
    namespace: str | None = None


class ResponseCustomToolCallOutput(WireModel):
    """What a custom tool returned: text, or content parts."""

    id: str | None = None
    type: Literal["custom_tool_call_output"] = "custom_tool_call_output"
    status: ItemStatus | None = None
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    output: str | list[InputContent]
