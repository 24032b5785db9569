"""A stored response as a stream of its events."""

from __future__ import annotations

import gc
import json
import threading
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws.config import Timeouts
from pyresponses_ws.errors import (
    BadRequestError,
    ConnectionLostError,
    ProtocolError,
    ResponseFailedError,
    ServerError,
    TurnCancelledError,
    TurnTimeoutError,
)
from pyresponses_ws.stored_stream import StoredStream
from pyresponses_ws.testing import LocalServer
from tests._runtime.rig import Call
from tests._transport.http_scripts import CHUNKED, LAST, chunk, read_request
from tests.support.answers import completed, created, delta, error, failed, whole_answer
from tests.support.http_answers import Json, Script, answer, reset, serving
from tests.support.raw_server import Peer
from tests.support.responses_peer import texts_of


def sse(*events: Json) -> bytes:
    texts = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return chunk("".join(texts).encode())


def tells(*events: Json) -> Script:
    """A script that sends these events and a regular end."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, sse(*events), LAST)

    return script


def tells_and_waits(*events: Json) -> Script:
    """A script that sends these events and then nothing, until the client leaves."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, sse(*events))
        peer.read_to_end()

    return script


def follow(client: ResponsesClient, **options: Any) -> StoredStream:
    return client.responses.retrieve("resp_1", stream=True, **options)


def types(stream: StoredStream) -> list[str]:
    return [event.type for event in stream]


def test_a_stored_response_is_streamed_again() -> None:
    """From its first event to its last, and then it stops for good."""
    with serving(tells(*whole_answer("Hello there"))) as (client, lines):
        with follow(client) as stream:
            events = list(stream)
        assert texts_of(events) == "Hello there"
        assert events[-1].type == "response.completed"
        assert list(stream) == []
    assert lines == ["GET /v1/responses/resp_1?stream=true HTTP/1.1"]


def test_a_stream_goes_on_after_a_number() -> None:
    """It may begin with any event, so none needs ``created`` before it."""
    with serving(tells(delta("there"), completed("Hello there"))) as (client, lines):
        kinds = types(follow(client, starting_after=7))
    assert kinds == ["response.output_text.delta", "response.completed"]
    assert lines == ["GET /v1/responses/resp_1?stream=true&starting_after=7 HTTP/1.1"]


def test_a_failed_response_raises_behind_its_event() -> None:
    """Once; then the stream is over."""
    with serving(tells(created(), failed())) as (client, _):
        stream = follow(client)
        assert [next(stream).type, next(stream).type] == ["response.created", "response.failed"]
        with pytest.raises(ResponseFailedError, match="the model broke"):
            next(stream)
        assert list(stream) == []


def test_an_error_event_raises_at_once() -> None:
    """The failed event that follows it says the same, and is not waited for."""
    with serving(tells(created(), error("server_error", 500), failed())) as (client, _):
        stream = follow(client)
        next(stream)
        with pytest.raises(ServerError, match="no: server_error"):
            next(stream)
        assert list(stream) == []


def test_a_refusal_is_raised_by_the_call(responses_server: LocalServer) -> None:
    """The embedded server runs nothing in the background, so it streams nothing again."""
    with ResponsesClient("test", base_url=responses_server.base_url) as client:
        made = client.create(model="m", input="hello")
        with pytest.raises(BadRequestError, match="'stream' is not supported"):
            client.responses.retrieve(made.id, stream=True)


@pytest.mark.parametrize("is_cut", [False, True], ids=["ended", "cut"])
def test_a_stream_that_ends_early_is_lost(is_cut: bool) -> None:
    """What came before is handed over first; the caller knows where to go on."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, sse({**created(), "sequence_number": 4}), b"" if is_cut else LAST)

    with serving(script) as (client, _):
        stream = follow(client)
        assert next(stream).sequence_number == 4
        with pytest.raises(ConnectionLostError):
            next(stream)
        assert list(stream) == []


def test_opening_is_tried_again() -> None:
    """Until the answer has begun it is a GET like any other."""
    with serving(reset, tells(created(), completed("ok"))) as (client, _):
        assert types(follow(client)) == ["response.created", "response.completed"]


@pytest.mark.parametrize("body", [b"data: {no json\n\n", b"data: \xff\n\n", b"data: []\n\n"])
def test_what_is_no_event_is_a_protocol_error(body: bytes) -> None:
    """Behind the good ones."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, sse(created()), chunk(body), LAST)

    with serving(script) as (client, _):
        stream = follow(client)
        next(stream)
        with pytest.raises(ProtocolError):
            next(stream)


def test_an_answer_that_is_no_stream_is_a_protocol_error() -> None:
    """Its type says so."""
    page = answer(b"<html>", "200 OK", "Content-Type: text/html")
    with serving(page) as (client, _), pytest.raises(ProtocolError, match="text/html"):
        follow(client)


def test_a_silent_stream_ends_by_its_timers() -> None:
    """``silence`` from the client's timeouts, ``total`` from the call."""
    timeouts = Timeouts(silence=0.2)
    scripts = [tells_and_waits(created())] * 2
    with serving(*scripts, timeouts=timeouts) as (client, _):
        for options, phase in (({}, "silence"), ({"timeout": 0.1}, "total")):
            stream = follow(client, **options)
            next(stream)
            with pytest.raises(TurnTimeoutError) as caught:
                next(stream)
            assert caught.value.phase == phase


def test_closing_the_client_ends_a_stream() -> None:
    """Whoever waits is told who ended it."""
    with serving(tells_and_waits(created())) as (client, _):
        stream = follow(client)
        next(stream)
        call = Call(lambda: next(stream))
        client.close(timeout=0)
        with pytest.raises(TurnCancelledError):
            call.result()


def test_a_closed_stream_is_over() -> None:
    """Its connection is not used again, since the rest of the answer is still to come."""
    gone = threading.Event()

    def script(peer: Peer) -> None:
        tells_and_waits(created())(peer)
        gone.set()

    with serving(script, tells(completed("ok"))) as (client, _):
        with follow(client) as stream:
            next(stream)
        assert gone.wait(10)
        assert list(stream) == []
        assert types(follow(client)) == ["response.completed"]
        assert client.stats().turns_running == 0


def test_a_dropped_stream_lets_go_of_its_connection() -> None:
    """At once; what is left of it goes with the next call, and nobody waits for it."""
    gone = threading.Event()

    def script(peer: Peer) -> None:
        tells_and_waits(created())(peer)
        gone.set()

    with serving(script, tells(completed("ok"))) as (client, _):
        stream = follow(client)
        next(stream)
        gc.disable()
        try:
            del stream
            assert gone.wait(10)
        finally:
            gc.enable()
        assert types(follow(client)) == ["response.completed"]
        assert client.stats().turns_running == 0
        assert not client._pool._claims
