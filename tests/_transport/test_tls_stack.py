"""TLS inside TLS: a socket like others, for one sender and one receiver."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import select
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyresponses_ws._transport import patience, tls_stack
from pyresponses_ws._transport.base import SEND_TIMED_OUT, Endpoint
from pyresponses_ws._transport.deadline import Deadline
from pyresponses_ws._transport.tls_stack import TLSStack
from pyresponses_ws._transport.websocket import WebSocketTransport
from pyresponses_ws.errors import ConnectionLostError
from pyresponses_ws.proxies import parse_proxy
from tests._transport.conftest import read_all
from tests._transport.dialing import dial
from tests._transport.scripts import GOODBYE, MakeTransport, Stalling
from tests._transport.test_abort_over_tls import is_all_tls
from tests.support.deadlines import GRACE, at_most
from tests.support.raw_server import PING, TEXT, Peer, RawServer
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy

Script = Callable[[Peer], object]
Connect = Callable[[Script], contextlib.AbstractContextManager[TLSStack]]


@pytest.fixture
def connect(authority: TestAuthority) -> Connect:
    """Connect a stack through an https proxy to a server with TLS that runs a script."""

    @contextlib.contextmanager
    def connect(script: Script) -> Iterator[TLSStack]:
        tls = authority.server_context()
        with RawServer(script, tls=tls, lingers=False) as server, TunnelProxy(tls=tls) as proxy:
            chosen = parse_proxy(proxy.url("https"))
            context = authority.client_context()
            with dial(chosen, server.port, host="localhost", ssl_context=context) as sock:
                assert isinstance(sock, TLSStack)
                yield sock

    return connect


@pytest.fixture
def connect_websocket(
    make_transport: MakeTransport, authority: TestAuthority
) -> Callable[..., contextlib.AbstractContextManager[WebSocketTransport]]:
    """Connect a WebSocket over a stack."""

    @contextlib.contextmanager
    def connect(script: Script) -> Iterator[WebSocketTransport]:
        tls = authority.server_context()
        with RawServer(script, tls=tls) as server, TunnelProxy(tls=tls) as proxy:
            transport = make_transport()
            endpoint = Endpoint(
                url=server.url,
                ssl_context=authority.client_context(),
                proxy=parse_proxy(proxy.url("https")),
            )
            transport.connect(endpoint, timeout=5)
            yield transport
            transport.dispose()

    return connect


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """Read whatever the pieces are; stop early at the end."""
    came = bytearray()
    while len(came) < size and (data := sock.recv(min(70_000, size - len(came)))):
        came += data
    return bytes(came)


def exchange(sock: socket.socket, data: bytes, size: int) -> bytes:
    """Send all of ``data`` and receive ``size`` bytes at once, on this thread alone.

    A socket of the ssl module does not bear two threads before Python 3.13.
    """
    came, rest = bytearray(), memoryview(data)
    sock.setblocking(False)
    while rest or len(came) < size:
        before = len(came), len(rest)
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            rest = rest[sock.send(rest[:65_536]) :] if rest else rest
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            came += sock.recv(min(65_536, size - len(came))) if len(came) < size else b""
        if (len(came), len(rest)) == before:
            select.select([sock], [sock] if rest else [], [], 0.1)
    sock.setblocking(True)
    return bytes(came)


# --- data -----------------------------------------------------------------------------------------


def test_both_directions_at_once_keep_every_byte(connect: Connect) -> None:
    """One thread sends while another receives, megabytes both ways."""
    upwards, downwards = os.urandom(8_000_003), os.urandom(8_000_001)
    came = []

    def script(peer: Peer) -> None:
        came.append(exchange(peer.sock, downwards, len(upwards)))
        peer.send(hashlib.sha256(came[0]).digest())

    with connect(script) as sock:
        sender = threading.Thread(target=sock.sendall, args=(upwards,))
        sender.start()
        assert read_exactly(sock, len(downwards)) == downwards
        sender.join()
        assert read_exactly(sock, 32) == hashlib.sha256(upwards).digest()


def test_read_gives_what_is_there(connect: Connect) -> None:
    """In parts if so asked, without waiting for more, and by recv_into too."""
    with connect(lambda peer: peer.send(b"abcdef")) as sock:
        assert sock.recv(2) == b"ab"
        buffer = bytearray(10)
        assert sock.recv_into(buffer, 3) == 3
        assert sock.recv_into(buffer) == 1
        assert buffer[:4] == b"fde\0"
        assert sock.recv(10) == b""
        assert sock.recv(10) == b""


def test_send_of_nothing_sends_nothing(connect: Connect) -> None:
    """TLS could send an empty record; nobody asked for one."""
    with connect(Peer.read_to_end) as sock:
        assert sock.send(b"") == 0
        sock.sendall(b"")


def test_file_over_the_socket_reads_lines(connect: Connect) -> None:
    """HTTP libraries read through ``makefile``."""
    with connect(lambda peer: peer.send(b"one\ntwo\n")) as sock, sock.makefile("rb") as file:
        assert file.readlines() == [b"one\n", b"two\n"]


@pytest.mark.parametrize(
    "call",
    [
        lambda sock: sock.sendto(b"x", ("127.0.0.1", 1)),
        lambda sock: sock.sendmsg([b"x"]),
        lambda sock: sock.recvfrom(1),
        lambda sock: sock.recvmsg(1),
        lambda sock: sock.dup(),
    ],
)
def test_ways_around_tls_are_closed(call: Callable[[Any], object], connect: Connect) -> None:
    """A plain socket's other methods would put text on the wire in clear."""
    with connect(Peer.read_to_end) as sock:
        with pytest.raises(NotImplementedError):
            call(sock)
        with pytest.raises(ValueError, match="no flags"):
            sock.recv(1, socket.MSG_PEEK)


