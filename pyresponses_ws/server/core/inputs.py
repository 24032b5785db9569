"""The input of a create as items, each checked by its type."""

from __future__ import annotations

from typing import Any

from pyresponses_ws.server.core.kinds import CALL_KINDS, OUTPUT_KINDS, Item, user_message
from pyresponses_ws.server.core.rules import (
    ARRAY,
    BOOLEAN,
    OBJECT,
    STRING,
    TEXT_OR_ARRAY,
    TEXT_OR_OBJECT,
    Rule,
    Shape,
    check,
    one_of,
    required,
)
from pyresponses_ws.server.core.tools import check_tools

#: Keys of any item.
_COMMON = {"type": STRING, "id": STRING, "name": STRING, "status": STRING}
_WITH_CALL_ID = {"call_id": required(STRING)}

#: Keys of the items that need some. Items of other types pass, as new ones come every few months.
_BY_TYPE: dict[str, dict[str, Rule]] = {
    "message": {
        "role": required(one_of("assistant", "system", "developer", "user")),
        "content": required(TEXT_OR_ARRAY),
        "phase": STRING,
    },
    **dict.fromkeys(CALL_KINDS | OUTPUT_KINDS, _WITH_CALL_ID),
    "function_call": {
        **_WITH_CALL_ID,
        "name": required(STRING),
        "arguments": required(STRING),
        "namespace": STRING,
    },
    "function_call_output": {**_WITH_CALL_ID, "output": required(TEXT_OR_ARRAY)},
    "custom_tool_call": {
        **_WITH_CALL_ID,
        "name": required(STRING),
        "input": required(STRING),
        "namespace": STRING,
    },
    "custom_tool_call_output": {**_WITH_CALL_ID, "output": required(TEXT_OR_ARRAY)},
    "shell_call_output": {**_WITH_CALL_ID, "output": ARRAY},
    "local_shell_call": {**_WITH_CALL_ID, "action": OBJECT},
    "local_shell_call_output": {"call_id": STRING},
    "tool_search_call": {"call_id": STRING, "execution": STRING},
    "tool_search_output": {"call_id": STRING, "execution": STRING, "tools": ARRAY},
    "mcp_approval_request": {"id": required(STRING)},
    "mcp_approval_response": {
        "approval_request_id": required(STRING),
        "approve": required(BOOLEAN),
    },
    "reasoning": {"summary": ARRAY, "content": ARRAY, "encrypted_content": STRING},
    "compaction": {"encrypted_content": required(STRING)},
    "configuration_update": {"reasoning": OBJECT, "text": OBJECT},
    "item_reference": {"id": required(STRING)},
    "additional_tools": {"role": STRING, "tools": required(ARRAY)},
}

_SHAPES = {kind: Shape({**_COMMON, **rules}) for kind, rules in _BY_TYPE.items()}
_ANY_SHAPE = Shape(_COMMON)

#: Keys of the arrays' entries that other code reads.
_PART = Shape(
    {
        "type": required(STRING),
        "text": STRING,
        "refusal": STRING,
        "image_url": TEXT_OR_OBJECT,
        "file_id": STRING,
        "file_data": STRING,
        "file_url": STRING,
        "filename": STRING,
        "detail": STRING,
    }
)
_PARTS_IN = ("content", "summary", "output")


#: Parts of a user's message, which some clients send without the message round them.
_LOOSE_PARTS = frozenset({"input_text", "text", "input_image", "input_file", "input_audio"})


def parse_input(value: str | list[Any]) -> tuple[Item, ...]:
    """Return the input as items. Raises BadRequestError.

    A string becomes one user message, and so do parts in a row that stand outside a message.
    """
    if isinstance(value, str):
        return (user_message(value),)
    items: list[Item] = []
    parts: list[Item] | None = None
    for index, entry in enumerate(value):
        item = _parse_item(f"input[{index}]", entry)
        if item["type"] not in _LOOSE_PARTS:
            items.append(item)
            parts = None
            continue
        if parts is None:
            parts = []
            items.append({"type": "message", "role": "user", "content": parts})
        parts.append(item)
    return tuple(items)


def _parse_item(path: str, item: Any) -> Item:
    check(path, item, OBJECT)
    kind = item.get("type") or _untyped(item)
    shape = _SHAPES.get(kind, _ANY_SHAPE) if isinstance(kind, str) else _ANY_SHAPE
    shape.check(path, item)
    if kind in _LOOSE_PARTS:
        _PART.check(path, item)
    for name in _PARTS_IN:
        if isinstance(item.get(name), list):
            _check_parts(f"{path}.{name}", item[name])
    if kind in ("additional_tools", "tool_search_output"):
        check_tools(f"{path}.tools", item.get("tools") or [])
    return item if item.get("type") else {**item, "type": kind}


def _untyped(item: Item) -> str:
    """Say what an item without type is: an id alone is a reference, anything else a message."""
    return "item_reference" if "id" in item and item.keys() <= {"id", "type"} else "message"


def _check_parts(path: str, parts: list[Any]) -> None:
    for index, part in enumerate(parts):
        place = f"{path}[{index}]"
        check(place, part, OBJECT)
        _PART.check(place, part)
