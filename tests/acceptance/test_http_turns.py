"""Turns over HTTP end as those over WebSocket do: cancelled, interrupted, timed out, abandoned."""

from __future__ import annotations

import gc
import itertools
import json
import random
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyresponses_ws import Hooks, ResponsesClient, Timeouts
from pyresponses_ws.errors import (
    ConnectError,
    DeliveryUnknownError,
    ResponseInterruptedError,
    ResponsesWSError,
    TurnCancelledError,
    TurnTimeoutError,
)
from tests.support.answers import completed, created, delta, error, whole_answer
from tests.support.deadlines import PROMPT, at_most, ends_within
from tests.support.interrupts import (
    interrupted,
    is_interrupted,
    press_ctrl_c,
    press_soon,
    python_handles_sigint,
)
from tests.support.responses_peer import wait_for
from tests.support.tls import TestAuthority
from tests.support.two_way_peer import Post, PostScript, TwoWayPeer, refuse_upgrade

#: The fixture is used by its name, which is all that pytest asks for.
__all__ = ["python_handles_sigint"]
pytestmark = pytest.mark.usefixtures("python_handles_sigint")

TURN: dict[str, Any] = {"model": "m", "input": "hello"}
#: More than the kernel's buffers on both sides take.
BIG_TURN: dict[str, Any] = {"model": "m", "input": "x" * 12_000_000}


def over_http(peer: TwoWayPeer, **options: Any) -> ResponsesClient:
    client: ResponsesClient = peer.client(transport="http", **options)
    return client


def first(script: PostScript) -> PostScript:
    """Answer the first POST so, and later ones by an echo."""
    return lambda post: (script if post.number == 1 else Post.answer)(post)


def begin_and_wait(post: Post) -> None:
    """Send half an answer."""
    post.begin("half")
    post.wait_for_end()


# --- where a call may stand ---------------------------------------------------------------------


