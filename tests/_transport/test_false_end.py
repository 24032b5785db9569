"""An end of TLS is believed when the TCP connection below agrees, or when it stays."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from pyresponses_ws._transport.false_end import BELIEVED, FalseEnds
from tests._transport.scripts import Connect, Recorder, sending
from tests.support.raw_server import TEXT, RawServer, frame
from tests.support.tls import TestAuthority


@pytest.fixture
def pair(authority: TestAuthority) -> Iterator[tuple[ssl.SSLSocket, socket.socket]]:
    """A TLS socket that has not shaken hands, over a TCP connection, and the other end of that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    context = authority.client_context()
    wrapped = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
    with wrapped, other:
        wrapped.settimeout(5)
        yield wrapped, other


def test_an_end_while_tcp_is_open_is_false(
    pair: tuple[ssl.SSLSocket, socket.socket],
) -> None:
    """Whether something waits in it or not; neither is taken away."""
    sock, other = pair
    assert FalseEnds().is_false(sock)
    other.sendall(b"x")
    assert FalseEnds().is_false(sock)
    assert socket.socket.recv(sock, 10) == b"x"


def test_an_end_is_true_when_tcp_has_ended(pair: tuple[ssl.SSLSocket, socket.socket]) -> None:
    """By a FIN, or closed by ourselves."""
    sock, other = pair
    other.shutdown(socket.SHUT_RDWR)
    socket.socket.recv(sock, 1)
    assert not FalseEnds().is_false(sock)
    sock.close()
    assert not FalseEnds().is_false(sock)


def test_an_end_that_stays_is_believed(pair: tuple[ssl.SSLSocket, socket.socket]) -> None:
    """A peer may end TLS alone. What goes through in between starts the count again."""
    ends = FalseEnds()
    assert [ends.is_false(pair[0]) for _ in range(BELIEVED + 1)] == [True] * BELIEVED + [False]
    ends.reset()
    assert ends.is_false(pair[0])


def test_errors_that_speak_for_themselves_are_believed(
    pair: tuple[ssl.SSLSocket, socket.socket],
) -> None:
    """A reset is one; what OpenSSL says of its own state is not."""
    assert not FalseEnds().is_false(pair[0], ConnectionResetError())
    assert FalseEnds().is_false(pair[0], ssl.SSLEOFError())


def test_a_plain_socket_never_lies(pair: tuple[ssl.SSLSocket, socket.socket]) -> None:
    """There is no state that two threads share."""
    assert not FalseEnds().is_false(pair[1])


def test_a_false_end_loses_no_message(
    connect: Connect, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read after it brings what came."""
    receive, lies = ssl.SSLSocket.recv, [b""]

    def lie(sock: ssl.SSLSocket, *args: Any) -> bytes:
        return lies.pop() if lies and sock is transport._sock else receive(sock, *args)

    with RawServer(sending(frame(TEXT, b"hello")), tls=authority.server_context()) as server:
        transport = connect(server)
        with monkeypatch.context() as patch:
            patch.setattr(ssl.SSLSocket, "recv", lie)
            came: list[str] = []
            while not came or lies:
                came += transport.receive()
        transport.dispose()
    assert came == ["hello"]


def test_a_false_end_of_a_send_is_tried_again(
    connect: Connect, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it was out, and all of it arrives."""
    send, lies = ssl.SSLSocket.send, [ssl.SSLEOFError()]

    def lie(sock: ssl.SSLSocket, *args: Any) -> int:
        if lies and sock is transport._sock:
            raise lies.pop()
        return send(sock, *args)

    recorder = Recorder()
    with RawServer(recorder, tls=authority.server_context()) as server:
        transport = connect(server)
        with monkeypatch.context() as patch:
            patch.setattr(ssl.SSLSocket, "send", lie)
            transport.send(b"hello", progress_timeout=5)
        transport.dispose()
    assert recorder.frames == [(TEXT, b"hello")]
    assert lies == []
