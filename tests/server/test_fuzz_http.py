"""Every HTTP route under random requests: an answer or a proper error, and nobody is harmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fuzz_http import Call, Caller, Reply
from tests.support.fuzz_server import Bystander, Fortress, ask, open_socket, run_fortress

TERMINALS = ("response.completed", "response.incomplete")


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Run a server in a process, as users do."""
    with run_fortress(Path(tmp_path_factory.mktemp("fortress"))) as running:
        yield running


def check_reply(call: Call, reply: Reply) -> None:
    """Check that a reply is what the API's clients understand."""
    assert reply.status < 500
    if call.method == "HEAD" or reply.status == 101:
        return
    if reply.status >= 400:
        assert reply.kind == "application/json"
        assert set(reply.json()["error"]) == {"type", "code", "message", "param"}
    elif reply.kind == "text/event-stream":
        assert reply.events()[-1]["type"] in TERMINALS
    else:
        assert reply.json().get("error") is None


def call_often(fortress: Fortress, seed: int, count: int) -> Counter[int]:
    """Make calls; return how often each status came, 0 where the server only hung up."""
    caller, statuses = Caller(fortress.address, seed), Counter[int]()
    for number in range(count):
        call, reply = caller.call()
        statuses[0 if reply is None else reply.status] += 1
        if reply is not None:
            try:
                check_reply(call, reply)
            except Exception as exc:
                raise AssertionError(f"seed {seed}, call {number}: {call} {reply}") from exc
    return statuses


def check_calls(fortress: Fortress, seeds: range, *, count: int) -> Counter[int]:
    """Have three callers at a time, one a seed, while a bystander runs turns."""
    with Bystander(fortress.base_url) as bystander, ThreadPoolExecutor(max_workers=3) as pool:
        statuses = sum(pool.map(lambda seed: call_often(fortress, seed, count), seeds), Counter())
    assert bystander.turns > 0
    with open_socket(fortress.base_url) as ws:
        assert ask(ws, "still there?") == "You said: still there?"
    assert fortress.complaints() == []
    return statuses


def test_random_requests_harm_nobody(fortress: Fortress) -> None:
    """None of 600 makes the server stumble, and all usual statuses come up."""
    statuses = check_calls(fortress, range(12), count=50)
    assert {200, 400, 404, 405} <= set(statuses)


@pytest.mark.real
@pytest.mark.timeout(600)
def test_thousands_of_requests_harm_nobody(fortress: Fortress) -> None:
    """The same for 10,000."""
    statuses = check_calls(fortress, range(1000, 1050), count=200)
    assert {200, 400, 403, 404, 405, 415, 421} <= set(statuses)
