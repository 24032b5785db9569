"""One call and its attempts, against servers that refuse, break off and keep silent."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Any

import pytest

from pyresponses_ws import Hooks, ResponsesClient, Timeouts
from pyresponses_ws._runtime.api_call import APICall
from pyresponses_ws._runtime.api_request import APIRequest
from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ClosedError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    ResponsesWSError,
    ServerError,
    TurnCancelledError,
    TurnTimeoutError,
)
from pyresponses_ws.report import RetryReport
from tests._runtime.rig import Call
from tests._transport.http_scripts import answering, head, read_request, sized
from tests.support.deadlines import GRACE, at_most, ends_within
from tests.support.http_answers import KEY, Script, answer, refuse, reset, serving, stored
from tests.support.raw_server import Peer

GET = APIRequest(method="GET", path="/resp_1")
DELETE = APIRequest(method="DELETE", path="/resp_1")
POST = APIRequest(method="POST", path="/compact", body=b'{"model":"m"}')


def fetch(client: ResponsesClient, request: APIRequest = GET, total: float | None = 20) -> bytes:
    return APICall(client._pool, request, total=total).fetch()


def silent(asked: threading.Event) -> Script:
    """A script that takes the request and says nothing until the client leaves."""

    def script(peer: Peer) -> None:
        read_request(peer)
        asked.set()
        peer.read_to_end()

    return script


def half_an_answer(peer: Peer) -> None:
    """A script that breaks off in the middle of the body."""
    read_request(peer)
    peer.send(head("200 OK", "Content-Length: 100"), b'{"id"')


def refused_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_call_brings_the_body_as_it_came() -> None:
    """With the headers of every request, and its query behind that of the options."""
    seen: list[Peer] = []

    def script(peer: Peer) -> None:
        seen.append(peer)
        answer(b"ok")(peer)

    request = APIRequest(method="GET", path="/a%20b", query=[("limit", "2")])
    with serving(script, query={"v": "1"}) as (client, lines):
        assert fetch(client, request) == b"ok"
    assert lines == ["GET /v1/responses/a%20b?v=1&limit=2 HTTP/1.1"]
    headers = seen[0].headers
    assert (headers["authorization"], headers["accept"]) == (f"Bearer {KEY}", "application/json")


def test_calls_in_a_row_share_a_connection() -> None:
    """As turns over HTTP do; the third finds it closed and opens another."""
    with serving(answering(sized(b"1"), sized(b"2")), answer(b"3")) as (client, _):
        assert [fetch(client) for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("transport", ["auto", "websocket", "http"])
def test_calls_work_with_every_transport(transport: Any) -> None:
    """The option is about turns."""
    with serving(answer(b"ok"), transport=transport) as (client, _):
        assert fetch(client) == b"ok"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "invalid_type", BadRequestError),
        ("401 Unauthorized", "invalid_api_key", AuthenticationError),
        ("404 Not Found", "not_found", NotFoundError),
        ("429 Too Many Requests", "insufficient_quota", RateLimitError),
        ("302 Found", "moved", APIError),
    ],
)
def test_a_refusal_is_raised_at_once(status: str, code: str, kind: type[APIError]) -> None:
    """Of the class that the same error has for a turn; another attempt would hear it again."""
    with (
        serving(refuse(status, code)) as (client, _),
        pytest.raises(kind, match=f"no: {code}") as caught,
    ):
        fetch(client)
    assert (caught.value.status, caught.value.code) == (int(status[:3]), code)
    assert caught.value.attempts == 1
    assert caught.value.elapsed is not None


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
@pytest.mark.parametrize("status", ["408 Timeout", "429 Too Many", "500 Oh", "503 Busy"])
def test_an_overloaded_server_is_asked_again(status: str, request_: APIRequest) -> None:
    """Twice, whatever the method: it said that it did nothing. The hook is told of each."""
    retries: list[RetryReport] = []
    busy = refuse(status, "busy")
    with serving(busy, busy, answer(b"ok"), hooks=Hooks(on_retry=retries.append)) as (client, _):
        assert fetch(client, request_) == b"ok"
    assert [(r.row, r.attempts) for r in retries] == [("overloaded", 1), ("overloaded", 2)]


def test_the_third_refusal_is_raised() -> None:
    """It is the last one's own error."""
    scripts = [refuse("500 Oh", f"n{n}") for n in range(3)]
    with serving(*scripts) as (client, _), pytest.raises(ServerError, match="no: n2") as caught:
        fetch(client)
    assert caught.value.attempts == 3


