"""WebSocket refused in every way: HTTP answers after one attempt, and WebSocket comes back."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest

from pyresponses_ws import Hooks, Timeouts
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ResponseInterruptedError,
    ResponsesWSError,
)
from pyresponses_ws.report import FallbackReport
from pyresponses_ws.testing.clock import ManualClock
from tests.support.answers import error
from tests.support.deadlines import GRACE, at_most
from tests.support.responses_peer import KEY, PeerTurn, error_of, wait_for
from tests.support.two_way_peer import (
    Post,
    TwoWayPeer,
    Upgrade,
    accept,
    close_at_once,
    refuse_upgrade,
    swallow,
)

TURN: dict[str, Any] = {"model": "m", "input": "hello there"}
PAGE = "<html><body>Access denied by policy</body></html>"
API_ERROR = {"error": {"message": "Not in your region.", "code": "unsupported_country"}}
#: Connect timer of every client here: only the black hole needs it.
CONNECT = 0.3

#: Ways to refuse that say "no WebSocket here", ways that may pass, and a close after the upgrade.
DEFINITE: dict[str, Upgrade] = {
    "404": refuse_upgrade(404, PAGE),
    "404 of the API": refuse_upgrade(404, {"error": {"message": "No route."}}),
    "405": refuse_upgrade(405, "", Allow="POST"),
    "426": refuse_upgrade(426, "Upgrade Required"),
}
SOFT: dict[str, Upgrade] = {
    "403 HTML": refuse_upgrade(403, PAGE),
    "500": refuse_upgrade(500, PAGE),
    "503 JSON": refuse_upgrade(503, {"error": {"message": "Down."}}),
    "200 HTML": refuse_upgrade(200, PAGE),
    "200 JSON": refuse_upgrade(200, {"status": "ok"}),
    "302": refuse_upgrade(302, "", Location="https://elsewhere.test/login"),
    "black hole": swallow,
}
CLOSED: dict[str, Upgrade] = {
    f"101 then {code}": close_at_once(code, "not allowed") for code in (1008, 1002, 1003)
}
WAYS = {**DEFINITE, **SOFT, **CLOSED}


def each(ways: dict[str, Upgrade]) -> Any:
    """Run a test with each way, under its name."""
    return pytest.mark.parametrize("upgrade", ways.values(), ids=ways.keys())


def client_of(peer: TwoWayPeer, **options: Any) -> Any:
    return peer.client(timeouts=Timeouts(connect=CONNECT), **options)


# --- this very turn -----------------------------------------------------------------------------


@each(WAYS)
@pytest.mark.parametrize("is_stream", [False, True])
def test_the_first_answer_comes_over_http_after_one_attempt(
    upgrade: Upgrade, is_stream: bool
) -> None:
    """Soon, with the same events and the same Response."""
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer) as client:
        with at_most(CONNECT + GRACE):
            if is_stream:
                response = client.stream(**TURN).get_final_response()
            else:
                response = client.create(**TURN)
        assert response.output_text == "hello there"
        assert response.report.transport == "http"
        assert (peer.upgrades, len(peer.posts)) == (1, 1)


@each(WAYS)
def test_it_is_told_why(upgrade: Upgrade, caplog: pytest.LogCaptureFixture) -> None:
    """In the report, to the hook, and in one line of the log where the breaker opens."""
    told: list[FallbackReport] = []
    is_definite, is_closed = upgrade in DEFINITE.values(), upgrade in CLOSED.values()
    with (
        caplog.at_level(logging.INFO, logger="pyresponses_ws"),
        TwoWayPeer(upgrade=upgrade) as peer,
        client_of(peer, hooks=Hooks(on_fallback=told.append)) as client,
    ):
        report = client.create(**TURN).report
        reason = "refused" if is_closed else "connect_failed"
        assert (report.transport_reason, told[0].reason, told[0].host) == (
            reason,
            reason,
            "127.0.0.1",
        )
        assert told[0].detail
        assert (told[0].cool_down is not None) is is_definite
    assert [record.levelname for record in caplog.records] == ["WARNING"] * is_definite


@each({**DEFINITE, **SOFT})
def test_nothing_was_sent_before(upgrade: Upgrade) -> None:
    """One attempt, no replay, nothing charged twice."""
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer) as client:
        report = client.create(**TURN, tools=[{"type": "mcp", "server_label": "x"}]).report
        assert (report.attempts, report.replayed) == (1, False)
        assert not report.possible_duplicate_charge


def test_a_websocket_host_that_refuses_leads_to_the_http_host() -> None:
    """Nobody listens at ``websocket_base_url``, and HTTP lives elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"ws://127.0.0.1:{port}/v1"
    with TwoWayPeer() as peer, client_of(peer, websocket_base_url=url) as client:
        response = client.create(**TURN)
        assert response.report.transport_reason == "connect_failed"
        assert (peer.upgrades, len(peer.posts)) == (0, 1)


