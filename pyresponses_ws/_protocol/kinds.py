"""What the wire types mean to the protocol: who starts, who ends, what is output, what is not.

Everything here works on the ``type`` string alone, so that a type which is newer than this package
gets the same treatment as the ones that it knows.
"""

from __future__ import annotations

from typing import Any, Literal

EndingKind = Literal["completed", "incomplete", "failed", "cancelled", "error"]

CREATED = "response.created"

#: They tell where a response stands and carry a Response, like ``created``.
PROGRESS_TYPES = frozenset({"response.queued", "response.in_progress"})

#: ``response.error`` was never observed; the openai-agents package treats it as an ending.
ERROR_TYPES = frozenset({"error", "response.error"})

#: Terminal events that carry a Response. ``done`` tells its kind by ``response.status`` alone;
#: it and ``cancelled`` come from servers other than OpenAI's.
TERMINAL_TYPES = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.done",
    }
)

#: They say nothing of the answer, so handing them to the caller does not forbid a replay.
_CONTROL_TYPES = PROGRESS_TYPES | {
    CREATED,
    "response.metadata",
    "response.safety_buffering",
    "response.steer.accepted",
    "response.steer.pending",
    "response.steer.failed",
    "response.inject.created",
    "response.inject.failed",
}

_OUTPUT_PREFIXES = (
    "response.apply_patch_call_",
    "response.audio.",
    "response.code_interpreter_call",
    "response.compaction.",
    "response.content_part.",
    "response.custom_tool_call_",
    "response.file_search_call.",
    "response.function_call_",
    "response.image_generation_call.",
    "response.mcp_",
    "response.output_",
    "response.reasoning_",
    "response.refusal.",
    "response.shell_call_",
    "response.web_search_call.",
)

_KINDS: dict[str, EndingKind] = {
    "completed": "completed",
    "incomplete": "incomplete",
    "failed": "failed",
    "cancelled": "cancelled",
}


def is_control(event_type: str) -> bool:
    """Tell whether an event of this type shows nothing of the answer.

    Types outside the ``response.`` family (``keepalive``, ``codex.rate_limits``) are control; an
    unknown type inside it may be output of a new kind, so it is not.
    """
    return event_type in _CONTROL_TYPES or not event_type.startswith("response.")


def is_output(event_type: str) -> bool:
    """Tell whether the type is known to belong to the output of a response that was created."""
    return event_type.startswith(_OUTPUT_PREFIXES)


def ending_kind(event_type: str, status: Any) -> EndingKind:
    """Name the ending that a terminal type means; ``status`` decides for ``response.done``.

    A ``done`` without a status that we know counts as completed: the server says no more.
    """
    if event_type in ERROR_TYPES:
        return "error"
    named = event_type.removeprefix("response.")
    if named in _KINDS:
        return _KINDS[named]
    return _KINDS.get(status, "completed") if isinstance(status, str) else "completed"
