"""The engine that asks another server, with answers that are known: no socket."""

from __future__ import annotations

import gzip
import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from pyresponses_ws.errors import (
    APIError,
    BadRequestError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    ServerError,
)
from pyresponses_ws.server.engines.base import (
    CancelToken,
    Closable,
    StartDelta,
    TextDelta,
    has_trait,
)
from pyresponses_ws.server.engines.upstream import engine
from pyresponses_ws.server.engines.upstream.engine import UpstreamEngine
from tests.support.upstream_play import URL, PlayedHTTP, ask, play

KEY = "sk-never-to-be-shown"
PIECE = b'data: {"type": "response.output_text.delta", "delta": "Hello"}\n\n'
HELLO = PIECE + b'data: {"type": "response.completed", "response": {}}\n\n'


def refusing(status: int, body: Any, **headers: str) -> PlayedHTTP:
    """Answer every call so."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return PlayedHTTP([data], status=status, headers=headers)


def refusal_of(http: PlayedHTTP, **options: Any) -> APIError:
    """Run a turn that must be refused before it is created; return why."""
    with pytest.raises(APIError) as caught:
        list(UpstreamEngine(URL, http=http, **options).run(ask(), CancelToken()))
    return caught.value


def shown(error: BaseException) -> str:
    """Return all that an error tells anybody."""
    return f"{error} {error!r} {vars(error)} {error.__cause__!r}"


def test_it_is_an_engine_that_vets_and_closes() -> None:
    """And closes what its calls left open."""
    http = PlayedHTTP()
    engine = UpstreamEngine(URL, http=http)
    assert has_trait(engine, "vets")
    assert has_trait(engine, "takes_nested_tools")
    assert isinstance(engine, Closable)
    engine.close()
    assert http.is_closed


def test_a_turn_starts_when_the_upstream_has_taken_it() -> None:
    """Then comes what it says; the call is let go of."""
    http = PlayedHTTP([HELLO])
    played = play(http)
    assert played.deltas == [StartDelta(), TextDelta("Hello")]
    [call] = http.calls
    assert call.is_disposed
    assert not call.is_aborted


def test_the_request_is_a_post_of_a_stream() -> None:
    """With the key of this server, if it has one, and never with one from the environment."""
    http = PlayedHTTP([HELLO])
    for key in (KEY, ""):
        list(UpstreamEngine(URL, api_key=key, http=http).run(ask("hi", seed=1), CancelToken()))
    with_key, without = (call.request for call in http.calls)
    assert (with_key.method, with_key.endpoint.url) == ("POST", f"{URL}/responses")
    assert with_key.accept == "text/event-stream"
    assert with_key.endpoint.headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in without.endpoint.headers
    assert json.loads(with_key.body or b"")["seed"] == 1


def test_text_that_no_utf8_has_still_travels() -> None:
    """Half an emoji in an input is escaped."""
    http = PlayedHTTP([HELLO])
    assert play(http, ask("\ud83d")).error is None
    assert b"\\ud83d" in (http.calls[0].request.body or b"")


@pytest.mark.parametrize("secret", ["s", None])
def test_no_secret_is_made_up_for_an_upstream_that_has_none(secret: str | None) -> None:
    """It would come back to the upstream with the next turn, as if it were its own."""
    item = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": secret,
    }
    response = {"response": {"output": [item]}, "type": "response.completed"}
    http = PlayedHTTP([b"data: " + json.dumps(response).encode() + b"\n\n"])
    played = play(http, include=["reasoning.encrypted_content"])
    assert played.output[0].get("encrypted_content") == secret


def test_a_warm_up_asks_nothing() -> None:
    """It is counted here."""
    http = PlayedHTTP()
    request = replace(ask("hello there"), generate=False)
    start, usage = UpstreamEngine(URL, http=http).run(request, CancelToken())
    assert isinstance(start, StartDelta)
    assert vars(usage)["output_tokens"] == 0
    assert vars(usage)["input_tokens"] > 0
    assert http.calls == []


def test_a_refusal_refuses_the_turn() -> None:
    """No response was created, so the client gets status and words of the upstream."""
    body = {"error": {"message": "Too long.", "code": "context_length_exceeded"}}
    http = refusing(400, body)
    error = refusal_of(http)
    assert isinstance(error, BadRequestError)
    assert (str(error), error.status, error.code) == ("Too long.", 400, "context_length_exceeded")
    assert http.calls[0].is_disposed


def test_statuses_to_retry_on_keep_their_time() -> None:
    """As headers say it."""
    error = refusal_of(refusing(503, b"<html>busy</html>", **{"retry-after": "3"}))
    assert (error.status, error.retry_after) == (503, 3)
    assert "a web page" in str(error)


def test_a_refusal_that_comes_late_fails_the_response() -> None:
    """The client was told long before that its turn is taken."""
    http = refusing(429, {"error": {"message": "Later.", "code": "rate_limit_exceeded"}})
    engine = UpstreamEngine(URL, http=http, patience=0.0)
    http.gate.clear()
    deltas = engine.run(ask(), CancelToken())
    assert next(deltas) == StartDelta()
    http.gate.set()
    with pytest.raises(APIError, match="Later"):
        next(deltas)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ConnectError("no route", stage="tcp"), "nothing answers there"),
        (ConnectError("no name", stage="dns"), "its name is not known"),
        (ConnectionLostError("lost", reason="reset"), "lost before its answer: reset"),
    ],
)
def test_an_upstream_that_cannot_be_asked_is_a_bad_gateway(failure: Exception, words: str) -> None:
    """The client may try again."""
    error = refusal_of(PlayedHTTP(send_error=failure))
    assert isinstance(error, ServerError)
    assert (error.status, error.code) == (502, "server_error")
    assert words in str(error)


def test_a_proxy_that_cannot_be_used_is_this_servers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, not what it says."""
    monkeypatch.setenv("http_proxy", "gopher://me:hunter2@proxy.test")
    monkeypatch.setenv("no_proxy", "")
    error = refusal_of(PlayedHTTP([HELLO]))
    assert error.status == 500
    assert "http_proxy" in str(error)
    assert "hunter2" not in shown(error)


