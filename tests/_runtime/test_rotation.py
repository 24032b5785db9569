"""Links that are replaced before the server ends them: the pool's, and a connection's."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pyresponses_ws.config import Hooks, Timeouts
from pyresponses_ws.connection import Connection
from pyresponses_ws.errors import ClosedError, ConnectError, ConnectionLostError
from pyresponses_ws.report import RotateReport
from pyresponses_ws.testing.scripted import ScriptedTransport
from tests._runtime.rig import (
    Call,
    Rig,
    completed,
    created,
    delta,
    echo,
    reconnect,
    rig,
    turn,
)
from tests.support.responses_peer import threads_of, wait_for

#: Seconds of age at which another link is opened, and at which the old one goes at the latest.
REPLACE, RETIRE = 50 * 60, 55 * 60
#: Neither pings nor idleness get in the way.
AGEING: dict[str, Any] = {"timeouts": Timeouts(ping_interval=None, idle=None)}
COMMAND = {"type": "response.create", "model": "m", "input": "a"}


def age(made: Rig, seconds: float) -> None:
    """Let time pass once the keeper waits for it."""
    made.clock.wait_for_waiters(within=seconds)
    made.clock.advance(seconds)


def replace(made: Rig, number: int = 2) -> None:
    """Have the first link grow old enough for another, and wait until that is open."""
    age(made, REPLACE)
    made.transports[number - 1].settle()
    # Its thread ends when the link is known to whom it is for.
    wait_for(lambda: not threads_of("reconnector"), "the end of the opening")


def retire(made: Rig) -> None:
    """Have it grow too old."""
    age(made, RETIRE - REPLACE)


def tick(made: Rig, seconds: float, condition: Callable[[], object], what: str) -> None:
    """Let so many seconds pass again and again, until a thread has done what it does by then."""

    def is_so() -> bool:
        made.clock.advance(seconds)
        return bool(condition())

    wait_for(lambda: condition() or is_so(), what)


def be_deaf(transport: ScriptedTransport) -> None:
    """Never answer a close frame."""
    closes = transport.closes
    transport.close = lambda code, reason: closes.append((code, reason))  # type: ignore[method-assign]


def ask(made: Rig) -> Any:
    """Run a turn; returns its report."""
    return made.client.create(model="m", input="a").report


# --- the pool's links ---------------------------------------------------------------------------


def test_an_old_link_is_replaced_by_one_that_is_open_already() -> None:
    """The turn that follows waits for no handshake."""
    with rig(echo, echo, **AGEING) as made:
        ask(made)
        replace(made)
        retire(made)
        made.transport.wait_until_disposed()
        assert made.transport.closes == [(1000, "Rotated")]
        report = ask(made)
        assert (report.link, report.reused_link) == (2, True)


def test_until_it_is_too_old_the_old_link_serves() -> None:
    """It may hold a chain."""
    with rig(echo, echo, **AGEING) as made:
        ask(made)
        replace(made)
        assert ask(made).link == 1
        assert made.client.stats().links == 2


def test_a_turn_that_runs_is_finished_on_the_old_link() -> None:
    """Rotation is at the boundary of turns."""
    with rig(None, echo, **AGEING) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        made.transport.settle()
        replace(made)
        retire(made)
        assert ask(made).link == 2
        made.transport.feed(*turn()[1:])
        assert stream.get_final_response().output_text == "Hello"
        made.transport.wait_until_disposed()
        assert made.client.stats().links == 1


def test_a_rotation_is_told_and_counted() -> None:
    """Both links by their numbers, and the age of the one that goes."""
    told: list[RotateReport] = []
    with rig(echo, echo, hooks=Hooks(on_rotate=told.append), **AGEING) as made:
        ask(made)
        replace(made)
        assert told == []
        retire(made)
        made.transport.wait_until_disposed()
        assert told == [RotateReport(link=1, replacement=2, age=RETIRE)]
        assert made.client.stats().rotations == 1


def test_a_younger_link_is_replacement_enough() -> None:
    """Nothing is opened beside it; the hook names none."""
    told: list[RotateReport] = []
    with rig(None, echo, hooks=Hooks(on_rotate=told.append), **AGEING) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        assert next(stream).type == "response.created"
        made.clock.advance(20 * 60)
        ask(made)
        made.transport.feed(*turn()[1:])
        stream.until_done()
        age(made, REPLACE - 20 * 60)
        age(made, RETIRE - REPLACE)
        made.transport.wait_until_disposed()
        assert (ask(made).link, told[0].replacement) == (2, None)


def test_a_replacement_that_does_not_open_is_tried_again() -> None:
    """Half a minute later; nobody waits for it."""
    with rig(echo, None, echo, **AGEING) as made:
        ask(made)
        made.transports[1].connect_error = ConnectError("refused")
        age(made, REPLACE)
        made.transports[1].wait_until_disposed()
        assert ask(made).link == 1
        age(made, 30)
        made.transports[2].settle()
        made.transport.end()
        made.transport.wait_until_disposed()
        assert ask(made).link == 3


def test_without_a_replacement_the_next_turn_opens_a_link() -> None:
    """The old one goes all the same, and nobody tries any more."""
    told: list[RotateReport] = []
    with rig(echo, *[None] * 9, echo, hooks=Hooks(on_rotate=told.append), **AGEING) as made:
        ask(made)
        for transport in made.transports[1:]:
            transport.connect_error = ConnectError("refused")
        age(made, REPLACE)
        made.transports[1].wait_until_disposed()
        retire(made)
        made.transport.wait_until_disposed()
        assert told[0].replacement is None
        tick(made, 30, lambda: not threads_of("reconnector"), "the end of the tries")
        with pytest.raises(ConnectError):
            ask(made)


def test_a_link_that_is_lost_while_its_replacement_opens_needs_it_no_more() -> None:
    """What opens is the pool's."""
    gate = threading.Event()
    with rig(echo, echo, **AGEING) as made:
        ask(made)
        made.transports[1].on_connect = gate.wait
        age(made, REPLACE)
        made.transports[1].wait_until_connecting()
        made.transport.end()
        made.transport.wait_until_disposed()
        gate.set()
        made.transports[1].settle()
        report = ask(made)
        assert (report.link, report.reused_link) == (2, True)
        assert made.client.stats().rotations == 0


