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

        A tool call whose output is unknown is left out, since a call without its output is a 400
        (protocol.md 2.1); so is reasoning that does not carry ``encrypted_content``.
        """
        return [wire for item in self.items if _is_resendable(wire := item.to_dict())]


def _is_resendable(wire: dict[str, Any]) -> bool:
    kind = str(wire.get("type", ""))
    if kind == "reasoning":
        return bool(wire.get("encrypted_content"))
    return kind == "message" or kind.endswith("_output")
