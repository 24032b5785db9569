"""When a rule applies."""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws.server.engines.base import EngineRequest
from pyresponses_ws.server.engines.script.file import parse_script
from pyresponses_ws.server.engines.script.rules import Facts
from tests.server.drivers import user
from tests.server.engines.script.playing import ask

OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "4"}
TOOL = {"type": "function", "name": "get_weather"}


def applies(conditions: str, request: EngineRequest) -> bool:
    """Say whether a rule with these conditions is for a request."""
    (rule,) = parse_script(f"rules: [{{when: {{{conditions}}}, reply: echo}}]").rules
    return rule.when.match(Facts.of(request)) is not None


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("", True),
        ("user: lo", True),
        ("user: ^lo", False),
        ("user: HELLO", False),
        ("user: '(?i)HELLO'", True),
        ("model: m", True),
        ("model: m.+", False),
        ("tools: get_weather", True),
        ("tools: [get_weather, lookup]", True),
        ("tools: [get_weather, other]", False),
        ("outputs: false", True),
        ("outputs: true", False),
        ("warm_up: true", False),
        ("user: hello, model: other", False),
    ],
)
def test_every_condition_must_hold(conditions: str, expected: bool) -> None:
    """Patterns are searched in the user's text, and must match the whole of the model's name."""
    space = {"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "lookup"}]}
    assert applies(conditions, ask("hello", tools=[TOOL, space])) is expected


@pytest.mark.parametrize(
    ("turn", "turns"), [("2", [2]), ("2-3", [2, 3]), ("3-", [3, 4, 5]), ("0", [0])]
)
def test_turns_count_user_messages(turn: str, turns: list[int]) -> None:
    """The first is 1; an open range goes on and on."""
    found = [n for n in range(6) if applies(f"turn: {turn}", ask(*["hi"] * n))]
    assert found == turns


def test_outputs_count_after_the_last_user_message() -> None:
    """Those before it belong to an earlier turn."""
    assert applies("outputs: true", ask(items=[user("hi"), OUTPUT]))
    assert applies("outputs: false", ask(items=[OUTPUT, user("hi")]))


def test_a_warm_up_is_for_rules_that_name_it() -> None:
    """Others neither apply to it nor are used up by it."""
    warm_up = ask("hi", generate=False)
    assert applies("warm_up: true", warm_up)
    assert not applies("user: hi", warm_up)


def test_the_last_user_text_counts() -> None:
    """Neither an earlier one, nor what other roles say."""
    developer: dict[str, Any] = {"type": "message", "role": "developer", "content": "now"}
    request = ask(items=[user("before"), user("last"), developer])
    assert applies("user: last", request)
    assert not applies("user: before|now", request)


def test_groups_go_by_number_and_by_name() -> None:
    """The whole is 0; a group that took no part is empty."""
    (rule,) = parse_script("rules: [{when: {user: '(?P<a>h)(x)?i'}, reply: echo}]").rules
    assert rule.when.match(Facts.of(ask("hi"))) == {"0": "hi", "1": "h", "2": "", "a": "h"}