@pytest.mark.parametrize(
    ("seconds", "limit"), [("31", 20.0), ("5", 2.0)], ids=["too long", "beyond the total"]
)
def test_a_long_retry_after_is_raised_at_once(seconds: str, limit: float) -> None:
    """The caller knows better what to do until then."""
    script = refuse("429 Too Many", "rate", f"Retry-After: {seconds}")
    with serving(script) as (client, _), pytest.raises(RateLimitError) as caught:
        fetch(client, total=limit)
    assert caught.value.retry_after == float(seconds)


GONE = refuse("404 Not Found", "gone")


@pytest.mark.parametrize("broken", [reset, half_an_answer], ids=["reset", "half an answer"])
def test_what_a_lost_attempt_deleted_is_deleted(broken: Script) -> None:
    """The second attempt hears that it is not there any more, which is what was asked for."""
    with serving(broken, GONE) as (client, lines):
        client.responses.delete("resp_1")
    assert lines == ["DELETE /v1/responses/resp_1 HTTP/1.1"] * 2


@pytest.mark.parametrize(
    ("before", "request_"),
    [([], DELETE), ([refuse("503 Busy", "busy")], DELETE), ([reset], GET)],
    ids=["nothing", "a refusal", "a lost GET"],
)
def test_what_was_never_there_is_told(before: list[Script], request_: APIRequest) -> None:
    """No attempt before can have deleted it."""
    with serving(*before, GONE) as (client, _), pytest.raises(NotFoundError, match="gone"):
        fetch(client, request_)


@pytest.mark.parametrize("broken", [reset, half_an_answer], ids=["reset", "half an answer"])
def test_a_lost_connection_is_opened_again_for_what_may_be_repeated(broken: Script) -> None:
    """A GET done twice has done no more."""
    retries: list[RetryReport] = []
    with serving(broken, broken, answer(b"ok"), hooks=Hooks(on_retry=retries.append)) as (
        client,
        _,
    ):
        assert fetch(client) == b"ok"
    assert [r.row for r in retries] == ["lost", "lost"]


@pytest.mark.parametrize("broken", [reset, half_an_answer], ids=["reset", "half an answer"])
def test_a_lost_post_is_not_repeated(broken: Script) -> None:
    """Nobody knows whether it was done."""
    with serving(broken) as (client, _), pytest.raises(ConnectionLostError) as caught:
        fetch(client, POST)
    assert caught.value.attempts == 1


def test_nothing_is_repeated_against_the_callers_word() -> None:
    """``replay="never"`` counts here too."""
    with serving(refuse("503 Busy", "busy"), reset, replay="never") as (client, _):
        with pytest.raises(ServerError):
            fetch(client)
        with pytest.raises(ConnectionLostError):
            fetch(client)


@pytest.mark.parametrize(("request_", "attempts"), [(GET, 3), (POST, 1)], ids=["GET", "POST"])
def test_a_refused_connection_is_tried_again_for_a_get(request_: APIRequest, attempts: int) -> None:
    """A server that restarts is back in a moment."""
    with (
        serving() as (client, _),
        ResponsesClient(KEY, base_url=f"http://127.0.0.1:{refused_port()}/v1") as lonely,
    ):
        lonely._pool.rng = client._pool.rng
        with pytest.raises(ConnectError) as caught:
            fetch(lonely, request_)
    assert caught.value.attempts == attempts


