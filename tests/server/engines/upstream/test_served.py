"""A server in front of another one, over sockets: what clients get, and what the other sees."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests

from pyresponses_ws import ResponsesClient
from pyresponses_ws.commands import ResponseCreate
from pyresponses_ws.errors import (
    BadRequestError,
    RateLimitError,
    ResponseFailedError,
    ResponsesWSError,
    ServerError,
)
from pyresponses_ws.server.engines.base import CancelToken, StartDelta
from pyresponses_ws.server.engines.upstream.engine import UpstreamEngine
from pyresponses_ws.testing import LocalServer
from tests.support.answers import completed, created, delta, error, failed, terminal
from tests.support.responses_peer import KEY as UPSTREAM_KEY
from tests.support.tls import TestAuthority
from tests.support.two_way_peer import Post, TwoWayPeer
from tests.support.upstream_play import ask, check_events
from tests.support.upstream_streams import make_stream

CLIENT_KEY = "sk-of-the-client"
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "http"])
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[TwoWayPeer]:
    """Run an upstream whose script each test writes."""
    with TwoWayPeer() as peer:
        assert isinstance(peer, TwoWayPeer)
        yield peer


@pytest.fixture(scope="module")
def front(upstream: TwoWayPeer) -> Iterator[LocalServer]:
    """Serve it."""
    with LocalServer(UpstreamEngine(upstream.base_url, api_key=UPSTREAM_KEY)) as server:
        yield server


@pytest.fixture(scope="module")
def echo_front() -> Iterator[LocalServer]:
    """Serve a second server of ours, which answers by rules."""
    with LocalServer() as echo, LocalServer(UpstreamEngine(echo.base_url)) as server:
        yield server


def client_of(server: LocalServer, **options: Any) -> ResponsesClient:
    """Make a client that asks once."""
    given = {"api_key": CLIENT_KEY, "base_url": server.base_url, "replay": "never"}
    return ResponsesClient(**{"transport": "websocket", **given, **options})


def final_of(events: Iterable[Any]) -> Any:
    """Read a lane up to the end of its turn; return the Response."""
    return next(event.response for event in events if event.type == "response.completed")


# --- in front of a server of ours -----------------------------------------------------------------


@TRANSPORTS
def test_a_conversation_goes_on_that_the_upstream_does_not_remember(
    echo_front: LocalServer, transport: str
) -> None:
    """Text, a call, and the answer to its output."""
    with client_of(echo_front, transport=transport) as client:
        hello = client.create(model="m", input="Say hello")
        assert hello.output_text == "You said: Say hello"
        asked = client.create(
            model="m",
            input="What is the weather in Paris?",
            tools=[WEATHER],
            previous_response_id=hello.id,
        )
        [call] = asked.output
        assert (call.name, call.arguments) == ("get_weather", '{"city":"Paris"}')
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        told = client.create(model="m", input=[output], previous_response_id=asked.id)
        assert told.output_text == "get_weather returned: sunny"


@TRANSPORTS
def test_the_usage_is_the_upstreams(echo_front: LocalServer, transport: str) -> None:
    """As it counted."""
    with client_of(echo_front, transport=transport) as client:
        usage = client.create(model="m", input="one two three").usage
    assert usage is not None
    assert (usage.output_tokens, usage.total_tokens) == (5, usage.input_tokens + 5)


def test_lanes_of_one_socket_are_asked_side_by_side(echo_front: LocalServer) -> None:
    """Each has an answer of its own."""
    with client_of(echo_front) as client, client.connect() as connection:
        lanes = [connection.lane(f"lane_{n}") for n in range(3)]
        for n, lane in enumerate(lanes):
            lane.send(ResponseCreate(model="m", input=f"number {n}"))
        texts = [final_of(lane).output_text for lane in lanes]
    assert texts == [f"You said: number {n}" for n in range(3)]


def test_a_warm_up_can_be_gone_on_with(echo_front: LocalServer) -> None:
    """The upstream knows nothing of it."""
    with client_of(echo_front) as client:
        warm = client.create(model="m", input="remember me", generate=False)
        assert warm.output == []
        later = client.create(model="m", input="now", previous_response_id=warm.id)
    assert later.output_text == "You said: now"


def test_the_models_are_the_upstreams(echo_front: LocalServer) -> None:
    """Through ``GET /v1/models``."""
    listed = requests.get(f"{echo_front.base_url}/models", timeout=10).json()
    assert [model["id"] for model in listed["data"]] == ["echo"]


# --- what the upstream sees -----------------------------------------------------------------------


def test_the_upstream_gets_the_whole_context_and_none_of_our_fields(
    front: LocalServer, upstream: TwoWayPeer
) -> None:
    """Items of the first turn, in the forms that strict servers take."""
    upstream.post = lambda post: post.answer("Fine.")
    with client_of(front) as client, client.connect() as connection:
        lane = connection.lane("lane")
        lane.send(ResponseCreate(model="m", input="one", store=False))
        first = final_of(lane)
        lane.send(ResponseCreate(model="m", input="two", previous_response_id=first.id))
        final_of(lane)
    body = upstream.posts[-1]
    assert set(body) == {"model", "input", "stream", "store"}
    shown = [(item["role"], item["content"][0]["text"]) for item in body["input"]]
    assert shown == [("user", "one"), ("assistant", "Fine."), ("user", "two")]
    assert set(body["input"][1]) == {"id", "type", "role", "status", "content"}


def test_turns_share_a_connection(front: LocalServer, upstream: TwoWayPeer) -> None:
    """One after the other; it is closed when nobody uses it for long."""
    upstream.post = lambda post: post.answer("ok")
    with client_of(front) as client:
        client.create(model="m", input="one")
        before = upstream.connections
        for _ in range(3):
            client.create(model="m", input="more")
    assert upstream.connections == before


def test_a_connection_that_the_upstream_has_closed_is_not_used_again(
    front: LocalServer, upstream: TwoWayPeer
) -> None:
    """Some close them after seconds without a turn."""

    def answer_and_leave(post: Post) -> None:
        post.answer("ok")
        post.cut()

    upstream.post = answer_and_leave
    with client_of(front) as client:
        for _ in range(3):
            before = upstream.ends
            assert client.create(model="m", input="hi").output_text == "ok"
            upstream.wait_for_ends(before + 1)


def test_only_the_servers_own_key_goes_upstream(front: LocalServer, upstream: TwoWayPeer) -> None:
    """The client's is for this server."""
    upstream.post = lambda post: post.answer("ok")
    with client_of(front) as client:
        client.create(model="m", input="one")
    head = upstream.heads[-1].decode()
    assert f"Bearer {UPSTREAM_KEY}" in head
    assert CLIENT_KEY not in head


