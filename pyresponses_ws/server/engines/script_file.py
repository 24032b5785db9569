"""Reads a script file; whatever is wrong with it is a ConfigError that says where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.events.table import EVENTS
from pyresponses_ws.server.engines.base import CloseDelta, CutDelta, ItemDelta, UsageDelta
from pyresponses_ws.server.engines.script_node import Node
from pyresponses_ws.server.engines.script_rules import Conditions, Rule, Script
from pyresponses_ws.server.engines.script_steps import (
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

#: What PyYAML lets through besides its own errors, for a value that its tag cannot make.
_LEAKS = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)

_TURNS = re.compile(r"(\d{1,9})(-(\d{1,9})?)?")

#: Close codes that a server may send, and 1006, which stands for sending none (RFC 6455, 7.4).
_CLOSE_CODES = {*range(1000, 1004), *range(1006, 1015), *range(3000, 5000)}
#: Bytes that a control frame leaves for the reason.
_MAX_REASON = 123


def read_script(path: str | Path) -> Script:
    """Read a file, whole and once. Raises ConfigError, with the place of what is wrong."""
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as exc:
        raise ConfigError(f"cannot read the script {path}: {exc}") from exc
    return parse_script(text, name=str(path))


def parse_script(text: str | bytes, *, name: str = "script") -> Script:
    """Read the text of a file; ``name`` starts the errors. Raises ConfigError."""
    root = Node(_load(text, name), name)
    if root.value is None:
        raise root.error("the script is empty; it needs 'rules'")
    root.check_json()
    top = root.mapping(("rules", "models", "otherwise"))
    if "rules" not in top:
        raise root.error("the script needs 'rules'")
    return Script(
        rules=[_read_rule(node) for node in top["rules"].entries()],
        models=top["models"].texts() if "models" in top else ("script",),
        is_strict="otherwise" in top and top["otherwise"].choice(("echo", "error")) == "error",
    )


def _load(text: str | bytes, name: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f"{name}, line {mark.line + 1}" if mark else name
        raise ConfigError(f"{place}: {exc.problem or exc.context}") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{name}: {' '.join(str(exc).split())}") from exc
    except _LEAKS as exc:
        raise ConfigError(f"{name}: a value is not what YAML takes it for: {exc}") from exc


def _read_rule(node: Node) -> Rule:
    parts = node.mapping(("when", "reply", "error", "close", "drop", "duplicate"))
    is_fault = "error" in parts or "close" in parts
    if is_fault == ("reply" in parts):
        raise node.error("a rule has either a 'reply', or an 'error' or 'close' in its place")
    for key in ("drop", "duplicate"):
        if key in parts and is_fault:
            raise parts[key].error("there is no reply whose events it could change")
    return Rule(
        when=_read_conditions(parts["when"]) if "when" in parts else Conditions(),
        reply=_read_reply(parts["reply"]) if "reply" in parts else None,
        error=_read_frame(parts["error"]) if "error" in parts else None,
        close=_read_close(parts["close"]) if "close" in parts else None,
        drop=_read_event_types(parts.get("drop")),
        duplicate=_read_event_types(parts.get("duplicate")),
    )


def _read_conditions(node: Node) -> Conditions:
    parts = node.mapping(("user", "tools", "turn", "model", "outputs", "warm_up", "times"))
    readers: dict[str, Callable[[Node], Any]] = {
        "user": Node.pattern,
        "model": Node.pattern,
        "tools": lambda tools: frozenset(tools.texts()),
        "turn": _read_turn,
        "outputs": Node.flag,
        "warm_up": Node.flag,
        "times": lambda times: times.integer(1),
    }
    return Conditions(**{key: readers[key](part) for key, part in parts.items()})


def _read_turn(node: Node) -> tuple[int, int | None]:
    """Read ``2``, ``2-4`` or ``2-``."""
    is_number = isinstance(node.value, int) and not isinstance(node.value, bool)
    if is_number and node.value >= 0:
        return node.value, node.value
    found = _TURNS.fullmatch(node.value) if isinstance(node.value, str) else None
    if found is None:
        raise node.error(f"expected a turn such as 2, 2-4 or 2-, not {node.value!r}")
    first = int(found[1])
    last = int(found[3]) if found[3] else (None if found[2] else first)
    return first, last


def _read_event_types(node: Node | None) -> frozenset[str]:
    """Read types of events; a misspelt one would change nothing and hide that."""
    if node is None:
        return frozenset()
    types = node.texts()
    if unknown := [kind for kind in types if kind not in EVENTS.tags]:
        raise node.error(f"{unknown[0]!r} is no type of event, such as 'response.completed'")
    return frozenset(types)


def _read_frame(node: Node) -> dict[str, Any]:
    """Read an error frame; its type need not be told."""
    node.any_mapping()
    return {"type": "error", **node.value}


def _read_raw_frame(node: Node) -> Frame:
    node.any_mapping()
    return Frame(node.value)


def _read_close(node: Node) -> CloseDelta:
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


def _read_reply(node: Node) -> Sequence[Step] | None:
    """Read the steps; None for ``echo``."""
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
    does = [key for key in parts if key in _STEPS]
    if len(does) != 1:
        found = " and ".join(parts) or "nothing"
        raise node.error(f"expected one of {', '.join(_STEPS)}, found {found}")
    read, options = _STEPS[does[0]]
    node.mapping((does[0], *options))
    return read(parts, does[0])


Parts = dict[str, Node]


def _read_say(parts: Parts, key: str) -> Step:
    kind = cast(Literal["text", "reasoning", "reasoning_content", "refusal"], key)
    return Say(kind, parts[key].text(), _read_pace(parts))


def _read_pace(parts: Parts) -> Pace:
    chunk, every = parts.get("chunk"), parts.get("every")
    is_words = chunk is None or chunk.value == "word"
    return Pace(
        chunk=None if chunk is None or is_words else chunk.integer(1),
        every=None if every is None else every.seconds(),
    )


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
_STEPS: dict[str, tuple[Callable[[Parts, str], Step], tuple[str, ...]]] = {
    **dict.fromkeys(
        ("text", "reasoning", "reasoning_content", "refusal"), (_read_say, ("chunk", "every"))
    ),
    "call": (_read_call, ("chunk", "every")),
    "item": (_read_item, ()),
    "usage": (_read_usage, ()),
    "delay": (lambda parts, key: Delay(parts[key].seconds()), ()),
    "cut": (_read_cut, ()),
    "fail": (_read_fail, ()),
    "frame": (lambda parts, key: _read_raw_frame(parts[key]), ()),
    "close": (lambda parts, key: Emit(_read_close(parts[key])), ()),
    "hang": (_read_hang, ()),
    "repeat": (_read_repeat, ("steps",)),
}

#: Steps after which a turn has nothing more to say.
_ENDS = frozenset({"cut", "fail", "close", "hang"})
