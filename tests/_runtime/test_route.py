"""Which way a turn goes: over WebSocket, or over HTTP, and why. Scripted on both sides."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pyresponses_ws.config import Hooks
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DeliveryUnknownError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ResponseInterruptedError,
    TurnCancelledError,
)
from pyresponses_ws.report import FallbackReport
from tests._runtime.rig import (
    Call,
    Rig,
    create,
    created,
    cut,
    delta,
    echo,
    echo_http,
    rig,
    turn,
)
from tests.support.scripted_http import Plan, Reply

AUTO: dict[str, Any] = {"transport": "auto"}
#: What the API says in a refused handshake.
API_BODY = {"error": {"message": "No.", "code": "no"}}


def refuse(made: Rig, error: Exception | None = None, *, count: int = 1) -> None:
    """Have the first links not open."""
    for transport in made.transports[:count]:
        transport.connect_error = error or ConnectError("refused", stage="tcp")


def refuse_request(made: Rig, code: int, *, is_sent: bool) -> None:
    """Have the first link closed by the server at the request, or just ahead of it."""
    made.transport.send_error = ConnectionLostError("reset")
    made.transport.is_send_partial = is_sent
    made.transport.end(code, "not here")


# --- what leads over HTTP -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ConnectError("no such host", stage="dns"),
        ConnectError("refused", stage="tcp"),
        ConnectError("timed out", stage="tcp"),
        ConnectError("bad certificate", stage="tls"),
        ConnectError("CONNECT refused", stage="tcp"),
        *(
            ConnectError("no 101", status=s, stage="upgrade")
            for s in (200, 301, 400, 404, 405, 426)
        ),
        *(ConnectError("no 101", status=s, stage="upgrade", body=API_BODY) for s in (500, 503)),
        ConnectError("a page", status=403, stage="upgrade"),
        ConnectError("no error object", status=403, stage="upgrade", body={"detail": "no"}),
    ],
    ids=str,
)
def test_a_websocket_that_does_not_open_leads_over_http(error: ConnectError) -> None:
    """This very turn, after one attempt."""
    with rig(None, http=[echo_http], **AUTO) as made:
        refuse(made, error)
        response = made.client.create(model="m", input="a")
        assert response.output_text == "a"
        report = response.report
        assert (report.transport, report.transport_reason) == ("http", "connect_failed")
        assert (report.attempts, report.replayed, report.link) == (1, False, None)
        assert made.client.stats().fallbacks == made.client.stats().http_turns == 1
        # The error of the parameter holds the client by its traceback.
        made.client.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectError("key", status=401), AuthenticationError),
        (ConnectError("key", status=401, body=API_BODY), AuthenticationError),
        (ConnectError("region", status=403, body=API_BODY), PermissionDeniedError),
        (ConnectError("slow", status=429, body=API_BODY), RateLimitError),
        (ConnectError("slow", status=429), ConnectError),
    ],
    ids=["401", "401 with body", "403 of the API", "429 of the API", "429"],
)
def test_what_the_api_says_in_the_handshake_is_raised(
    error: ConnectError, kind: type[Exception]
) -> None:
    """HTTP would hear the same."""
    with rig(None, **AUTO) as made:
        refuse(made, error)
        with pytest.raises(kind) as caught:
            made.client.create(model="m", input="a")
        assert isinstance(caught.value, (APIError, ConnectError))
        assert (made.http.calls, made.client.stats().fallbacks) == ([], 0)


def test_a_key_that_cannot_be_had_is_no_failure_of_websocket() -> None:
    """HTTP would need it too."""
    with rig(None, api_key=lambda: "", **AUTO) as made:
        with pytest.raises(ConfigError):
            made.client.create(model="m", input="a")
        assert made.http.calls == []


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1010])
def test_refused(code: int, is_sent: bool) -> None:
    """The server closes at the request, or just ahead of it: HTTP, and no other WebSocket."""
    with rig(None, http=[echo_http], **AUTO) as made:
        refuse_request(made, code, is_sent=is_sent)
        report = made.client.create(model="m", input="a").report
        assert (report.transport, report.transport_reason) == ("http", "refused")
        assert (report.attempts, report.replayed) == (1 + is_sent, False)
        assert report.possible_duplicate_charge is False


@pytest.mark.parametrize("is_sent", [True, False])
def test_too_big(is_sent: bool) -> None:
    """1009 speaks of this request alone: the breaker learns nothing from it."""
    with rig(None, echo, http=[echo_http] * 9, **AUTO) as made:
        refuse_request(made, 1009, is_sent=is_sent)
        report = made.client.create(model="m", input="a").report
        assert (report.transport, report.transport_reason) == ("http", "too_large")
        assert made.client.create(model="m", input="b").report.transport == "websocket"


@pytest.mark.parametrize("code", [1008, 1009])
@pytest.mark.parametrize("is_sent", [True, False])
def test_a_turn_that_left_websocket_is_counted(code: int, is_sent: bool) -> None:
    """One turn over HTTP, and one fallback, whether or not it was sent before."""
    with rig(None, http=[echo_http], **AUTO) as made:
        refuse_request(made, code, is_sent=is_sent)
        made.client.create(model="m", input="a")
        stats = made.client.stats()
        assert (stats.http_turns, stats.fallbacks, stats.turns) == (1, 1, 1)


def test_a_replay_that_finds_no_websocket_goes_over_http() -> None:
    """It stays a replay: the request may have run before."""
    with rig(None, None, http=[echo_http], **AUTO) as made:
        made.transports[1].connect_error = ConnectError("refused")
        call = create(made)
        made.transport.next_command()
        cut(made)
        report = call.result().report
        assert (report.transport, report.attempts, report.replayed) == ("http", 2, True)
        assert report.possible_duplicate_charge


def test_a_turn_that_has_left_websocket_stays_away() -> None:
    """Its replay goes over HTTP too."""
    with rig(None, http=[Reply.of(created()), echo_http], **AUTO) as made:
        refuse(made)
        report = made.client.create(model="m", input="a").report
        assert (report.transport, report.attempts, report.replayed) == ("http", 2, True)
        assert made.client.stats().http_turns == 1


# --- what does not ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1008, 1009])
def test_what_was_seen_is_not_asked_for_again(code: int) -> None:
    """After output was handed over there is no way back, over HTTP neither."""
    with rig(None, **AUTO) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("one"))
        assert [next(stream).type for _ in range(2)][1] == "response.output_text.delta"
        made.transport.end(code)
        with pytest.raises(ResponseInterruptedError):
            next(stream)
        assert made.http.calls == []


@pytest.mark.parametrize("code", [1008, 1009])
def test_a_close_behind_created_refuses_nothing(code: int) -> None:
    """The server had taken the request: whether it ran is unknown."""
    with rig(None, **AUTO) as made:
        call = create(made)
        made.transport.next_command()
        made.transport.feed(created())
        made.transport.end(code)
        with pytest.raises(DeliveryUnknownError):
            call.result()
        assert made.http.calls == []


def test_websocket_alone_means_that() -> None:
    """The option says so; the error is the one that came."""
    with rig(None, transport="websocket") as made:
        refuse(made, ConnectError("404", status=404))
        with pytest.raises(ConnectError):
            made.client.create(model="m", input="a")
        assert made.http.calls == []


def test_never_forbids_what_was_sent() -> None:
    """replay="never" lets nothing go twice; a link that never opened took nothing."""
    with rig(None, None, http=[echo_http], replay="never", **AUTO) as made:
        refuse_request(made, 1008, is_sent=True)
        with pytest.raises(ConnectionLostError):
            made.client.create(model="m", input="a")
        made.transports[1].connect_error = ConnectError("refused")
        assert made.client.create(model="m", input="b").report.transport == "http"


def test_a_warm_up_never_falls_back() -> None:
    """Over HTTP it would generate."""
    with rig(None, None, **AUTO) as made:
        refuse(made, ConnectError("404", status=404))
        with pytest.raises(ConnectError):
            made.client.warm_up(model="m")
        made.transports[1].send_error = ConnectionLostError("reset")
        made.transports[1].end(1008)
        with pytest.raises(ConnectionLostError):
            made.client.warm_up(model="m")
        assert made.http.calls == []


def test_a_connection_never_falls_back() -> None:
    """It is a WebSocket by name."""
    with rig(None, **AUTO) as made:
        refuse(made, ConnectError("404", status=404))
        with pytest.raises(ConnectError):
            made.client.connect()
        assert made.http.calls == []


def test_a_cancelled_turn_does_not_fall_back() -> None:
    """The connect fails because of the cancel."""
    with rig(None, **AUTO) as made:
        refuse(made)
        transport = made.transport

        def close() -> None:
            for claim in list(made.client._pool._claims):
                claim.cancel()

        transport.on_connect = close
        with pytest.raises(TurnCancelledError):
            made.client.create(model="m", input="a")
        assert made.http.calls == []


# --- too large ----------------------------------------------------------------------------------


def test_a_frame_that_would_be_too_large_goes_over_http() -> None:
    """Without asking WebSocket."""
    with rig(None, http=[echo_http], max_request_bytes=100, **AUTO) as made:
        report = made.client.create(model="m", input="x" * 101).report
        assert (report.transport, report.transport_reason) == ("http", "too_large")
        assert made.transport.endpoint is None
        assert made.client.stats().fallbacks == 1


def test_a_frame_that_would_be_too_large_has_nowhere_to_go() -> None:
    """RequestTooLargeError, with nothing sent."""
    with rig(None, max_request_bytes=100, transport="websocket") as made:
        with pytest.raises(RequestTooLargeError, match="max_request_bytes"):
            made.client.create(model="m", input="x" * 101)
        assert (made.transport.endpoint, made.http.calls) == (None, [])


def test_http_has_no_frames() -> None:
    """The limit is WebSocket's."""
    with rig(http=[echo_http], max_request_bytes=100, transport="http") as made:
        report = made.client.create(model="m", input="x" * 101).report
        assert report.transport_reason == "configured"


