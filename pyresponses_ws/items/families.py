"""Unions of items and of tools, whose classes are imported when their first value comes.

Most programs meet a handful of the classes. A type checker sees plain unions; at run time the
names are annotations that the decoder reads. The unions leave ``UnknownItem`` out, although such
items come too, because a checker could no longer tell the others apart by ``type``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pyresponses_ws.model import Family

__all__ = ["ITEMS", "TOOLS", "ResponseInputItem", "ResponseItem", "ResponseOutputItem", "Tool"]

_HERE = "pyresponses_ws.items."
_MESSAGES = _HERE + "messages:"


def _choose(wire: dict[str, Any]) -> str | None:
    """Tell messages apart by who speaks; messages and references may come without their type."""
    tag = wire.get("type")
    if tag == "message" or (tag is None and "role" in wire):
        is_output = wire.get("role") == "assistant" and not _is_input(wire.get("content"))
        return _MESSAGES + ("ResponseOutputMessage" if is_output else "EasyInputMessage")
    return _MESSAGES + "ItemReference" if tag is None and "id" in wire else None


def _is_input(content: Any) -> bool:
    """Whether only a request holds such content: text alone, or input parts."""
    parts = content if type(content) is list else ()
    tags = (part.get("type") for part in parts if type(part) is dict)
    return type(content) is str or any(str(tag).startswith("input_") for tag in tags)


#: Every item, of either direction.
ITEMS = Family(
    {
        _HERE + "messages": {
            "message": "ResponseOutputMessage",
            "item_reference": "ItemReference",
        },
        _HERE + "calls": {
            "function_call": "ResponseFunctionToolCall",
            "function_call_output": "FunctionCallOutput",
            "custom_tool_call": "ResponseCustomToolCall",
            "custom_tool_call_output": "ResponseCustomToolCallOutput",
        },
        _HERE + "reasoning": {
            "reasoning": "ResponseReasoningItem",
            "compaction": "ResponseCompactionItem",
            "compaction_trigger": "CompactionTrigger",
            "configuration_update": "ResponseConfigurationUpdateItem",
        },
        _HERE + "searches": {
            "file_search_call": "ResponseFileSearchToolCall",
            "web_search_call": "ResponseFunctionWebSearch",
            "tool_search_call": "ResponseToolSearchCall",
            "tool_search_output": "ResponseToolSearchOutputItem",
            "additional_tools": "AdditionalTools",
        },
        _HERE + "computer": {
            "computer_call": "ResponseComputerToolCall",
            "computer_call_output": "ComputerCallOutput",
        },
        _HERE + "code": {
            "code_interpreter_call": "ResponseCodeInterpreterToolCall",
            "image_generation_call": "ImageGenerationCall",
            "program": "Program",
            "program_output": "ProgramOutput",
        },
        _HERE + "shell": {
            "shell_call": "ResponseFunctionShellToolCall",
            "shell_call_output": "ShellCallOutput",
            "local_shell_call": "LocalShellCall",
            "local_shell_call_output": "LocalShellCallOutput",
            "apply_patch_call": "ResponseApplyPatchToolCall",
            "apply_patch_call_output": "ApplyPatchCallOutput",
        },
        _HERE + "mcp": {
            "mcp_list_tools": "McpListTools",
            "mcp_approval_request": "McpApprovalRequest",
            "mcp_approval_response": "McpApprovalResponse",
            "mcp_call": "McpCall",
        },
    },
    choose=_choose,
    unknown=_HERE + "shared:UnknownItem",
)

#: Every tool; one of an unknown type stays a dict.
TOOLS = Family(
    {
        _HERE + "tools": {
            "function": "FunctionTool",
            "custom": "CustomTool",
            "namespace": "NamespaceTool",
            "tool_search": "ToolSearchTool",
            "programmatic_tool_calling": "ProgrammaticToolCalling",
            "shell": "FunctionShellTool",
            "local_shell": "LocalShell",
            "apply_patch": "ApplyPatchTool",
            "computer": "ComputerTool",
            "computer_use_preview": "ComputerUsePreviewTool",
        },
        _HERE + "hosted_tools": {
            "file_search": "FileSearchTool",
            "web_search": "WebSearchTool",
            "web_search_2025_08_26": "WebSearchTool",
            "web_search_preview": "WebSearchPreviewTool",
            "web_search_preview_2025_03_11": "WebSearchPreviewTool",
            "mcp": "Mcp",
            "code_interpreter": "CodeInterpreter",
            "image_generation": "ImageGeneration",
        },
    }
)

if TYPE_CHECKING:
    from pyresponses_ws.items import (
        calls,
        code,
        computer,
        hosted_tools,
        mcp,
        messages,
        reasoning,
        searches,
        shell,
        tools,
    )

    ResponseOutputItem: TypeAlias = (
        messages.ResponseOutputMessage
        | calls.ResponseFunctionToolCall
        | calls.FunctionCallOutput
        | calls.ResponseCustomToolCall
        | calls.ResponseCustomToolCallOutput
        | reasoning.ResponseReasoningItem
        | reasoning.ResponseCompactionItem
        | searches.ResponseFileSearchToolCall
        | searches.ResponseFunctionWebSearch
        | searches.ResponseToolSearchCall
        | searches.ResponseToolSearchOutputItem
        | searches.AdditionalTools
        | computer.ResponseComputerToolCall
        | computer.ComputerCallOutput
        | code.ResponseCodeInterpreterToolCall
        | code.ImageGenerationCall
        | code.Program
        | code.ProgramOutput
        | shell.ResponseFunctionShellToolCall
        | shell.ShellCallOutput
        | shell.LocalShellCall
        | shell.LocalShellCallOutput
        | shell.ResponseApplyPatchToolCall
        | shell.ApplyPatchCallOutput
        | mcp.McpListTools
        | mcp.McpApprovalRequest
        | mcp.McpApprovalResponse
        | mcp.McpCall
    )
    ResponseInputItem: TypeAlias = (
        ResponseOutputItem
        | messages.EasyInputMessage
        | messages.ItemReference
        | reasoning.CompactionTrigger
        | reasoning.ResponseConfigurationUpdateItem
    )
    ResponseItem: TypeAlias = ResponseInputItem
    Tool: TypeAlias = (
        tools.FunctionTool
        | tools.CustomTool
        | tools.NamespaceTool
        | tools.ToolSearchTool
        | tools.ProgrammaticToolCalling
        | tools.FunctionShellTool
        | tools.LocalShell
        | tools.ApplyPatchTool
        | tools.ComputerTool
        | tools.ComputerUsePreviewTool
        | hosted_tools.FileSearchTool
        | hosted_tools.WebSearchTool
        | hosted_tools.WebSearchPreviewTool
        | hosted_tools.Mcp
        | hosted_tools.CodeInterpreter
        | hosted_tools.ImageGeneration
    )
else:
    ResponseItem = ResponseInputItem = ResponseOutputItem = Annotated[Any, ITEMS]
    Tool = Annotated[Any, TOOLS]
