"""Connections between two calls: which are used again, and which are not."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from pyresponses_ws._transport import http_idle
from pyresponses_ws._transport.http_idle import IdleSocket, expiry
from pyresponses_ws.errors import ConnectError, ConnectionLostError
from tests._transport.http_scripts import (
    BODY,
    CHUNKED,
    LAST,
    Caller,
    Script,
    answering,
    calling,
    chunk,
    chunked,
    do_nothing,
    head,
    read_all,
    read_request,
    sized,
)
from tests.support.raw_server import Peer
from tests.support.tls import TestAuthority

EVENT = chunk(b"data: {}\n\n")


class Turns:
    """A script that numbers its connections and counts the requests of each."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.connections = 0

    def __call__(self, peer: Peer) -> None:
        self.connections += 1
        with contextlib.suppress(EOFError, OSError):
            self._script(peer)


def serve_well(peer: Peer) -> None:
    while True:
        read_request(peer)
        peer.send(chunked(b"whole"))


@contextlib.contextmanager
def on_each(script: Script, **options: object) -> Iterator[tuple[Caller, Turns]]:
    turns = Turns(script)
    with calling(turns, **options) as caller:  # type: ignore[arg-type]
        yield caller, turns


@pytest.mark.parametrize("is_tls", [False, True])
def test_connection_is_used_again(is_tls: bool, authority: TestAuthority) -> None:
    """The second call has nothing to connect; the tickets of TLS are no bytes of an answer."""
    tls = authority.server_context() if is_tls else None
    context = authority.client_context() if is_tls else None
    with on_each(serve_well, tls=tls, context=context) as (caller, turns):
        for turn in range(3):
            call = caller.send()
            assert read_all(call) == b"whole"
            assert call.is_reused is (turn > 0)
            assert (call.connect_ms is None) is (turn > 0)
            call.dispose()
        assert turns.connections == 1


def test_end_that_comes_after_the_last_event_is_waited_for_by_nobody() -> None:
    """It is looked for at the next call, which then has the connection."""
    may_end, has_ended = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while True:
            read_request(peer)
            peer.send(CHUNKED, EVENT)
            may_end.wait(5)
            peer.send(chunk(b"data: [DONE]\n\n"), LAST)
            has_ended.set()

    with on_each(script) as (caller, turns):
        call = caller.send()
        assert call.read() == b"data: {}\n\n"
        call.dispose()
        may_end.set()
        assert has_ended.wait(5)
        call = caller.send()
        assert call.is_reused
        call.dispose()
        assert turns.connections == 1


def test_connection_whose_answer_has_not_ended_is_closed() -> None:
    """Another answer would otherwise begin with the rest of this one."""

    def script(peer: Peer) -> None:
        while True:
            read_request(peer)
            peer.send(CHUNKED, EVENT)

    with on_each(script) as (caller, turns):
        for _ in range(2):
            call = caller.send()
            assert call.read() == b"data: {}\n\n"
            assert not call.is_reused
            call.dispose()
    assert turns.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        sized(b"whole", "200 OK", "Connection: close"),
        head("200 OK", "Connection: close") + b"whole",
        sized(b"whole") + b"excess",
        chunked(b"whole") + b"excess",
        sized(b"whole", "200 OK", "Keep-Alive: timeout=1, max=10"),
    ],
    ids=["close", "open end", "sized and more", "chunked and more", "not kept alive"],
)
def test_connection_that_cannot_carry_another_call_is_closed(answer: bytes) -> None:
    """The server says so, or has said more than an answer."""
    script = answering(answer)
    with on_each(script, lingers=False) as (caller, turns):
        for _ in range(2):
            call = caller.send()
            assert read_all(call) == b"whole"
            assert not call.is_reused
            call.dispose()
        assert turns.connections == 2


def test_connection_that_the_server_has_closed_is_not_used() -> None:
    """The kernel knows, so nothing is sent there."""
    has_left = threading.Event()

    def serve_once(peer: Peer) -> None:
        answering(chunked(b"whole"))(peer)
        peer.sock.close()
        has_left.set()

    with on_each(serve_once) as (caller, turns):
        assert caller.fetch() == b"whole"
        assert has_left.wait(5)
        call = caller.send()
        assert (call.is_reused, read_all(call)) == (False, b"whole")
        call.dispose()
        assert turns.connections == 2


