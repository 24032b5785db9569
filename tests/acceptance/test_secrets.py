"""No key, header, query value, proxy password, input or output in what we say when things fail."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pyresponses_ws import Hooks, ResponsesClient, Timeouts
from pyresponses_ws.errors import ResponsesWSError
from tests.support.answers import created, error, failed
from tests.support.raw_server import Peer, RawServer
from tests.support.responses_peer import Gone, PeerLink, PeerTurn, Script
from tests.support.two_way_peer import (
    Post,
    PostScript,
    TwoWayPeer,
    Upgrade,
    accept,
    close_at_once,
    http_answer,
    swallow,
)

KEY, HEADER, QUERY = "sk-canary-key-7301", "canary-header-7302", "canary-query-7303"
PASSWORD, INPUT, OUTPUT = "canary-password-7304", "canary-input-7305", "canary-output-7306"
#: As it travels to a proxy.
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
#: What nobody may ever see, and what may be seen of an answer only where it is handed over.
SECRETS = [KEY, HEADER, QUERY, PASSWORD, BASIC, INPUT]
TIMERS = Timeouts(connect=0.3, first_event=0.3, silence=0.3, create_total=3)


class Case(NamedTuple):
    """One way to fail; a turn must not succeed over the transports that it is for."""

    upgrade: Upgrade = accept
    script: Script = PeerTurn.answer
    post: PostScript = Post.answer
    transports: tuple[str, ...] = ("websocket", "http")
    options: dict[str, Any] = {}  # noqa: RUF012 (a NamedTuple's default, never changed)
    turn: dict[str, Any] = {}  # noqa: RUF012 (the same)


def echo_of(peer: Peer) -> str:
    """What some servers do to help: the request as it came."""
    return peer.request.decode("latin-1")


def echoing(status: int, shape: str, **headers: str) -> Case:
    """A refusal that repeats the request's headers."""

    def body(peer: Peer) -> Any:
        said = echo_of(peer)
        shapes: dict[str, Any] = {
            "page": f"<html><pre>{said}</pre></html>",
            "text": said,
            "json": {"error": {"message": f"Bad request: {said}", "code": "x", "headers": said}},
            "detail": {"detail": said},
        }
        return shapes[shape]

    def upgrade(peer: PeerLink) -> None:
        peer.send(http_answer(status, body(peer), Connection="close", **headers))
        raise Gone

    def post(post: Post) -> None:
        post.refuse(status, body(post.peer), **headers)

    return Case(upgrade=upgrade, post=post)


def redirecting(peer: PeerLink) -> None:
    """Send the client away, with its own query and key."""
    target = f"https://{KEY}.test/{HEADER}?token={QUERY}"
    peer.send(http_answer(302, "", Location=target, Connection="close"))
    raise Gone


def cut(turn: PeerTurn | Post) -> None:
    """Half an answer, then nothing."""
    turn.begin(OUTPUT)
    turn.cut()


def stall(turn: PeerTurn | Post) -> None:
    """Half an answer, then silence."""
    turn.begin(OUTPUT)
    turn.peer.read_to_end()
    raise Gone


def be_silent(turn: PeerTurn | Post) -> None:
    turn.peer.read_to_end()
    raise Gone


def says(*events: Any) -> tuple[Script, PostScript]:
    """Say this over either."""

    def script(turn: PeerTurn) -> None:
        turn.send(*events)

    def post(post: Post) -> None:
        plain = (b"data: " + e.encode() + b"\n\n" if isinstance(e, str) else e for e in events)
        post.send(*plain)
        post.finish()

    return script, post


def saying(*events: Any) -> Case:
    script, post = says(*events)
    return Case(script=script, post=post)


def starting(line: bytes) -> PostScript:
    """Answer with a head that begins so, and leave."""

    def post(post: Post) -> None:
        post.peer.send(line + b"\r\n\r\n")
        post.cut()

    return post


