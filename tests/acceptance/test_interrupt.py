"""Ctrl-C in every wait: KeyboardInterrupt comes out unchanged and the client goes on."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from pyresponses_ws import Hooks, ResponsesClient
from pyresponses_ws.errors import ResponsesWSError
from tests.support.answers import error
from tests.support.interrupts import (
    interrupted,
    is_interrupted,
    press_ctrl_c,
    press_soon,
    python_handles_sigint,
)
from tests.support.responses_peer import (
    Gone,
    PeerLink,
    PeerTurn,
    ResponsesPeer,
    says,
    scripts,
    wait_for,
)

TURN: dict[str, Any] = {"model": "m", "input": "hello"}
BIG_TURN: dict[str, Any] = {"model": "m", "input": "x" * 12_000_000}

#: The fixture is used by its name, which is all that pytest asks for.
__all__ = ["python_handles_sigint"]
pytestmark = pytest.mark.usefixtures("python_handles_sigint")


def is_usable(client: ResponsesClient) -> bool:
    """Whether the next turns get their own answers, and nothing is left of the one before."""
    texts = [client.create(model="m", input=f"after {n}").output_text for n in range(3)]
    wait_for(lambda: client.stats().turns_running == 0, "rest")
    return texts == [f"after {n}" for n in range(3)] and client.stats().links == 1


def test_ctrl_c_while_connecting() -> None:
    """The handshake hangs; the half-open socket goes."""
    first = threading.Event()

    def accept(peer: PeerLink) -> None:
        if first.is_set():
            peer.accept()
            return
        first.set()
        peer.read_request()
        press_ctrl_c()
        peer.read_to_end()
        raise Gone

    with ResponsesPeer(accept=accept) as peer, peer.client() as client:
        interrupted(lambda: client.create(**TURN))
        peer.wait_for_ends(1)
        assert is_usable(client)


def test_ctrl_c_while_sending() -> None:
    """Half a frame is out, so the link goes; the next turn has another."""
    first = threading.Event()

    def accept(peer: PeerLink) -> None:
        peer.accept()
        if not first.is_set():
            first.set()
            peer.read_exactly(1000)
            press_ctrl_c()
            peer.freeze()

    with ResponsesPeer(accept=accept) as peer, peer.client() as client:
        interrupted(lambda: client.create(**BIG_TURN))
        assert is_usable(client)
        assert client.stats().links_opened == 2


@pytest.mark.parametrize("is_stream", [True, False])
def test_ctrl_c_before_the_first_event(is_stream: bool) -> None:
    """Nothing has come yet; what comes later reaches nobody."""
    with ResponsesPeer(scripts(lambda turn: press_ctrl_c())) as peer, peer.client() as client:
        call = (lambda: client.stream(**TURN).until_done()) if is_stream else None
        interrupted(call or (lambda: client.create(**TURN)))
        assert is_usable(client)


@pytest.mark.parametrize("is_stream", [True, False])
def test_ctrl_c_in_mid_stream(is_stream: bool) -> None:
    """Between two events; the stream is over, and keeps what it had."""

    def script(turn: PeerTurn) -> None:
        turn.begin("half")
        press_ctrl_c()

    with ResponsesPeer(scripts(script)) as peer, peer.client() as client:
        call = (lambda: client.stream(**TURN).until_done()) if is_stream else None
        interrupted(call or (lambda: client.create(**TURN)))
        assert is_usable(client)


def test_ctrl_c_in_a_back_off() -> None:
    """The server said retry in 20 s; the caller does not wait for it."""
    script = scripts(says(error("server_is_overloaded", 503, retry_after="20")))
    with ResponsesPeer(script) as peer, peer.client(hooks=Hooks(on_retry=press_soon)) as client:
        interrupted(lambda: client.create(**TURN))
        assert is_usable(client)


def test_ctrl_c_while_closing() -> None:
    """close() waits for a turn of another thread; interrupted, it can be called again."""
    with ResponsesPeer(lambda turn: turn.begin("half")) as peer, peer.client() as client:
        outcome: list[object] = []
        thread = threading.Thread(target=lambda: outcome.append(_error_of(client)))
        thread.start()
        peer.wait_for_requests(1)
        press_soon()
        interrupted(client.close)
        client.close(timeout=0)
        thread.join()
        assert type(outcome[0]).__name__ == "TurnCancelledError"


def _error_of(client: ResponsesClient) -> object:
    try:
        return client.create(**TURN)
    except ResponsesWSError as exc:
        return exc


def test_ctrl_c_in_the_body_of_a_with() -> None:
    """The body is interrupted, the turn is retired on the way out."""
    with ResponsesPeer(scripts(lambda turn: turn.begin("half"))) as peer, peer.client() as client:

        def body() -> None:
            with client.stream(**TURN) as stream:
                next(stream)
                press_ctrl_c()
                stream.until_done()

        interrupted(body)
        peer.wait_for_ends(1)
        assert is_usable(client)


def test_ctrl_c_while_a_connection_opens() -> None:
    """The low level hears it too, and can be opened again."""
    first = threading.Event()

    def accept(peer: PeerLink) -> None:
        if not first.is_set():
            first.set()
            press_ctrl_c()
            peer.read_to_end()
        peer.accept()

    with ResponsesPeer(accept=accept) as peer, peer.client() as client:
        interrupted(client.connect)
        with client.connect() as connection:
            assert connection.is_connected


@pytest.mark.parametrize("is_warm_up", [False, True])
def test_ctrl_c_in_a_connection(is_warm_up: bool) -> None:
    """The call ends; the connection goes on, on a new link if the interrupt hit the send."""
    script = scripts(lambda turn: press_ctrl_c())
    delays = (0.01,) * 5

    def send_and_read() -> None:
        connection.send({"type": "response.create", **TURN})
        next(connection)

    with (
        ResponsesPeer(script) as peer,
        peer.client(retry_delays=delays) as client,
        client.connect() as connection,
    ):
        interrupted((lambda: connection.warm_up(model="m")) if is_warm_up else send_and_read)
        wait_for(lambda: connection.is_connected, "the connection")


#: Runs turns under a storm of interrupts; in a process of its own, since one may hit anything.
STORM = """
import json, random, signal, sys, threading
from pyresponses_ws import ResponsesClient

