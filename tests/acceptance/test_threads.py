"""One client, any thread: several callers, cancel from outside, close, streams that move."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient, ResponseStream, Timeouts
from pyresponses_ws.errors import (
    ClosedError,
    ConcurrencyError,
    ResponsesWSError,
    TurnCancelledError,
)
from tests.support.answers import completed, error
from tests.support.deadlines import GRACE, PROMPT, at_most, ends_within
from tests.support.responses_peer import (
    PATIENCE,
    PeerTurn,
    ResponsesPeer,
    read_until_error,
    says,
    scripts,
    silent_upgrade,
    wait_for,
)

TURN: dict[str, Any] = {"model": "m", "input": "hello"}


class Caller:
    """A thread that runs a function and keeps what came of it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._outcome: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            result = function()
        except ResponsesWSError as exc:
            result = exc
        self._outcome.put(result)

    def result(self) -> Any:
        """Wait for the end; return the result or error."""
        outcome = self._outcome.get(timeout=PATIENCE)
        self._thread.join(PATIENCE)
        return outcome


@pytest.fixture
def hasty_switches() -> Iterator[None]:
    """Let threads change places a thousand times more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def half(turn: PeerTurn) -> None:
    """Begin the answer and say no more."""
    turn.begin("half")


def wait_for_half(stream: ResponseStream) -> None:
    """Read until the output has begun."""
    assert [next(stream).type for _ in range(2)][1] == "response.output_text.delta"


# --- several callers ----------------------------------------------------------------------------


def test_twenty_turns_in_a_row_use_one_link() -> None:
    """A link is reused as long as one turn follows the other."""
    with ResponsesPeer() as peer, peer.client() as client:
        reports = [client.create(**TURN).report for _ in range(20)]
        assert [report.reused_link for report in reports] == [False] + [True] * 19
        assert (peer.connections, client.stats().links_opened) == (1, 1)


def test_two_turns_at_once_use_two_links() -> None:
    """A busy link is nobody else's; both are used again later, newest first."""
    with ResponsesPeer(scripts(half)) as peer, peer.client() as client:
        with client.stream(**TURN) as stream:
            wait_for_half(stream)
            result = Caller(lambda: client.create(**TURN)).result()
            assert (result.report.link, stream.report.link) == (2, 1)
            assert client.stats().turns_running == 1
        assert client.create(**TURN).report.link == 2


def _many_turns(client: ResponsesClient, caller: int, count: int) -> list[str]:
    """Run turns with markers; return the ones that got another's reply."""
    wrong = []
    for number in range(count):
        marker = f"caller {caller} turn {number}"
        if number % 2:
            text = client.create(model="m", input=marker).output_text
        else:
            text = "".join(client.stream(model="m", input=marker).text_deltas())
        wrong += [] if text == marker else [f"{marker!r} got {text!r}"]
    return wrong


@pytest.mark.parametrize("callers", [8])
def test_many_threads_on_one_client_get_their_own_answers(callers: int) -> None:
    """Eight threads with 50 turns each, told apart by markers."""
    with ResponsesPeer() as peer, peer.client() as client:
        threads = [Caller(lambda n=n: _many_turns(client, n, 50)) for n in range(callers)]
        assert [thread.result() for thread in threads] == [[]] * callers
        assert client.stats().turns == callers * 50
        assert peer.connections <= callers


def test_many_threads_are_right_under_hasty_switches(hasty_switches: None) -> None:
    """The same with a thread switch after every few byte codes."""
    with ResponsesPeer() as peer, peer.client() as client:
        threads = [Caller(lambda n=n: _many_turns(client, n, 50)) for n in range(8)]
        assert [thread.result() for thread in threads] == [[]] * 8


def test_a_stream_may_move_between_threads() -> None:
    """One thread after the other reads; nothing is lost."""
    with ResponsesPeer() as peer, peer.client() as client:
        stream = client.stream(model="m", input="a b c")
        first = [Caller(lambda: next(stream).type).result() for _ in range(3)]
        assert first == ["response.created", *["response.output_text.delta"] * 2]
        assert stream.get_final_response().output_text == "a b c"


def test_overlapping_calls_on_one_stream_are_misuse() -> None:
    """The second caller gets ConcurrencyError; the first goes on undisturbed."""
    finish = threading.Event()

    def script(turn: PeerTurn) -> None:
        turn.begin("half")
        assert finish.wait(PATIENCE)
        turn.send(completed("half", turn.response_id))

    with ResponsesPeer(script) as peer, peer.client() as client:
        stream = client.stream(**TURN)
        wait_for_half(stream)
        reader = Caller(lambda: next(stream).type)
        with pytest.raises(ConcurrencyError, match="another thread"):
            _until_it_raises(stream)
        finish.set()
        assert reader.result() == "response.completed"


def _until_it_raises(stream: ResponseStream) -> None:
    """Call next() once the other thread is inside; before that it would wait itself."""
    wait_for(lambda: stream._inside, "the reader")
    next(stream)


# --- cancel ---------------------------------------------------------------------------------------


