"""Events of tool calls as the model writes them: arguments, inputs, commands, diffs."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.events.base import Event
from pyresponses_ws.items.shell import ShellCallOutputContent
from pyresponses_ws.model import WireModel

__all__ = [
    "ResponseApplyPatchCallOperationDiffDeltaEvent",
    "ResponseApplyPatchCallOperationDiffDoneEvent",
    "ResponseCustomToolCallInputDeltaEvent",
    "ResponseCustomToolCallInputDoneEvent",
    "ResponseFunctionCallArgumentsDeltaEvent",
    "ResponseFunctionCallArgumentsDoneEvent",
    "ResponseShellCallCommandAddedEvent",
    "ResponseShellCallCommandDeltaEvent",
    "ResponseShellCallCommandDoneEvent",
    "ResponseShellCallOutputContentDeltaEvent",
    "ResponseShellCallOutputContentDoneEvent",
    "ShellOutputDelta",
]


class ResponseFunctionCallArgumentsDeltaEvent(Event):
    """More of a function's arguments; JSON only once it is complete."""

    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    delta: str
    item_id: str
    obfuscation: str | None = None
    output_index: int


class ResponseFunctionCallArgumentsDoneEvent(Event):
    """All arguments of a function call, as JSON text."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    arguments: str
    item_id: str
    name: str | None = None
    output_index: int


class ResponseCustomToolCallInputDeltaEvent(Event):
    """More of a custom tool's input."""

    type: Literal["response.custom_tool_call_input.delta"] = "response.custom_tool_call_input.delta"
    delta: str
    item_id: str
    obfuscation: str | None = None
    output_index: int


class ResponseCustomToolCallInputDoneEvent(Event):
    """The whole input of a custom tool."""

    type: Literal["response.custom_tool_call_input.done"] = "response.custom_tool_call_input.done"
    input: str
    item_id: str
    output_index: int


class ResponseShellCallCommandAddedEvent(Event):
    """A shell command has begun; it is found by its two indices, since no id is sent."""

    type: Literal["response.shell_call_command.added"] = "response.shell_call_command.added"
    command: str
    command_index: int
    output_index: int


class ResponseShellCallCommandDeltaEvent(Event):
    """More of a shell command."""

    type: Literal["response.shell_call_command.delta"] = "response.shell_call_command.delta"
    command_index: int
    delta: str
    obfuscation: str | None = None
    output_index: int


class ResponseShellCallCommandDoneEvent(Event):
    """A whole shell command."""

    type: Literal["response.shell_call_command.done"] = "response.shell_call_command.done"
    command: str
    command_index: int
    output_index: int


class ShellOutputDelta(WireModel):
    """What a command has printed since the last event."""

    stderr: str | None = None
    stdout: str | None = None


class ResponseShellCallOutputContentDeltaEvent(Event):
    """A hosted shell's command has printed something."""

    type: Literal["response.shell_call_output_content.delta"] = (
        "response.shell_call_output_content.delta"
    )
    command_index: int
    delta: ShellOutputDelta
    item_id: str
    obfuscation: str | None = None
    output_index: int


class ResponseShellCallOutputContentDoneEvent(Event):
    """A hosted shell's command has ended."""

    type: Literal["response.shell_call_output_content.done"] = (
        "response.shell_call_output_content.done"
    )
    command_index: int
    item_id: str
    output: list[ShellCallOutputContent]
    output_index: int


class ResponseApplyPatchCallOperationDiffDeltaEvent(Event):
    """More of a patch; in no schema, observed live."""

    type: Literal["response.apply_patch_call_operation_diff.delta"] = (
        "response.apply_patch_call_operation_diff.delta"
    )
    delta: str
    item_id: str
    obfuscation: str | None = None
    output_index: int


class ResponseApplyPatchCallOperationDiffDoneEvent(Event):
    """A whole patch; in no schema, observed live."""

    type: Literal["response.apply_patch_call_operation_diff.done"] = (
        "response.apply_patch_call_operation_diff.done"
    )
    diff: str
    item_id: str
    output_index: int