class Phase:
    """A place in which a call stands still until somebody ends it."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = name
        #: Set once the call stands there.
        self.reached = threading.Event()
        self._released = threading.Event()
        self.turn = BIG_TURN if name == "upload" else TURN
        if name == "resolve":
            monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, *args: Any, flags: int = 0, **options: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror("no number")
        self.reached.set()
        assert self._released.wait(10)
        raise socket.gaierror("no answer")

    def post(self, post: Post) -> None:
        """What the server does with the first request."""
        if self.name == "body":
            post.begin("half")
        self.reached.set()
        post.wait_for_end()

    @contextmanager
    def peer(self) -> Iterator[TwoWayPeer]:
        if self.name in ("tls", "upload"):
            with _Stalled(self.reached, is_tls=self.name == "tls") as stalled:
                yield stalled  # type: ignore[misc]
            return
        with TwoWayPeer(post=first(self.post)) as peer:
            # By name: a number needs no look-up that could hang.
            peer.base_url = peer.base_url.replace("127.0.0.1", "localhost")
            yield peer
            self._released.set()

    def release(self) -> None:
        self._released.set()


class _Stalled:
    """Takes connections and reads nothing, or only as much as shows that something came."""

    def __init__(self, reached: threading.Event, *, is_tls: bool) -> None:
        self._reached = reached
        self._is_tls = is_tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if is_tls else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._held: list[socket.socket] = []

    def __enter__(self) -> _Stalled:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        for sock in self._held:
            sock.close()
        self._listener.close()

    def _run(self) -> None:
        sock, _ = self._listener.accept()
        self._held.append(sock)
        sock.recv(1)
        self._reached.set()

    def client(self, **options: Any) -> ResponsesClient:
        if self._is_tls:
            options["ssl_context"] = ssl.create_default_context()
        return ResponsesClient("sk-test", base_url=self.base_url, **options)


PHASES = ["resolve", "tls", "upload", "head", "body"]


@pytest.fixture(params=PHASES)
def phase(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Phase]:
    made = Phase(request.param, monkeypatch)
    yield made
    made.release()


def fail(client: ResponsesClient, turn: dict[str, Any], seen: list[Any]) -> None:
    """Run a turn; note what it raised."""
    try:
        client.create(**turn)
    except ResponsesWSError as exc:
        seen.append(exc)


# --- cancel and close ---------------------------------------------------------------------------


def test_close_ends_a_call_wherever_it_stands(phase: Phase) -> None:
    """Within a fifth of a second of the cancel: TurnCancelledError."""
    seen: list[Any] = []
    with phase.peer() as peer, over_http(peer) as client:
        thread = threading.Thread(target=fail, args=(client, phase.turn, seen))
        thread.start()
        assert phase.reached.wait(10)
        with at_most(PROMPT):
            client.close(timeout=0)
            thread.join(10)
        assert type(seen[0]) is TurnCancelledError
        assert client.stats().turns_running == 0


def test_close_waits_for_a_turn_that_runs() -> None:
    """It gets its answer, and close returns then."""
    go_on = threading.Event()

    def post(post: Post) -> None:
        post.begin("slow")
        assert go_on.wait(10)
        post.send(completed("slow", post.response_id))
        post.finish()

    with TwoWayPeer(post=post) as peer, over_http(peer) as client:
        stream = client.stream(**TURN)
        next(stream)
        closing = threading.Thread(target=client.close)
        closing.start()
        go_on.set()
        assert stream.get_final_response().output_text == "slow"
        closing.join(10)
        assert not closing.is_alive()


def test_close_ends_what_outlasts_its_timeout() -> None:
    """In time, though nobody reads the stream."""
    with TwoWayPeer(post=begin_and_wait) as peer, over_http(peer) as client:
        stream = client.stream(**TURN)
        next(stream)
        with ends_within(0.2):
            client.close(timeout=0.2)
        with pytest.raises(TurnCancelledError):
            list(stream)
        peer.wait_for_ends(1)


@pytest.mark.parametrize("is_reading", [True, False])
def test_cancel_of_a_stream_is_heard_at_once(is_reading: bool) -> None:
    """From another thread; idempotent, with what had arrived, and the socket goes."""
    with TwoWayPeer(post=first(begin_and_wait)) as peer, over_http(peer) as client:
        stream = client.stream(**TURN)
        assert [next(stream).type for _ in range(2)][1] == "response.output_text.delta"
        timer = threading.Timer(0.1 if is_reading else 0, stream.cancel)
        timer.start()
        if not is_reading:
            timer.join()
        with (
            ends_within(0.1 if is_reading else 0, grace=PROMPT),
            pytest.raises(TurnCancelledError) as caught,
        ):
            stream.until_done()
        assert caught.value.partial.text == "half"
        timer.join()
        stream.cancel()
        peer.wait_for_ends(1)
        assert client.create(**TURN).output_text == "hello"


def test_cancel_ends_a_back_off() -> None:
    """The server said retry in 20 s."""
    busy = error("server_is_overloaded", 503)
    seen: list[Any] = []
    with (
        TwoWayPeer(post=lambda post: post.refuse(503, busy, Retry_After="20")) as peer,
        over_http(peer) as client,
    ):
        thread = threading.Thread(target=fail, args=(client, TURN, seen))
        thread.start()
        peer.wait_for_posts(1)
        wait_for(lambda: client.stats().turns_running == 0, "the pause")
        client.close(timeout=0)
        thread.join(2)
        assert type(seen[0]) is TurnCancelledError


# --- Ctrl-C -------------------------------------------------------------------------------------


def is_usable(client: ResponsesClient) -> bool:
    """Whether the next turns get their own answers, and nothing is left of the one before."""
    texts = [client.create(model="m", input=f"after {n}").output_text for n in range(3)]
    return texts == [f"after {n}" for n in range(3)] and not client.stats().turns_running


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("is_begun", [True, False])
def test_ctrl_c_in_an_answer(is_begun: bool, is_stream: bool) -> None:
    """Before the head, or in mid-stream; the next turns have their own answers."""

    def post(post: Post) -> None:
        if is_begun:
            post.begin("half")
        press_ctrl_c()
        post.wait_for_end()

    with TwoWayPeer(post=first(post)) as peer, over_http(peer) as client:
        call = (lambda: client.stream(**TURN).until_done()) if is_stream else None
        interrupted(call or (lambda: client.create(**TURN)))
        peer.wait_for_ends(1)
        assert is_usable(client)


@pytest.mark.parametrize("name", ["resolve", "tls", "upload"])
def test_ctrl_c_on_the_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the address is looked up, TLS is agreed on, or the request is on its way."""
    phase = Phase(name, monkeypatch)

    def press() -> None:
        assert phase.reached.wait(10)
        press_ctrl_c()

    with phase.peer() as peer, over_http(peer) as client:
        thread = threading.Thread(target=press)
        thread.start()
        interrupted(lambda: client.create(**phase.turn))
        thread.join()
        assert client.stats().turns_running == 0
    phase.release()