# --- time -----------------------------------------------------------------------------------------


def test_receive_times_out(connect: Connect) -> None:
    """As a socket does; what comes later is not lost."""
    may_send = threading.Event()

    def script(peer: Peer) -> None:
        may_send.wait(5)
        peer.send(b"late")

    with connect(script) as sock:
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        may_send.set()
        sock.settimeout(5)
        assert sock.recv(10) == b"late"


def test_send_that_timed_out_goes_on_when_repeated(connect: Connect) -> None:
    """The same data again, as with SSLSocket: every byte arrives once."""
    may_read, came, data = threading.Event(), [], os.urandom(30_000_000)

    def script(peer: Peer) -> None:
        may_read.wait(10)
        came.append(hashlib.sha256(read_exactly(peer.sock, len(data))).digest())
        peer.send(b"done")

    with connect(script) as sock:
        sock.settimeout(0.05)
        rest, timeouts = memoryview(data), 0
        while rest:
            with contextlib.suppress(TimeoutError):
                rest = rest[sock.send(rest) :]
                continue
            timeouts += 1
            assert sock.pending_bytes
            may_read.set()
        sock.settimeout(10)
        assert sock.recv(10) == b"done"
        assert sock.pending_bytes == 0
    assert timeouts
    assert came == [hashlib.sha256(data).digest()]


def test_handshake_that_trickles_ends_at_the_deadline(authority: TestAuthority) -> None:
    """A byte of a record now and then must not keep the timer from running out."""
    is_over = threading.Event()

    def script(peer: Peer) -> None:
        with contextlib.suppress(OSError):
            for byte in b"\x16\x03\x03\x3f\x00" + bytes(1000):
                peer.send(bytes((byte,)))
                is_over.wait(0.01)

    with RawServer(script) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with (
            at_most(0.2 + GRACE),
            TLSStack(sock, threading.Lock) as stack,
            pytest.raises(TimeoutError),
        ):
            stack.start_tls(authority.client_context(), "localhost", Deadline.after(0.2))
        is_over.set()


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_end_of_the_peer_is_an_end(says_goodbye: bool, connect: Connect) -> None:
    """With TLS's own goodbye or without, as SSLSocket has it by default."""

    def script(peer: Peer) -> None:
        peer.send(b"last")
        if says_goodbye:
            with contextlib.suppress(OSError):
                peer.sock.unwrap()  # type: ignore[attr-defined]
        else:
            socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    with connect(script) as sock:
        assert read_exactly(sock, 5) == b"last"
        assert sock.recv(1) == b""


def test_shutdown_wakes_a_receiver(connect: Connect) -> None:
    """By the method of the plain socket, which tells a sender too."""
    with connect(Peer.read_to_end) as sock:
        timer = threading.Timer(0.05, socket.socket.shutdown, (sock, socket.SHUT_RDWR))
        timer.start()
        # The relay may be quicker to reset than we are to look.
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(10) == b""
        timer.join()
        with pytest.raises((BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)):
            sock.sendall(b"x" * 1000)


def test_closed_socket_says_so(connect: Connect) -> None:
    """For a sender that comes after the reader has gone."""
    with connect(Peer.read_to_end) as sock:
        sock.close()
        for call in (lambda: sock.recv(1), lambda: sock.send(b"x")):
            with pytest.raises(OSError, match="closed") as caught:
                call()
            assert caught.value.errno == errno.EBADF


