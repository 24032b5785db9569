"""What to do with a turn that did not get its answer: a table, read from the top.

A request is sent again only where nobody can see it twice: it never left, the server said that it
did nothing with it, or running it twice changes nothing and the caller has seen nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from pyresponses_ws._protocol.effects import is_effect_free
from pyresponses_ws._protocol.link import is_retryable_close
from pyresponses_ws._protocol.turn import TurnState
from pyresponses_ws.errors import DeliveryUnknownError, ResponseInterruptedError, TurnError
from pyresponses_ws.failures import ErrorDetails

__all__ = ["RULES", "Action", "Budget", "Decision", "Rule", "Situation", "decide", "is_effect_free"]

#: Seconds since the request left after which it is not replayed: by then it has likely run, and
#: whoever waits has likely given up. The figure is a choice.
REPLAY_WINDOW = 60.0
#: The longest ``retry-after`` that is waited for; above it the caller decides.
MAX_RETRY_AFTER = 30.0
#: First and longest back-off of a request that the server refused as overloaded.
RETRY_BASE, RETRY_CAP = 0.5, 8.0

_TOO_BIG = 1009
_REFUSALS = frozenset({1002, 1003, 1007, 1008, 1010})
_HOPELESS_CODES = frozenset(
    {
        "credit_balance_exhausted",
        "flex_unavailable",
        "insufficient_quota",
        "usage_limit_reached",
        "usage_not_included",
    }
)
_OVERLOAD_STATUSES = frozenset({408, 429})
#: They count whatever the status says.
_OVERLOAD_CODES = frozenset({"server_is_overloaded", "server_error"})


class Action(Enum):
    """What the runtime does next."""

    RAISE = "raise"
    #: Send on another link; the chain is rebuilt there if it lived on the old one.
    NEW_LINK = "new_link"
    #: Send again on another link, though the first may have been received.
    REPLAY = "replay"
    #: Send the same payload again after ``delay``.
    RETRY = "retry"
    #: Send the whole input without ``previous_response_id``.
    REBUILD = "rebuild"
    #: Send over HTTP.
    HTTP = "http"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known when a turn got stuck.

    ``state`` is the state before the ending (``Turn.reached``), never TERMINAL. ``provoked`` says
    that the close answered this turn's own send. Times are in seconds.
    """

    #: ``gave_up``: cancelled, Ctrl-C, silence or total ran out, the client was closed.
    kind: Literal["gave_up", "error", "disconnect", "not_sent"]
    state: TurnState
    effect_free: bool = False
    details: ErrorDetails | None = None
    close_code: int | None = None
    provoked: bool = False
    seconds_since_sent: float | None = None
    #: A steer was accepted and is not committed.
    steering: bool = False
    http_available: bool = False
    total_left: float | None = None

    def __post_init__(self) -> None:
        if self.state is TurnState.TERMINAL:
            raise ValueError("state must be the one before the ending: Turn.reached")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How often each remedy may still be tried in this turn."""

    replays: int = 1
    retries: int = 2
    rebuilds: int = 1
    limit_links: int = 1
    new_links: int = 2
    http: int = 1

    def left(self, purse: str) -> int:
        """Return how much is left of one of the fields."""
        return int(getattr(self, purse))

    def spend(self, purse: str) -> Budget:
        """Return what is left after one use of the field. Raises ValueError when it is empty."""
        if self.left(purse) < 1:
            raise ValueError(f"the budget for {purse} is spent")
        return replace(self, **{purse: self.left(purse) - 1})


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do, and by which row.

    With RAISE, ``error`` is the class to raise, or None to raise what came: the API's error, or
    the loss itself. ``budget`` is what is left afterwards.
    """

    action: Action
    row: str
    budget: Budget
    delay: float = 0.0
    error: type[TurnError] | None = None
    possible_duplicate_charge: bool = False


#: Returns seconds to wait, or None when waiting is no use.
_Pace = Callable[[Situation, Budget, random.Random], "float | None"]


def _at_once(situation: Situation, budget: Budget, rng: random.Random) -> float | None:
    return 0.0