def test_ctrl_c_in_a_back_off() -> None:
    """The caller does not wait for it."""
    busy = error("server_is_overloaded", 503)

    def post(post: Post) -> None:
        post.refuse(503, busy, Retry_After="20")

    hooks = Hooks(on_retry=press_soon)
    with TwoWayPeer(post=first(post)) as peer, over_http(peer, hooks=hooks) as client:
        interrupted(lambda: client.create(**TURN))
        assert is_usable(client)


#: Runs turns over HTTP under a storm of interrupts, in a process of its own.
STORM = """
import json, os, random, signal, sys, threading
from pyresponses_ws import ResponsesClient

rng, wrong, interrupts, is_armed = random.Random(11), [], 0, False

def press(*_):
    # Only inside the try below: the script itself must not be hit.
    if is_armed:
        raise KeyboardInterrupt

def count_descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

signal.signal(signal.SIGALRM, press)
client = ResponsesClient("key", base_url=sys.argv[1], transport="http")
client.create(model="m", input="first")
before = count_descriptors()
for number in range(400):
    marker = f"storm {number}"
    try:
        is_armed = True
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00005, 0.0025))
        if number % 2:
            text = client.create(model="m", input=marker).output_text
        else:
            with client.stream(model="m", input=marker) as stream:
                text = "".join(stream.text_deltas())
        is_armed = False
        if text != marker:
            wrong.append([marker, text])
    except KeyboardInterrupt:
        interrupts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    is_armed = False
stream = text = None
calm = client.create(model="m", input="calm").output_text
running, left = client.stats().turns_running, count_descriptors() - before
client.close(timeout=1)
threads = [t.name for t in threading.enumerate() if t.name.startswith("pyresponses-") and t.ident]
print(json.dumps([wrong, interrupts, calm, running, threads, left]))
"""