rng, wrong, interrupts, is_armed = random.Random(7), [], 0, False

def press(*_):
    # Only inside the try below: the script itself must not be hit.
    if is_armed:
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, press)
client = ResponsesClient("key", base_url=sys.argv[1])
for number in range(400):
    marker = f"storm {number}"
    try:
        is_armed = True
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00005, 0.0015))
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
calm = client.create(model="m", input="calm").output_text
running = client.stats().turns_running
client.close(timeout=1)
# One whose start was interrupted stays in the list for ever, unstarted.
own = [t for t in threading.enumerate() if t.name.startswith("pyresponses-") and t.ident]
for thread in own:
    thread.join(5)
left = [thread.name for thread in own if thread.is_alive()]
print(json.dumps([wrong, interrupts, calm, running, left]))
"""


def test_ctrl_c_anywhere_shifts_no_reply() -> None:
    """Interrupts at random moments: what ends has its own answer, and nothing is left running."""
    with ResponsesPeer() as peer:
        done = subprocess.run(
            [sys.executable, "-c", STORM, peer.base_url],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
    wrong, interrupts, calm, running, left = json.loads(done.stdout)
    assert (wrong, calm, running, left) == ([], "calm", 0, [])
    assert interrupts > 30


@pytest.mark.parametrize("is_reused", [False, True])
@pytest.mark.parametrize("is_stream", [False, True])
def test_ctrl_c_at_any_line_leaves_a_usable_client(is_reused: bool, is_stream: bool) -> None:
    """Every 11th line of a turn, from lease to end: the next turns are right, no turn is left."""

    def call() -> None:
        with client.stream(**TURN) as stream:
            stream.until_done()

    with ResponsesPeer() as peer:
        for line in itertools.count(1 if is_stream else 5, 11):
            with peer.client() as client:
                if is_reused:
                    client.create(**TURN)
                turn = call if is_stream else lambda client=client: client.create(**TURN)
                if not is_interrupted(turn, line):
                    break
                assert client.create(model="m", input=f"after {line}").output_text == (
                    f"after {line}"
                )
                wait_for(lambda client=client: not client.stats().turns_running, "rest")
        assert line > 500