def test_all_attempts_to_connect_share_one_time() -> None:
    """A black hole takes the connect timer once, not three times."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        timeouts = Timeouts(connect=0.4)
        with (
            ResponsesClient(
                KEY, base_url=f"http://127.0.0.1:{port}/v1", timeouts=timeouts
            ) as client,
            at_most(0.4 + GRACE),
            pytest.raises(ConnectError),
        ):
            fetch(client)
        for filler in fillers:
            filler.close()


def test_a_call_ends_with_its_time() -> None:
    """Within half a second of ``total``, though the server holds the connection."""
    with (
        serving(silent(threading.Event())) as (client, _),
        ends_within(0.3),
        pytest.raises(TurnTimeoutError, match=r"no answer within 0\.3 s") as caught,
    ):
        fetch(client, total=0.3)
    assert caught.value.phase == "total"


def test_an_answer_that_trickles_ends_with_its_time() -> None:
    """Each byte would renew a timer that counts silence."""

    def trickle(peer: Peer) -> None:
        read_request(peer)
        peer.send(head("200 OK", "Content-Length: 100000"))
        pause = threading.Event()
        while True:
            try:
                peer.send(b" ")
            except OSError:
                return
            pause.wait(0.02)

    with serving(trickle) as (client, _), pytest.raises(TurnTimeoutError):
        fetch(client, total=0.5)


def test_closing_the_client_ends_a_call() -> None:
    """It gets the time that turns get, and then an error that says who ended it."""
    asked = threading.Event()
    with serving(silent(asked)) as (client, _):
        call = Call(lambda: fetch(client))
        assert asked.wait(10)
        client.close(timeout=0)
        with pytest.raises(TurnCancelledError, match="client was closed"):
            call.result()
        assert client.stats().turns_running == 0


def test_closing_the_client_waits_for_a_call() -> None:
    """One that is answered in time returns."""
    asked, closing = threading.Event(), threading.Event()

    def late(peer: Peer) -> None:
        read_request(peer)
        asked.set()
        closing.wait(10)
        peer.send(sized(b"ok"))

    with serving(late) as (client, _):
        call = Call(lambda: fetch(client))
        assert asked.wait(10)
        close = Call(client.close)
        while not client._pool.is_closed:
            asked.wait(0.001)
        closing.set()
        assert call.result() == b"ok"
        close.result()


def test_closing_the_client_ends_a_pause() -> None:
    """No other attempt is made."""
    paused = threading.Event()
    hooks = Hooks(on_retry=lambda report: paused.set())
    with serving(refuse("503 Busy", "busy", "Retry-After: 20"), hooks=hooks) as (client, _):
        call = Call(lambda: fetch(client, total=None))
        assert paused.wait(10)
        client.close(timeout=0)
        with pytest.raises(TurnCancelledError):
            call.result()


def test_a_closed_client_makes_no_call() -> None:
    """As with turns."""
    with serving() as (client, _):
        client.close()
        with pytest.raises(ClosedError, match="client is closed"):
            fetch(client)


def press_ctrl_c() -> None:
    """Send SIGINT to this process; the kernel gives it to the main thread."""
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_the_wait_for_an_answer() -> None:
    """It comes out unchanged, and the client can be used."""

    def press(peer: Peer) -> None:
        read_request(peer)
        press_ctrl_c()
        peer.read_to_end()

    with serving(press, answer(b"ok")) as (client, _):
        with pytest.raises(KeyboardInterrupt):
            fetch(client)
        assert fetch(client) == b"ok"
        assert client.stats().turns_running == 0


def test_ctrl_c_ends_a_pause() -> None:
    """Before another attempt is made."""
    alarm = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    press_soon = Hooks(on_retry=lambda report: signal.setitimer(signal.ITIMER_REAL, 0.05))
    busy = refuse("503 Busy", "busy", "Retry-After: 20")
    try:
        with serving(busy, answer(b"ok"), hooks=press_soon) as (client, _):
            with pytest.raises(KeyboardInterrupt):
                fetch(client, total=None)
            assert fetch(client) == b"ok"
    finally:
        signal.signal(signal.SIGALRM, alarm)


def test_every_byte_is_counted() -> None:
    """In the client's counts; a call is no turn."""
    with serving(refuse("500 Oh", "oh"), answer(stored())) as (client, _):
        fetch(client)
        stats = client.stats()
    assert stats.bytes_sent > 200
    assert stats.bytes_received > 200
    assert (stats.turns, stats.http_turns, stats.turns_running) == (0, 0, 0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'"x"', b"\xff"])
def test_an_answer_that_is_no_object_is_a_protocol_error(body: bytes) -> None:
    """It shows how the answer began."""
    with serving(answer(body)) as (client, _), pytest.raises(ProtocolError):
        client.responses.retrieve("resp_1")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", True])
def test_a_timeout_that_is_none_is_named(timeout: Any) -> None:
    """Nothing is sent."""
    with serving() as (client, _), pytest.raises(ConfigError, match="timeout"):
        client.responses.retrieve("resp_1", timeout=timeout)


def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Not by an error that repeats it, not by a log; a cursor is none and stays."""
    caplog.set_level(logging.DEBUG)
    page = APIRequest(method="GET", path="/resp_1/input_items", query=[("after", "msg_cursor")])
    body = {"error": {"message": f"{KEY} may not see msg_cursor, says hunter2"}}
    with (
        serving(answer(body, "403 No"), query={"token": "hunter2"}) as (client, _),
        pytest.raises(ResponsesWSError) as caught,
    ):
        fetch(client, page)
    shown = f"{caught.value!r} {caught.value} {vars(caught.value)} {caplog.text}"
    assert KEY not in shown
    assert "hunter2" not in shown
    assert "may not see msg_cursor" in str(caught.value)


def test_a_key_that_changes_is_asked_for_once_an_attempt() -> None:
    """So the one that was sent is the one that an error must not repeat."""
    keys = iter(["sk-first-of-all", "sk-second-of-all"])
    body = {"error": {"message": "sk-first-of-all is revoked"}}
    with (
        serving(answer(body, "401 No"), key=lambda: next(keys)) as (client, _),
        pytest.raises(AuthenticationError) as caught,
    ):
        fetch(client)
    assert str(caught.value).startswith("*** is revoked")
    assert next(keys) == "sk-second-of-all"