def _overload_pace(situation: Situation, budget: Budget, rng: random.Random) -> float | None:
    """Full jitter under a doubling ceiling, and never sooner than the server asks."""
    tries = max(0, Budget().retries - budget.retries)
    asked = situation.details.retry_after if situation.details else None
    if asked is not None and asked > MAX_RETRY_AFTER:
        return None
    delay = max(rng.uniform(0.0, min(RETRY_BASE * 2**tries, RETRY_CAP)), asked or 0.0)
    is_too_long = situation.total_left is not None and delay >= situation.total_left
    return None if is_too_long else delay


def _as_it_came(situation: Situation) -> type[TurnError] | None:
    return None


def _as_lost(situation: Situation) -> type[TurnError] | None:
    """Name what a lost link means for the turn; an error frame speaks for itself."""
    if situation.kind != "disconnect" or situation.state is TurnState.PREPARED:
        return None
    is_seen = situation.state is TurnState.OBSERVED
    return ResponseInterruptedError if is_seen else DeliveryUnknownError


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row. ``situation`` and ``outcome`` say in words what the functions say in code.

    When the remedy is not to be had (its purse is empty, the policy forbids it, there is no HTTP,
    or ``pace`` gives no delay), the row raises.
    """

    name: str
    situation: str
    outcome: str
    applies: Callable[[Situation], bool]
    action: Action = Action.RAISE
    #: The field of Budget that the remedy costs.
    purse: str = ""
    #: Also with ``replay="never"``: the request certainly did nothing.
    is_always_safe: bool = False
    pace: _Pace = _at_once
    error: Callable[[Situation], type[TurnError] | None] = _as_it_came

    def judge(
        self, situation: Situation, budget: Budget, policy: str, rng: random.Random
    ) -> Decision:
        """Return this row's decision."""
        delay = None
        if self._is_open(situation, budget, policy):
            delay = self.pace(situation, budget, rng)
        if delay is None:
            error = self.error(situation)
            return Decision(action=Action.RAISE, row=self.name, budget=budget, error=error)
        return Decision(
            action=self.action,
            row=self.name,
            budget=budget.spend(self.purse),
            delay=delay,
            possible_duplicate_charge=self._may_charge_twice(situation),
        )

    def _is_open(self, situation: Situation, budget: Budget, policy: str) -> bool:
        if self.action is Action.RAISE or budget.left(self.purse) < 1:
            return False
        if self.action is Action.HTTP and not situation.http_available:
            return False
        return policy == "safe" or self.is_always_safe

    def _may_charge_twice(self, situation: Situation) -> bool:
        return self.action is Action.REPLAY or situation.state is TurnState.ACCEPTED


def _is_refused(situation: Situation) -> bool:
    """The close answered this turn's send, or came just ahead of it."""
    is_lost = situation.kind in ("disconnect", "not_sent") and situation.provoked
    return is_lost and situation.state in (TurnState.PREPARED, TurnState.SENT)


def _is_hopeless(situation: Situation) -> bool:
    details = situation.details
    return details is not None and bool(_HOPELESS_CODES & {details.code, details.type})


def _is_overloaded(situation: Situation) -> bool:
    details = situation.details
    if situation.kind != "error" or details is None:
        return False
    if situation.state not in (TurnState.PREPARED, TurnState.SENT):
        return False
    status = details.implied_status or 0
    is_named = not _OVERLOAD_CODES.isdisjoint((details.code, details.type))
    return is_named or status in _OVERLOAD_STATUSES or status >= 500


def _is_not_sent(situation: Situation) -> bool:
    is_lost_early = situation.kind == "disconnect" and situation.state is TurnState.PREPARED
    return situation.kind == "not_sent" or is_lost_early


def _is_replayable(situation: Situation) -> bool:
    seconds = situation.seconds_since_sent
    if situation.kind != "disconnect" or seconds is None or seconds >= REPLAY_WINDOW:
        return False
    # A neighbour of the turn that provoked the close may fare better, whatever the code.
    is_worth_it = is_retryable_close(situation.close_code) or not situation.provoked
    return situation.effect_free and is_worth_it


