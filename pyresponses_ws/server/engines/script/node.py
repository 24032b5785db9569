"""A value of a script file that knows its place, so that an error about it can say where."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

from pyresponses_ws.errors import ConfigError

#: Levels of lists and mappings; far more than a reply has, far fewer than Python's stack.
_MAX_DEPTH = 64

#: Twelve days: more than anybody waits, less than a wait can take. To stay for ever is ``hang``.
_MAX_SECONDS = 1_000_000

#: Characters of a place that an error repeats.
_MAX_PLACE = 200

#: What the entries of a list are called in errors.
_WORDS = {"rules": "rule", "reply": "step", "steps": "step"}

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)


class Node:
    """A value at a place. Each method reads it as one kind, or raises the ConfigError about it."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    def error(self, problem: str) -> ConfigError:
        """Make the error of this value, for the caller to raise."""
        place = self.place if len(self.place) <= _MAX_PLACE else self.place[:_MAX_PLACE] + "…"
        return ConfigError(f"{place}: {problem}")

    def check_json(self) -> None:
        """Refuse, anywhere inside, what JSON cannot say and what never ends."""
        _check_json(self, 0)

    def mapping(self, allowed: Collection[str]) -> dict[str, Node]:
        """Read a mapping with no other keys than ``allowed``."""
        inside = self.any_mapping()
        if unknown := [key for key in inside if key not in allowed]:
            raise self.error(f"unknown key {unknown[0]!r}; allowed: {', '.join(allowed)}")
        return inside

    def any_mapping(self) -> dict[str, Node]:
        """Read a mapping with any keys."""
        if not isinstance(self.value, dict):
            raise self._expected("a mapping")
        return {key: Node(value, f"{self.place}, {key}") for key, value in self.value.items()}

    def entries(self) -> list[Node]:
        """Read a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            raise self._expected("a list that is not empty")
        word = _WORDS.get(self.place.rpartition(", ")[2], "entry")
        # A rule is told by its number alone.
        stem = self.place.removesuffix(", rules")
        return [Node(value, f"{stem}, {word} {i}") for i, value in enumerate(self.value, 1)]

    def text(self) -> str:
        """Read text."""
        if not isinstance(self.value, str):
            raise self._expected("text")
        return self.value

    def texts(self) -> list[str]:
        """Read a text, or a list of them."""
        if isinstance(self.value, str):
            return [self.value]
        return [entry.text() for entry in self.entries()]

    def flag(self) -> bool:
        """Read true or false."""
        if not isinstance(self.value, bool):
            raise self._expected("true or false")
        return self.value

    def integer(self, minimum: int) -> int:
        """Read a whole number, ``minimum`` or more."""
        if not _is_number(self.value, int) or self.value < minimum:
            raise self._expected(f"a whole number from {minimum} on")
        return int(self.value)

    def seconds(self) -> float:
        """Read a time."""
        if not _is_number(self.value, int, float) or not 0 <= self.value <= _MAX_SECONDS:
            raise self._expected(f"seconds, from 0 to {_MAX_SECONDS}")
        return float(self.value)

    def choice(self, names: Collection[str]) -> str:
        """Read one of these words."""
        if self.value not in names:
            raise self._expected(" or ".join(names))
        return str(self.value)

    def pattern(self) -> re.Pattern[str]:
        """Read a regular expression."""
        try:
            return re.compile(self.text())
        except (re.error, OverflowError, RecursionError) as exc:
            raise self.error(f"{self.value!r} is no regular expression: {exc}") from exc

    def _expected(self, what: str) -> ConfigError:
        return self.error(f"expected {what}, not {_show(self.value)}")


def _is_number(value: object, *kinds: type) -> bool:
    # A bool is an int to Python, but to nobody who writes a file.
    return isinstance(value, kinds) and not isinstance(value, bool)


def _show(value: object) -> str:
    """Tell a value by its text if it is short and plain, else by its kind."""
    if value is None or value == []:
        return "nothing" if value is None else "an empty list"
    if isinstance(value, (bool, int, float, str)) and len(repr(value)) <= 40:
        return repr(value)
    return next((name for kind, name in _KINDS if isinstance(value, kind)), repr(type(value)))


def _check_json(node: Node, depth: int) -> None:
    value = node.value
    if depth > _MAX_DEPTH:
        raise node.error(f"more than {_MAX_DEPTH} levels deep, or an alias of itself")
    if isinstance(value, dict):
        _check_keys(node)
        for inner in node.any_mapping().values():
            _check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in node.entries() if value else ():
            _check_json(inner, depth + 1)
    elif not (value is None or isinstance(value, (str, int, float))):
        raise node.error(f"{value} is a {type(value).__name__} to YAML; put it in quotes")
    elif isinstance(value, float) and not math.isfinite(value):
        raise node.error(f"JSON has no {value}")


def _check_keys(node: Node) -> None:
    for key in node.value:
        if not isinstance(key, str):
            kind = type(key).__name__
            raise node.error(f"the key {key!r} is a {kind} to YAML; put it in quotes")