def test_damaged_record_is_an_error(authority: TestAuthority) -> None:
    """What was changed on the way is not taken for text."""
    tls = authority.server_context()
    with RawServer(Peer.read_to_end, tls=tls) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with TLSStack(sock, threading.Lock) as stack:
            stack.start_tls(authority.client_context(), "localhost", Deadline.after(5))
            stack._layers[0].feed(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            with pytest.raises(ssl.SSLError):
                stack.recv(10)


def test_peer_is_told_why_it_is_refused(authority: TestAuthority) -> None:
    """The alert about a certificate leaves, so that the server's log can tell."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                try:
                    authority.server_context().wrap_socket(sock, server_side=True).recv(1)
                except ssl.SSLError as exc:
                    seen.append(str(exc))

        thread = threading.Thread(target=serve)
        thread.start()
        sock = socket.create_connection(listener.getsockname())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with TLSStack(sock, threading.Lock) as stack, pytest.raises(ssl.SSLError):
            stack.start_tls(context, "localhost", Deadline.after(5))
        thread.join(5)
    assert "unknown ca" in seen[0]


@pytest.mark.parametrize("call", ["recv", "sendall"])
def test_ctrl_c_ends_a_call(call: str, connect: Connect) -> None:
    """Nothing is held, so the socket can still be closed, or shut down by another thread."""
    is_over = threading.Event()

    def script(_: Peer) -> None:
        is_over.wait(10)

    with connect(script) as sock:
        sock.settimeout(20)
        argument = 10 if call == "recv" else b"x" * 30_000_000
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            getattr(sock, call)(argument)
        timer.join()
        with sock._lock:
            is_over.set()


def test_peer_that_left_does_not_hide_why_it_was_refused(
    authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert is sent as best effort; what counts is the certificate."""
    original, sends = TLSStack._flush, []

    def flush(stack: TLSStack, until: float | None) -> None:
        sends.append(bytes(stack._outbox))
        if len(sends) > 1:
            raise BrokenPipeError
        original(stack, until)

    monkeypatch.setattr(TLSStack, "_flush", flush)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with RawServer(Peer.read_to_end, tls=authority.server_context()) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with TLSStack(sock, threading.Lock) as stack, pytest.raises(ssl.SSLCertVerificationError):
            stack.start_tls(context, "localhost", Deadline.after(5))
    assert sends[-1]


# --- under a WebSocket ----------------------------------------------------------------------------


def test_peer_that_takes_nothing_ends_a_websockets_send(connect_websocket: Any) -> None:
    """What waits in the layers counts as unsent."""
    stalling = Stalling()
    with connect_websocket(stalling) as transport:
        with pytest.raises(ConnectionLostError) as caught:
            transport.send(b"x" * 30_000_000, progress_timeout=0.2)
        assert caught.value.reason == SEND_TIMED_OUT
        assert 0 < transport.bytes_sent < 30_000_000
        assert transport.unsent_bytes() >= transport._sock.pending_bytes > 0
        stalling.may_read.set()


def test_peer_that_pauses_is_waited_for_by_a_websocket(
    connect_websocket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send that has to wait, longer than a step, goes on where it stopped."""
    monkeypatch.setattr(patience, "STEP", 0.02)
    may_read, frames = threading.Event(), []

    def script(peer: Peer) -> None:
        peer.accept()
        may_read.wait(10)
        frames.extend(peer.read_frame() for _ in range(2))
        peer.send(GOODBYE)

    with connect_websocket(script) as transport:
        timer = threading.Timer(0.1, may_read.set)
        timer.start()
        transport.send(b"0123456789" * 2_000_000, progress_timeout=5)
        transport.ping(b"end")
        timer.join()
        assert transport.bytes_sent == 20_000_014 + 6 + 3
        assert read_all(transport)[1].code == 1000
    assert frames == [(TEXT, b"0123456789" * 2_000_000), (PING, b"end")]


def test_aborts_under_load_put_nothing_in_clear_on_the_wire(
    connect_websocket: Any, authority: TestAuthority, make_transport: MakeTransport
) -> None:
    """What leaves on the way to the proxy is TLS, to the last byte."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.read_to_end()

    def send_until_lost(transport: WebSocketTransport, is_flowing: threading.Event) -> None:
        with contextlib.suppress(ConnectionLostError):
            while True:
                transport.send(b"x" * 100_000, progress_timeout=5)
                is_flowing.set()

    tls = authority.server_context()
    with RawServer(script, tls=tls, lingers=False) as server, TunnelProxy(tls=tls) as proxy:
        place = ("127.0.0.1", proxy.port)
        for _ in range(30):
            with TunnelProxy(lambda *_: (place, b"")) as wiretap:
                transport, is_flowing = make_transport(), threading.Event()
                transport.connect(
                    Endpoint(
                        url=server.url,
                        ssl_context=authority.client_context(),
                        proxy=parse_proxy(wiretap.url("https")),
                    ),
                    timeout=5,
                )
                sender = threading.Thread(target=send_until_lost, args=(transport, is_flowing))
                sender.start()
                is_flowing.wait(5)
                transport.abort()
                sender.join(5)
                transport.dispose()
            assert len(wiretap.relayed) > 50_000
            assert is_all_tls(wiretap.relayed)


def test_select_is_there_without_poll() -> None:
    """Windows has no poll; the class of the moment waits for sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs, tls_stack._Selector() as selector:
        selector.register(ours, 1)
        assert not selector.select(0)
        theirs.send(b"x")
        assert selector.select(1)
