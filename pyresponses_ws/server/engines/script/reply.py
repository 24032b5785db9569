"""Reads the steps of a scripted reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Literal, cast

from pyresponses_ws.server.engines.base import CloseDelta, CutDelta, ItemDelta, UsageDelta
from pyresponses_ws.server.engines.script.node import Node
from pyresponses_ws.server.engines.script.steps import (
    Call,
    Delay,
    Emit,
    Fail,
    Frame,
    Pace,
    Repeat,
    Say,
    Step,
)

#: A step: what it does, and what stands beside that.
Parts = dict[str, Node]

#: Close codes that a server may send, and 1006, which stands for sending none (RFC 6455, 7.4).
_CLOSE_CODES = {*range(1000, 1004), *range(1006, 1015), *range(3000, 5000)}
#: Bytes that a control frame leaves for the reason.
_MAX_REASON = 123


def read_close(node: Node) -> CloseDelta:
    """Read a close: its code, or its code and reason. Raises ConfigError."""
    if not isinstance(node.value, dict):
        return CloseDelta(_read_code(node))
    parts = node.mapping(("code", "reason"))
    if "code" not in parts:
        raise node.error("a close needs its 'code'")
    reason = parts["reason"].text() if "reason" in parts else ""
    if len(reason.encode(errors="replace")) > _MAX_REASON:
        raise parts["reason"].error(f"over {_MAX_REASON} bytes, which is all that a close can say")
    return CloseDelta(_read_code(parts["code"]), reason)


def _read_code(node: Node) -> int:
    code = node.integer(1000)
    if code not in _CLOSE_CODES:
        raise node.error(
            f"{code} cannot be sent; allowed: 1000-1003, 1007-1014, 3000-4999, and 1006 to cut"
        )
    return code


def read_reply(node: Node) -> Sequence[Step] | None:
    """Read the steps of a reply; None for ``echo``. Raises ConfigError."""
    if node.value == "echo":
        return None
    if isinstance(node.value, str):
        raise node.error("expected a list of steps, or 'echo'")
    return _read_steps(node)


def _read_steps(node: Node) -> list[Step]:
    entries = node.entries()
    for entry in entries[:-1]:
        for key in entry.any_mapping():
            if key in _ENDS:
                raise entry.error(f"no step can follow '{key}'")
    return [_read_step(entry) for entry in entries]


def _read_step(node: Node) -> Step:
    """Read one step: a mapping of what it does, and for some how."""
    parts = node.any_mapping()
    does = [key for key in parts if key in STEPS]
    if len(does) != 1:
        found = " and ".join(parts) or "nothing"
        raise node.error(f"expected one of {', '.join(STEPS)}, found {found}")
    read, options = STEPS[does[0]]
    node.mapping((does[0], *options))
    return read(parts, does[0])


def _read_say(parts: Parts, key: str) -> Step:
    kind = cast(Literal["text", "reasoning", "reasoning_content", "refusal"], key)
    return Say(kind, parts[key].text(), _read_pace(parts))


def _read_pace(parts: Parts) -> Pace:
    return Pace(
        chunk=_read_chunk(parts["chunk"]) if "chunk" in parts else None,
        every=parts["every"].seconds() if "every" in parts else None,
    )


def _read_chunk(node: Node) -> int | None:
    """Read a number of characters; None for a word."""
    if node.value == "word":
        return None
    if isinstance(node.value, str):
        raise node.error(f"expected word or a number of characters, not {node.value!r}")
    return node.integer(1)


def _read_call(parts: Parts, key: str) -> Step:
    node = parts[key]
    inside = node.mapping(("name", "arguments", "custom", "namespace"))
    if "name" not in inside:
        raise node.error("a call needs the 'name' of its tool")
    is_custom = "custom" in inside and inside["custom"].flag()
    return Call(
        inside["name"].text(),
        _read_arguments(inside.get("arguments"), is_custom=is_custom),
        kind="custom" if is_custom else "function",
        namespace=inside["namespace"].text() if "namespace" in inside else None,
        pace=_read_pace(parts),
    )


def _read_arguments(node: Node | None, *, is_custom: bool) -> Any:
    if is_custom:
        return "" if node is None else node.text()
    if node is None:
        return {}
    if not isinstance(node.value, str):
        node.any_mapping()
    return node.value


def _read_item(parts: Parts, key: str) -> Step:
    inside = parts[key].any_mapping()
    if "type" not in inside:
        raise parts[key].error("an item needs its 'type'")
    inside["type"].text()
    return Emit(ItemDelta(parts[key].value))


def _read_frame(parts: Parts, key: str) -> Step:
    parts[key].any_mapping()
    return Frame(parts[key].value)


def _read_usage(parts: Parts, key: str) -> Step:
    names = [part.name for part in fields(UsageDelta)]
    inside = parts[key].mapping(names)
    counts = {name: inside[name].integer(0) if name in inside else 0 for name in names}
    return Emit(UsageDelta(**counts))


def _read_cut(parts: Parts, key: str) -> Step:
    reason = parts[key].choice(("max_output_tokens", "content_filter", "max_messages"))
    names = Literal["max_output_tokens", "content_filter", "max_messages"]
    return Emit(CutDelta(cast(names, reason)))


def _read_fail(parts: Parts, key: str) -> Step:
    inside = parts[key].mapping(("code", "message", "type", "param", "status"))
    words = {name: part.text() for name, part in inside.items() if name != "status"}
    status = inside["status"].integer(100) if "status" in inside else None
    return Fail(**{"message": "The script failed this response.", **words}, status=status)


def _read_hang(parts: Parts, key: str) -> Step:
    if parts[key].value is not True:
        raise parts[key].error("expected true")
    return Delay(None)


def _read_repeat(parts: Parts, key: str) -> Step:
    if "steps" not in parts:
        raise parts[key].error("expected 'steps' beside it")
    return Repeat(parts[key].integer(1), _read_steps(parts["steps"]))


#: What a step does: how it is read, and which keys may stand beside it.
STEPS: dict[str, tuple[Callable[[Parts, str], Step], tuple[str, ...]]] = {
    **dict.fromkeys(
        ("text", "reasoning", "reasoning_content", "refusal"), (_read_say, ("chunk", "every"))
    ),
    "call": (_read_call, ("chunk", "every")),
    "item": (_read_item, ()),
    "usage": (_read_usage, ()),
    "delay": (lambda parts, key: Delay(parts[key].seconds()), ()),
    "cut": (_read_cut, ()),
    "fail": (_read_fail, ()),
    "frame": (_read_frame, ()),
    "close": (lambda parts, key: Emit(read_close(parts[key])), ()),
    "hang": (_read_hang, ()),
    "repeat": (_read_repeat, ("steps",)),
}

#: Steps after which a turn has nothing more to say.
_ENDS = frozenset({"cut", "fail", "close", "hang"})
