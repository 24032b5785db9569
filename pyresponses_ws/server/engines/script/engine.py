"""The engine of ``script:FILE``: answers by rules, and breaks the protocol where they say so."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.server.engines.base import (
    CancelToken,
    CloseDelta,
    CutDelta,
    Delta,
    Direction,
    EngineRequest,
    FrameDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.echo import EchoEngine, count_input
from pyresponses_ws.server.engines.script.rules import Facts, Rule, Script
from pyresponses_ws.server.engines.script.steps import (
    Scene,
    Step,
    address,
    has_usage,
    play,
)

#: Characters of the user's text that an error repeats.
_MAX_QUOTE = 100


@dataclass(frozen=True)
class _Plan:
    """What ``direct`` chose for ``run``."""

    steps: Sequence[Step]
    groups: Mapping[str, str]


class ScriptEngine:
    """Directs and plays each turn by the first rule that is for it.

    ``delta_delay`` seconds pass before each delta of a text that does not say ``every``.
    """

    def __init__(self, script: Script, *, delta_delay: float = 0.0) -> None:
        self._script = script
        self._delta_delay = delta_delay
        self._echo = EchoEngine(delta_delay=delta_delay)
        # Guards _applied: a loop asks, but tests and other servers may share the engine.
        self._lock = threading.Lock()
        # How often each rule has applied, by its place.
        self._applied = [0] * len(script.rules)

    def models(self) -> Sequence[str]:
        """Return the names to list; every name is accepted and echoed."""
        return self._script.models

    def direct(self, request: EngineRequest) -> Direction:
        """Choose the rule of one turn and count it."""
        facts = Facts.of(request)
        with self._lock:
            found = self._find(facts)
        if found is not None:
            rule, groups = found
            return _make_direction(rule, groups, lane=_lane_of(request))
        if self._script.is_strict and not facts.is_warm_up:
            return Direction(refusal=address(_no_rule_for(facts), _lane_of(request)))
        return Direction()

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        """Play what ``direct`` chose; the echo engine answers where it chose nothing."""
        plan = request.direction.plan if request.direction is not None else None
        if not isinstance(plan, _Plan):
            yield from self._echo.run(request, cancel)
            return
        scene = Scene(
            cancel=cancel, pause=self._delta_delay, groups=plan.groups, lane=_lane_of(request)
        )
        deltas = play(plan.steps, scene)
        yield from deltas if has_usage(plan.steps) else _with_usage(deltas, request, cancel)

    def _find(self, facts: Facts) -> tuple[Rule, dict[str, str]] | None:
        """Return the first rule that applies, with its groups. Requires holding _lock."""
        for place, rule in enumerate(self._script.rules):
            if rule.when.times is not None and self._applied[place] >= rule.when.times:
                continue
            groups = rule.when.match(facts)
            if groups is not None:
                self._applied[place] += 1
                return rule, groups
        return None


def _make_direction(rule: Rule, groups: Mapping[str, str], *, lane: str | None) -> Direction:
    return Direction(
        refusal=None if rule.error is None else address(dict(rule.error), lane),
        close=rule.close,
        drop=rule.drop,
        duplicate=rule.duplicate,
        plan=None if rule.reply is None else _Plan(rule.reply, groups),
    )


def _with_usage(
    deltas: Iterator[Delta], request: EngineRequest, cancel: CancelToken
) -> Iterator[Delta]:
    """Add the usage, an estimate as the echo engine's, at the end or where the output is cut."""
    pieces = 0
    is_told = False
    for delta in deltas:
        if isinstance(delta, CutDelta) and not is_told:
            is_told = True
            yield UsageDelta(input_tokens=count_input(request), output_tokens=pieces)
        pieces += not isinstance(delta, FrameDelta | CutDelta | CloseDelta)
        yield delta
    if not is_told and not cancel.is_set():
        yield UsageDelta(input_tokens=count_input(request), output_tokens=pieces)


def _lane_of(request: EngineRequest) -> str | None:
    lane: str | None = request.settings.get("stream_id")
    return lane


def _no_rule_for(facts: Facts) -> dict[str, Any]:
    said = facts.user if len(facts.user) <= _MAX_QUOTE else facts.user[:_MAX_QUOTE] + "…"
    message = f"No rule of the script is for turn {facts.turn}, where the user said {said!r}."
    error = {"type": "invalid_request_error", "code": "no_rule", "message": message, "param": None}
    return {"type": "error", "status": 400, "error": error}