@TRANSPORTS
def test_a_client_that_leaves_ends_the_upstreams_answer(
    front: LocalServer, upstream: TwoWayPeer, transport: str
) -> None:
    """Its socket is shut down, so that it stops to generate."""

    def think(post: Post) -> None:
        post.begin("One ")
        post.wait_for_end()

    upstream.post = think
    before = upstream.ends
    with client_of(front, transport=transport) as client:
        with client.stream(model="m", input="hi") as stream:
            next(event for event in stream if event.type == "response.output_text.delta")
        upstream.wait_for_ends(before + 1)


def test_a_client_that_leaves_ends_the_wait_for_an_answer(
    front: LocalServer, upstream: TwoWayPeer
) -> None:
    """Before the upstream has said a word."""
    upstream.post = Post.wait_for_end
    posts, ends = len(upstream.posts), upstream.ends
    with client_of(front) as client:
        stream = client.stream(model="m", input="hi")
        upstream.wait_for_posts(posts + 1)
        stream.close()
        upstream.wait_for_ends(ends + 1)


def test_one_that_leaves_ends_no_other_answer(front: LocalServer, upstream: TwoWayPeer) -> None:
    """Each turn has a connection of its own."""
    go = threading.Event()

    def answer(post: Post) -> None:
        post.begin("One ")
        if post.request["input"][0]["content"][0]["text"] == "leave":
            post.wait_for_end()
        go.wait(10)
        post.send(completed("One two", post.response_id))
        post.finish()

    upstream.post = answer
    before = upstream.ends
    with client_of(front) as staying, client_of(front) as leaving:
        stays = staying.stream(model="m", input="stay")
        leaves = leaving.stream(model="m", input="leave")
        assert all(next(iter(each)).type == "response.created" for each in (stays, leaves))
        leaves.close()
        upstream.wait_for_ends(before + 1)
        go.set()
        assert stays.get_final_response().output_text == "One two"