# --- what is told -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        Reply(connect_error=ConnectError("HTTP refused")),
        Reply.json(API_BODY, 400),
        Reply.json(API_BODY, 401),
        Reply(body=[b"data: {\n\n"]),
        Reply.of(created(), holds="head", send_error=ConnectionLostError("gone", reason="gone")),
    ],
    ids=["connect", "400", "401", "protocol", "lost"],
)
def test_an_error_of_http_names_the_one_of_websocket(plan: Plan) -> None:
    """As its cause, whatever it is."""
    with rig(None, http=[plan, plan], **AUTO) as made:
        cause = ConnectError("WebSocket refused")
        refuse(made, cause)
        with pytest.raises(Exception, match=r".") as caught:
            made.client.create(model="m", input="a")
        assert caught.value.__cause__ is cause


def test_a_turn_that_was_refused_names_the_close() -> None:
    """Code and reason of the WebSocket, below the error of HTTP."""
    with rig(None, http=[Reply.json(API_BODY, 400)], **AUTO) as made:
        refuse_request(made, 1008, is_sent=True)
        with pytest.raises(APIError) as caught:
            made.client.create(model="m", input="a")
        cause = caught.value.__cause__
        assert isinstance(cause, ConnectionLostError)
        assert (cause.code, cause.reason) == (1008, "not here")
        assert caught.value.report.close_code is None


