"""What to do with a turn that did not get its answer."""

from __future__ import annotations

import random
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyresponses_ws._protocol.recovery import (
    RULES,
    Action,
    Budget,
    Decision,
    Situation,
    decide,
    is_effect_free,
)
from pyresponses_ws._protocol.turn import TurnState
from pyresponses_ws.errors import DeliveryUnknownError, ResponseInterruptedError
from pyresponses_ws.failures import normalize_error

PREPARED, SENT, ACCEPTED, OBSERVED = list(TurnState)[:4]
LOSSES = [None, 1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 3000, 4999]


def ask(
    situation: Situation,
    budget: Budget | None = None,
    *,
    policy: Literal["safe", "never"] = "safe",
    seed: int = 0,
) -> Decision:
    return decide(situation, budget or Budget(), policy=policy, rng=random.Random(seed))


def lost(state: TurnState = SENT, **facts: Any) -> Situation:
    """A disconnect a second after the send, of a request without effects."""
    known = {"effect_free": True, "seconds_since_sent": 1.0, **facts}
    return Situation(kind="disconnect", state=state, **known)


def refused(error: dict[str, Any], state: TurnState = SENT, **facts: Any) -> Situation:
    """An ``error`` frame; ``status`` and ``headers`` go beside the error object."""
    outside = {key: error.pop(key) for key in ("status", "headers") if key in error}
    details = normalize_error({"type": "error", "error": error, **outside})
    return Situation(kind="error", state=state, details=details, **facts)


@pytest.mark.parametrize("state", [PREPARED, SENT, ACCEPTED, OBSERVED])
def test_who_gave_up_gets_no_second_try(state: TurnState) -> None:
    """Whatever else is true."""
    decision = ask(Situation(kind="gave_up", state=state, effect_free=True, seconds_since_sent=0))
    assert (decision.action, decision.row, decision.error) == (Action.RAISE, "gave_up", None)


@pytest.mark.parametrize("code", [*LOSSES, 1008, 1009])
def test_what_was_seen_is_never_sent_again(code: int | None) -> None:
    """The caller gets what there was."""
    decision = ask(lost(OBSERVED, close_code=code, provoked=True, http_available=True))
    assert (decision.row, decision.error) == ("observed", ResponseInterruptedError)


def test_an_error_after_output_is_raised_as_it_came() -> None:
    """Even one that would be retried."""
    for code in ("server_is_overloaded", "previous_response_not_found"):
        decision = ask(refused({"code": code}, OBSERVED))
        assert (decision.action, decision.row, decision.error) == (Action.RAISE, "observed", None)


def test_a_steered_turn_is_not_sent_again() -> None:
    """Its steers die with the connection; the caller has them back."""
    decision = ask(lost(ACCEPTED, steering=True))
    assert (decision.row, decision.error) == ("steering", DeliveryUnknownError)
    assert ask(refused({"code": "server_error"}, steering=True)).error is None


@pytest.mark.parametrize(
    ("code", "row"), [(1009, "too_big"), *((c, "refused") for c in (1002, 1003, 1007, 1008, 1010))]
)
def test_a_close_that_refuses_the_request_leads_to_http_or_nowhere(code: int, row: str) -> None:
    """Another WebSocket would be closed the same way."""
    situation = lost(close_code=code, provoked=True)
    assert (ask(situation).action, ask(situation).row, ask(situation).error) == (
        Action.RAISE,
        row,
        None,
    )
    by_http = lost(close_code=code, provoked=True, http_available=True)
    decision = ask(by_http)
    assert (decision.action, decision.budget.http) == (Action.HTTP, 0)
    assert ask(by_http, decision.budget).action is Action.RAISE
    assert ask(by_http, policy="never").action is Action.RAISE


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010])
def test_a_neighbour_of_the_refused_turn_is_replayed(code: int) -> None:
    """Its own request was not at fault."""
    assert ask(lost(close_code=code)).action is Action.REPLAY


def test_a_refusal_after_created_is_no_refusal_of_the_request() -> None:
    """The server had taken it; that it closes so now promises nothing for another link."""
    decision = ask(lost(ACCEPTED, close_code=1008, provoked=True, http_available=True))
    assert (decision.row, decision.error) == ("delivery_unknown", DeliveryUnknownError)


@pytest.mark.parametrize("code", ["server_is_overloaded", "server_error"])
def test_the_name_of_an_overload_counts_whatever_its_status(code: str) -> None:
    """Some gateways put every error under 400."""
    decision = ask(refused({"code": code, "status": 400}))
    assert (decision.action, decision.row) == (Action.RETRY, "overloaded")