# --- what clients get -----------------------------------------------------------------------------


def test_each_piece_comes_when_the_upstream_sends_it(
    front: LocalServer, upstream: TwoWayPeer
) -> None:
    """A slow model is seen to write."""
    go = threading.Event()

    def write(post: Post) -> None:
        post.begin("One ")
        go.wait(10)
        post.send(delta("two"), completed("One two", post.response_id))
        post.finish()

    upstream.post = write
    with client_of(front) as client, client.stream(model="m", input="hi") as stream:
        pieces = (event.delta for event in stream if event.type == "response.output_text.delta")
        assert next(pieces) == "One "
        go.set()
        assert list(pieces) == ["two"]


@TRANSPORTS
def test_a_refusal_has_the_upstreams_status_and_words(
    front: LocalServer, upstream: TwoWayPeer, transport: str
) -> None:
    """And the next turn finds everything in order."""
    body = {"error": {"message": "Too long.", "code": "context_length_exceeded", "param": "input"}}
    upstream.post = lambda post: post.refuse(400, body)
    with client_of(front, transport=transport) as client:
        with pytest.raises(BadRequestError, match="Too long") as caught:
            client.create(model="m", input="hi")
        assert (caught.value.status, caught.value.param) == (400, "input")
        upstream.post = lambda post: post.answer("ok")
        assert client.create(model="m", input="hi").output_text == "ok"


@TRANSPORTS
def test_a_limit_of_the_upstream_comes_with_its_time(
    front: LocalServer, upstream: TwoWayPeer, transport: str
) -> None:
    """The client may wait for it."""
    body = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
    upstream.post = lambda post: post.refuse(429, body, Retry_After="77")
    with client_of(front, transport=transport) as client, pytest.raises(RateLimitError) as caught:
        client.create(model="m", input="hi")
    assert caught.value.retry_after == 77