def test_an_answer_that_breaks_off_fails_the_response_with_what_came() -> None:
    """At its regular end, too, if the response has none."""
    for is_lost, words in ((True, "broke off: reset"), (False, "ended before")):
        http = PlayedHTTP([PIECE], is_lost=is_lost)
        played = play(http)
        assert played.deltas == [StartDelta(), TextDelta("Hello")]
        assert words in str(played.error)
        assert played.final["status"] == "failed"
        assert http.calls[0].is_aborted
        assert http.calls[0].is_disposed


FOREIGN = [
    (200, b"<html>welcome</html>", "text/html"),
    (200, b"hello", "text/plain"),
    (200, b'"hello"', "application/json"),
    (200, b'{"choices": []}', "application/json"),
    (200, b"data: [DONE]\n\n", "text/event-stream"),
    (200, b'data: {"object": "chat.completion.chunk"}\n\ndata: [DONE]\n\n', "text/event-stream"),
    (200, b"data: hello\n\n", "text/event-stream"),
    (200, b"data: \xff\n\n", "text/event-stream"),
    (200, gzip.compress(b"{}", mtime=0), "application/gzip"),
    (200, b"", "text/event-stream"),
    (204, b"", "no content type"),
]


@pytest.mark.parametrize(("status", "body", "content_type"), FOREIGN)
def test_a_success_without_an_event_of_the_api_points_at_the_url(
    status: int, body: bytes, content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the turn's failure, and once in the log; neither has what came."""
    headers = {} if status == 204 else {"content-type": content_type}
    played = play(PlayedHTTP([body], status=status, headers=headers))
    assert played.final["status"] == "failed"
    assert f"HTTP {status} ({content_type})" in str(played.error)
    assert "check the URL of --engine upstream:URL" in str(played.error)
    assert len(caplog.records) == 1
    assert "no event of a Responses API" in caplog.text
    assert "hello" not in f"{played.error} {caplog.text}"


def test_what_an_upstream_says_of_a_failure_is_for_the_client_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It may repeat the input; the log tells that there was one."""
    for event in (
        {"error": {"message": "cannot read 'my words'"}},
        {"type": "response.completed", "response": {"status": "my words"}},
    ):
        caplog.clear()
        played = play(PlayedHTTP([PIECE, b"data: " + json.dumps(event).encode() + b"\n\n"]))
        assert "my words" in str(played.error)
        assert played.deltas[1:] == [TextDelta("Hello")]
        [record] = caplog.records
        assert (record.levelname, "my words" in caplog.text) == ("WARNING", False)
        assert "an error of its own" in caplog.text


def test_why_this_server_is_not_let_in_may_come_late(caplog: pytest.LogCaptureFixture) -> None:
    """In an event; the log has it without the key."""
    event = {"error": {"message": f"No such key: {KEY}", "code": "invalid_api_key"}}
    http = PlayedHTTP([b"data: " + json.dumps(event).encode() + b"\n\n"])
    assert "No such key" not in shown(refusal_of(http, api_key=KEY))
    assert "No such key: ***" in caplog.text


def test_a_good_answer_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nor one that nobody waits for any more."""
    assert play(PlayedHTTP([HELLO])).error is None
    http, cancel = PlayedHTTP([PIECE], is_lost=True), CancelToken()
    deltas = UpstreamEngine(URL, http=http).run(ask(), cancel)
    assert next(deltas) == StartDelta()
    cancel.cancel()
    assert list(deltas) == []
    assert caplog.records == []


@pytest.mark.parametrize("status", [401, 403, 407])
def test_why_this_server_is_not_let_in_is_for_the_log(
    status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets no word of it; nobody gets the key, or the password of the proxy."""
    monkeypatch.setenv("http_proxy", "http://somebody:hunter2@proxy.test:3128")
    monkeypatch.setenv("no_proxy", "")
    repeated = f"{KEY} hunter2 c29tZWJvZHk6aHVudGVyMg=="
    body = {"error": {"message": f"Your country\nis not served: {repeated}"}}
    error = refusal_of(refusing(status, body), api_key=KEY)
    assert error.status == 502
    assert "country" not in shown(error)
    assert "Your country is not served: *** *** ***" in caplog.text
    assert ("proxy.test:3128" in str(error)) == (status == 407)


def test_a_turn_that_is_dropped_lets_go_of_its_call() -> None:
    """A stop in the middle, as by steering, or a socket that is gone."""
    http = PlayedHTTP([PIECE, b"more"])
    deltas = UpstreamEngine(URL, http=http).run(ask(), CancelToken())
    assert [next(deltas), next(deltas)] == [StartDelta(), TextDelta("Hello")]
    deltas.close()
    assert (http.calls[0].is_aborted, http.calls[0].is_disposed) == (True, True)


def test_a_cancel_shuts_the_call_down_and_ends_the_turn_quietly() -> None:
    """Nobody is there to be told."""
    http, cancel = PlayedHTTP([PIECE], is_lost=True), CancelToken()
    deltas = UpstreamEngine(URL, http=http).run(ask(), cancel)
    assert [next(deltas), next(deltas)] == [StartDelta(), TextDelta("Hello")]
    cancel.cancel()
    assert http.calls[0].is_aborted
    assert list(deltas) == []
    assert list(UpstreamEngine(URL, http=http).run(ask(), cancel)) == []


def test_a_key_that_the_upstream_repeats_is_struck_out() -> None:
    """In a refusal, and in an error behind it."""
    body = {"error": {"message": f"bad {KEY}", "code": KEY, "param": KEY}}
    event = b"data: " + json.dumps({"type": "error", **body}).encode() + b"\n\n"
    for http in (refusing(400, body), PlayedHTTP([event]), refusing(500, KEY.encode())):
        error = refusal_of(http, api_key=KEY)
        assert KEY not in shown(error)


def test_neither_key_nor_header_is_in_its_repr() -> None:
    """The base is."""
    assert repr(UpstreamEngine(URL, api_key=KEY)) == f"UpstreamEngine({URL!r})"


@pytest.mark.parametrize("key", [" ", "two words", "line\n"])
def test_a_key_that_no_header_may_carry_is_refused(key: str) -> None:
    """The error says whose key it is."""
    with pytest.raises(ConfigError, match="upstream's key"):
        UpstreamEngine(URL, api_key=key)


def test_a_fault_of_the_reader_ends_the_turn_and_tells_no_content(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The safety net: the log names the kind of the fault alone."""

    def break_down(self: object, data: bytes) -> None:
        raise ZeroDivisionError("words of a prompt")

    monkeypatch.setattr(engine.AnswerReader, "receive", break_down)
    played = play(PlayedHTTP([HELLO]))
    assert isinstance(played.error, ServerError)
    assert "ZeroDivisionError" in caplog.text
    assert "prompt" not in caplog.text


def test_models_are_those_of_the_upstream() -> None:
    """By their ids."""
    http = PlayedHTTP([json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()])
    assert UpstreamEngine(URL, http=http).models() == ("a", "b")
    [call] = http.calls
    assert (call.request.method, call.request.endpoint.url) == ("GET", f"{URL}/models")
    assert call.is_disposed


@pytest.mark.parametrize("data", [b"", b"[]", b'{"data": 5}', b'{"data": [{}]}', b"<html>"])
def test_models_that_cannot_be_had_are_none(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """With a word in the log."""
    caplog.set_level(logging.WARNING)
    assert UpstreamEngine(URL, api_key=KEY, http=PlayedHTTP([data])).models() == ()
    assert "does not list its models" in caplog.text
    assert KEY not in caplog.text


def test_the_list_of_models_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits for it."""
    monkeypatch.setattr(engine, "MODELS_TIMEOUT", 0.0)
    http = PlayedHTTP([b'{"data": [{"id": "a"}]}'])
    assert UpstreamEngine(URL, http=http).models() == ()
    assert http.calls[0].is_aborted


def test_a_refusal_that_does_not_come_to_its_end_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the words that have come: the status says enough."""
    monkeypatch.setattr(engine, "REFUSAL_TIMEOUT", 0.0)
    words = b'{"error": {"message": "no such model", "code": "model_not_found"}}'
    http = PlayedHTTP([words, b" " * 1_000], status=404)
    played = play(http)
    assert played.error is not None
    assert (played.error.status, played.error.code) == (404, "model_not_found")
    assert played.events == []


def test_a_key_that_is_written_in_escapes_is_struck_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """JSON has more than one way to write a word."""
    told = '{"error": {"message": "bad key \\u0073' + KEY[1:] + '"}}'
    http = PlayedHTTP([told.encode()], status=401)
    with pytest.raises(APIError):
        list(UpstreamEngine(URL, api_key=KEY, http=http).run(ask(), CancelToken()))
    assert "bad key" in caplog.text
    assert KEY not in caplog.text


def test_a_model_that_is_not_there_is_no_missing_route() -> None:
    """Told in the form of FastAPI too."""
    played = play(PlayedHTTP([b'{"detail": "Model foo not found"}'], status=404))
    assert played.error is not None
    assert played.error.status == 404
    assert "foo" in str(played.error)
