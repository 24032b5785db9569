"""Turns that leave WebSocket alone, and the probes that bring them back."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from pyresponses_ws._runtime.breaker import WebSocketBreaker, is_transport_failure
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.errors import APIError, ConfigError, ConnectError
from pyresponses_ws.testing.clock import ManualClock
from tests._runtime.rig import Call, Rig, created, delta, echo, echo_http, rig, turn
from tests.support.responses_peer import threads_of, wait_for
from tests.support.scripted_http import Reply

AUTO: dict[str, Any] = {"transport": "auto"}
#: The server has no WebSocket, and says so.
NONE_HERE = 404


def refuse(made: Rig, *numbers: int, status: int | None = NONE_HERE) -> None:
    """Have those links not open."""
    for number in numbers:
        made.transports[number - 1].connect_error = ConnectError("no", status=status)


def ask(made: Rig, text: str = "a") -> Any:
    """Run a turn; returns its report."""
    return made.client.create(model="m", input=text).report


def way(made: Rig) -> tuple[str, str]:
    """Run a turn; returns how it went, and why."""
    report = ask(made)
    return report.transport, report.transport_reason


def tries(made: Rig) -> int:
    """Attempts at a WebSocket so far."""
    return sum(transport.endpoint is not None for transport in made.transports)


def pass_cool_down(made: Rig, ceiling: float) -> None:
    """Let the wait for the next probe pass."""
    made.clock.wait_for_waiters(within=ceiling)
    made.clock.advance(ceiling)


def prove(made: Rig, number: int) -> None:
    """Let a probe's link stay open for as long as it must."""
    made.transports[number - 1].settle()
    made.clock.wait_for_waiters(within=2)
    made.clock.advance(2)
    wait_for(lambda: not made.client._pool.breaker._breaker.is_open, "the end of the cool-down")


# --- opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 405, 426])
def test_one_definite_refusal_keeps_turns_off(status: int) -> None:
    """The second turn does not ask."""
    with rig(None, None, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1, status=status)
        assert way(made) == ("http", "connect_failed")
        assert way(made) == ("http", "breaker_open")
        assert tries(made) == 1
        made.client.close()


@pytest.mark.parametrize("status", [None, 200, 403, 500])
def test_three_failures_that_may_pass_keep_turns_off(status: int | None) -> None:
    """The fourth turn does not ask."""
    with rig(*[None] * 4, http=[echo_http] * 4, **AUTO) as made:
        refuse(made, 1, 2, 3, 4, status=status)
        assert [way(made)[1] for _ in range(3)] == ["connect_failed"] * 3
        assert way(made) == ("http", "breaker_open")
        assert tries(made) == 3
        made.client.close()


def test_failures_that_are_far_apart_keep_nobody_off() -> None:
    """One a minute is bad luck."""
    with rig(*[None] * 5, http=[echo_http] * 5, **AUTO) as made:
        refuse(made, 1, 2, 3, 4, 5, status=None)
        for _ in range(5):
            assert way(made) == ("http", "connect_failed")
            made.clock.advance(31)
        assert tries(made) == 5


def test_an_answer_in_between_starts_the_count_again() -> None:
    """Only failures in a row count."""
    with rig(None, None, echo, None, None, http=[echo_http] * 4, **AUTO) as made:
        refuse(made, 1, 2, 4, 5, status=None)
        ways = [way(made)[0] for _ in range(3)]
        made.transports[2].end()
        made.transports[2].wait_until_disposed()
        assert [*ways, way(made)[0], way(made)[0]] == ["http", "http", "websocket", "http", "http"]
        assert not made.client._pool.breaker.is_open


def test_a_close_at_the_request_counts_as_a_failure() -> None:
    """101 and then 1008, three times."""
    with rig(*[None] * 3, http=[echo_http] * 4, **AUTO) as made:
        for transport in made.transports:
            transport.end(1008, "no websocket for you")
        assert [way(made)[1] for _ in range(3)] == ["refused"] * 3
        assert way(made) == ("http", "breaker_open")
        made.client.close()


def test_links_that_are_open_serve_the_turns_on_them() -> None:
    """The breaker is about turns that begin."""
    with rig(None, None, http=[echo_http], **AUTO) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created(), delta("one"))
        refuse(made, 2)
        assert way(made) == ("http", "connect_failed")
        made.transport.feed(*turn()[2:])
        assert stream.get_final_response().id == "resp_1"
        made.client.close()


def test_connections_and_warm_ups_ask_all_the_same() -> None:
    """They have no other way."""
    with rig(None, echo, None, http=[echo_http], **AUTO) as made:
        refuse(made, 1)
        ask(made)
        assert made.client.warm_up(model="m", input="w").report.transport == "websocket"
        with made.client.connect() as connection:
            assert connection.is_connected
        made.client.close()


# --- probing ------------------------------------------------------------------------------------


