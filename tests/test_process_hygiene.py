"""What a client leaves behind in its process: nothing, however it goes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import pytest

from tests.support.responses_peer import (
    PeerTurn,
    ResponsesPeer,
)

#: Seconds for a script that is done to exit; the interpreter's own start is not in it.
EXIT = 2.0

_HEAD = """
import json, os, sys, threading, time
from pyresponses_ws import ResponsesClient

def make():
    return ResponsesClient("key", base_url=sys.argv[1])

def own():
    return [t for t in threading.enumerate() if t.name.startswith("pyresponses-")]

def count():
    for thread in own():
        thread.join(5)
    return [t.name for t in own()], len(os.listdir("/proc/self/fd"))

TURN = {"model": "m", "input": "one two"}
"""

_COUNT = """
make().create(**TURN)
_, before = count()
for _ in range(50):
    drop()
gc.collect() if "gc" in globals() else None
left, after = count()
print(json.dumps([left, after - before]))
"""


def run_script(peer: ResponsesPeer, body: str) -> subprocess.CompletedProcess[str]:
    """Run a script against the peer; it gets ``make``, ``own``, ``count`` and ``TURN``."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", _HEAD + body, peer.base_url],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def half_when_asked(turn: PeerTurn) -> None:
    """Answer, but only begin where the input says so."""
    if turn.text == "half":
        turn.begin("half")
    else:
        turn.answer()


DROPS = {
    "never used": """
def drop():
    make()
""",
    "idle link": """
def drop():
    make().create(**TURN)
""",
    "two idle links": """
def drop():
    client = make()
    stream = client.stream(**TURN)
    client.create(**TURN)
    stream.until_done()
""",
    "paused stream": """
def drop():
    client = make()
    stream = client.stream(model="m", input="half")
    next(stream)
""",
    "stream kept longer than its client": """
def drop():
    stream = make().stream(model="m", input="half")
    next(stream)
""",
    "connection": """
def drop():
    client = make()
    connection = client.connect()
    connection.send({"type": "response.create", **TURN})
    next(connection)
""",
    # The callback closes a circle, as callbacks do; the collector opens it.
    "connection with a callback": """
import gc
def drop():
    connection = make().connect()
    connection.on("*", lambda event: connection.state)
    connection.send({"type": "response.create", **TURN})
    next(connection)
""",
    "lane": """
def drop():
    lane = make().connect().lane("a")
    lane.send({"type": "response.create", **TURN})
""",
    "failed turn with its error": """
def drop():
    try:
        make().create(model="m", input="half", timeout=0.01)
    except Exception as error:
        error.partial
""",
    "hook that mentions it": """
from pyresponses_ws import Hooks
def drop():
    clients = []
    hooks = Hooks(on_turn_end=lambda report: clients[0].stats())
    clients.append(ResponsesClient("key", base_url=sys.argv[1], hooks=hooks))
    clients[0].create(**TURN)
    clients.clear()
""",
}


@pytest.mark.parametrize("drop", DROPS)
def test_fifty_dropped_clients_leave_nothing(drop: str) -> None:
    """No thread and no descriptor, without close and without a collection."""
    with ResponsesPeer(half_when_asked) as peer:
        done = run_script(peer, DROPS[drop] + _COUNT)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[], 0]


def test_a_cell_that_runs_again_leaks_nothing() -> None:
    """A notebook rebinds ``client`` with each run; the one before goes at once."""
    body = """
for _ in range(20):
    client = make()
    with client.stream(**TURN) as stream:
        for event in stream:
            pass
del client, stream, event
left, descriptors = count()
print(json.dumps([left, descriptors]))
"""
    with ResponsesPeer() as peer:
        done = run_script(peer, body)
        assert done.stderr == ""
        left, descriptors = json.loads(done.stdout)
        assert (left, peer.connections) == ([], 20)
        assert descriptors < 8


EXITS = {
    "idle client": "client = make(); client.create(**TURN)",
    "stream open": "client = make(); s = client.stream(model='m', input='half'); next(s)",
    "stream open, client dropped": "s = make().stream(model='m', input='half'); next(s)",
    "turn in a daemon thread": """
client = make()
target = lambda: client.create(model="m", input="half")
threading.Thread(target=target, daemon=True).start()
while not client.stats().turns_running:
    pass
""",
    "connection open": "client = make(); c = client.connect()",
    "connection with a callback": "c = make().connect(); c.on('*', print)",
    "sys.exit in a stream": """
client = make()
with client.stream(model="m", input="half") as stream:
    for event in stream:
        sys.exit(0)
""",
    "circle": """
client = make()
stream = client.stream(model="m", input="half")
next(stream)
circle = [client, stream]
circle.append(circle)
""",
}


@pytest.mark.parametrize("state", EXITS)
def test_a_script_that_just_ends_exits_cleanly(state: str) -> None:
    """Soon, with status 0, and without a word on stderr."""
    with ResponsesPeer(half_when_asked) as peer:
        body = EXITS[state] + "\nprint(time.time(), flush=True)\n"
        if state.startswith("sys.exit"):
            body = body.replace("sys.exit(0)", "print(time.time(), flush=True); sys.exit(0)")
        done = run_script(peer, body)
        ended = time.time()
    assert (done.returncode, done.stderr) == (0, "")
    assert ended - float(done.stdout.split()[0]) < EXIT


def test_a_script_killed_by_ctrl_c_says_so_once() -> None:
    """KeyboardInterrupt ends it with its own traceback, and nothing of ours after it."""
    body = """
import signal
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 0.1)
make().create(model="m", input="half")
"""
    with ResponsesPeer(half_when_asked) as peer:
        done = run_script(peer, body)
    assert done.returncode in (130, -2)
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert done.stderr.count("Traceback") == 1


def test_construction_starts_and_opens_nothing() -> None:
    """No thread, no descriptor, no connection before the first turn."""
    body = """
_, before = count()
clients = [make() for _ in range(10)]
print(json.dumps([[t.name for t in own()], count()[1] - before]))
"""
    with ResponsesPeer() as peer:
        done = run_script(peer, body)
        assert json.loads(done.stdout) == [[], 0]
        assert peer.connections == 0


def test_threads_are_named_and_few() -> None:
    """One reader a link and one keeper a client; all end with close."""
    body = """
client = make()
first = client.stream(model="m", input="half"); next(first)
client.create(**TURN)
names = sorted(t.name for t in own())
client.close(timeout=0)
print(json.dumps([names, count()[0]]))
"""
    with ResponsesPeer(half_when_asked) as peer:
        names, left = json.loads(run_script(peer, body).stdout)
    assert names == ["pyresponses-keeper", "pyresponses-reader-1", "pyresponses-reader-2"]
    assert left == []


def test_it_works_under_a_running_event_loop() -> None:
    """As in a notebook's cell: the call blocks the loop, and needs none of its own."""

    async def cell() -> str:
        with peer.client() as client, client.stream(model="m", input="one two") as stream:
            return "".join(stream.text_deltas())

    with ResponsesPeer() as peer:
        assert asyncio.run(cell()) == "one two"
