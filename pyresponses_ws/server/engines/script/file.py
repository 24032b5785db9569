"""Reads a script file; whatever is wrong with it is a ConfigError that says where."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.events.table import EVENTS
from pyresponses_ws.server.engines.script.node import Node
from pyresponses_ws.server.engines.script.reply import read_close, read_reply
from pyresponses_ws.server.engines.script.rules import Conditions, Rule, Script

#: What PyYAML lets through besides its own errors, for a value that its tag cannot make.
_LEAKS = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)

_TURNS = re.compile(r"(\d{1,9})(-(\d{1,9})?)?")


class _Loader(yaml.SafeLoader):
    """Reads plain data, and no mapping that has a key twice: YAML forbids it, PyYAML does not."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compare keys as they are written, before ``<<`` mixes in those of other mappings."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
        return node


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
        return yaml.load(text, _Loader)
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
        reply=read_reply(parts["reply"]) if "reply" in parts else None,
        error=_read_frame(parts["error"]) if "error" in parts else None,
        close=read_close(parts["close"]) if "close" in parts else None,
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
    if last is not None and last < first:
        raise node.error(f"the turns {node.value} end before they begin")
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
    if not node.any_mapping():
        raise node.error("the frame is empty; it needs an 'error', or what a flat one has")
    return {"type": "error", **node.value}
