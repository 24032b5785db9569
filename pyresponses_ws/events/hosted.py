"""Events of tools that the service runs: how far a call has come."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.events.base import Event

__all__ = [
    "HostedCallEvent",
    "ResponseCodeInterpreterCallCodeDeltaEvent",
    "ResponseCodeInterpreterCallCodeDoneEvent",
    "ResponseCodeInterpreterCallCompletedEvent",
    "ResponseCodeInterpreterCallInProgressEvent",
    "ResponseCodeInterpreterCallInterpretingEvent",
    "ResponseFileSearchCallCompletedEvent",
    "ResponseFileSearchCallInProgressEvent",
    "ResponseFileSearchCallSearchingEvent",
    "ResponseImageGenCallCompletedEvent",
    "ResponseImageGenCallGeneratingEvent",
    "ResponseImageGenCallInProgressEvent",
    "ResponseImageGenCallPartialImageEvent",
    "ResponseMcpCallArgumentsDeltaEvent",
    "ResponseMcpCallArgumentsDoneEvent",
    "ResponseMcpCallCompletedEvent",
    "ResponseMcpCallFailedEvent",
    "ResponseMcpCallInProgressEvent",
    "ResponseMcpListToolsCompletedEvent",
    "ResponseMcpListToolsFailedEvent",
    "ResponseMcpListToolsInProgressEvent",
    "ResponseWebSearchCallCompletedEvent",
    "ResponseWebSearchCallInProgressEvent",
    "ResponseWebSearchCallSearchingEvent",
]


class HostedCallEvent(Event):
    """A hosted tool's call has reached a stage."""

    item_id: str
    output_index: int


class ResponseWebSearchCallInProgressEvent(HostedCallEvent):
    """A web search has begun."""

    type: Literal["response.web_search_call.in_progress"] = "response.web_search_call.in_progress"


class ResponseWebSearchCallSearchingEvent(HostedCallEvent):
    """A web search is running."""

    type: Literal["response.web_search_call.searching"] = "response.web_search_call.searching"


class ResponseWebSearchCallCompletedEvent(HostedCallEvent):
    """A web search has ended."""

    type: Literal["response.web_search_call.completed"] = "response.web_search_call.completed"


class ResponseFileSearchCallInProgressEvent(HostedCallEvent):
    """A file search has begun."""

    type: Literal["response.file_search_call.in_progress"] = "response.file_search_call.in_progress"


class ResponseFileSearchCallSearchingEvent(HostedCallEvent):
    """A file search is running."""

    type: Literal["response.file_search_call.searching"] = "response.file_search_call.searching"


class ResponseFileSearchCallCompletedEvent(HostedCallEvent):
    """A file search has ended."""

    type: Literal["response.file_search_call.completed"] = "response.file_search_call.completed"


class ResponseCodeInterpreterCallInProgressEvent(HostedCallEvent):
    """The model has begun to write code."""

    type: Literal["response.code_interpreter_call.in_progress"] = (
        "response.code_interpreter_call.in_progress"
    )


class ResponseCodeInterpreterCallCodeDeltaEvent(HostedCallEvent):
    """More code for the interpreter."""

    type: Literal["response.code_interpreter_call_code.delta"] = (
        "response.code_interpreter_call_code.delta"
    )
    delta: str
    obfuscation: str | None = None


class ResponseCodeInterpreterCallCodeDoneEvent(HostedCallEvent):
    """All code for the interpreter."""

    type: Literal["response.code_interpreter_call_code.done"] = (
        "response.code_interpreter_call_code.done"
    )
    code: str


class ResponseCodeInterpreterCallInterpretingEvent(HostedCallEvent):
    """The code is running."""

    type: Literal["response.code_interpreter_call.interpreting"] = (
        "response.code_interpreter_call.interpreting"
    )


class ResponseCodeInterpreterCallCompletedEvent(HostedCallEvent):
    """The code has ended."""

    type: Literal["response.code_interpreter_call.completed"] = (
        "response.code_interpreter_call.completed"
    )


class ResponseImageGenCallInProgressEvent(HostedCallEvent):
    """An image has been asked for."""

    type: Literal["response.image_generation_call.in_progress"] = (
        "response.image_generation_call.in_progress"
    )


class ResponseImageGenCallGeneratingEvent(HostedCallEvent):
    """An image is being drawn."""

    type: Literal["response.image_generation_call.generating"] = (
        "response.image_generation_call.generating"
    )


class ResponseImageGenCallPartialImageEvent(HostedCallEvent):
    """An image as far as it has come, in base64."""

    type: Literal["response.image_generation_call.partial_image"] = (
        "response.image_generation_call.partial_image"
    )
    background: str | None = None
    output_format: str | None = None
    partial_image_b64: str
    partial_image_index: int
    quality: str | None = None
    size: str | None = None


class ResponseImageGenCallCompletedEvent(HostedCallEvent):
    """An image is complete; the item carries it."""

    type: Literal["response.image_generation_call.completed"] = (
        "response.image_generation_call.completed"
    )


class ResponseMcpListToolsInProgressEvent(HostedCallEvent):
    """An MCP server is being asked for its tools."""

    type: Literal["response.mcp_list_tools.in_progress"] = "response.mcp_list_tools.in_progress"


class ResponseMcpListToolsCompletedEvent(HostedCallEvent):
    """An MCP server has listed its tools."""

    type: Literal["response.mcp_list_tools.completed"] = "response.mcp_list_tools.completed"


class ResponseMcpListToolsFailedEvent(HostedCallEvent):
    """An MCP server did not list its tools."""

    type: Literal["response.mcp_list_tools.failed"] = "response.mcp_list_tools.failed"


class ResponseMcpCallInProgressEvent(HostedCallEvent):
    """A call of an MCP tool has begun."""

    type: Literal["response.mcp_call.in_progress"] = "response.mcp_call.in_progress"


class ResponseMcpCallArgumentsDeltaEvent(HostedCallEvent):
    """More of an MCP call's arguments."""

    type: Literal["response.mcp_call_arguments.delta"] = "response.mcp_call_arguments.delta"
    delta: str
    obfuscation: str | None = None


class ResponseMcpCallArgumentsDoneEvent(HostedCallEvent):
    """All arguments of an MCP call, as JSON text."""

    type: Literal["response.mcp_call_arguments.done"] = "response.mcp_call_arguments.done"
    arguments: str


class ResponseMcpCallCompletedEvent(HostedCallEvent):
    """A call of an MCP tool has ended well."""

    type: Literal["response.mcp_call.completed"] = "response.mcp_call.completed"


class ResponseMcpCallFailedEvent(HostedCallEvent):
    """A call of an MCP tool has failed."""

    type: Literal["response.mcp_call.failed"] = "response.mcp_call.failed"