def test_close_ends_a_replacement_that_opens() -> None:
    """It opens for nobody, and no thread is left."""
    gate = threading.Event()
    with rig(echo, None, **AGEING) as made:
        ask(made)
        made.transports[1].on_connect = gate.wait
        age(made, REPLACE)
        made.transports[1].wait_until_connecting()
        closing = Call(made.client.close)
        made.transports[1].wait_until_aborted()
        gate.set()
        closing.result()
        assert made.client.stats().links == 0
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")


def test_a_client_that_is_dropped_between_two_links_is_collected() -> None:
    """Both sockets are cut."""
    with rig(echo, None, **AGEING) as made:
        ask(made)
        replace(made)
        gone = weakref.ref(made.client._pool)
        made.client = None  # type: ignore[assignment]
        gc.collect()
        # A thread that looked after a link holds it until it has gone back to wait.
        wait_for(lambda: gone() is None, "the end of the client")
        for transport in made.transports:
            transport.wait_until_disposed()


def test_a_peer_that_never_answers_our_close_is_cut() -> None:
    """By the ping that it does not answer either."""
    timeouts = Timeouts(idle=None)
    with rig(echo, echo, timeouts=timeouts) as made:
        ask(made)
        be_deaf(made.transport)
        replace(made)
        for transport in made.transports:
            transport.feed_pong()
            transport.settle()
        retire(made)
        wait_for(lambda: made.transport.closes and made.transports[1].pings, "close and ping")
        made.transports[1].feed_pong()
        made.transports[1].settle()
        age(made, 20)
        made.transport.wait_until_disposed()
        assert made.client.stats().links == 1


