"""What a turn had brought when it ended early."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Partial:
    """Output of a turn that did not finish; empty lists and text when nothing came.

    ``items`` are the finished output items, ``calls`` those of them that call a tool, and
    ``incomplete_calls`` the calls whose arguments were still arriving, with what had come of them.
    ``text`` joins the assistant text so far, finished or not. ``usage`` is usually None: it comes
    with the terminal event.
    """

    text: str = ""
    items: list[Any] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    incomplete_calls: list[Any] = field(default_factory=list)
    usage: Any = None

    def as_input(self) -> list[dict[str, Any]]:
        """Items that are legal to send again: finished ones, in wire form, order kept.

        A call that waits for an output of ours is left out unless the output is here too, and the
        other way round: the service refuses either alone with a 400. So is reasoning without
        ``encrypted_content``, which only the connection that made it could read.
        """
        wires: list[dict[str, Any]] = [item.to_dict() for item in self.items]
        calls = {_call_id(wire) for wire in wires if not _is_output(wire)}
        outputs = {_call_id(wire) for wire in wires if _is_output(wire)}
        answered = calls & outputs - {""}
        return [wire for wire in wires if _is_resendable(wire, answered)]


#: Calls that somebody else answers: the client by an output, the user by an approval.
_OPEN_CALLS = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "tool_search_call",
        "program",
        "mcp_approval_request",
    }
)


def _is_output(wire: dict[str, Any]) -> bool:
    return str(wire.get("type", "")).endswith("_output")


def _call_id(wire: dict[str, Any]) -> str:
    return str(wire.get("call_id") or "")


def _is_resendable(wire: dict[str, Any], answered: set[str]) -> bool:
    kind = str(wire.get("type"))
    if kind == "reasoning":
        return bool(wire.get("encrypted_content"))
    if kind in _OPEN_CALLS or _is_output(wire):
        return _call_id(wire) in answered
    return True
