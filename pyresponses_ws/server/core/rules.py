"""What one JSON value may be: its type, its range, its length, its choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyresponses_ws.server.core import errors


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule for one value. ``expected`` names the JSON type as the service's messages do."""

    kinds: tuple[type, ...]
    expected: str
    least: float | None = None
    greatest: float | None = None
    #: Characters of a string, or keys of an object.
    longest: int | None = None
    choices: tuple[str, ...] = ()
    #: Whether the value must be there and not null.
    is_required: bool = False
    #: Whether null is refused where leaving the value out is not.
    refuses_null: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether a value of the right type needs no further look."""
        bounds = (self.least, self.greatest, self.longest)
        return not self.choices and all(bound is None for bound in bounds)


STRING = Rule(kinds=(str,), expected="a string")
BOOLEAN = Rule(kinds=(bool,), expected="a boolean")
INTEGER = Rule(kinds=(int,), expected="an integer")
NUMBER = Rule(kinds=(int, float), expected="a number")
OBJECT = Rule(kinds=(dict,), expected="an object")
ARRAY = Rule(kinds=(list,), expected="an array")
TEXT_OR_ARRAY = Rule(kinds=(str, list), expected="a string or an array")
TEXT_OR_OBJECT = Rule(kinds=(str, dict), expected="a string or an object")


def required(rule: Rule) -> Rule:
    """Return the rule for a value that must be there."""
    return replace(rule, is_required=True)


def one_of(*choices: str) -> Rule:
    """Return the rule for an enumerated string."""
    return replace(STRING, choices=choices)


def check(path: str, value: object, rule: Rule) -> None:
    """Raise the 400 that names ``path`` if the value breaks the rule."""
    # The exact type: bool is an int to Python, but not to JSON.
    if type(value) not in rule.kinds:
        raise errors.invalid_type(path, rule.expected, value)
    if isinstance(value, (int, float)):
        _check_range(path, value, rule)
    elif isinstance(value, str):
        _check_string(path, value, rule)
    elif isinstance(value, dict) and rule.longest is not None and len(value) > rule.longest:
        raise errors.too_many_properties(path, len(value), rule.longest)


class Shape:
    """The rules for the known keys of an object; others pass, as clients send extra ones."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)
        self._required = tuple(key for key, rule in rules.items() if rule.is_required)
        # What passes by its type alone: nearly everything, so that it is worth a short cut.
        self._plain = {key: rule.kinds for key, rule in rules.items() if rule.is_plain}

    def check(self, path: str, data: Mapping[str, Any]) -> None:
        """Raise the 400 of the first key that breaks its rule; ``path`` is "" for the request.

        A null counts as absent, but where the service was seen to refuse it.
        """
        for key in self._required:
            if data.get(key) is None:
                raise errors.missing_parameter(_join(path, key))
        for key, value in data.items():
            if type(value) in self._plain.get(key, ()):
                continue
            rule = self._rules.get(key)
            if rule is not None and (value is not None or rule.refuses_null):
                check(_join(path, key), value, rule)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def join_choices(choices: Sequence[str]) -> str:
    """Return quoted names as the service lists them: 'a', 'b', and 'c'."""
    *head, last = (f"'{choice}'" for choice in choices)
    comma = "," if len(head) > 1 else ""
    return f"{', '.join(head)}{comma} and {last}" if head else last


def _check_range(path: str, value: float, rule: Rule) -> None:
    if rule.least is not None and value < rule.least:
        raise errors.below_minimum(path, value, rule.least)
    if rule.greatest is not None and value > rule.greatest:
        raise errors.above_maximum(path, value, rule.greatest)


def _check_string(path: str, value: str, rule: Rule) -> None:
    if rule.longest is not None and len(value) > rule.longest:
        raise errors.too_long(path, len(value), rule.longest)
    if rule.choices and value not in rule.choices:
        raise errors.invalid_value(path, value, join_choices(rule.choices))