EFFECTS = {"tools": [{"type": "mcp", "server_label": "x", "headers": {"Authorization": HEADER}}]}
CASES: dict[str, Case] = {
    **{
        f"{s} {shape}": echoing(s, shape)
        for s in (401, 403, 404, 500)
        for shape in ("page", "json")
    },
    "400 text": echoing(400, "text"),
    "426 detail": echoing(426, "detail"),
    "429 json": echoing(429, "json", Retry_After="60"),
    "200 page": Case(upgrade=echoing(200, "page").upgrade, transports=("websocket",)),
    "302": Case(
        upgrade=redirecting,
        post=lambda post: post.refuse(302, "", Location=f"https://{KEY}.test/?token={QUERY}"),
    ),
    "black hole": Case(upgrade=swallow, transports=("websocket",)),
    "101 then 1008": Case(upgrade=close_at_once(1008, "policy"), transports=("websocket",)),
    "cut": Case(script=cut, post=cut, turn=EFFECTS),
    "cut twice": Case(script=cut, post=cut),
    "silence": Case(script=stall, post=stall),
    "first event": Case(script=be_silent, post=be_silent),
    "total": Case(script=stall, post=stall, turn={"timeout": 0.2}),
    "odd 100": Case(post=starting(b"HTTP/1.1  100 Continue"), transports=("http",)),
    "odd version": Case(post=starting(b"HTTP/1.10 100 Continue"), transports=("http",)),
    "no status": Case(post=starting(b"HTTP/1.1"), transports=("http",)),
    "bad json": saying(created(), f'{{"type": "response.output_text.delta", "delta": "{OUTPUT}'),
    "no object": saying(json.dumps([OUTPUT])),
    "out of order": saying({"type": "response.output_text.delta", "delta": OUTPUT}),
    "binary": Case(script=lambda turn: turn.send(OUTPUT.encode()), transports=("websocket",)),
    "error event": saying(error("invalid_type", 400)),
    "overloaded": saying(error("server_is_overloaded", 503, retry_after="60")),
    "failed": saying(created(), failed()),
    "1009": Case(script=lambda turn: turn.close(1009, "too big"), transports=("websocket",)),
    "1011": Case(
        script=lambda turn: turn.close(1011, "oops"), turn=EFFECTS, transports=("websocket",)
    ),
    "too large": Case(options={"max_request_bytes": 10}, transports=("websocket",)),
    "no JSON": Case(turn={"metadata": {"a": float("nan"), "b": INPUT}}),
}
RUNS = [(name, way) for name, case in CASES.items() for way in (*case.transports, "auto")]


def shown_by(exc: BaseException) -> list[str]:
    """Everything that an error shows of itself, and of what led to it."""
    shown = ["".join(traceback.format_exception(exc))]
    seen: list[BaseException] = []
    link: BaseException | None = exc
    while link is not None and link not in seen:
        seen.append(link)
        shown += [str(link), repr(link), repr(link.args)]
        report = getattr(link, "report", None)
        if report is not None:
            shown += [repr(report), str(report), json.dumps(report.to_dict())]
        link = link.__cause__ or link.__context__
    return shown


def pickled(exc: BaseException) -> str:
    """What travels to another process; the partial answer is a part of it by design."""
    return pickle.dumps(exc).decode("latin-1")


def check(caplog: pytest.LogCaptureFixture, *shown: str) -> None:
    """Find no canary in these, nor in the log."""
    told = [*shown, caplog.text, *(repr(record.__dict__) for record in caplog.records)]
    words = [*SECRETS, OUTPUT]
    assert [(word, text) for text in told for word in words if word in text] == []


def make_client(base_url: str, transport: str, told: list[Any], **options: Any) -> ResponsesClient:
    """A client that holds every canary, and tells every hook."""
    hook: Callable[[Any], object] = told.append
    names = ("on_connect", "on_disconnect", "on_retry", "on_fallback", "on_rotate", "on_turn_end")
    return ResponsesClient(
        KEY,
        base_url=base_url,
        transport=transport,  # type: ignore[arg-type]
        headers={"X-Canary": HEADER},
        query={"token": QUERY},
        timeouts=TIMERS,
        hooks=Hooks(**dict.fromkeys(names, hook)),
        **options,
    )


def fail(client: ResponsesClient, **turn: Any) -> ResponsesWSError | None:
    """Run a turn; returns its error."""
    try:
        client.create(**{"model": "m", "input": INPUT, **turn})
    except ResponsesWSError as exc:
        return exc
    return None


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that anybody logs."""
    caplog.set_level(logging.DEBUG)
    return caplog


def test_there_are_enough_ways_to_fail() -> None:
    """Twenty over each transport at least."""
    for transport in ("websocket", "http"):
        assert sum(way == transport for _, way in RUNS) >= 20


@pytest.mark.parametrize(("name", "transport"), RUNS, ids=[f"{n}-{way}" for n, way in RUNS])
def test_a_failure_tells_no_secret(
    name: str, transport: str, log: pytest.LogCaptureFixture
) -> None:
    """In no log, repr, str, report, hook, traceback or pickle."""
    case, told = CASES[name], []
    server = TwoWayPeer(case.script, upgrade=case.upgrade, post=case.post)
    with server as peer, make_client(peer.base_url, transport, told, **case.options) as client:
        caught = fail(client, **case.turn)
        # Over "auto" the other way may have served.
        assert (caught is not None) or transport == "auto"
        shown = [repr(client), repr(client.stats()), *map(repr, told)]
        if caught is not None:
            shown += shown_by(caught)
            assert [word for word in SECRETS if word in pickled(caught)] == []
    check(log, *shown)


@pytest.mark.parametrize("transport", ["websocket", "http", "auto"])
def test_a_server_that_is_not_there_tells_no_secret(
    transport: str, log: pytest.LogCaptureFixture
) -> None:
    """Nobody listens."""
    told: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with make_client(url, transport, told) as client:
        caught = fail(client)
    assert caught is not None
    check(log, *shown_by(caught), pickled(caught), *map(repr, told))


def refuse_tunnel(status: int) -> Callable[[Peer], None]:
    """What some proxies do: refuse, and repeat the request."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(http_answer(status, echo_of(peer), Connection="close"))

    return script