def test_a_websocket_host_that_does_not_exist_leads_to_the_http_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name has no address."""
    url, resolve = "ws://nowhere.invalid/v1", socket.getaddrinfo

    def unknown(host: str, *args: Any, **options: Any) -> Any:
        if host == "nowhere.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        TwoWayPeer() as peer,
        client_of(peer, websocket_base_url=url, allow_insecure=True) as client,
    ):
        response = client.create(**TURN)
        assert response.report.transport_reason == "connect_failed"
        assert len(peer.posts) == 1


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010])
def test_a_close_at_the_request_leads_over_http(code: int) -> None:
    """After the upgrade, with the request on its way."""
    with TwoWayPeer(lambda turn: turn.close(code, "no")) as peer, client_of(peer) as client:
        report = client.create(**TURN).report
        reason = "too_large" if code == 1009 else "refused"
        assert (report.transport, report.transport_reason, report.attempts) == ("http", reason, 2)
        assert (peer.upgrades, len(peer.requests), len(peer.posts)) == (1, 1, 1)


# --- what the API says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upgrade", "kind"),
    [
        (refuse_upgrade(401, API_ERROR), AuthenticationError),
        (refuse_upgrade(401, PAGE), AuthenticationError),
        (refuse_upgrade(403, API_ERROR), PermissionDeniedError),
        (refuse_upgrade(429, API_ERROR, Retry_After="7"), RateLimitError),
        (refuse_upgrade(429, PAGE), ConnectError),
    ],
    ids=["401", "401 HTML", "403 of the API", "429", "429 HTML"],
)
def test_what_the_api_says_is_no_reason_to_leave(
    upgrade: Upgrade, kind: type[ResponsesWSError]
) -> None:
    """HTTP would hear the same."""
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer) as client:
        assert type(error_of(lambda: client.create(**TURN))) is kind
        assert (peer.upgrades, peer.posts) == (1, [])


@each(WAYS)
def test_websocket_alone_never_falls_back(upgrade: Upgrade) -> None:
    """The option says so."""
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer, transport="websocket") as client:
        caught = error_of(lambda: client.create(**TURN))
        assert isinstance(caught, (ConnectError, ConnectionLostError))
        assert peer.posts == []


@each(WAYS)
def test_a_warm_up_never_falls_back(upgrade: Upgrade) -> None:
    """Over HTTP it would generate."""
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer) as client:
        caught = error_of(lambda: client.warm_up(model="m"))
        assert isinstance(caught, (ConnectError, ConnectionLostError))
        assert peer.posts == []


@pytest.mark.parametrize("code", [1008, 1009, 1006])
def test_nothing_falls_back_behind_output(code: int) -> None:
    """What the caller has seen is not asked for again."""

    def script(turn: PeerTurn) -> None:
        turn.begin("half")
        turn.cut() if code == 1006 else turn.close(code)

    with TwoWayPeer(script) as peer, client_of(peer) as client:
        stream = client.stream(**TURN)
        with pytest.raises(ResponseInterruptedError) as caught:
            list(stream)
        assert (caught.value.partial.text, peer.posts) == ("half", [])


# --- HTTP fails too -----------------------------------------------------------------------------


@each(WAYS)
def test_an_error_of_http_names_the_one_of_websocket(upgrade: Upgrade) -> None:
    """As its cause: both are needed to see what is wrong."""

    def refuse(post: Post) -> None:
        post.refuse(400, error("invalid_type", 400))

    with TwoWayPeer(upgrade=upgrade, post=refuse) as peer, client_of(peer) as client:
        caught = error_of(lambda: client.create(**TURN))
        assert isinstance(caught, APIError)
        assert caught.code == "invalid_type"
        kind = ConnectionLostError if upgrade in CLOSED.values() else ConnectError
        assert isinstance(caught.__cause__, kind)


def test_without_either_way_the_error_is_that_of_http() -> None:
    """Nobody listens."""
    with TwoWayPeer() as peer, client_of(peer) as client:
        peer.stop_listening()
        caught = error_of(lambda: client.create(**TURN))
        assert isinstance(caught, ConnectError)
        assert isinstance(caught.__cause__, ConnectError)
        assert (caught.attempts, caught.report.transport) == (0, "http")


# --- and back -----------------------------------------------------------------------------------


@each(DEFINITE)
def test_websocket_is_used_again_within_one_cool_down(upgrade: Upgrade) -> None:
    """A probe in the background finds it healed; no turn waits for that."""
    clock = ManualClock()
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer, clock=clock) as client:
        ways = [client.create(**TURN).report.transport_reason for _ in range(3)]
        assert (ways, peer.upgrades) == (["connect_failed", "breaker_open", "breaker_open"], 1)
        peer.upgrade = accept
        clock.wait_for_waiters(within=60)
        clock.advance(60)
        peer.wait_until(lambda: peer.upgrades == 2, "the probe")
        clock.wait_for_waiters(within=2)
        clock.advance(2)
        wait_for(lambda: not client._pool.breaker._breaker.is_open, "the verdict")
        report = client.create(**TURN).report
        assert (report.transport, report.reused_link) == ("websocket", True)
        client.close(timeout=0)


@each({**SOFT, **CLOSED})
def test_what_may_pass_is_asked_again_by_the_next_turn(upgrade: Upgrade) -> None:
    """Until it was the third time; healed before, it costs nothing."""
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer) as client:
        assert client.create(**TURN).report.transport == "http"
        peer.upgrade = accept
        assert client.create(**TURN).report.transport == "websocket"


@each({**SOFT, **CLOSED})
def test_three_that_may_pass_open_the_breaker(upgrade: Upgrade) -> None:
    """The fourth turn costs nothing; one cool-down after it heals, WebSocket is back."""
    clock = ManualClock()
    with TwoWayPeer(upgrade=upgrade) as peer, client_of(peer, clock=clock) as client:
        reports = [client.create(**TURN).report for _ in range(4)]
        assert reports[3].transport_reason == "breaker_open"
        assert peer.upgrades == 3
        peer.upgrade = accept
        clock.wait_for_waiters(within=60)
        clock.advance(60)
        peer.wait_until(lambda: peer.upgrades == 4, "the probe")
        clock.wait_for_waiters(within=2)
        clock.advance(2)
        wait_for(lambda: not client._pool.breaker._breaker.is_open, "the verdict")
        assert client.create(**TURN).report.transport == "websocket"
        client.close(timeout=0)


def test_a_server_that_stays_broken_is_probed_ever_more_rarely() -> None:
    """101 and then 1008, again and again: turns stay on HTTP."""
    clock = ManualClock()
    with (
        TwoWayPeer(upgrade=refuse_upgrade(404)) as peer,
        client_of(peer, clock=clock) as client,
    ):
        client.create(**TURN)
        peer.upgrade = close_at_once(1008)
        for number, cool_down in enumerate((60, 120), start=2):
            assert client.create(**TURN).report.transport_reason == "breaker_open"
            clock.wait_for_waiters(within=cool_down)
            clock.advance(cool_down)
            peer.wait_for_ends(number)
            wait_for(lambda: client.stats().links == 0, "the end of the probe's link")
            clock.wait_for_waiters(within=2)
            clock.advance(2)
        clock.wait_for_waiters(within=240)
        assert peer.upgrades == 3
        client.close(timeout=0)


def test_a_slow_websocket_is_found_by_one_turn_alone_and_not_by_a_crowd() -> None:
    """Once the breaker is open no turn spends its connect timer any more."""
    clock = ManualClock()
    with TwoWayPeer(upgrade=swallow) as peer, client_of(peer, clock=clock) as client:
        for _ in range(3):
            client.create(**TURN)
        with at_most(CONNECT + GRACE):
            for _ in range(20):
                assert client.create(**TURN).report.transport_reason == "breaker_open"
        assert peer.upgrades == 3
        client.close(timeout=0)


# --- what is too large --------------------------------------------------------------------------


def test_a_frame_that_would_be_too_large_goes_over_http() -> None:
    """Whole, and without asking WebSocket."""
    big = "x" * 1_000_000
    with TwoWayPeer() as peer, client_of(peer, max_request_bytes=999_999) as client:
        report = client.create(model="m", input=big).report
        assert (report.transport, report.transport_reason) == ("http", "too_large")
        assert (peer.upgrades, peer.posts[0]["input"]) == (0, big)
        assert client.create(**TURN).report.transport == "websocket"


def test_sixteen_mebibytes_go_over_http_by_default() -> None:
    """The service would close with 1009."""
    big = "x" * (16 * 2**20)
    with TwoWayPeer(post=lambda post: post.answer("taken")) as peer, peer.client() as client:
        response = client.create(model="m", input=big)
        assert (response.output_text, response.report.transport_reason) == ("taken", "too_large")


def test_a_frame_that_would_be_too_large_is_refused_before_anything_is_sent() -> None:
    """Where WebSocket is all there is."""
    options = {"max_request_bytes": 100, "transport": "websocket"}
    with TwoWayPeer() as peer, client_of(peer, **options) as client:
        caught = error_of(lambda: client.create(model="m", input="x" * 200))
        assert isinstance(caught, RequestTooLargeError)
        assert peer.connections == 0


def test_the_key_travels_to_both() -> None:
    """And nothing of WebSocket travels over HTTP."""
    with TwoWayPeer(upgrade=refuse_upgrade(404)) as peer, client_of(peer) as client:
        client.create(**TURN, client_metadata={"a": "b"})
        assert [KEY.encode() in head for head in peer.heads] == [True, True]
        assert peer.posts == [{"stream": True, **TURN}]
        assert b"sec-websocket" not in peer.heads[1].lower()