def test_a_replacement_that_went_idle_meanwhile_is_none() -> None:
    """The hook names a link that is there, or none."""
    told: list[RotateReport] = []
    timeouts = Timeouts(ping_interval=None, idle=100)
    with rig(None, echo, echo, hooks=Hooks(on_rotate=told.append), timeouts=timeouts) as made:
        stream = made.client.stream(model="m", input="a")
        made.transport.feed(created())
        made.transport.settle()
        replace(made)
        age(made, 100)
        made.transports[1].wait_until_disposed()
        age(made, RETIRE - REPLACE - 100)
        made.transport.feed(*turn()[1:])
        stream.until_done()
        wait_for(lambda: told, "the rotation")
        assert told[0].replacement is None


def test_a_server_that_ends_it_first_is_no_fault_of_the_turn() -> None:
    """The limit's own error moves the turn to the replacement, or another."""
    limit = {"type": "error", "error": {"code": "websocket_connection_limit_reached"}}
    answers = iter([turn()])
    with rig(lambda _: next(answers, [limit]), echo, echo, **AGEING) as made:
        ask(made)
        replace(made)
        report = ask(made)
        assert (report.attempts, report.replayed) == (2, False)


# --- a connection's link ------------------------------------------------------------------------


def connect(made: Rig) -> Connection:
    """Open a connection that has an answer behind it."""
    connection = made.client.connect()
    run(connection, made.transport)
    return connection


def run(connection: Any, transport: ScriptedTransport, response_id: str = "resp_1") -> list[str]:
    """Run a turn, which the server does not store; returns the types of its events."""
    connection.send(COMMAND)
    transport.feed(created(response_id), delta(), completed(response_id, store=False))
    return [next(connection).type for _ in range(3)]


def rotate(made: Rig) -> None:
    """Have the connection's link replaced."""
    replace(made)
    retire(made)
    made.transport.wait_until_disposed()


def test_a_connection_goes_on_with_another_link() -> None:
    """Whoever iterates notices nothing."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        rotate(made)
        assert connection.state == "open"
        assert run(connection, made.transports[1], "resp_2")[0] == "response.created"
        assert made.transport.closes == [(1000, "Rotated")]
        assert made.client.stats().rotations == 1


def test_who_waits_for_events_hears_of_no_loss() -> None:
    """The next event that it gets is the new link's."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        waiting = Call(lambda: next(connection))
        rotate(made)
        made.transports[1].feed(created("resp_2"))
        assert waiting.result().response.id == "resp_2"


def test_a_running_turn_holds_the_rotation_up() -> None:
    """It ends on the link on which it began; the look after that swaps."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        connection.send(COMMAND)
        made.transport.feed(created("resp_2"))
        made.transport.settle()
        replace(made)
        retire(made)
        age(made, 1)
        assert next(connection).type == "response.created"
        made.transport.feed(completed("resp_2"))
        assert next(connection).type == "response.completed"
        tick(made, 1, lambda: made.transport.is_disposed, "the end of the old link")
        assert run(connection, made.transports[1], "resp_3")[2] == "response.completed"


def test_a_swap_is_told() -> None:
    """As a close and an open, in this order; and in last_close."""
    told: list[Any] = []
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        connection.on("close", told.append)
        connection.on("open", told.append)
        rotate(made)
        wait_for(lambda: len(told) == 2, "both callbacks")
        assert (told[0].code, told[0].reason, told[0].retryable) == (1000, "Rotated", True)
        assert told[1].link == 2
        assert connection.last_close == told[0]


def test_a_chain_that_lived_on_the_old_link_is_gone() -> None:
    """The server remembers it for that socket alone."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        assert connection.previous_response_id == "resp_1"
        rotate(made)
        assert connection.previous_response_id is None


