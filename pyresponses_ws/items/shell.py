"""Shells and patches: what the model runs and edits, hosted or on the client's machine."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.items.shared import CallerDirect, CallerProgram, ItemStatus
from pyresponses_ws.items.skills import ContainerReference, LocalEnvironment
from pyresponses_ws.model import WireModel

__all__ = [
    "ApplyPatchCallOutput",
    "ApplyPatchCreateFile",
    "ApplyPatchDeleteFile",
    "ApplyPatchUpdateFile",
    "LocalShellCall",
    "LocalShellCallAction",
    "LocalShellCallOutput",
    "OutcomeExit",
    "OutcomeTimeout",
    "ResponseApplyPatchToolCall",
    "ResponseFunctionShellToolCall",
    "ShellCallAction",
    "ShellCallOutput",
    "ShellCallOutputContent",
]


class LocalShellCallAction(WireModel):
    """A command line, where to run it, and for how many milliseconds at most."""

    type: Literal["exec"] = "exec"
    command: list[str]
    env: dict[str, str]
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class LocalShellCall(WireModel):
    """The model runs a command on the client's machine; the older tool."""

    id: str
    type: Literal["local_shell_call"] = "local_shell_call"
    status: ItemStatus
    action: LocalShellCallAction
    call_id: str


class LocalShellCallOutput(WireModel):
    """What a local command returned, as JSON text."""

    id: str
    type: Literal["local_shell_call_output"] = "local_shell_call_output"
    status: ItemStatus | None = None
    output: str


class ShellCallAction(WireModel):
    """Commands to run, with their limits in milliseconds and characters."""

    commands: list[str]
    max_output_length: int | None = None
    timeout_ms: int | None = None


class ResponseFunctionShellToolCall(WireModel):
    """The model runs commands in a shell."""

    id: str | None = None
    type: Literal["shell_call"] = "shell_call"
    status: ItemStatus | None = None
    action: ShellCallAction
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    environment: LocalEnvironment | ContainerReference | None = None


class OutcomeTimeout(WireModel):
    """A command ran out of time."""

    type: Literal["timeout"] = "timeout"


class OutcomeExit(WireModel):
    """A command ended by itself."""

    type: Literal["exit"] = "exit"
    exit_code: int


class ShellCallOutputContent(WireModel):
    """What one command printed, and how it ended."""

    outcome: OutcomeTimeout | OutcomeExit
    stderr: str
    stdout: str
    created_by: str | None = None


class ShellCallOutput(WireModel):
    """What the commands of a shell call returned, in their order."""

    id: str | None = None
    type: Literal["shell_call_output"] = "shell_call_output"
    status: ItemStatus | None = None
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    max_output_length: int | None = None
    output: list[ShellCallOutputContent]


class ApplyPatchCreateFile(WireModel):
    """Create a file."""

    type: Literal["create_file"] = "create_file"
    diff: str
    path: str


class ApplyPatchDeleteFile(WireModel):
    """Delete a file."""

    type: Literal["delete_file"] = "delete_file"
    path: str


class ApplyPatchUpdateFile(WireModel):
    """Change a file."""

    type: Literal["update_file"] = "update_file"
    diff: str
    path: str


class ResponseApplyPatchToolCall(WireModel):
    """The model edits a file."""

    id: str | None = None
    type: Literal["apply_patch_call"] = "apply_patch_call"
    status: Literal["in_progress", "completed"]
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    operation: ApplyPatchCreateFile | ApplyPatchDeleteFile | ApplyPatchUpdateFile


class ApplyPatchCallOutput(WireModel):
    """Whether an edit succeeded, and what there is to say about it."""

    id: str | None = None
    type: Literal["apply_patch_call_output"] = "apply_patch_call_output"
    status: Literal["completed", "failed"]
    call_id: str
    caller: CallerDirect | CallerProgram | None = None
    created_by: str | None = None
    output: str | None = None
