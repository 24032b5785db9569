"""What a turn over HTTP leaves behind when it is dropped, given up or sent again."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import pytest

from pyresponses_ws.errors import TurnTimeoutError
from tests._runtime.rig import Call
from tests.acceptance.test_http_turns import BIG_TURN, Phase, begin_and_wait, first, over_http
from tests.support.answers import error
from tests.support.http_answers import NoJitter
from tests.support.responses_peer import Gone, PeerTurn, Script, close_with, scripts
from tests.support.two_way_peer import (
    Post,
    PostScript,
    TwoWayPeer,
    Upgrade,
    accept,
    close_at_once,
    refuse_upgrade,
)


def test_a_dropped_http_turn_runs_no_more() -> None:
    """stats() says so at once, not only after the next turn."""
    with TwoWayPeer(post=first(begin_and_wait)) as peer, over_http(peer) as client:
        list(itertools.islice(client.stream(model="m", input="a"), 2))
        gc.collect()
        peer.wait_for_ends(1)
        assert client.stats().turns_running == 0


def test_a_stream_dropped_after_close_leaves_no_socket_to_the_collector() -> None:
    """ResourceWarning otherwise."""
    with TwoWayPeer(post=first(begin_and_wait)) as peer:
        client = over_http(peer)
        stream: Any = client.stream(model="m", input="a")
        next(stream)
        client.close(timeout=0)
        del stream
        del client
        gc.collect()


def test_an_upload_that_the_caller_gave_up_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over WebSocket: state sent, attempts 1. Over HTTP the same should be told."""
    phase = Phase("upload", monkeypatch)
    with phase.peer() as peer, over_http(peer) as client:
        with pytest.raises(TurnTimeoutError) as caught:
            client.create(**BIG_TURN, timeout=0.3)
        assert (caught.value.attempts, caught.value.state) == (1, "sent")


# --- streams that had trouble before --------------------------------------------------------------


class Trouble(NamedTuple):
    """What a turn goes through before it is answered in part."""

    transport: str = "auto"
    upgrade: Upgrade = accept
    script: Script = PeerTurn.answer
    post: PostScript = begin_and_wait


def begin_and_stay(turn: PeerTurn) -> NoReturn:
    """Send half an answer over a link."""
    turn.begin("half")
    turn.peer.read_to_end()
    raise Gone


def cut_behind_the_head(post: Post) -> None:
    """Begin an answer without an event."""
    post.send()
    post.cut()


def accept_once() -> Upgrade:
    """Take the first upgrade, and refuse the others."""
    answers = iter([accept])
    return lambda peer: next(answers, refuse_upgrade(404))(peer)


def then_wait(script: PostScript) -> PostScript:
    """Answer the first POST so, and the next in part."""
    return lambda post: (script if post.number == 1 else begin_and_wait)(post)


def refuse_for_now(post: Post) -> None:
    post.refuse(503, error("server_is_overloaded", 503))


TROUBLES = {
    "WebSocket refused": Trouble(upgrade=refuse_upgrade(404)),
    "closed at the request": Trouble(upgrade=close_at_once(1008)),
    "too big": Trouble(script=close_with(1009)),
    "link lost": Trouble("websocket", script=scripts(PeerTurn.cut, begin_and_stay)),
    "link lost, then refused": Trouble(upgrade=accept_once(), script=PeerTurn.cut),
    "HTTP cut before the head": Trouble("http", post=then_wait(Post.cut)),
    "HTTP cut behind the head": Trouble("http", post=then_wait(cut_behind_the_head)),
    "refused for now": Trouble("http", post=then_wait(refuse_for_now)),
    "none over HTTP": Trouble("http"),
    "none over WebSocket": Trouble("websocket", script=begin_and_stay),
}


@pytest.fixture
def _without_the_collector() -> Iterator[None]:
    """Have nothing go but by its last reference."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_the_collector")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_stream_goes_with_its_last_reference_whatever_it_went_through(trouble: Trouble) -> None:
    """An error that it has overcome holds it in no circle; the server sees its end at once."""
    server = TwoWayPeer(trouble.script, upgrade=trouble.upgrade, post=trouble.post)
    with server as peer, peer.client(transport=trouble.transport) as client:
        client._pool.rng = NoJitter()
        stream = client.stream(model="m", input="a")
        assert next(stream).type == "response.created"
        peer.wait_for_ends(peer.connections - 1)
        del stream
        peer.wait_for_ends(peer.connections)


def test_a_replay_leaves_idle_connections_alone() -> None:
    """A load balancer that forgot one connection may have forgotten them all."""
    both, old = threading.Barrier(2), list[object]()

    def post(post: Post) -> None:
        if post.number <= 2:
            old.append(post.peer)
            both.wait(10)
        elif post.peer in old:
            post.cut()
        post.answer()

    with TwoWayPeer(post=post) as peer, over_http(peer) as client:
        for call in [Call(lambda: client.create(model="m", input="a")) for _ in range(2)]:
            call.result()
        report = client.create(model="m", input="b").report
        assert (report.attempts, report.replayed, report.reused_link) == (2, True, False)
        assert peer.connections == 3
