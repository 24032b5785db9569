"""Closing a client whose turn is on nobody's wire: between two attempts, or before the first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pyresponses_ws import Hooks, ResponsesClient
from pyresponses_ws._runtime.farewell import GOODBYE_WAIT
from pyresponses_ws.errors import TurnCancelledError
from pyresponses_ws.testing.clock import ManualClock
from tests._runtime.rig import Call
from tests.support.http_answers import KEY
from tests.support.responses_peer import PeerTurn, scripts, wait_for
from tests.support.two_way_peer import Post, TwoWayPeer, close_at_once, refuse_upgrade

#: Seconds on the test's clock that close gives a turn.
PATIENCE = 5.0


class Pause:
    """A callable of the user's that takes its time."""

    def __init__(self) -> None:
        #: Set once somebody is inside; nobody leaves before the other is set.
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> str:
        self.reached.set()
        assert self.go_on.wait(10)
        return KEY


def cut_first(post: Post) -> None:
    """Take the first POST and leave; answer the others."""
    if post.number == 1:
        post.cut()
    post.answer()


#: What a turn meets; the user's code that is called then; and how the server brings it there.
PLACES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "WebSocket refused": ({}, "on_fallback", {"upgrade": refuse_upgrade(404)}),
    "closed at the request": ({}, "on_fallback", {"upgrade": close_at_once(1008)}),
    "link lost": ({}, "on_retry", {"script": scripts(PeerTurn.cut)}),
    "HTTP lost": ({"transport": "http"}, "on_retry", {"post": cut_first}),
    "key over HTTP": ({"transport": "http"}, "api_key", {}),
    "key over WebSocket": ({}, "api_key", {}),
}


def run(client: ResponsesClient) -> Any:
    return client.create(model="m", input="hello").output_text


def retrieve(client: ResponsesClient) -> Any:
    return client.responses.retrieve("resp_1")


def follow(client: ResponsesClient) -> Any:
    return client.responses.retrieve("resp_1", stream=True)


@contextmanager
def paused(
    place: str, call: Callable[[ResponsesClient], Any] = run
) -> Iterator[tuple[TwoWayPeer, ResponsesClient, Pause, Call]]:
    """Have a turn stand still there; it goes on at the end at the latest."""
    options, name, server = PLACES[place]
    pause = Pause()
    given = {"api_key": pause} if name == "api_key" else {"hooks": Hooks(**{name: pause})}
    with TwoWayPeer(**server) as peer:
        client = peer.client(clock=ManualClock(), **options, **given)
        turn = Call(lambda: call(client))
        assert pause.reached.wait(10)
        try:
            yield peer, client, pause, turn
        finally:
            pause.go_on.set()


def close(client: ResponsesClient) -> Call:
    """Close it on another thread, and wait until that waits."""
    closing = Call(lambda: client.close(timeout=PATIENCE))
    client._dialer.threads.clock.wait_for_waiters(within=PATIENCE)  # type: ignore[attr-defined]
    return closing


@pytest.mark.parametrize("place", ["WebSocket refused", "key over HTTP", "key over WebSocket"])
def test_close_waits_for_a_turn_that_has_not_left_yet(place: str) -> None:
    """It has its time, and its answer."""
    with paused(place) as (_, client, pause, turn):
        closing = close(client)
        pause.go_on.set()
        assert turn.result() == "hello"
        closing.result()


@pytest.mark.parametrize("place", ["link lost", "HTTP lost"])
def test_a_lost_turn_is_not_sent_again_while_its_client_closes(place: str) -> None:
    """Close waits until whoever asked for it knows."""
    with paused(place) as (peer, client, pause, turn):
        closing = close(client)
        pause.go_on.set()
        with pytest.raises(TurnCancelledError):
            turn.result()
        closing.result()
        assert len(peer.posts) + len(peer.requests) == 1


def give_up(client: ResponsesClient) -> None:
    """Close it without patience, and let the time pass that a goodbye takes."""
    closing = threading.Thread(target=client.close, kwargs={"timeout": 0})
    closing.start()

    def is_over() -> bool:
        client._dialer.threads.clock.advance(GOODBYE_WAIT)  # type: ignore[attr-defined]
        return not closing.is_alive()

    wait_for(is_over, "the end of close")


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_sent_once_close_has_returned(place: str) -> None:
    """The turn was cancelled, whatever it did just then."""
    with paused(place) as (peer, client, pause, turn):
        give_up(client)
        before = (len(peer.posts), len(peer.requests))
        pause.go_on.set()
        with pytest.raises(TurnCancelledError):
            turn.result()
        assert (len(peer.posts), len(peer.requests)) == before
        assert client.stats().turns_running == 0


@pytest.mark.parametrize("call", [retrieve, follow])
def test_a_call_that_is_no_turn_is_not_sent_either(call: Callable[[ResponsesClient], Any]) -> None:
    """It asks for its key when the client is closed."""
    with paused("key over HTTP", call) as (peer, client, pause, called):
        give_up(client)
        pause.go_on.set()
        with pytest.raises(TurnCancelledError):
            called.result()
        assert peer.heads == []


def test_a_close_that_takes_a_dead_link_for_an_answer_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came just between the end of the link and the turn's letting go of it."""
    with TwoWayPeer(upgrade=refuse_upgrade(404)) as peer:
        client = ResponsesClient(KEY, base_url=peer.base_url)
        forget, seen = client._pool._forget, list[bool]()

        def late(link: Any) -> None:
            forget(link)
            if not seen:
                seen.extend(claim.is_answered for claim in client._pool._claims)
                Call(lambda: client.close(timeout=0)).result()

        monkeypatch.setattr(client._pool, "_forget", late)
        with pytest.raises(TurnCancelledError):
            run(client)
        assert (seen, peer.posts) == ([True], [])