@pytest.mark.parametrize("policy", ["safe", "never"])
@pytest.mark.parametrize("state", [SENT, ACCEPTED])
def test_the_connection_limit_means_a_new_link_once(
    state: TurnState, policy: Literal["safe", "never"]
) -> None:
    """The server says that it did not run the request."""
    situation = refused({"code": "websocket_connection_limit_reached", "status": 400}, state)
    decision = ask(situation, policy=policy)
    assert (decision.action, decision.delay) == (Action.NEW_LINK, 0.0)
    assert decision.possible_duplicate_charge is (state is ACCEPTED)
    assert ask(situation, decision.budget).action is Action.RAISE


@pytest.mark.parametrize("policy", ["safe", "never"])
def test_a_lost_chain_is_rebuilt_once(policy: Literal["safe", "never"]) -> None:
    """The second time its error is raised."""
    situation = refused({"code": "previous_response_not_found", "status": 400})
    decision = ask(situation, policy=policy)
    assert (decision.action, decision.budget.rebuilds) == (Action.REBUILD, 0)
    again = ask(situation, decision.budget)
    assert (again.action, again.error) == (Action.RAISE, None)


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_quota",
        "credit_balance_exhausted",
        "usage_limit_reached",
        "usage_not_included",
        "flex_unavailable",
    ],
)
def test_no_quota_is_raised_at_once(code: str) -> None:
    """Though the status is that of a rate limit; in the code or in the type."""
    for name in ("code", "type"):
        decision = ask(refused({name: code, "status": 429}))
        assert (decision.action, decision.row) == (Action.RAISE, "out_of_quota")


@pytest.mark.parametrize(
    "error",
    [
        {"code": "server_is_overloaded", "type": "service_unavailable_error"},
        {"code": None, "type": "server_error"},
        {"code": "server_error"},
        {"code": "rate_limit_exceeded"},
        {"code": "slow_down"},
        {"message": "?", "status": 408},
        {"message": "?", "status": 429},
        {"message": "?", "status": 500},
        {"message": "?", "status": 503},
    ],
)
def test_an_overloaded_server_is_asked_again(error: dict[str, Any]) -> None:
    """Before it has created a response, twice."""
    situation = refused(error)
    first = ask(situation)
    second = ask(situation, first.budget)
    third = ask(situation, second.budget)
    assert [d.action for d in (first, second, third)] == [Action.RETRY, Action.RETRY, Action.RAISE]
    assert not first.possible_duplicate_charge
    assert ask(situation, policy="never").action is Action.RAISE


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ({"code": "server_is_overloaded"}, ACCEPTED),
        ({"code": "invalid_type", "status": 400}, SENT),
        ({"code": "invalid_api_key", "status": 401}, SENT),
        ({"message": "?"}, SENT),
    ],
)
def test_any_other_error_is_raised_at_once(error: dict[str, Any], state: TurnState) -> None:
    """The same request would fail again, or has begun to run."""
    decision = ask(refused(error, state))
    assert (decision.action, decision.row, decision.error) == (Action.RAISE, "other_error", None)


@given(st.integers(0, 2), st.integers())
def test_the_pause_has_full_jitter_under_a_doubling_ceiling(spent: int, seed: int) -> None:
    """Half a second, then one."""
    decision = ask(refused({"status": 503}), Budget(retries=max(2 - spent, 1)), seed=seed)
    assert 0.0 <= decision.delay <= 0.5 * 2 ** min(spent, 1)


def test_the_server_may_ask_for_a_longer_pause() -> None:
    """Up to 30 seconds; beyond it the caller decides."""
    paused = ask(refused({"status": 429, "headers": {"Retry-After": "30"}}))
    assert (paused.action, paused.delay) == (Action.RETRY, 30.0)
    too_long = ask(refused({"status": 429, "headers": {"Retry-After": "30.5"}}))
    assert (too_long.action, too_long.budget) == (Action.RAISE, Budget())


def test_a_pause_that_outlasts_the_turn_is_not_begun() -> None:
    """The error is worth more now than a timeout later."""
    asked = {"status": 429, "headers": {"retry-after": "5"}}
    assert ask(refused(dict(asked), total_left=5.0)).action is Action.RAISE
    assert ask(refused(dict(asked), total_left=5.1)).action is Action.RETRY


