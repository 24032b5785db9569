"""When a rule of a script applies to a turn, and what it says then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyresponses_ws.server.engines.base import CloseDelta, EngineRequest
from pyresponses_ws.server.engines.choice import flatten_tools
from pyresponses_ws.server.engines.echo import read_situation
from pyresponses_ws.server.engines.script.steps import Step


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What conditions look at, read once a turn."""

    #: The last thing the user said; "" if nothing.
    user: str
    #: Number of user messages in the context.
    turn: int
    model: str
    tools: frozenset[str]
    #: Whether outputs of tools came after the last user message.
    has_outputs: bool
    is_warm_up: bool

    @classmethod
    def of(cls, request: EngineRequest) -> Facts:
        """Read them from a request."""
        situation = read_situation(request.items)
        return cls(
            user=situation.text,
            turn=sum(item.get("role") == "user" for item in request.items),
            model=request.model,
            tools=frozenset(tool["name"] for tool in flatten_tools(request.tools)),
            has_outputs=bool(situation.outputs),
            is_warm_up=not request.generate,
        )


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What must hold for a rule to apply; None asks nothing."""

    user: re.Pattern[str] | None = None
    #: The whole name must match.
    model: re.Pattern[str] | None = None
    tools: frozenset[str] = frozenset()
    #: The first and the last number; no last one means on and on.
    turn: tuple[int, int | None] | None = None
    outputs: bool | None = None
    warm_up: bool = False
    #: How often the rule applies at most; the engine counts.
    times: int | None = None

    def match(self, facts: Facts) -> dict[str, str] | None:
        """Return the groups of ``user`` by number and by name; None if something does not hold."""
        if not all(self._verdicts(facts)):
            return None
        if self.user is None:
            return {}
        found = self.user.search(facts.user)
        return None if found is None else _groups(found)

    def _verdicts(self, facts: Facts) -> Iterator[bool]:
        yield self.warm_up == facts.is_warm_up
        yield self.outputs in (None, facts.has_outputs)
        yield self.model is None or self.model.fullmatch(facts.model) is not None
        yield self.tools <= facts.tools
        first, last = self.turn or (0, None)
        yield first <= facts.turn and (last is None or facts.turn <= last)


def _groups(found: re.Match[str]) -> dict[str, str]:
    numbered = {"0": found[0]} | {str(i): text for i, text in enumerate(found.groups(""), 1)}
    return numbered | found.groupdict("")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Conditions, and either a reply or the fault that comes in its place."""

    when: Conditions = Conditions()
    #: None leaves the answer to the echo engine.
    reply: Sequence[Step] | None = None
    error: Mapping[str, Any] | None = None
    close: CloseDelta | None = None
    drop: frozenset[str] = frozenset()
    duplicate: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Script:
    """A whole file."""

    rules: Sequence[Rule] = field(default=())
    models: Sequence[str] = ("script",)
    #: Whether a turn that no rule is for is an error; else the echo engine answers it.
    is_strict: bool = False