def _told(made: Rig, reports: list[FallbackReport]) -> FallbackReport:
    made.client.create(model="m", input="a")
    return reports[-1]


def test_a_hook_hears_of_each_turn_that_leaves_websocket() -> None:
    """Host, reason, what WebSocket said, and for how long it is left alone."""
    reports: list[FallbackReport] = []
    hooks = Hooks(on_fallback=reports.append)
    with rig(None, None, http=[echo_http] * 3, hooks=hooks, **AUTO) as made:
        refuse(made)
        soft = _told(made, reports)
        assert (soft.host, soft.reason, soft.detail) == ("localhost", "connect_failed", "refused")
        assert soft.cool_down is None
        made.transports[1].connect_error = ConnectError("none here", status=404)
        definite = _told(made, reports)
        assert definite.cool_down is not None
        assert 45 <= definite.cool_down <= 60
        left_alone = _told(made, reports)
        assert (left_alone.reason, left_alone.detail) == ("breaker_open", "")
        assert len(reports) == 3
        made.client.close()


def test_a_hook_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The turn goes its way."""

    def broken(report: Any) -> None:
        raise RuntimeError("mine")

    with rig(None, http=[echo_http], hooks=Hooks(on_fallback=broken), **AUTO) as made:
        refuse(made)
        assert made.client.create(model="m", input="a").output_text == "a"
        assert "a hook raised" in caplog.text


def test_an_opening_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """One warning, however many turns follow."""
    with (
        caplog.at_level(logging.WARNING, logger="pyresponses_ws"),
        rig(None, http=[echo_http] * 5, **AUTO) as made,
    ):
        refuse(made, ConnectError("none here", status=426))
        for _ in range(5):
            made.client.create(model="m", input="a")
        made.client.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "WebSocket to localhost does not work (none here)" in caplog.text


def test_a_turn_over_websocket_says_so() -> None:
    """Nothing stood against it."""
    with rig(echo, **AUTO) as made:
        report = made.client.create(model="m", input="a").report
        assert (report.transport, report.transport_reason) == ("websocket", "configured")
        assert made.client.stats().http_turns == 0


def test_a_turn_that_leaves_a_used_link_forgets_it() -> None:
    """The report is that of the connection that answered."""
    with rig(echo, http=[echo_http], **AUTO) as made:
        made.client.create(model="m", input="a")
        refuse_request(made, 1008, is_sent=False)
        report = made.client.create(model="m", input="b").report
        assert (report.link, report.link_age, report.ping_ms) == (None, None, None)
        assert (report.reused_link, report.connect_ms) == (False, 1.0)


def test_a_turn_over_http_that_found_no_server_names_no_link() -> None:
    """Not even the one that it had tried before."""
    unreachable = Reply(connect_error=ConnectError("HTTP refused"))
    with rig(echo, http=[unreachable], **AUTO) as made:
        made.client.create(model="m", input="a")
        refuse_request(made, 1008, is_sent=False)
        with pytest.raises(ConnectError) as caught:
            made.client.create(model="m", input="b")
        report = caught.value.report
        assert (report.link, report.reused_link, report.connect_ms) == (None, False, None)


def test_close_wakes_a_turn_that_has_fallen_back() -> None:
    """It waits on an HTTP connection, not on a link."""
    with rig(None, http=[Reply(holds="head")], **AUTO) as made:
        refuse(made)
        call = create(made)
        made.http.next_call()
        closing = Call(lambda: made.client.close(timeout=0))
        with pytest.raises(TurnCancelledError):
            call.result()
        closing.result()


def test_output_of_websocket_is_not_mixed_with_that_of_http() -> None:
    """A replay starts anew."""
    with rig(None, None, http=[Reply.of(*turn("whole"))], **AUTO) as made:
        made.transports[1].connect_error = ConnectError("refused")
        call = create(made)
        made.transport.next_command()
        made.transport.feed(created("resp_0"), delta("half"))
        cut(made)
        response = call.result()
        assert (response.output_text, response.report.response_id) == ("whole", "resp_1")