@pytest.mark.parametrize("status", [200, 400, 403, 407, 502])
@pytest.mark.parametrize("transport", ["websocket", "http", "auto"])
def test_a_proxy_that_refuses_tells_no_secret(
    transport: str, status: int, log: pytest.LogCaptureFixture
) -> None:
    """Its password neither as it was given nor as it travels."""
    told: list[Any] = []
    with RawServer(refuse_tunnel(status)) as proxy:
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        client = make_client("http://127.0.0.1:9/v1", transport, told, proxy=url)
        with client:
            caught = fail(client)
        shown = [repr(client), repr(client._config), repr(client._config.find_proxy(url))]
    assert caught is not None
    check(log, *shown, *shown_by(caught), pickled(caught), *map(repr, told))


@pytest.mark.parametrize(
    "proxy",
    [
        f"gopher://user:{PASSWORD}@localhost:1",
        f"http://user:{PASSWORD}@",
        f"http://user:{PASSWORD}@localhost:99999999",
        f"user:{PASSWORD}@localhost",
    ],
)
def test_an_option_that_is_wrong_is_not_repeated(proxy: str, log: pytest.LogCaptureFixture) -> None:
    """ConfigError names the option alone."""
    with pytest.raises(ResponsesWSError, match="proxy") as caught:
        make_client("http://127.0.0.1:9/v1", "auto", [], proxy=proxy)
    check(log, *shown_by(caught.value), pickled(caught.value))


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_stream_tells_no_secret(transport: str, log: pytest.LogCaptureFixture) -> None:
    """In mid-answer, and after it was cancelled; only its events have the text."""
    told: list[Any] = []
    with (
        TwoWayPeer(stall, post=stall) as peer,
        make_client(peer.base_url, transport, told) as client,
    ):
        stream = client.stream(model="m", input=INPUT)
        next(stream)
        shown = [repr(stream), str(stream), repr(stream.report), repr(client)]
        stream.cancel()
        with pytest.raises(ResponsesWSError) as caught:
            stream.until_done()
        shown += shown_by(caught.value)
        assert INPUT not in pickled(caught.value)
    check(log, *shown, *map(repr, told))


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_turn_that_goes_well_tells_no_secret(
    transport: str, log: pytest.LogCaptureFixture
) -> None:
    """Logs and reports are written then too."""
    told: list[Any] = []
    with (
        TwoWayPeer(lambda turn: turn.answer(OUTPUT), post=lambda post: post.answer(OUTPUT)) as peer,
        make_client(peer.base_url, transport, told) as client,
    ):
        response = client.create(model="m", input=INPUT)
        assert response.output_text == OUTPUT
        assert response.report is not None
        shown = [json.dumps(response.report.to_dict()), repr(response.report), repr(client)]
    check(log, *shown, *map(repr, told))


def test_a_connection_tells_no_secret(log: pytest.LogCaptureFixture) -> None:
    """The low level logs and raises too."""
    told: list[Any] = []
    with (
        TwoWayPeer(cut) as peer,
        make_client(peer.base_url, "websocket", told) as client,
        client.connect() as connection,
    ):
        connection.send({"type": "response.create", "model": "m", "input": INPUT})
        with pytest.raises(ResponsesWSError) as caught:
            list(connection)
        shown = [repr(connection), repr(connection.last_close)]
    check(log, *shown, *shown_by(caught.value), pickled(caught.value), *map(repr, told))


@pytest.mark.parametrize("shape", ["page", "json", "text"])
def test_a_page_in_place_of_an_answer_tells_no_secret(shape: str) -> None:
    """Its start is kept in the error, without what it repeats of our request."""
    with (
        TwoWayPeer(post=echoing(200, shape).post) as peer,
        make_client(peer.base_url, "http", []) as client,
    ):
        caught = fail(client)
        assert caught is not None
        assert [word for word in SECRETS if word in pickled(caught)] == []
