"""Every row of the recovery table at work, over links and over HTTP.

A test is named after its row and says over what; ``test_every_row_has_its_tests`` sees to it.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyresponses_ws._protocol.recovery import RULES, Action
from pyresponses_ws._runtime.pool import Pool
from pyresponses_ws._transport.base import SEND_TIMED_OUT
from pyresponses_ws.config import Hooks
from pyresponses_ws.errors import (
    BadRequestError,
    ConnectError,
    ConnectionLimitError,
    ConnectionLostError,
    DeliveryUnknownError,
    PreviousResponseNotFoundError,
    RateLimitError,
    ResponseInterruptedError,
    ServerError,
    TurnCancelledError,
)
from pyresponses_ws.report import RetryReport
from tests._protocol import test_recovery
from tests._runtime.rig import (
    Rig,
    create,
    created,
    cut,
    delta,
    echo,
    echo_http,
    refusal,
    rig,
)
from tests.support.scripted_http import Plan, Reply

#: A hosted tool that acts outside.
EFFECTS: dict[str, Any] = {"tools": [{"type": "mcp", "server_label": "x"}]}
BUSY = refusal("server_is_overloaded")


class Watched:
    """Options of a client, and the rows by which its turns were sent again."""

    def __init__(self, transport: str) -> None:
        self._retries: list[RetryReport] = []
        self.options: dict[str, Any] = {
            "transport": transport,
            "hooks": Hooks(on_retry=self._retries.append),
        }

    @property
    def rows(self) -> list[str]:
        return [retry.row for retry in self._retries]


def run_through(made: Rig, *longest: float, **turn: Any) -> Any:
    """Run a blocking turn, letting each of its pauses pass."""
    call = create(made, **turn)
    for seconds in longest:
        made.clock.wait_for_waiters(within=seconds)
        made.clock.advance(seconds)
    return call.result()


def lose(*frames: dict[str, Any]) -> Reply:
    """An HTTP answer that ends too early."""
    return Reply.of(*frames)


def test_every_row_has_its_tests() -> None:
    """At least one here, and one of the table alone; those of HTTP where it is a way."""
    here = [name for name in globals() if name.startswith("test_")]
    words = {name: f"test_{name}_over_" for name in (rule.name for rule in RULES)}
    untested = [row for row, word in words.items() if not any(n.startswith(word) for n in here)]
    assert untested == ["steering"], "nothing steers a pooled turn: the table alone knows it"
    source = vars(test_recovery)
    assert "test_a_steered_turn_is_not_sent_again" in source
    remedies = {rule.action for rule in RULES if rule.name not in untested}
    assert remedies - {Action.RAISE} <= {Action.REBUILD, *_remedies()}


def _remedies() -> frozenset[Action]:
    with rig() as made:
        assert isinstance(made.client._pool, Pool)
        return made.client._pool.remedies


# --- gave_up, observed --------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_gave_up_over_both(transport: str) -> None:
    """A cancelled turn is not sent again, though a replay would be safe."""
    watched = Watched(transport)
    with rig(None, http=[Reply(is_open=True)], **watched.options) as made:
        stream = made.client.stream(model="m", input="a")
        stream.cancel()
        with pytest.raises(TurnCancelledError):
            next(stream)
        assert watched.rows == []
        assert stream.report.attempts == 1


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_observed_over_both(transport: str) -> None:
    """What the caller has seen is not asked for again; the partial has it."""
    watched = Watched(transport)
    with rig(None, http=[lose(created(), delta("one"))], **watched.options) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("one"))
        cut(made)
        with pytest.raises(ResponseInterruptedError) as caught:
            list(stream)
        assert (caught.value.partial.text, caught.value.state) == ("one", "observed")
        assert (watched.rows, caught.value.report.transport) == ([], transport)


# --- closes that refuse ---------------------------------------------------------------------------


def _refused(code: int, *, transport: str, is_sent: bool, plans: list[Plan]) -> Any:
    watched = Watched(transport)
    with rig(None, http=plans, **watched.options) as made:
        made.transport.send_error = ConnectionLostError("reset")
        made.transport.is_send_partial = is_sent
        made.transport.end(code)
        report = made.client.create(model="m", input="a").report
        return watched.rows, report.transport, report.replayed


@pytest.mark.parametrize("is_sent", [True, False])
def test_too_big_over_websocket(is_sent: bool) -> None:
    """HTTP takes it, once; without HTTP the loss is raised."""
    told = _refused(1009, transport="auto", is_sent=is_sent, plans=[echo_http])
    assert told == (["too_big"], "http", False)
    with pytest.raises(ConnectionLostError) as caught:
        _refused(1009, transport="websocket", is_sent=is_sent, plans=[])
    assert caught.value.code == 1009


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1010])
def test_refused_over_websocket(code: int, is_sent: bool) -> None:
    """The same, with no other WebSocket before it."""
    told = _refused(code, transport="auto", is_sent=is_sent, plans=[echo_http])
    assert told == (["refused"], "http", False)
    with pytest.raises(ConnectionLostError) as caught:
        _refused(code, transport="websocket", is_sent=is_sent, plans=[])
    assert caught.value.code == code


# --- frames ---------------------------------------------------------------------------------------


def test_connection_limit_over_websocket() -> None:
    """A new link, once."""
    old = [refusal("websocket_connection_limit_reached", status=400)]
    watched = Watched("websocket")
    with rig(lambda _: old, echo, **watched.options) as made:
        report = made.client.create(model="m", input="a").report
        assert (report.link, report.attempts, report.replayed) == (2, 2, False)
        assert watched.rows == ["connection_limit"]
    with rig(lambda _: old, lambda _: old) as made, pytest.raises(ConnectionLimitError):
        made.client.create(model="m", input="a")


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_chain_lost_over_both(transport: str) -> None:
    """A turn that gives an id of its own has no other input to send: the error is raised."""
    gone = refusal("previous_response_not_found", status=400)
    with rig(lambda _: [gone], http=[Reply.json(gone, 400)], transport=transport) as made:
        with pytest.raises(PreviousResponseNotFoundError) as caught:
            made.client.create(model="m", input="a", previous_response_id="resp_0")
        assert (caught.value.attempts, caught.value.report.transport) == (1, transport)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_out_of_quota_over_both(transport: str, status: int) -> None:
    """At once, whatever the status."""
    spent = refusal("insufficient_quota", status=status)
    with rig(lambda _: [spent], http=[Reply.json(spent, status)], transport=transport) as made:
        with pytest.raises((RateLimitError, ServerError)) as caught:
            made.client.create(model="m", input="a")
        assert (caught.value.code, caught.value.attempts) == ("insufficient_quota", 1)


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("is_event", [True, False])
def test_overloaded_over_both(transport: str, is_event: bool) -> None:
    """Twice, after pauses, over the same transport; said by a status, or in the stream."""
    busy = Reply.of(BUSY) if is_event else Reply.page("<p>", 503)
    watched, answers = Watched(transport), iter([[BUSY], [BUSY]])
    with rig(
        lambda command: next(answers, None) or echo(command),
        http=[busy, busy, echo_http],
        **watched.options,
    ) as made:
        report = run_through(made, 0.5, 1.0).report
        assert (report.attempts, report.transport, report.replayed) == (3, transport, False)
        assert watched.rows == ["overloaded"] * 2


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_other_error_over_both(transport: str) -> None:
    """The same request would fail again."""
    bad = refusal("invalid_type", status=400)
    with rig(lambda _: [bad], http=[Reply.json(bad, 400)], transport=transport) as made:
        with pytest.raises(BadRequestError) as caught:
            made.client.create(model="m", input="a")
        assert (caught.value.attempts, caught.value.report.transport) == (1, transport)


# --- losses ---------------------------------------------------------------------------------------


def test_not_sent_over_websocket() -> None:
    """A link that is dead before the first byte: two others at most, and no replay."""
    watched = Watched("websocket")
    with rig(None, None, None, **watched.options) as made:
        for transport in made.transports:
            transport.send_error = ConnectionLostError("dead")
            transport.is_send_partial = False
        with pytest.raises(ConnectionLostError) as caught:
            made.client.create(model="m", input="a", **EFFECTS)
        assert (watched.rows, caught.value.attempts) == (["not_sent"] * 2, 0)


def test_not_sent_over_http() -> None:
    """No connection, no attempt: the error is told as it came. Stale ones are the transport's."""
    watched = Watched("http")
    refused = Reply(connect_error=ConnectError("refused", stage="tcp"))
    with rig(http=[refused], **watched.options) as made:
        with pytest.raises(ConnectError) as caught:
            made.client.create(model="m", input="a")
        assert (watched.rows, caught.value.attempts) == ([], 0)
        assert caught.value.state == "prepared"


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("frames", [[], [created()], [created(), delta("half")]])
def test_lost_over_both(transport: str, frames: list[Any]) -> None:
    """Replayed once; the report says so."""
    watched = Watched(transport)
    with rig(None, echo, http=[lose(*frames), echo_http], **watched.options) as made:
        made.transport.feed(*frames)
        cut(made)
        report = made.client.create(model="m", input="a").report
        assert (report.attempts, report.replayed, report.transport) == (2, True, transport)
        assert report.possible_duplicate_charge
        assert watched.rows == ["lost"]


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_delivery_unknown_over_both(transport: str) -> None:
    """A request with effects is not sent twice."""
    watched = Watched(transport)
    with rig(None, http=[lose(created(), delta("half"))], **watched.options) as made:
        call = create(made, **EFFECTS)
        if transport == "websocket":
            made.transport.next_command()
            made.transport.feed(created(), delta("half"))
            cut(made)
        with pytest.raises(DeliveryUnknownError) as caught:
            call.result()
        assert (caught.value.partial.text, caught.value.state) == ("half", "accepted")
        assert (watched.rows, caught.value.report.transport) == ([], transport)


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_delivery_unknown_over_both_when_it_is_late(transport: str) -> None:
    """A minute after the send nobody replays: it has likely run."""
    with rig(None, http=[Reply.of(created(), is_open=True)], transport=transport) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        assert next(stream).type == "response.created"
        made.clock.advance(60)
        cut(made)
        for posted in made.http.calls:
            posted.cut()
        with pytest.raises(DeliveryUnknownError):
            next(stream)
        assert stream.report.attempts == 1


def test_delivery_unknown_over_http_when_the_peer_takes_nothing() -> None:
    """The send timer has run out: an end was promised by now."""
    stuck = ConnectionLostError("the connection was lost", reason=SEND_TIMED_OUT)
    with rig(http=[Reply(send_error=stuck)], transport="http") as made:
        with pytest.raises(DeliveryUnknownError, match="send timed out") as caught:
            made.client.create(model="m", input="a")
        assert caught.value.attempts == 1