@TRANSPORTS
def test_the_servers_key_is_shown_to_nobody(
    front: LocalServer, upstream: TwoWayPeer, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither when it is refused nor when it is repeated."""
    caplog.set_level(logging.DEBUG)
    for status in (401, 400):
        body = {"error": {"message": f"Incorrect key {UPSTREAM_KEY}", "code": "invalid_api_key"}}
        upstream.post = lambda post, s=status, b=body: post.refuse(s, b)
        with client_of(front, transport=transport) as client:
            with pytest.raises(ResponsesWSError) as caught:
                client.create(model="m", input="hi")
            assert UPSTREAM_KEY not in f"{caught.value} {vars(caught.value)}"
        assert isinstance(caught.value, ServerError if status == 401 else BadRequestError)
    assert UPSTREAM_KEY not in caplog.text


@TRANSPORTS
def test_an_upstream_that_dies_fails_the_response_with_what_came(
    front: LocalServer, upstream: TwoWayPeer, transport: str
) -> None:
    """The client has the text so far."""

    def die(post: Post) -> None:
        post.begin("One ")
        post.cut()

    upstream.post = die
    with (
        client_of(front, transport=transport) as client,
        pytest.raises(ResponsesWSError, match="broke off") as caught,
    ):
        client.create(model="m", input="hi")
    assert caught.value.partial.text == "One "


def test_an_upstream_that_is_gone_is_a_bad_gateway(front: LocalServer) -> None:
    """It is named, and the turn was never created."""
    with TwoWayPeer() as gone:
        engine = UpstreamEngine(gone.base_url)
    told = f"{gone.port} cannot be reached"
    with (
        LocalServer(engine) as server,
        client_of(server) as client,
        pytest.raises(ServerError, match=told) as caught,
    ):
        client.create(model="m", input="hi")
    assert caught.value.status == 502


def test_an_incomplete_answer_is_incomplete(front: LocalServer, upstream: TwoWayPeer) -> None:
    """With the reason of the upstream."""
    details = {"reason": "content_filter"}

    def cut(post: Post) -> None:
        end = terminal("incomplete", post.response_id, incomplete_details=details)
        post.send(created(post.response_id), delta("One "), end)
        post.finish()

    upstream.post = cut
    with client_of(front) as client:
        response = client.create(model="m", input="hi")
    assert response.status == "incomplete"
    assert response.to_dict()["incomplete_details"] == details
    assert response.output_text == "One "


def test_a_failed_response_fails_with_the_upstreams_words(
    front: LocalServer, upstream: TwoWayPeer
) -> None:
    """An ``error`` event and the failed Response behind it are one failure."""

    def fail(post: Post) -> None:
        post.send(created(post.response_id), error("server_error"), failed(post.response_id))
        post.finish()

    upstream.post = fail
    with client_of(front) as client, pytest.raises(ResponseFailedError, match="no: server_error"):
        client.create(model="m", input="hi")


# --- the way there --------------------------------------------------------------------------------


def test_an_upstream_may_speak_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the certificates of the environment."""
    authority = TestAuthority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.bundle)
    with TwoWayPeer(post=lambda post: post.answer("ok"), tls=authority.server_context()) as peer:
        engine = UpstreamEngine(peer.base_url, api_key=UPSTREAM_KEY)
        with LocalServer(engine) as server, client_of(server) as client:
            assert client.create(model="m", input="hi").output_text == "ok"
    authority.close()


def test_an_upstream_that_nobody_vouches_for_gets_nothing() -> None:
    """No request, no key."""
    authority = TestAuthority()
    with TwoWayPeer(tls=authority.server_context()) as peer:
        deltas = UpstreamEngine(peer.base_url, api_key=UPSTREAM_KEY).run(ask(), CancelToken())
        with pytest.raises(ServerError, match="TLS handshake failed"):
            next(deltas)
        assert peer.posts == []
    authority.close()


@pytest.mark.parametrize("start", range(0, 100, 25))
def test_generated_answers_end_a_turn_over_a_socket(
    front: LocalServer, upstream: TwoWayPeer, start: int
) -> None:
    """As they do without one."""

    def send(post: Post) -> None:
        stream = make_stream(int(post.request["input"][0]["content"][0]["text"]))
        post.send(*stream.pieces[:200], b"".join(stream.pieces[200:]) or b": end\n\n")
        if stream.is_lost:
            post.cut()
        post.finish()

    upstream.post = send
    with client_of(front) as client:
        for number in range(start, start + 25):
            stream = client.stream(model="m", input=str(number))
            events = [event.to_dict() for event in _read(stream)]
            check_events(events)


def _read(stream: Any) -> Iterator[Any]:
    """Yield the events of a turn, however it ends."""
    with contextlib.suppress(ResponseFailedError):
        yield from stream


def test_the_engine_alone_reads_a_real_answer(upstream: TwoWayPeer) -> None:
    """Without a server around it."""
    upstream.post = lambda post: post.answer("One two")
    engine = UpstreamEngine(upstream.base_url)
    deltas = list(engine.run(ask("hi"), CancelToken()))
    assert isinstance(deltas[0], StartDelta)
    assert "".join(getattr(each, "text", "") for each in deltas) == "One two"
    engine.close()
