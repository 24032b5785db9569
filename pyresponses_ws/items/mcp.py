"""Tools of MCP servers that the service calls: lists, approvals, calls."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.model import WireModel

__all__ = [
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpCall",
    "McpHTTPError",
    "McpListTools",
    "McpListToolsTool",
    "McpProtocolError",
    "McpToolExecutionError",
]


class McpListToolsTool(WireModel):
    """One tool of a server."""

    annotations: Any = None
    description: str | None = None
    input_schema: Any
    name: str


class McpListTools(WireModel):
    """The tools of a server; comes before the first call."""

    id: str
    type: Literal["mcp_list_tools"] = "mcp_list_tools"
    error: str | None = None
    server_label: str
    tools: list[McpListToolsTool]


class McpApprovalRequest(WireModel):
    """The service asks whether it may make a call."""

    id: str
    type: Literal["mcp_approval_request"] = "mcp_approval_request"
    arguments: str
    name: str
    server_label: str


class McpApprovalResponse(WireModel):
    """The client's answer to a request for approval."""

    id: str | None = None
    type: Literal["mcp_approval_response"] = "mcp_approval_response"
    approval_request_id: str
    approve: bool
    reason: str | None = None


class McpProtocolError(WireModel):
    """The server broke the MCP protocol."""

    type: Literal["mcp_protocol_error"] = "mcp_protocol_error"
    code: int
    message: str


class McpToolExecutionError(WireModel):
    """The tool failed."""

    type: Literal["mcp_tool_execution_error"] = "mcp_tool_execution_error"
    content: Any


class McpHTTPError(WireModel):
    """The server could not be reached."""

    type: Literal["http_error"] = "http_error"
    code: int
    message: str


class McpCall(WireModel):
    """A call of an MCP tool, made by the service."""

    id: str
    type: Literal["mcp_call"] = "mcp_call"
    status: Literal["in_progress", "completed", "incomplete", "calling", "failed"] | None = None
    approval_request_id: str | None = None
    arguments: str
    error: McpProtocolError | McpToolExecutionError | McpHTTPError | None = None
    name: str
    output: str | None = None
    server_label: str