RULES: tuple[Rule, ...] = (
    Rule(
        name="gave_up",
        situation="The caller gave up: cancel, Ctrl-C, silence or total ran out, client closed.",
        outcome="Raise; never sent again.",
        applies=lambda s: s.kind == "gave_up",
    ),
    Rule(
        name="observed",
        situation="The caller has seen some of the answer.",
        outcome="Raise ResponseInterruptedError with the partial answer, or the API's error.",
        applies=lambda s: s.state is TurnState.OBSERVED,
        error=_as_lost,
    ),
    Rule(
        name="steering",
        situation="A steer was accepted and is not committed.",
        outcome="Raise, with the steers that are pending.",
        applies=lambda s: s.steering,
        error=_as_lost,
    ),
    Rule(
        name="too_big",
        situation="The server closed the link with 1009 at this turn's request.",
        outcome="Send over HTTP once, else raise.",
        applies=lambda s: _is_refused(s) and s.close_code == _TOO_BIG,
        action=Action.HTTP,
        purse="http",
    ),
    Rule(
        name="refused",
        situation="The server closed the link with 1008, 1002, 1003, 1007 or 1010 at this "
        "turn's request.",
        outcome="No other WebSocket; send over HTTP once, else raise.",
        applies=lambda s: _is_refused(s) and s.close_code in _REFUSALS,
        action=Action.HTTP,
        purse="http",
    ),
    Rule(
        name="connection_limit",
        situation="The link reached the server's age limit.",
        outcome="Send on a new link, once.",
        applies=lambda s: s.details is not None and s.details.is_connection_limit,
        action=Action.NEW_LINK,
        purse="limit_links",
        is_always_safe=True,
    ),
    Rule(
        name="chain_lost",
        situation="The server does not know previous_response_id.",
        outcome="Send the whole input, once.",
        applies=lambda s: s.details is not None and s.details.is_previous_response_lost,
        action=Action.REBUILD,
        purse="rebuilds",
        is_always_safe=True,
    ),
    Rule(
        name="out_of_quota",
        situation="The account has no quota, credit or capacity class left.",
        outcome="Raise at once, whatever the status.",
        applies=_is_hopeless,
    ),
    Rule(
        name="overloaded",
        situation="Before response.created the server is overloaded, fails, or says 408, 429 "
        "or 5xx.",
        outcome="Send the same again after a pause, at most twice, within the total time; a "
        "retry-after of more than 30 seconds raises at once.",
        applies=_is_overloaded,
        action=Action.RETRY,
        purse="retries",
        pace=_overload_pace,
    ),
    Rule(
        name="other_error",
        situation="Any other error frame.",
        outcome="Raise at once.",
        applies=lambda s: s.kind == "error",
    ),
    Rule(
        name="not_sent",
        situation="The link was found dead before the first byte of the request.",
        outcome="Send on a new link, at most two a turn; this is no replay.",
        applies=_is_not_sent,
        action=Action.NEW_LINK,
        purse="new_links",
        is_always_safe=True,
    ),
    Rule(
        name="lost",
        situation="The link was lost within 60 seconds of the request, which is free of effects.",
        outcome="Replay it once on a new link; the report says so.",
        applies=_is_replayable,
        action=Action.REPLAY,
        purse="replays",
        error=_as_lost,
    ),
    Rule(
        name="delivery_unknown",
        situation="The link was lost later, or the request may have effects.",
        outcome="Raise DeliveryUnknownError with the partial answer.",
        applies=lambda s: True,
        error=_as_lost,
    ),
)


def decide(
    situation: Situation,
    budget: Budget,
    *,
    policy: Literal["safe", "never"] = "safe",
    rng: random.Random,
) -> Decision:
    """Return the decision of the first row that applies.

    ``policy="never"`` keeps only the remedies for requests that certainly did nothing.
    """
    rule = next(rule for rule in RULES if rule.applies(situation))
    return rule.judge(situation, budget, policy, rng)
