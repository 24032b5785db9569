"""How turns over HTTP end where the wire is odd, or the client is being closed."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient
from pyresponses_ws._runtime.attempts import Attempts
from pyresponses_ws.errors import APIError, ProtocolError, ResponseFailedError
from pyresponses_ws.server.engines.base import CancelToken, EngineRequest, TextDelta
from pyresponses_ws.testing import LocalServer
from tests._runtime.rig import Call
from tests._transport.http_scripts import CHUNKED, LAST, chunk, read_request
from tests.server.engines_for_tests import FunctionEngine
from tests.support.answers import created
from tests.support.http_answers import serving
from tests.support.raw_server import Peer

ERROR = '{"type": "error", "error": {"code": "c", "message": "No."}}'
FAILED = '{"type": "response.failed", "response": {"id": "resp_1", "status": "failed"}}'


def sse(*texts: str) -> bytes:
    """Events as one chunk."""
    return chunk("".join(f"data: {text}\n\n" for text in texts).encode())


def first() -> str:
    return json.dumps(created("resp_1"))


def test_closing_gives_a_running_turn_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may end within ``close(timeout)``, however often it looks up meanwhile."""
    begun, may_end = threading.Event(), threading.Event()
    check = Attempts.check_posted

    def check_posted(self: Attempts, *, is_sent: bool) -> None:
        check(self, is_sent=is_sent)
        if client._pool.is_closed:
            may_end.set()

    monkeypatch.setattr(Attempts, "check_posted", check_posted)

    def slow(request: EngineRequest, cancel: CancelToken) -> Generator[TextDelta, None, None]:
        begun.set()
        yield TextDelta("one ")
        may_end.wait(10)
        yield TextDelta("two")

    with LocalServer(engine=FunctionEngine(slow)) as server:
        client = ResponsesClient("k", base_url=server.base_url, transport="http")
        call = Call(lambda: client.create(model="m", input="x"))
        begun.wait(10)
        closing = Call(lambda: client.close(timeout=10))
        assert call.result().output_text == "one two"
        closing.result()


def test_bad_text_behind_good_events_is_a_protocol_error() -> None:
    """Also where the answer ends with it; nothing is sent again."""
    requests: list[Any] = []

    def script(peer: Peer) -> None:
        requests.append(read_request(peer))
        peer.send(CHUNKED, sse(first()), chunk(b"data: \xff\n\n"), LAST)

    with (
        serving(script, script, transport="http") as (client, _),
        pytest.raises(ProtocolError),
    ):
        client.create(model="m", input="x")
    assert len(requests) == 1


def test_an_error_and_the_failed_response_are_one_ending() -> None:
    """The service says both here, and over WebSocket the second alone."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, sse(first()), sse(ERROR), sse(FAILED), LAST)

    with (
        serving(script, transport="http") as (client, _),
        pytest.raises(ResponseFailedError) as caught,
    ):
        client.create(model="m", input="x")
    assert caught.value.response.id == "resp_1"


@pytest.mark.parametrize("ending", [LAST, b""], ids=["the stream ends", "the stream stays open"])
def test_an_error_that_nothing_follows_is_the_ending(ending: bytes) -> None:
    """At the end of the stream, or a second later."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, sse(first(), ERROR), ending)
        peer.read_to_end()

    with serving(script, transport="http") as (client, _), pytest.raises(APIError, match="No"):
        client.create(model="m", input="x")