@pytest.mark.parametrize("policy", ["safe", "never"])
@pytest.mark.parametrize(
    "situation",
    [Situation(kind="not_sent", state=PREPARED), lost(PREPARED, effect_free=False)],
)
def test_what_never_left_goes_to_another_link(
    situation: Situation, policy: Literal["safe", "never"]
) -> None:
    """At most twice a turn; it is no replay."""
    budget, decisions = Budget(), []
    for _ in range(3):
        decisions.append(ask(situation, budget, policy=policy))
        budget = decisions[-1].budget
    actions = [decision.action for decision in decisions]
    assert actions == [Action.NEW_LINK, Action.NEW_LINK, Action.RAISE]
    assert [d.possible_duplicate_charge for d in decisions] == [False] * 3
    assert decisions[2].error is None


@pytest.mark.parametrize("code", LOSSES)
@pytest.mark.parametrize("state", [SENT, ACCEPTED])
def test_a_lost_request_is_replayed_once(state: TurnState, code: int | None) -> None:
    """The report says that it may have been charged twice."""
    situation = lost(state, close_code=code, provoked=True)
    decision = ask(situation)
    assert (decision.action, decision.row) == (Action.REPLAY, "lost")
    assert decision.possible_duplicate_charge
    again = ask(situation, decision.budget)
    assert (again.action, again.error) == (Action.RAISE, DeliveryUnknownError)


@pytest.mark.parametrize(
    "situation",
    [
        lost(effect_free=False),
        lost(seconds_since_sent=60.0),
        lost(ACCEPTED, seconds_since_sent=None),
        lost(close_code=1004, provoked=True),
    ],
)
def test_a_request_that_may_show_twice_is_not_replayed(situation: Situation) -> None:
    """The caller is told that nobody knows."""
    decision = ask(situation)
    assert (decision.row, decision.error) == ("delivery_unknown", DeliveryUnknownError)


def test_the_policy_may_forbid_replays() -> None:
    """Then the row raises what it raises when its budget is spent."""
    decision = ask(lost(), policy="never")
    assert (decision.action, decision.error) == (Action.RAISE, DeliveryUnknownError)
    assert decision.budget == Budget()


def test_the_state_after_the_ending_is_refused() -> None:
    """It would hide what the turn had reached."""
    with pytest.raises(ValueError, match="reached"):
        Situation(kind="error", state=TurnState.TERMINAL)


def test_an_empty_purse_cannot_be_spent() -> None:
    """Nor one that does not exist."""
    with pytest.raises(ValueError, match="replays"):
        Budget(replays=0).spend("replays")


def test_every_row_has_a_name_and_words() -> None:
    """A page prints them."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(text.endswith(".") for rule in RULES for text in (rule.situation, rule.outcome))


def test_effects_are_asked_for_beside_the_table() -> None:
    """The function lives with the rows that need it."""
    assert is_effect_free({})


SITUATIONS = st.builds(
    Situation,
    kind=st.sampled_from(["gave_up", "error", "disconnect", "not_sent"]),
    state=st.sampled_from([PREPARED, SENT, ACCEPTED, OBSERVED]),
    effect_free=st.booleans(),
    details=st.none()
    | st.builds(
        lambda code, status: normalize_error({"error": {"code": code}, "status": status}),
        st.sampled_from(
            [None, "server_error", "previous_response_not_found", "insufficient_quota"]
        ),
        st.none() | st.integers(400, 599),
    ),
    close_code=st.none() | st.integers(999, 5000),
    provoked=st.booleans(),
    seconds_since_sent=st.none() | st.floats(0, 100),
    steering=st.booleans(),
    http_available=st.booleans(),
    total_left=st.none() | st.floats(0, 100),
)


@given(SITUATIONS, st.integers())
def test_every_situation_ends_after_a_bounded_number_of_remedies(
    situation: Situation, seed: int
) -> None:
    """No mix of rows goes round in circles, and each remedy costs its purse."""
    budget = Budget()
    for _ in range(sum(vars(budget).values()) + 1):
        decision = ask(situation, budget, seed=seed)
        if decision.action is Action.RAISE:
            assert decision.budget == budget
            return
        assert decision.budget != budget
        budget = decision.budget
    pytest.fail("the budget did not run out")


@given(SITUATIONS, st.integers())
def test_nothing_is_sent_again_that_anybody_may_see_twice(situation: Situation, seed: int) -> None:
    """The promise of the whole table in one sentence."""
    decision = ask(situation, seed=seed)
    if decision.action is not Action.RAISE:
        assert situation.kind != "gave_up"
        assert situation.state is not OBSERVED
    if decision.action is Action.REPLAY:
        assert situation.effect_free
        assert decision.possible_duplicate_charge
    if ask(situation, policy="never").action is not Action.RAISE:
        assert decision.action in (Action.NEW_LINK, Action.REBUILD)
