"""What several kinds of item say in the same way."""

from __future__ import annotations

from typing import Any, Literal

from pyresponses_ws.model import WireModel

__all__ = [
    "AllowedCaller",
    "CallerDirect",
    "CallerProgram",
    "ItemStatus",
    "PromptCacheBreakpoint",
    "ReasoningEffort",
    "UnknownItem",
]

ItemStatus = Literal["in_progress", "completed", "incomplete"]
AllowedCaller = Literal["direct", "programmatic"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class UnknownItem(WireModel):
    """An item of a type that this version does not know; every key reads as an attribute."""

    id: str | None = None
    type: str | None = None
    status: Any = None


class CallerDirect(WireModel):
    """The model made the call itself."""

    type: Literal["direct"] = "direct"


class CallerProgram(WireModel):
    """A program item made the call; ``caller_id`` is the program's ``call_id``."""

    type: Literal["program"] = "program"
    caller_id: str


class PromptCacheBreakpoint(WireModel):
    """Ends a prefix that the prompt cache shall keep."""

    mode: Literal["explicit"] = "explicit"
    ttl: Literal["30m", "12h"] | None = None
