"""Whether a request may run twice without anybody outside noticing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Tools that run on the client, and so only when the answer arrives, or that only read.
_HARMLESS_TOOLS = frozenset(
    {
        "apply_patch",
        "custom",
        "file_search",
        "function",
        "local_shell",
        "tool_search",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    }
)


def is_effect_free(request: Mapping[str, Any]) -> bool:
    """Tell whether a second run of the request would change nothing but the bill.

    False for one with a ``conversation``, with ``background``, or with a tool that acts outside
    (``mcp``, ``code_interpreter``, hosted shell, ``computer``, ``image_generation``); for one
    with a tool that we do not know, and so also for one whose stored ``prompt`` may bring some.
    """
    if any(request.get(name) for name in ("conversation", "background", "prompt")):
        return False
    return all(_is_harmless(tool) for tool in _tools(request))


def _tools(request: Mapping[str, Any]) -> Iterable[Any]:
    """Yield the request's tools, and those that its input items add."""
    yield from _listed(request.get("tools"))
    for item in _listed(request.get("input")):
        if _get(item, "type") == "additional_tools":
            yield from _listed(_get(item, "tools"))


def _is_harmless(tool: Any) -> bool:
    kind = _get(tool, "type")
    if kind == "namespace":
        return all(_is_harmless(each) for each in _listed(_get(tool, "tools")))
    if kind == "shell":
        return bool(_get(_get(tool, "environment"), "type") == "local")
    return isinstance(kind, str) and kind in _HARMLESS_TOOLS


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _get(value: Any, name: str) -> Any:
    """Read a field of a wire object or of a typed one."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
