"""One live socket and the turns on it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.mailbox import Lost, Mailbox
from pyresponses_ws._runtime.reader import read
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.base import Close, Endpoint
from pyresponses_ws.errors import ClosedError, ConnectError
from pyresponses_ws.testing.clock import ManualClock
from pyresponses_ws.testing.scripted import ScriptedTransport
from tests._runtime.rig import Call, created, delta, turn

ENDPOINT = Endpoint(url="ws://localhost/responses")


class Owner:
    """Hears of one link."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def link_opened(self, link: Link) -> None:
        self.heard.append("opened")

    def link_received(self, link: Link, events: list[Any], texts: Sequence[str]) -> None:
        self.heard += [event.type for event in events]

    def link_ended(self, link: Link) -> None:
        self.heard.append("ended")


class Rigged:
    """A link over a scripted transport."""

    def __init__(self) -> None:
        self.transport = ScriptedTransport()
        self.threads = Threads(ManualClock())
        self.owner = Owner()
        self.link = Link(
            number=1,
            host="localhost",
            transport=self.transport,
            threads=self.threads,
            owner=self.owner,
            closes_when_idle=False,
            on_ended=lambda link: None,
            wake_keeper=lambda: None,
        )

    def open(self) -> None:
        self.link.open(lambda: ENDPOINT, timeout=1, start_reader=self.start_reader)

    def start_reader(self, link: Link) -> None:
        self.threads.start("reader-1", partial(read, link))

    def mailbox(self) -> Mailbox:
        return Mailbox(self.threads)


def test_its_owner_hears_everything_in_order() -> None:
    """Opening, each event whosever it is, and the end."""
    made = Rigged()
    made.open()
    made.transport.feed({"type": "keepalive"})
    made.transport.end(1001)
    made.transport.wait_until_disposed()
    assert made.owner.heard == ["opened", "keepalive", "ended"]
    assert made.link.close == Close(code=1001, reply_due=True)


def test_it_can_be_cut_while_it_opens() -> None:
    """The opening fails, whatever the socket says."""
    made, gate = Rigged(), threading.Event()
    made.transport.on_connect = gate.wait
    opening = Call(made.open)
    made.transport.wait_until_connecting()
    made.link.abort(Close(reason="mine"))
    gate.set()
    with pytest.raises(ConnectError, match="closed while opening"):
        opening.result()
    assert made.link.close == Close(reason="mine")
    assert made.transport.is_disposed


def test_a_retiring_link_takes_no_turn() -> None:
    """The one that runs goes on to its end, then the link goes."""
    made = Rigged()
    made.open()
    running = made.mailbox()
    assert made.link.begin(running)
    made.link.retire()
    assert not made.link.begin(made.mailbox(), "other", alone=False)
    with pytest.raises(ClosedError, match="about to close"):
        made.link.send_turn(made.mailbox(), None, b"{}", progress_timeout=1)
    made.transport.feed(*turn())
    made.transport.wait_until_disposed()
    assert [event.type for event in running.get(0.0).events][-1] == "response.completed"


def test_a_neighbour_outlives_an_abandoned_turn() -> None:
    """The lane is fenced; its late events reach nobody."""
    made = Rigged()
    made.open()
    left, right = made.mailbox(), made.mailbox()
    assert made.link.begin(left, "left")
    assert made.link.begin(right, "right", alone=False)
    made.link.abandon(left)
    made.transport.feed(created("r1", lane="left"), delta(), created("r2", lane="right"))
    made.transport.settle()
    assert [event.stream_id for event in right.get(0.0).events] == ["right"]
    assert not made.transport.is_aborted
    made.link.abandon(right)
    assert made.transport.is_aborted
    made.transport.wait_until_disposed()


def test_two_turns_share_a_batch() -> None:
    """Each gets its own events, in order, and one letter for neighbours."""
    made = Rigged()
    made.open()
    left, right = made.mailbox(), made.mailbox()
    assert made.link.begin(left, "left")
    assert made.link.begin(right, "right", alone=False)
    frames = [created(name, lane=lane) for name, lane in (("r1", "left"), ("r2", "right"))]
    made.transport.feed(*frames, {"type": "x", "stream_id": "right"}, {"type": "y"})
    made.transport.settle()
    assert [event.type for event in left.get(0.0).events] == ["response.created"]
    assert [event.type for event in right.get(0.0).events] == ["response.created", "x"]
    made.transport.end()
    made.transport.wait_until_disposed()
    assert isinstance(left.get(0.0), Lost)


def test_a_reader_that_fails_still_ends_its_turns(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever went wrong, nobody waits for ever."""
    made = Rigged()
    made.open()
    box = made.mailbox()
    assert made.link.begin(box)
    made.owner.link_received = lambda *_: 1 // 0  # type: ignore[assignment]
    made.transport.feed(created())
    made.transport.wait_until_disposed()
    letters = [box.get(0.0), box.get(0.0)]
    assert isinstance(letters[1], Lost)
    assert isinstance(letters[1].close.cause, ZeroDivisionError)
    assert "the reader failed" in caplog.text