def test_a_probe_brings_websocket_back() -> None:
    """One cool-down later, in the background; its link is the next turn's."""
    with rig(None, echo, http=[echo_http], **AUTO) as made:
        refuse(made, 1)
        ask(made)
        assert tries(made) == 1
        pass_cool_down(made, 60)
        prove(made, 2)
        report = ask(made)
        assert (report.transport, report.link, report.reused_link) == ("websocket", 2, True)
        assert threads_of("reconnector") == []


def test_no_probe_is_made_before_its_time() -> None:
    """A cool-down is at least 45 s."""
    with rig(None, None, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1)
        ask(made)
        made.clock.wait_for_waiters(within=60)
        made.clock.advance(44.9)
        assert way(made) == ("http", "breaker_open")
        assert tries(made) == 1
        made.client.close()


def test_probes_that_fail_come_less_and_less_often() -> None:
    """60, 120, 240, 480, 900, 900 s at most, for as long as turns ask."""
    ceilings = [60, 120, 240, 480, 900, 900]
    with rig(*[None] * 7, http=[echo_http] * 7, **AUTO) as made:
        refuse(made, *range(1, 8))
        for number, ceiling in enumerate(ceilings, start=1):
            ask(made)
            assert tries(made) == number
            made.clock.wait_for_waiters(within=ceiling)
            made.clock.advance(ceiling * 0.74)
            assert tries(made) == number
            made.clock.advance(ceiling * 0.26)
            made.transports[number].wait_until_connecting()
        made.client.close()


def test_nobody_probes_for_a_client_that_nobody_uses() -> None:
    """One probe for the turn that opened it; the next turn asks for another."""
    with rig(None, None, None, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1, 2, 3)
        ask(made)
        pass_cool_down(made, 60)
        made.transports[1].wait_until_connecting()
        pass_cool_down(made, 120)
        wait_for(lambda: not threads_of("reconnector"), "the end of the probes")
        made.clock.advance(10_000)
        assert tries(made) == 2
        assert way(made) == ("http", "breaker_open")
        made.transports[2].wait_until_connecting()
        made.client.close()


@pytest.mark.parametrize("code", [1008, 1006, 1000])
def test_a_probe_that_is_closed_at_once_has_failed(code: int) -> None:
    """101 alone proves nothing: turns stay on HTTP, and the next look is further away."""
    with rig(None, None, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1)
        ask(made)
        pass_cool_down(made, 60)
        made.transports[1].settle()
        made.transports[1].end(code)
        made.transports[1].wait_until_disposed()
        made.clock.wait_for_waiters(within=2)
        made.clock.advance(2)
        made.clock.wait_for_waiters(within=120)
        assert way(made) == ("http", "breaker_open")
        made.client.close()


def test_turns_wait_for_no_probe() -> None:
    """While one is under way, and while its link proves itself, HTTP serves."""
    gate = threading.Event()
    with rig(None, echo, http=[echo_http] * 3, **AUTO) as made:
        refuse(made, 1)
        made.transports[1].on_connect = gate.wait
        ask(made)
        pass_cool_down(made, 60)
        made.transports[1].wait_until_connecting()
        assert way(made) == ("http", "breaker_open")
        gate.set()
        made.transports[1].settle()
        assert way(made) == ("http", "breaker_open")
        prove(made, 2)
        assert way(made) == ("websocket", "configured")


def test_a_server_that_takes_links_and_refuses_requests_is_not_hammered() -> None:
    """After each good probe one turn tries; the cool-down grows all the same."""
    with rig(None, None, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1)
        ask(made)
        pass_cool_down(made, 60)
        prove(made, 2)
        made.transports[1].end(1008)
        made.transports[1].wait_until_disposed()
        breaker = made.client._pool.breaker
        seconds = breaker.note_failure(ConnectError("again", status=404))
        assert seconds is not None
        assert 90 <= seconds <= 120
        made.client.close()


def test_what_the_key_function_raises_is_a_probe_that_failed() -> None:
    """Whatever it was, nothing opened."""
    keys = iter(["sk-1", "sk-2", "sk-3"])

    def key() -> str:
        return next(keys, "")

    with rig(None, None, http=[echo_http] * 2, api_key=key, **AUTO) as made:
        refuse(made, 1)
        ask(made)
        list(keys)
        pass_cool_down(made, 60)
        made.clock.wait_for_waiters(within=120)
        assert made.client._pool.breaker.is_open
        made.client.close()


# --- the end of the client ------------------------------------------------------------------------


def test_close_ends_a_probe_that_is_pending() -> None:
    """No thread waits out the cool-down."""
    with rig(None, http=[echo_http], **AUTO) as made:
        refuse(made, 1)
        ask(made)
        made.clock.wait_for_waiters(within=60)
        made.client.close()
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")
        assert tries(made) == 1


