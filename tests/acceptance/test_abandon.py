"""An abandoned turn can never answer the next one: section 5."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable

import pytest

from pyresponses_ws import ResponsesClient, ResponseStream
from pyresponses_ws.errors import ResponsesWSError, TurnCancelledError
from tests.support.answers import whole_answer
from tests.support.responses_peer import (
    PeerTurn,
    ResponsesPeer,
)

ABANDONS = 1000
MOST_READ = 3


class _BodyError(Exception):
    """What the body of a loop raises."""


def _read(stream: ResponseStream, count: int) -> None:
    for _ in itertools.islice(stream, count):
        pass


def by_close(client: ResponsesClient, marker: str, count: int) -> None:
    """Leave the loop, then close."""
    stream = client.stream(model="m", input=marker)
    _read(stream, count)
    stream.close()


def by_leaving(client: ResponsesClient, marker: str, count: int) -> None:
    """Leave the ``with``."""
    with client.stream(model="m", input=marker) as stream:
        _read(stream, count)


def by_exception(client: ResponsesClient, marker: str, count: int) -> None:
    """Raise in the body."""
    with (
        contextlib.suppress(_BodyError),
        client.stream(model="m", input=marker) as stream,
    ):
        _read(stream, count)
        raise _BodyError


def by_dropping(client: ResponsesClient, marker: str, count: int) -> None:
    """Let the last reference go."""
    _read(client.stream(model="m", input=marker), count)


def by_cancel(client: ResponsesClient, marker: str, count: int) -> None:
    """Cancel from another thread while this one reads."""
    stream = client.stream(model="m", input=marker)
    _read(stream, count)
    thread = threading.Thread(target=stream.cancel)
    thread.start()
    with contextlib.suppress(TurnCancelledError):
        stream.until_done()
    thread.join()


WAYS: list[Callable[[ResponsesClient, str, int], None]] = [
    by_close,
    by_leaving,
    by_exception,
    by_dropping,
    by_cancel,
]


class InPieces:
    """Answers with the input as marker, in pieces that end anywhere; some answers stop early.

    Those that stop have sent what the abandoning side reads, which is ``MOST_READ`` events.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, turn: PeerTurn) -> None:
        events = whole_answer(turn.text, turn.response_id)
        with self._lock:
            stops = turn.text.startswith("abandoned") and self._rng.random() < 0.3
            first = self._rng.randrange(MOST_READ if stops else 0, len(events))
        if first:
            turn.send(*events[:first])
        if stops:
            return
        turn.send(*events[first:])


def test_a_thousand_abandons_shift_no_reply() -> None:
    """Turns abandoned at random events, on reused links, in five ways; each reply is its own."""
    rng = random.Random(5)
    with ResponsesPeer(InPieces(6)) as peer, peer.client() as client:
        reused = 0
        for number in range(ABANDONS):
            rng.choice(WAYS)(client, f"abandoned {number} a b", rng.randint(0, MOST_READ))
            marker = f"wanted {number} c d"
            response = client.create(model="m", input=marker)
            assert response.output_text == marker
            reused += response.report.reused_link
        # Those whose terminal had come already keep their link; the others lose it.
        assert 0 < reused < ABANDONS


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_abandoned_turn_takes_its_link_along(
    way: Callable[[ResponsesClient, str, int], None],
) -> None:
    """Alone on its socket: the peer sees its end, and the next turn is on another."""

    def script(turn: PeerTurn) -> None:
        turn.begin("a ", "b ") if turn.text == "left" else turn.answer()

    with ResponsesPeer(script) as peer, peer.client() as client:
        client.create(model="m", input="first")
        way(client, "left", 2)
        peer.wait_for_ends(1)
        response = client.create(model="m", input="next")
        assert (response.output_text, response.report.link) == ("next", 2)


def test_a_terminal_that_has_come_retires_nothing() -> None:
    """Closing a stream whose answer is complete keeps the link for the next turn."""
    with ResponsesPeer() as peer, peer.client() as client:
        with client.stream(model="m", input="a b c") as stream:
            stream.until_done()
        stream.close()
        assert client.create(model="m", input="x").report.reused_link is True
        assert peer.connections == 1


def test_break_alone_pauses() -> None:
    """A stream that is kept goes on where its loop was left."""
    with ResponsesPeer() as peer, peer.client() as client:
        stream = client.stream(model="m", input="a b c")
        for event in stream:
            if event.type == "response.output_text.delta":
                break
        assert "".join(stream.text_deltas()) == " b c"
        assert stream.get_final_response().output_text == "a b c"


def test_a_closed_stream_is_over() -> None:
    """After close nothing comes; get_final_response says why there is none."""
    with ResponsesPeer(lambda turn: turn.begin("half")) as peer, peer.client() as client:
        stream = client.stream(model="m", input="x")
        _read(stream, 2)
        stream.close()
        stream.close()
        assert list(stream) == []
        assert stream.snapshot().output_text == "half"
        with pytest.raises(ResponsesWSError, match="closed before"):
            stream.get_final_response()