def swap_under(connection: Connection, made: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next command find the old link, which is swapped before it is sent."""
    session = connection._session
    stale = [session.current_link()]
    rotate(made)
    current = type(session).current_link

    def late(self: Any) -> Any:
        return stale.pop() if stale else current(self)

    monkeypatch.setattr(type(session), "current_link", late)


def test_a_send_that_meets_the_swap_goes_to_the_new_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It had looked a moment too early."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        swap_under(connection, made, monkeypatch)
        assert run(connection, made.transports[1], "resp_2")[0] == "response.created"
        assert made.transports[1].sent == [COMMAND]


def test_a_send_on_a_lost_link_is_not_sent_elsewhere() -> None:
    """Only a swap is made good for; here there is no other link."""
    with rig(None, None, **AGEING) as made, connect(made) as connection:
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            next(connection)
        with pytest.raises(ClosedError, match="reconnecting"):
            connection.send(COMMAND)


def test_a_connections_replacement_is_tried_again() -> None:
    """Half a minute later, the old link serving meanwhile."""
    with rig(None, None, None, **AGEING) as made, connect(made) as connection:
        made.transports[1].connect_error = ConnectError("refused")
        age(made, REPLACE)
        made.transports[1].wait_until_disposed()
        assert run(connection, made.transport, "resp_2")[0] == "response.created"
        age(made, 30)
        made.transports[2].settle()
        age(made, RETIRE - REPLACE - 30)
        made.transport.wait_until_disposed()
        assert run(connection, made.transports[2], "resp_3")[0] == "response.created"


def test_a_replacement_that_is_lost_is_opened_anew() -> None:
    """When its time has come; nobody reads of the loss."""
    with rig(None, None, None, **AGEING) as made, connect(made) as connection:
        replace(made)
        made.transports[1].end()
        made.transports[1].wait_until_disposed()
        retire(made)
        made.transports[2].settle()
        made.transport.wait_until_disposed()
        assert run(connection, made.transports[2], "resp_2")[0] == "response.created"


@pytest.mark.parametrize("is_open", [False, True])
def test_a_link_that_is_lost_beside_its_replacement_is_told(is_open: bool) -> None:
    """Turns were on it; the connection reconnects as ever, and nothing is left over."""
    gate = threading.Event()
    with rig(None, None, None, **AGEING) as made, connect(made) as connection:
        if is_open:
            gate.set()
        made.transports[1].on_connect = gate.wait
        age(made, REPLACE)
        made.transports[1].wait_until_connecting()
        if is_open:
            made.transports[1].settle()
        made.transport.end()
        with pytest.raises(ConnectionLostError):
            next(connection)
        made.transports[1].wait_until_aborted()
        gate.set()
        reconnect(made, 1)
        made.transports[2].settle()
        assert run(connection, made.transports[2], "resp_2")[0] == "response.created"
        wait_for(lambda: made.client.stats().links == 1, "the end of the link that was cut")


@pytest.mark.parametrize("is_open", [False, True])
def test_closing_a_connection_ends_its_replacement(is_open: bool) -> None:
    """Open or opening; no thread is left."""
    gate = threading.Event()
    with rig(None, None, **AGEING) as made:
        connection = connect(made)
        if is_open:
            gate.set()
        made.transports[1].on_connect = gate.wait
        age(made, REPLACE)
        made.transports[1].wait_until_connecting()
        if is_open:
            made.transports[1].settle()
        closing = Call(connection.close)
        made.transports[1].wait_until_aborted()
        gate.set()
        closing.result()
        for transport in made.transports:
            transport.wait_until_disposed()
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")


@pytest.mark.parametrize("is_due", [False, True])
def test_a_connection_that_is_dropped_between_two_links_is_collected(is_due: bool) -> None:
    """Both sockets are cut, and no thread waits for the swap."""
    with rig(None, None, **AGEING) as made:
        connection = connect(made)
        if is_due:
            connection.send(COMMAND)
        replace(made)
        if is_due:
            retire(made)
            made.clock.wait_for_waiters(within=1)
        gone = weakref.ref(connection)
        del connection
        gc.collect()
        assert gone() is None
        for transport in made.transports:
            transport.wait_until_disposed()
        wait_for(lambda: not threads_of("reconnector"), "the end of the thread")


def test_the_link_that_came_grows_old_as_well() -> None:
    """A connection outlives any number of links, though the machine may sleep over one's age."""
    with rig(None, None, None, **AGEING) as made, connect(made) as connection:
        rotate(made)
        age(made, RETIRE)
        made.transports[2].settle()
        made.transports[1].wait_until_disposed()
        assert run(connection, made.transports[2], "resp_3")[0] == "response.created"
        assert made.client.stats().rotations == 2
