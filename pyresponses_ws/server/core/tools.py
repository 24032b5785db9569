"""The tools of a create and the choice among them, checked."""

from __future__ import annotations

import re
from typing import Any

from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.rules import (
    ARRAY,
    BOOLEAN,
    OBJECT,
    STRING,
    Rule,
    Shape,
    check,
    one_of,
    required,
)

_NAME = re.compile(r"[a-zA-Z0-9_-]+")

#: Keys of any tool; a name has one type everywhere, so that names can be compared unread.
_COMMON: dict[str, Rule] = {
    "type": required(STRING),
    "name": STRING,
    "description": STRING,
    "async": BOOLEAN,
    "defer_loading": BOOLEAN,
    "allowed_callers": ARRAY,
}

#: Keys of the tools that need some. Of the others, and of kinds yet to come, the type is enough.
_BY_TYPE: dict[str, dict[str, Rule]] = {
    "function": {
        "name": required(STRING),
        "parameters": OBJECT,
        "strict": BOOLEAN,
        "output_schema": OBJECT,
    },
    "custom": {"name": required(STRING), "format": OBJECT},
    "namespace": {"name": required(STRING), "tools": required(ARRAY)},
    "mcp": {"server_label": required(STRING), "server_url": STRING, "headers": OBJECT},
    "file_search": {"vector_store_ids": required(ARRAY)},
}

_SHAPES = {kind: Shape({**_COMMON, **rules}) for kind, rules in _BY_TYPE.items()}
_ANY_SHAPE = Shape(_COMMON)

#: What chat completions nest, below a key of the same name.
_NESTED = ("function", "custom", "allowed_tools")

_MODE = one_of("none", "auto", "required")
_CHOICE = Shape({"type": required(STRING), "name": STRING, "server_label": STRING})
_ALLOWED = Shape({"mode": required(one_of("auto", "required")), "tools": required(ARRAY)})
_ALLOWED_TOOL = Shape({"type": required(STRING), "name": STRING})


def flatten_tools(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose tools, and the choice among them, are in this API's flat shape.

    What chat completions put below ``function`` and the like comes up beside ``type``; tools that
    come with the input, or in a namespace, too.
    """
    names = settings.keys() & {"tools", "tool_choice", "input"}
    return settings | {name: _flatten(settings[name]) for name in names}


def _flatten(value: Any) -> Any:
    if isinstance(value, list):
        return [_flatten(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind in _NESTED and isinstance(value.get(kind), dict):
        value = {key: each for key, each in value.items() if key != kind} | value[kind]
    return value | {"tools": _flatten(value["tools"])} if "tools" in value else value


def check_tools(path: str, tools: list[Any]) -> None:
    """Check tools, those in namespaces included. Raises the 400 that names the one."""
    for index, tool in enumerate(tools):
        _check_tool(f"{path}[{index}]", tool)


def check_tool_choice(choice: str | dict[str, Any]) -> None:
    """Check ``tool_choice``. Raises BadRequestError."""
    if isinstance(choice, str):
        check("tool_choice", choice, _MODE)
        return
    _CHOICE.check("tool_choice", choice)
    if choice["type"] == "allowed_tools":
        _ALLOWED.check("tool_choice", choice)
        for index, tool in enumerate(choice["tools"]):
            check(f"tool_choice.tools[{index}]", tool, OBJECT)
            _ALLOWED_TOOL.check(f"tool_choice.tools[{index}]", tool)


def _check_tool(path: str, tool: Any) -> None:
    check(path, tool, OBJECT)
    kind = tool.get("type")
    if kind == "function" and isinstance(tool.get("function"), dict):
        raise errors.nested_function(path)
    shape = _SHAPES.get(kind, _ANY_SHAPE) if isinstance(kind, str) else _ANY_SHAPE
    shape.check(path, tool)
    if kind == "function" and _NAME.fullmatch(tool["name"]) is None:
        raise errors.pattern_mismatch(f"{path}.name", f"^{_NAME.pattern}$")
    if kind == "namespace":
        check_tools(f"{path}.tools", tool["tools"])