def test_dead_connection_that_takes_no_byte_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so a new one does no harm."""
    monkeypatch.setattr(IdleSocket, "is_usable", lambda idle: True)
    with on_each(serve_well) as (caller, turns):
        assert caller.fetch() == b"whole"
        (idle,) = caller.pool._idle._waiting
        idle.sock.shutdown(socket.SHUT_WR)
        call = caller.send()
        assert (call.is_reused, read_all(call)) == (False, b"whole")
        call.dispose()
        assert turns.connections == 2


def test_connection_that_dies_under_a_request_is_lost() -> None:
    """A byte of the request may have been read, so whether to repeat it is not for us to say."""

    def leave_at_the_second(peer: Peer) -> None:
        answering(chunked(b"whole"))(peer)
        read_request(peer)
        peer.reset()

    with on_each(leave_at_the_second) as (caller, _):
        assert caller.fetch() == b"whole"
        call = caller.start()
        with pytest.raises(ConnectionLostError):
            call.send(on_sent=do_nothing)
        assert call.is_reused
        assert call.bytes_sent > len(BODY)


def test_refused_connection_on_reuse_is_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """When every kept connection has failed, a fresh one decides."""
    monkeypatch.setattr(IdleSocket, "is_usable", lambda idle: True)
    with on_each(serve_well) as (caller, _):
        caller.fetch()
        (idle,) = caller.pool._idle._waiting
        idle.sock.shutdown(socket.SHUT_WR)
    call = caller.start()
    with pytest.raises(ConnectError):
        call.send(on_sent=do_nothing)
    assert (call.is_reused, call._sock) == (False, None)


def test_no_more_than_the_bound_are_kept() -> None:
    """The oldest goes first."""
    with on_each(serve_well, max_idle=1) as (caller, turns):
        assert caller.fetch() == b"whole"
        (oldest,) = caller.pool._idle._waiting
        caller.pool._idle.put(
            IdleSocket(
                sock=socket.socket(),
                origin=oldest.origin,
                body=oldest.body,
                expires_at=oldest.expires_at,
            )
        )
        assert oldest.sock.fileno() < 0
        assert len(caller.pool._idle._waiting) == 1
    assert turns.connections == 1


def test_connections_are_kept_apart_by_origin() -> None:
    """What leads elsewhere stays for whom it was opened."""
    with on_each(serve_well) as (caller, _), on_each(serve_well) as (other, turns):
        caller.fetch()
        url, caller.url = caller.url, other.url
        assert caller.fetch() == b"whole"
        caller.url = url
        call = caller.send()
        assert call.is_reused
        call.dispose()
        caller.pool.close()
        assert turns.connections == 1


def test_closed_pool_keeps_nothing() -> None:
    """A call that was under way goes on; its connection is closed behind it."""
    with on_each(serve_well) as (caller, turns):
        call = caller.send()
        caller.pool.close()
        assert read_all(call) == b"whole"
        call.dispose()
        assert caller.fetch() == b"whole"
        assert not caller.pool._idle._waiting
    assert turns.connections == 2


def test_pool_that_is_dropped_closes_its_connections() -> None:
    """Without a warning, and without a word to the server."""
    with on_each(serve_well) as (caller, _):
        caller.fetch()
        (idle,) = caller.pool._idle._waiting
        sock = idle.sock
        del idle
        caller.pool = None  # type: ignore[assignment]
        assert sock.fileno() < 0
        caller.pool = Caller(caller.url).pool


def test_abort_after_the_end_does_not_reach_the_next_call() -> None:
    """The connection is somebody else's by then."""
    with on_each(serve_well) as (caller, _):
        first = caller.send()
        read_all(first)
        first.dispose()
        second = caller.send()
        first.abort()
        assert (second.is_reused, read_all(second)) == (True, b"whole")
        second.dispose()


def test_aborted_call_leaves_no_connection() -> None:
    """Even if its answer was whole."""
    with on_each(serve_well) as (caller, _):
        call = caller.send()
        assert read_all(call) == b"whole"
        call.abort()
        call.dispose()
        assert not caller.pool._idle._waiting


def test_call_whose_answer_was_not_read_keeps_its_connection() -> None:
    """Whoever needs the status alone, for one; the body came in the same packet."""
    with on_each(serve_well) as (caller, turns):
        caller.send().dispose()
        call = caller.send()
        assert (call.is_reused, read_all(call)) == (True, b"whole")
        call.dispose()
        assert turns.connections == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_child_of_a_fork_leaves_the_connections_of_its_parent_alone() -> None:
    """It closes its own descriptors, says nothing on the wire, and opens anew."""
    with on_each(serve_well) as (caller, turns):
        caller.fetch()
        idle = caller.pool._idle._waiting[-1]
        foreign = IdleSocket(
            sock=socket.fromfd(idle.sock.fileno(), socket.AF_INET, socket.SOCK_STREAM),
            origin=idle.origin,
            body=idle.body,
            expires_at=idle.expires_at,
            process=os.getpid() + 1,
        )
        caller.pool._idle.put(foreign)
        call = caller.send()
        assert (call.is_reused, read_all(call)) == (True, b"whole")
        call.dispose()
        assert foreign.sock.fileno() < 0
        assert turns.connections == 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 55),
        ("timeout=5, max=100", 4),
        ("max=3; Timeout = 30", 29),
        ("timeout=600", 55),
        ("timeout=0", -1),
        ("idle-timeout", 55),
    ],
)
def test_connection_expires_before_the_server_ends_it(said: str, seconds: float) -> None:
    """By the server's word, else before the minute after which proxies commonly do."""
    left = expiry({"keep-alive": said}) - time.monotonic()
    assert seconds - 1 < left <= seconds


def test_expired_connection_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """However well it looks."""
    with on_each(serve_well) as (caller, _):
        caller.fetch()
        (idle,) = caller.pool._idle._waiting
        assert idle.is_usable()
        monkeypatch.setattr(http_idle.time, "monotonic", lambda: idle.expires_at)
        assert not idle.is_usable()


def test_rest_of_an_answer_is_not_read_without_bound() -> None:
    """A server that goes on and on loses its connection instead."""

    def flood(peer: Peer) -> None:
        read_request(peer)
        peer.send(CHUNKED, EVENT, chunk(b"x" * 2_000_000), LAST)

    with on_each(flood) as (caller, _):
        call = caller.send()
        call.read()
        call.dispose()
        (idle,) = caller.pool._idle._waiting
        assert not idle.is_usable()
        idle.close()
