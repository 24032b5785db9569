"""What becomes of a turn that the server refuses: closes and error frames of section 3."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pyresponses_ws import Hooks
from pyresponses_ws.errors import (
    APIError,
    ConnectionLimitError,
    ConnectionLostError,
    PreviousResponseNotFoundError,
    RateLimitError,
    ServerError,
)
from tests.support.answers import created, delta, error
from tests.support.responses_peer import (
    ResponsesPeer,
    close_with,
    says,
    scripts,
)

TURN: dict[str, Any] = {"model": "m", "input": "hello there"}


# --- section 3: closes that answer the request ----------------------------------------------------


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010])
def test_a_refusing_close_is_raised_at_once(code: int) -> None:
    """These codes would come again, so no other WebSocket is tried; code and reason are kept."""
    with ResponsesPeer(scripts(close_with(code))) as peer, peer.client() as client:
        with pytest.raises(ConnectionLostError, match="as told") as caught:
            client.create(**TURN)
        assert (caught.value.code, caught.value.reason) == (code, "as told")
        assert (caught.value.close_code, caught.value.close_reason) == (code, "as told")
        assert peer.connections == 1
        assert client.create(**TURN).output_text == "hello there"


# --- section 3: error frames ------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 429, 500, 503])
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
def test_an_empty_account_raises_at_once(code: str, status: int) -> None:
    """No retry buys quota, whatever the status says."""
    with ResponsesPeer(scripts(says(error(code, status)))) as peer, peer.client() as client:
        with pytest.raises(APIError, match=f"no: {code}") as caught:
            client.create(**TURN)
        assert (caught.value.code, caught.value.status) == (code, status)
        assert len(peer.requests) == 1
        assert client.create(**TURN).output_text == "hello there"


@pytest.mark.parametrize(
    "frame",
    [
        error("server_is_overloaded", 503, retry_after_ms="1"),
        error("server_error", retry_after_ms="1"),
        error("timed_out", 408, retry_after_ms="1"),
        error("rate_limit_exceeded", 429, retry_after_ms="1"),
        error("bad_gateway", 502, retry_after_ms="1"),
    ],
    ids=lambda frame: frame["error"]["code"],
)
def test_an_overloaded_server_is_asked_again(frame: dict[str, Any]) -> None:
    """Refused before ``created``, the same payload goes out again on the same link."""
    with ResponsesPeer(scripts(says(frame))) as peer, peer.client() as client:
        response = client.create(**TURN)
        assert (response.output_text, response.report.attempts) == ("hello there", 2)
        assert (response.report.replayed, response.report.possible_duplicate_charge) == (
            False,
            False,
        )
        assert (peer.requests[0], peer.connections) == (peer.requests[1], 1)


def test_an_overloaded_server_is_asked_three_times_at_most() -> None:
    """Two retries a turn, 0.5 s and 1 s with full jitter; then the API's error."""
    delays: list[float] = []
    hooks = Hooks(on_retry=lambda retry: delays.append(retry.delay))
    script = says(error("server_is_overloaded", 503))
    with ResponsesPeer(script) as peer, peer.client(hooks=hooks) as client:
        with pytest.raises(ServerError) as caught:
            client.create(**TURN)
        assert (len(peer.requests), caught.value.attempts) == (3, 3)
        assert 0 <= delays[0] <= 0.5
        assert 0 <= delays[1] <= 1.0


def test_a_short_retry_after_is_waited_for() -> None:
    """The server's own wish is honoured; never sooner."""
    script = scripts(says(error("slow_down", 429, retry_after="0.2")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        started = time.monotonic()
        client.create(**TURN)
        assert time.monotonic() - started >= 0.2


def test_a_long_retry_after_raises_at_once() -> None:
    """Above 30 s the caller decides; the error tells the seconds."""
    script = scripts(says(error("slow_down", 429, retry_after="31")))
    with ResponsesPeer(script) as peer, peer.client() as client:
        with pytest.raises(RateLimitError) as caught:
            client.create(**TURN)
        assert (caught.value.retry_after, len(peer.requests)) == (31, 1)


def test_an_error_after_created_is_not_retried() -> None:
    """The response had begun, so a 500 is raised, with the output so far."""
    script = scripts(says(created(), delta("half"), error("server_error", 500)))
    with ResponsesPeer(script) as peer, peer.client() as client:
        with pytest.raises(ServerError) as caught:
            client.create(**TURN)
        assert (caught.value.partial.text, caught.value.response_id) == ("half", "resp_1")
        assert len(peer.requests) == 1


@pytest.mark.parametrize("replay", ["safe", "never"])
def test_the_age_limit_moves_the_turn_to_a_new_link(replay: str) -> None:
    """The 60-minute error is not the caller's business, once."""
    limit = error("websocket_connection_limit_reached", 400)
    with ResponsesPeer(scripts(says(limit))) as peer, peer.client(replay=replay) as client:
        response = client.create(**TURN)
        assert (response.output_text, response.report.link) == ("hello there", 2)
        peer.wait_for_ends(1)
        assert client.create(**TURN).report.link == 2


def test_the_age_limit_twice_is_raised() -> None:
    """A new link once; a second one at its limit is an error."""
    limit = says(error("websocket_connection_limit_reached", 400))
    with ResponsesPeer(limit) as peer, peer.client() as client:
        with pytest.raises(ConnectionLimitError):
            client.create(**TURN)
        assert peer.connections == 2


def test_a_lost_chain_is_raised_and_the_link_stays() -> None:
    """``previous_response_not_found`` has its own class; no history to rebuild is known here."""
    lost = error("previous_response_not_found", 400)
    with ResponsesPeer(scripts(says(lost))) as peer, peer.client() as client:
        with pytest.raises(PreviousResponseNotFoundError):
            client.create(**TURN, previous_response_id="resp_0")
        assert client.create(**TURN).report.reused_link is True