def test_ctrl_c_anywhere_shifts_no_reply() -> None:
    """Interrupts at random moments: each answer is its own, and nothing is left."""
    with TwoWayPeer() as peer:
        done = subprocess.run(
            [sys.executable, "-c", STORM, peer.base_url],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
    wrong, interrupts, calm, running, threads, left = json.loads(done.stdout)
    assert (wrong, calm, running, threads) == ([], "calm", 0, [])
    assert interrupts > 30
    assert left <= 2


# An interrupt in the middle of letting go leaves the socket to the collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("transport", ["http", "auto"])
def test_ctrl_c_at_any_line_leaves_a_usable_client(transport: str, is_stream: bool) -> None:
    """Spread over a turn, from start to end: the next turns are right, none is left."""

    def read(client: ResponsesClient) -> Callable[[], object]:
        if is_stream:
            return lambda: client.stream(**TURN).until_done()
        return lambda: client.create(**TURN)

    step = 61 if transport == "http" else 151
    with TwoWayPeer(upgrade=refuse_upgrade(503)) as peer:
        for line in itertools.count(1 if is_stream else step // 2, step):
            with peer.client(transport=transport) as client:
                if not is_interrupted(read(client), line):
                    break
                # Frames under a trace keep each other alive.
                gc.collect()
                marker = f"after {line}"
                assert client.create(model="m", input=marker).output_text == marker
                assert client.stats().turns_running == 0
        assert line > 300


# --- timers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resolve", "tls"])
def test_the_connect_timer_ends_a_connect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing sent."""
    phase = Phase(name, monkeypatch)
    with phase.peer() as peer, over_http(peer, timeouts=Timeouts(connect=0.3)) as client:
        with ends_within(0.3), pytest.raises(ConnectError) as caught:
            client.create(**TURN)
        assert (caught.value.attempts, caught.value.state) == (0, "prepared")
    phase.release()


def test_the_send_timer_ends_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer takes nothing: whether it ran is unknown, and it is not sent again."""
    phase = Phase("upload", monkeypatch)
    with phase.peer() as peer, over_http(peer, timeouts=Timeouts(send=0.4)) as client:
        with (
            ends_within(0.4),
            pytest.raises(DeliveryUnknownError, match="send timed out") as caught,
        ):
            client.create(**BIG_TURN)
        assert (caught.value.attempts, caught.value.state) == (1, "sent")


@pytest.mark.parametrize("replay", ["safe", "never"])
@pytest.mark.parametrize("has_head", [True, False])
def test_the_first_event_timer_ends_a_silent_answer(has_head: bool, replay: str) -> None:
    """Before the head or behind it; once, since an end was promised by now."""

    def post(post: Post) -> None:
        if has_head:
            post.send()
        post.wait_for_end()

    timeouts = Timeouts(first_event=0.3)
    with TwoWayPeer(post=post) as peer:
        with (
            over_http(peer, timeouts=timeouts, replay=replay) as client,
            ends_within(0.3),
            pytest.raises(DeliveryUnknownError, match=r"no event within 0\.3 s"),
        ):
            client.create(**TURN)
        assert len(peer.posts) == 1


@pytest.mark.parametrize("comment", [b": keep-alive\n\n", b"\n"])
def test_comments_are_no_events(comment: bytes) -> None:
    """A proxy that keeps the connection warm does not hide a server that says nothing."""

    def post(post: Post) -> None:
        while not post.peer.sock.fileno() < 0:
            post.send(comment)
            if ended.wait(0.05):
                return

    ended = threading.Event()
    with TwoWayPeer(post=post) as peer:
        with (
            over_http(peer, timeouts=Timeouts(first_event=0.4)) as client,
            ends_within(0.4),
            pytest.raises(DeliveryUnknownError, match="no event"),
        ):
            client.create(**TURN)
        ended.set()


@pytest.mark.parametrize("phase", ["silence", "total"])
def test_the_callers_timers_end_an_answer(phase: str) -> None:
    """With the partial output; never replayed."""
    timeouts = Timeouts(**{"create_total" if phase == "total" else phase: 0.3})
    with TwoWayPeer(post=begin_and_wait) as peer, over_http(peer, timeouts=timeouts) as client:
        with ends_within(0.3), pytest.raises(TurnTimeoutError) as caught:
            client.create(**TURN)
        assert (caught.value.phase, caught.value.partial.text) == (phase, "half")
        assert (caught.value.attempts, len(peer.posts)) == (1, 1)


def test_the_callers_patience_ends_a_call_wherever_it_stands(phase: Phase) -> None:
    """``timeout`` is for the whole turn."""
    with phase.peer() as peer, over_http(peer) as client:
        with ends_within(0.3), pytest.raises(TurnTimeoutError) as caught:
            client.create(**phase.turn, timeout=0.3)
        assert caught.value.phase == "total"
        assert client.stats().turns_running == 0


def test_a_slow_answer_that_comes_in_pieces_lives() -> None:
    """Each event renews ``silence``."""

    def post(post: Post) -> None:
        post.send(created(post.response_id))
        for _ in range(6):
            pause.wait(0.1)
            post.send(delta("x"))
        post.send(completed("x" * 6, post.response_id))
        post.finish()

    pause = threading.Event()
    with (
        TwoWayPeer(post=post) as peer,
        over_http(peer, timeouts=Timeouts(silence=0.4)) as client,
    ):
        assert client.create(**TURN).output_text == "x" * 6


# --- losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [(), ("half",)])
def test_a_lost_connection_is_replayed_once(texts: tuple[str, ...]) -> None:
    """A blocking turn has shown nothing."""

    def post(post: Post) -> None:
        if texts:
            post.begin(*texts)
        post.cut()

    with TwoWayPeer(post=first(post)) as peer, over_http(peer) as client:
        response = client.create(**TURN)
        assert (response.output_text, response.report.attempts) == ("hello", 2)
        assert response.report.replayed
        assert peer.posts[0] == peer.posts[1]


def test_a_lost_connection_behind_output_is_told() -> None:
    """Within a moment, with the partial."""

    def post(post: Post) -> None:
        post.begin("half")
        post.cut()

    with TwoWayPeer(post=post) as peer, over_http(peer) as client:
        with pytest.raises(ResponseInterruptedError) as caught:
            list(client.stream(**TURN))
        assert (caught.value.partial.text, len(peer.posts)) == ("half", 1)


def test_a_kept_connection_that_died_is_replaced_without_a_word() -> None:
    """The server ended it between two turns."""
    with TwoWayPeer() as peer, over_http(peer) as client:
        client.create(**TURN)
        peer.cut_all()
        peer.wait_for_ends(1)
        report = client.create(**TURN).report
        assert (report.attempts, report.replayed, report.reused_link) == (1, False, False)


# --- abandoned turns ------------------------------------------------------------------------------

ABANDONS = 1000


def by_close(client: ResponsesClient, marker: str, count: int) -> None:
    """Leave the loop, then close."""
    stream = client.stream(model="m", input=marker)
    list(itertools.islice(stream, count))
    stream.close()


def by_dropping(client: ResponsesClient, marker: str, count: int) -> None:
    """Let the last reference go."""
    list(itertools.islice(client.stream(model="m", input=marker), count))


def by_cancel(client: ResponsesClient, marker: str, count: int) -> None:
    """Cancel, and read on."""
    stream = client.stream(model="m", input=marker)
    list(itertools.islice(stream, count))
    stream.cancel()
    with pytest.raises(TurnCancelledError):
        stream.until_done()


WAYS = [by_close, by_dropping, by_cancel]
#: Events that are read of an abandoned answer at most.
MOST_READ = 3


class InPieces:
    """Answers in pieces that end anywhere; some of the abandoned answers stop early."""

    def __init__(self) -> None:
        self._rng = random.Random(6)
        self._lock = threading.Lock()

    def __call__(self, post: Post) -> None:
        events = whole_answer(post.text, post.response_id)
        with self._lock:
            stops = post.text.startswith("abandoned") and self._rng.random() < 0.3
            cut = self._rng.randrange(MOST_READ if stops else 0, len(events))
        post.send(*events[:cut])
        if stops:
            post.wait_for_end()
        post.send(*events[cut:])
        post.finish()


def test_a_thousand_abandons_shift_no_reply() -> None:
    """Each reply is its own; no thread, no descriptor and no turn is left."""
    rng = random.Random(5)
    with TwoWayPeer(post=InPieces()) as peer, over_http(peer) as client:
        client.create(model="m", input="first a b")
        threads = {t for t in threading.enumerate() if t.name.startswith("pyresponses-")}
        before = count_descriptors()
        for number in range(ABANDONS):
            rng.choice(WAYS)(client, f"abandoned {number} a b", rng.randint(0, MOST_READ))
            marker = f"wanted {number} c d"
            assert client.create(model="m", input=marker).output_text == marker
        wait_for(lambda: peer.ends >= peer.connections - 8, "the ends")
        assert count_descriptors() <= before + 24
        assert client.stats().turns_running == 0
        after = {t for t in threading.enumerate() if t.name.startswith("pyresponses-")}
        assert after == threads


def count_descriptors() -> int:
    """Those of this process, the server's included; 0 where the system does not show them."""
    shown = Path("/proc/self/fd")
    return len(list(shown.iterdir())) if shown.is_dir() else 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_abandoned_turn_frees_its_socket(
    way: Callable[[ResponsesClient, str, int], None],
) -> None:
    """The server sees its end at once, without another turn."""
    with TwoWayPeer(post=first(begin_and_wait)) as peer, over_http(peer) as client:
        way(client, "left", 2)
        gc.collect()
        peer.wait_for_ends(1)
        assert client.create(**TURN).output_text == "hello"


def test_an_answer_that_has_come_whole_keeps_its_connection() -> None:
    """Closing a stream that is over costs nothing."""
    with TwoWayPeer() as peer, over_http(peer) as client:
        for number in range(5):
            with client.stream(model="m", input=f"turn {number}") as stream:
                stream.until_done()
        assert peer.connections == 1
        assert stream.report.reused_link is True


def test_crowds_share_the_connections() -> None:
    """Eight threads, two hundred turns: each reply is its own, and no thread is started."""
    wrong: list[Any] = []

    def work(worker: int) -> None:
        for number in range(25):
            marker = f"{worker} and {number}"
            text = client.create(model="m", input=marker).output_text
            if text != marker:
                wrong.append((marker, text))

    with TwoWayPeer() as peer, over_http(peer) as client:
        workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
        assert wrong == []
        assert peer.connections < 100
        assert client.stats().http_turns == 200


@pytest.mark.parametrize("transport", ["http"])
def test_turns_over_tls_are_cancelled_as_fast(transport: str) -> None:
    """The socket is shut down, not the TLS session."""
    authority = TestAuthority()
    try:
        with (
            TwoWayPeer(post=begin_and_wait, tls=authority.server_context()) as peer,
            peer.client(transport=transport, ssl_context=authority.client_context()) as client,
        ):
            stream = client.stream(**TURN)
            next(stream)
            timer = threading.Timer(0.1, stream.cancel)
            timer.start()
            with ends_within(0.1, grace=PROMPT), pytest.raises(TurnCancelledError):
                stream.until_done()
            timer.join()
    finally:
        authority.close()
