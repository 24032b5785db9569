"""Which tool the echo engine calls, if any."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Tool = dict[str, Any]

#: Verbs that say nothing about what a tool is for.
_EMPTY_VERBS = frozenset({"get", "set", "list", "run", "do", "make", "create"})


def choose_tool(tools: Sequence[Tool], choice: object, text: str) -> Tool | None:
    """Return the one tool to call for the last user ``text``, or None for an answer in words.

    The tool that ``choice`` names; else one whose full name is in the text; else one whose telling
    name parts are all words of it; else the first, if a call is required.
    """
    mode, offered = _read_choice(list(flatten_tools(tools)), choice)
    if mode == "none" or not offered:
        return None
    if mode == "named":
        return offered[0]
    found = next(_mentioned(offered, text), None)
    return offered[0] if found is None and mode == "required" else found


def name_parts(name: str) -> list[str]:
    """Split a tool's name into lower-case words: ``getWeather_now`` is get, weather, now."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[^\W_]+", spaced.lower())


def flatten_tools(tools: Iterable[Tool]) -> Iterator[Tool]:
    """Yield the tools that a client runs, those in namespaces included."""
    for tool in tools:
        if tool.get("type") in ("function", "custom") and isinstance(tool.get("name"), str):
            yield tool
        elif tool.get("type") == "namespace":
            inner = flatten_tools(_objects(tool.get("tools")))
            yield from ({**child, "namespace": tool.get("name")} for child in inner)


def _objects(value: object) -> list[Tool]:
    """Return the objects of a list; nothing of anything else, as nobody has checked it."""
    entries = value if isinstance(value, list) else ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _read_choice(tools: list[Tool], choice: object) -> tuple[str, list[Tool]]:
    """Return (none, auto, required or named, the tools that are left to choose from)."""
    if not isinstance(choice, dict):
        return str(choice), tools
    if choice.get("type") == "allowed_tools":
        allowed = [entry.get("name") for entry in _objects(choice.get("tools"))]
        return str(choice.get("mode", "auto")), [t for t in tools if t["name"] in allowed]
    named = [tool for tool in tools if tool["name"] == choice.get("name")]
    return "named", named


def _mentioned(tools: Sequence[Tool], text: str) -> Iterator[Tool]:
    """Yield the tools that the text mentions, by full name before by parts."""
    for tool in tools:
        if re.search(rf"(?<!\w){re.escape(tool['name'])}(?!\w)", text, re.IGNORECASE):
            yield tool
    words = set(name_parts(text))
    for tool in tools:
        telling = set(name_parts(tool["name"])) - _EMPTY_VERBS
        if telling and telling <= words:
            yield tool
