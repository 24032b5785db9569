"""Whose frame comes next."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._runtime.writer import Writer
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import ConnectionLostError
from pyresponses_ws.testing.scripted import ScriptedTransport
from tests._runtime.rig import Call


def nothing(*_: Any) -> None:
    """Do nothing."""


class Slow(ScriptedTransport):
    """A transport whose send waits for a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()

    def send(self, payload: bytes, **limits: Any) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        super().send(payload, **limits)


def send(writer: Writer, payload: bytes = b'{"type":"x"}') -> None:
    writer.send(payload, progress_timeout=1, timeout=None, before=nothing, on_failure=nothing)


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_a_ping_that_comes_during_a_send_is_answered_after_it(slow: Slow) -> None:
    """The reader does not wait for the sender; the sender answers."""
    writer = Writer(slow, Threads())
    sending = Call(lambda: send(writer))
    slow.entered.wait(10)
    slow.pending_pong = b"payload"
    writer.answer_ping()
    assert slow.pongs == []
    slow.gate.set()
    sending.result()
    assert slow.pongs == [b"payload"]


def test_nobody_waits_for_a_sender(slow: Slow) -> None:
    """Pings, goodbyes and answers to a close go without."""
    writer = Writer(slow, Threads())
    sending = Call(lambda: send(writer))
    slow.entered.wait(10)
    assert writer.ping() is False
    writer.say_goodbye(1000, "bye")
    writer.answer_close(Close(code=1001, reply_due=True))
    assert (slow.pings, slow.closes) == (0, [])
    slow.gate.set()
    sending.result()


def test_one_close_frame_is_enough() -> None:
    """Ours went first; the peer's answer is not answered again."""
    transport = ScriptedTransport()
    writer = Writer(transport, Threads())
    writer.say_goodbye(1000, "bye")
    writer.answer_close(Close(code=1000, reply_due=True))
    assert transport.closes == [(1000, "bye")]


@pytest.mark.parametrize(
    ("wire", "closes"),
    [
        (Close(code=1001, reason="deploy", reply_due=True), [(1001, "")]),
        (Close(code=1003, reason="binary"), [(1003, "binary")]),
        (Close(), []),
    ],
)
def test_a_close_is_answered_in_kind(wire: Close, closes: list[Any]) -> None:
    """The peer's code comes back; our own refusal says why; a dead socket hears nothing."""
    transport = ScriptedTransport()
    Writer(transport, Threads()).answer_close(wire)
    assert transport.closes == closes


def test_nothing_is_sent_once_the_descriptor_is_gone() -> None:
    """Its number may be another socket's by now."""
    transport = ScriptedTransport()
    writer = Writer(transport, Threads())
    writer.dispose()
    transport.pending_pong = b"late"
    writer.answer_ping()
    writer.say_goodbye(1000, "late")
    assert writer.ping() is False
    assert (transport.pongs, transport.closes, transport.pings) == ([], [], 0)
    assert transport.is_disposed


def test_a_dead_socket_is_the_readers_to_notice() -> None:
    """A ping or pong that cannot leave is no error here."""

    class Dead(ScriptedTransport):
        def ping(self, payload: bytes = b"") -> None:
            raise ConnectionLostError("dead")

        def pong(self, payload: bytes) -> None:
            raise ConnectionLostError("dead")

    transport = Dead()
    writer = Writer(transport, Threads())
    transport.pending_pong = b"x"
    writer.answer_ping()
    assert writer.ping() is True
    assert transport.pending_pong is None


def test_a_failure_is_told_at_its_turn() -> None:
    """With the exception, and whether a byte is out."""
    told: list[Any] = []
    transport = ScriptedTransport()
    transport.send_error = ConnectionLostError("dead")
    writer = Writer(transport, Threads())
    for is_partial in (True, False):
        transport.is_send_partial = is_partial
        with pytest.raises(ConnectionLostError):
            writer.send(
                b"{}",
                progress_timeout=1,
                timeout=None,
                before=nothing,
                on_failure=lambda exc, has_begun: told.append((type(exc), has_begun)),
            )
    assert told == [(ConnectionLostError, True), (ConnectionLostError, False)]
