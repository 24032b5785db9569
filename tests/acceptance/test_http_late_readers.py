"""Over HTTP nobody reads for a consumer who pauses: what came meanwhile waits in the kernel."""

from __future__ import annotations

import array
import contextlib
import fcntl
import itertools
import select
import socket
import termios
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient, Timeouts
from pyresponses_ws._transport import http_wire
from pyresponses_ws.errors import DeliveryUnknownError, RateLimitError, TurnTimeoutError
from pyresponses_ws.testing.clock import ManualClock
from tests._transport.http_scripts import CHUNKED, LAST, chunk, head, read_request
from tests.support.answers import completed, created, delta, error
from tests.support.deadlines import ends_within
from tests.support.http_answers import Script, serving
from tests.support.raw_server import Peer
from tests.support.responses_peer import wait_for
from tests.support.scripted_http import sse

#: Seconds of a timer of the turn on the test's clock, and a pause that is longer.
LIMIT, PAUSE = 5.0, 6.0
#: Seconds of a timer on the system's clock, where the server never stops.
SHORT = 0.3

Events = Iterator[Any]
Opener = Callable[[ResponsesClient], Events]


def run(client: ResponsesClient) -> Events:
    return client.stream(model="m", input="a")


def follow(client: ResponsesClient) -> Events:
    return client.responses.retrieve("resp_1", stream=True)


def tells_when_told(go_on: threading.Event, *, begun: int) -> Script:
    """A script that sends so many events, and the others when the test says so."""
    events = [chunk(sse(event)) for event in (created(), delta("late"), completed("late"))]

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, *events[:begun])
        assert go_on.wait(10)
        peer.send(*events[begun:], LAST)

    return script


@pytest.fixture
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have timers looked at before each read that waits, as after a real pause."""
    monkeypatch.setattr(http_wire, "WAIT", 1e-6)


def bytes_in(sock: socket.socket) -> int:
    """Count what waits in the kernel to be read."""
    held = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, held)
    return held[0]


def wait_for_bytes(client: ResponsesClient) -> None:
    """Block until the one call that runs has something to read."""
    (claim,) = client._pool._claims
    assert select.select([claim.exchange.call._sock], [], [], 10)[0]


@pytest.mark.usefixtures("_always_due")
@pytest.mark.parametrize(
    ("start", "begun", "timer"),
    [(run, 0, "first_event"), (run, 1, "silence"), (follow, 1, "silence")],
    ids=["first event", "silence", "stored"],
)
def test_who_pauses_finds_what_came_meanwhile(start: Opener, begun: int, timer: str) -> None:
    """A tool may run for longer than the server may be silent."""
    clock, go_on = ManualClock(), threading.Event()
    options: dict[str, Any] = {"clock": clock, "timeouts": Timeouts(**{timer: LIMIT})}
    with serving(tells_when_told(go_on, begun=begun), transport="http", **options) as (client, _):
        stream = start(client)
        types = [next(stream).type for _ in range(begun)]
        go_on.set()
        wait_for_bytes(client)
        clock.advance(PAUSE)
        types += [event.type for event in stream]
    assert types == ["response.created", "response.output_text.delta", "response.completed"]


@pytest.mark.usefixtures("_always_due")
def test_who_pauses_finds_an_event_of_many_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them brings an event before the last does."""
    clock, go_on, text = ManualClock(), threading.Event(), "late " * 4_000
    events = [chunk(sse(event)) for event in (created(), delta(text), completed(text))]

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, events[0])
        assert go_on.wait(10)
        peer.send(*events[1:], LAST)

    options: dict[str, Any] = {"clock": clock, "timeouts": Timeouts(silence=LIMIT)}
    with serving(script, transport="http", **options) as (client, _):
        stream = run(client)
        next(stream)
        go_on.set()
        (claim,) = client._pool._claims
        sock = claim.exchange.call._sock
        # All of it, so that no read has to wait, and two are needed.
        wait_for(lambda: bytes_in(sock) > len(text), "the whole event")
        monkeypatch.setattr(http_wire, "READ_SIZE", len(text) // 2)
        clock.advance(PAUSE)
        assert stream.get_final_response().output_text == text  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_always_due")
@pytest.mark.parametrize("start", [run, follow])
def test_who_pauses_and_finds_nothing_is_told(start: Opener) -> None:
    """The server had its time."""

    def script(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, chunk(sse(created())))
        peer.read_to_end()

    clock = ManualClock()
    options: dict[str, Any] = {"clock": clock, "timeouts": Timeouts(silence=LIMIT)}
    with serving(script, transport="http", **options) as (client, _):
        stream = start(client)
        next(stream)
        clock.advance(PAUSE)
        with pytest.raises(TurnTimeoutError) as caught:
            next(stream)
    assert caught.value.phase == "silence"


# --- servers that never stop, and say nothing ----------------------------------------------------


def floods(start: bytes, piece: bytes) -> Script:
    """A script that begins an answer so, and then sends this until the client leaves."""

    def script(peer: Peer) -> None:
        read_request(peer)
        with contextlib.suppress(OSError):
            peer.send(start)
            for _ in itertools.count():
                peer.send(piece)

    return script


COMMENTS = chunk(b": still here\n\n" * 20)


def test_a_flood_of_comments_is_no_first_event() -> None:
    """There is always something to read, and never anything said."""
    timeouts = Timeouts(first_event=SHORT)
    with (
        serving(floods(CHUNKED, COMMENTS), transport="http", timeouts=timeouts) as (client, _),
        ends_within(SHORT),
        pytest.raises(DeliveryUnknownError, match="no event within"),
    ):
        list(run(client))


@pytest.mark.parametrize("start", [run, follow])
def test_a_flood_of_comments_is_silence(start: Opener) -> None:
    """Behind the first event."""
    script = floods(CHUNKED + chunk(sse(created())), COMMENTS)
    with serving(script, transport="http", timeouts=Timeouts(silence=SHORT)) as (client, _):
        with ends_within(SHORT), pytest.raises(TurnTimeoutError) as caught:
            list(start(client))
        assert caught.value.phase == "silence"


def test_a_flood_of_comments_does_not_keep_an_error_back() -> None:
    """It waits for the response that failed, which may follow it, and not for ever."""
    events = sse(created(), error("insufficient_quota", 429))
    with (
        serving(floods(CHUNKED + chunk(events), COMMENTS), transport="http") as (client, _),
        pytest.raises(RateLimitError, match="insufficient_quota"),
    ):
        client.create(model="m", input="a")


def ask(client: ResponsesClient) -> Any:
    return client.create(model="m", input="a", timeout=SHORT)


def retrieve(client: ResponsesClient) -> Any:
    return client.responses.retrieve("resp_1", timeout=SHORT)


@pytest.mark.parametrize("call", [ask, retrieve])
def test_an_answer_in_one_piece_that_never_ends_is_given_up(
    call: Callable[[ResponsesClient], Any],
) -> None:
    """It is read on the caller's thread, whose patience counts."""
    script = floods(head("200 OK", "Content-Type: application/json"), b" " * 16)
    with serving(script, transport="http") as (client, _):
        with ends_within(SHORT), pytest.raises(TurnTimeoutError) as caught:
            call(client)
        assert caught.value.phase == "total"