def test_close_ends_a_probe_that_is_under_way() -> None:
    """Its link opens for nobody."""
    gate = threading.Event()
    with rig(None, None, http=[echo_http], **AUTO) as made:
        refuse(made, 1)
        made.transports[1].on_connect = gate.wait
        ask(made)
        pass_cool_down(made, 60)
        made.transports[1].wait_until_connecting()
        closing = Call(made.client.close)
        made.transports[1].wait_until_aborted()
        gate.set()
        made.transports[1].wait_until_disposed()
        closing.result()
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")
        assert made.client.stats().links == 0


def test_close_ends_a_link_that_proves_itself() -> None:
    """It was the pool's already."""
    with rig(None, None, http=[echo_http], **AUTO) as made:
        refuse(made, 1)
        ask(made)
        pass_cool_down(made, 60)
        made.transports[1].settle()
        made.client.close()
        made.transports[1].wait_until_disposed()
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")


@pytest.mark.parametrize("is_probing", [False, True])
def test_a_dropped_client_leaves_no_thread(is_probing: bool) -> None:
    """With a probe pending, and with its link open."""
    with rig(None, None, http=[echo_http], **AUTO) as made:
        refuse(made, 1)
        ask(made)
        if is_probing:
            pass_cool_down(made, 60)
            made.transports[1].settle()
        # Its traceback holds the client.
        made.transport.connect_error = None
        gone = weakref.ref(made.client._pool)
        made.client = None  # type: ignore[assignment]
        gc.collect()
        # The thread that probes holds it until it has gone back to wait.
        wait_for(lambda: gone() is None, "the end of the client")
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")
        wait_for(lambda: not threads_of("reader-2"), "the end of the link")


class _Owner:
    """What a breaker asks for links."""

    def open_link(self) -> Any:
        raise ConnectError("refused")


def test_a_breaker_that_goes_wakes_the_thread_that_waits_for_it() -> None:
    """By itself: whoever held it may be gone a moment earlier, and the cool-down is long."""
    threads, owner = Threads(ManualClock()), _Owner()
    reconnector = Reconnector(threads)
    breaker = WebSocketBreaker(threads, reconnector, host="h", open_link=owner.open_link)
    breaker.note_failure(ConnectError("no", status=NONE_HERE))
    threads.clock.wait_for_waiters()  # type: ignore[attr-defined]
    del breaker
    gc.collect()
    wait_for(lambda: not threads_of("reconnector"), "the end of the thread")


def test_without_a_thread_to_probe_the_next_turn_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system has none to give now; it may have one later."""
    with rig(None, echo, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1)
        start = Threads.start

        def refusing(threads: Threads, role: str, target: Any) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(Threads, "start", refusing)
        assert way(made) == ("http", "connect_failed")
        monkeypatch.setattr(Threads, "start", start)
        assert way(made) == ("http", "breaker_open")
        pass_cool_down(made, 60)
        prove(made, 2)
        assert way(made) == ("websocket", "configured")


def test_ctrl_c_while_a_probe_is_scheduled_leaves_that_to_the_next_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A breaker that took the probe for scheduled would keep turns on HTTP for good."""
    with rig(None, echo, http=[echo_http] * 2, **AUTO) as made:
        refuse(made, 1)

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(made.client._reconnector, "schedule", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ask(made)
        assert way(made) == ("http", "breaker_open")
        pass_cool_down(made, 60)
        prove(made, 2)
        assert way(made) == ("websocket", "configured")


def test_ctrl_c_behind_the_scheduling_makes_one_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is there; the next turn gives it once more, and both are one."""
    with rig(None, None, None, http=[echo_http] * 3, **AUTO) as made:
        refuse(made, 1, 2, 3)
        schedule = made.client._reconnector.schedule

        def interrupted(*job: Any) -> None:
            schedule(*job)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(made.client._reconnector, "schedule", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ask(made)
        assert way(made) == ("http", "breaker_open")
        pass_cool_down(made, 60)
        made.transports[1].wait_until_connecting()
        made.clock.wait_for_waiters(within=120)
        assert tries(made) == 2
        made.client.close()


# --- what is a failure of WebSocket ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (ConnectError("x"), True),
        (ConnectError("x", status=500), True),
        (ConnectError("x", status=403), True),
        (ConnectError("x", status=401), False),
        (ConnectError("x", status=429), False),
        (APIError("x", status=403), False),
        (ConfigError("x"), False),
        (OSError("x"), False),
    ],
)
def test_only_the_way_to_the_api_counts(error: Exception, is_one: bool) -> None:
    """What the API says, and what the caller got wrong, HTTP would hear too."""
    assert is_transport_failure(error) is is_one


def test_a_turn_over_http_says_nothing_about_websocket() -> None:
    """Its answer does not close a breaker, nor its failure open one."""
    with rig(None, None, http=[echo_http, Reply.page("<p>", 404)], **AUTO) as made:
        refuse(made, 1)
        ask(made)
        with pytest.raises(APIError):
            made.client.create(model="m", input="b")
        assert made.client._pool.breaker.is_open
        made.client.close()