def test_cancel_wakes_the_reader_with_the_partial_output() -> None:
    """TurnCancelledError within 0.2 s, carrying what had come; the client stays usable."""
    with ResponsesPeer(scripts(half)) as peer, peer.client() as client:
        stream = client.stream(**TURN)
        wait_for_half(stream)
        reader = Caller(lambda: next(stream))
        with at_most(PROMPT):
            stream.cancel()
            stream.cancel()
            error = reader.result()
        assert isinstance(error, TurnCancelledError)
        assert (error.partial.text, error.response_id, error.state) == (
            "half",
            "resp_1",
            "observed",
        )
        assert client.create(**TURN).output_text == "hello"


def test_cancel_before_the_next_step_raises_there() -> None:
    """Nobody is inside: whoever reads next gets the error, once; then the stream is over."""
    with ResponsesPeer(scripts(half)) as peer, peer.client() as client:
        stream = client.stream(**TURN)
        wait_for_half(stream)
        stream.cancel()
        events, caught = read_until_error(stream)
        assert (events, type(caught)) == ([], TurnCancelledError)
        assert list(stream) == []
        with pytest.raises(TurnCancelledError):
            stream.get_final_response()


def test_cancel_after_the_end_changes_nothing() -> None:
    """The answer is there, and the link stays for the next turn."""
    with ResponsesPeer() as peer, peer.client() as client:
        stream = client.stream(**TURN).until_done()
        stream.cancel()
        assert stream.get_final_response().output_text == "hello"
        assert client.create(**TURN).report.reused_link is True


def test_close_from_another_thread_wakes_the_reader() -> None:
    """Closing a stream that is being read ends the read."""
    with ResponsesPeer(scripts(half)) as peer, peer.client() as client:
        stream = client.stream(**TURN)
        wait_for_half(stream)
        reader = Caller(lambda: next(stream))
        wait_for(lambda: stream._inside, "the reader")
        stream.close()
        assert isinstance(reader.result(), TurnCancelledError)


# --- close ----------------------------------------------------------------------------------------


def test_close_waits_for_running_turns() -> None:
    """A turn that ends in time is not cut."""
    finish = threading.Event()

    def script(turn: PeerTurn) -> None:
        turn.begin("half")
        assert finish.wait(PATIENCE)
        turn.send(completed("half", turn.response_id))

    with ResponsesPeer(script) as peer, peer.client() as client:
        caller = Caller(lambda: client.create(**TURN).output_text)
        peer.wait_for_requests(1)
        closer = Caller(client.close)
        wait_for(lambda: client._pool.is_closed, "close")
        finish.set()
        assert caller.result() == "half"
        with at_most(1):
            closer.result()


def test_close_cancels_what_does_not_end() -> None:
    """After ``timeout`` the turn gets TurnCancelledError with its partial output."""
    with ResponsesPeer(half) as peer, peer.client() as client:
        caller = Caller(lambda: client.create(**TURN))
        peer.wait_for_requests(1)
        with ends_within(0.1):
            client.close(timeout=0.1)
            error = caller.result()
        assert isinstance(error, TurnCancelledError)


def test_close_cancels_a_turn_that_waits_to_be_sent_again() -> None:
    """The pause before a retry is no hiding place."""
    script = says(error("server_is_overloaded", 503, retry_after="20"))
    with ResponsesPeer(script) as peer, peer.client() as client:
        caller = Caller(lambda: client.create(**TURN))
        peer.wait_for_requests(1)
        with at_most(0.1 + GRACE):
            client.close(timeout=0.1)
            error_raised = caller.result()
        assert isinstance(error_raised, TurnCancelledError)


def test_close_cancels_a_turn_that_connects() -> None:
    """A handshake under way is cut at once, since nothing runs there yet."""
    seen = threading.Event()
    with ResponsesPeer(accept=silent_upgrade(seen)) as peer, peer.client() as client:
        caller = Caller(lambda: client.create(**TURN))
        assert seen.wait(PATIENCE)
        with at_most(0.1 + GRACE):
            client.close(timeout=0.1)
            error_raised = caller.result()
        assert isinstance(error_raised, TurnCancelledError)


def test_close_says_goodbye_and_is_idempotent() -> None:
    """Idle links get close 1000; a second close does nothing."""
    with ResponsesPeer() as peer:
        client = peer.client()
        client.create(**TURN)
        client.close()
        client.close()
        assert peer.closes == [(1000, "Client closed")]
        assert client.stats().links == 0


@pytest.mark.parametrize("call", ["create", "stream", "warm_up", "connect"])
def test_use_after_close_is_an_error(call: str) -> None:
    """ClosedError names the fix; no connection is tried."""
    with ResponsesPeer() as peer:
        client = peer.client()
        client.close()
        turn = {} if call == "connect" else TURN
        with pytest.raises(ClosedError, match="make a new ResponsesClient"):
            getattr(client, call)(**turn)
        assert peer.connections == 0


def test_close_of_a_client_with_an_open_stream_ends_the_stream() -> None:
    """A paused stream is a running turn; it is cancelled, and says so when it is read."""
    with ResponsesPeer(half) as peer, peer.client(timeouts=Timeouts(silence=5)) as client:
        stream = client.stream(**TURN)
        wait_for_half(stream)
        client.close(timeout=0)
        with pytest.raises(TurnCancelledError):
            next(stream)
