"""The proxy between real sockets: each fault as both ends see it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from pyresponses_ws import ResponsesClient, Timeouts
from pyresponses_ws.errors import (
    ConfigError,
    ConnectError,
    DeliveryUnknownError,
    ProtocolError,
    ResponseInterruptedError,
    TurnTimeoutError,
    UsageError,
)
from pyresponses_ws.testing import (
    BlackHole,
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    Fault,
    FaultProxy,
    HalfClose,
    LocalServer,
    Refuse,
    Reset,
    Stall,
    Trickle,
    fault_door,
)
from tests.support.raw_server import TEXT, frame
from tests.support.responses_peer import ResponsesPeer, read_until_error
from tests.support.tls import TestAuthority

TURN: dict[str, Any] = {"model": "m", "input": "hello there"}
UPGRADE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
MASK = b"abcd"


class Wire:
    """Both ends of one connection, and the proxy between them."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server

    def upgrade(self) -> None:
        """Pass the heads after which both sides speak frames."""
        self.client.sendall(UPGRADE)
        assert read(self.server, len(UPGRADE)) == UPGRADE
        self.server.sendall(ACCEPTED)
        assert read(self.client, len(ACCEPTED)) == ACCEPTED


@contextmanager
def listening(*faults: Fault) -> Iterator[tuple[FaultProxy, socket.socket]]:
    """Yield a proxy, and the listener of the server behind it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with FaultProxy(url, *faults) as proxy:
            yield proxy, listener


@contextmanager
def wired(*faults: Fault) -> Iterator[Wire]:
    """Connect through a proxy with these faults."""
    with listening(*faults) as (proxy, listener), connect(proxy) as client:
        server, _ = listener.accept()
        server.settimeout(10)
        with server:
            yield Wire(proxy, client, server)


def connect(proxy: FaultProxy) -> socket.socket:
    """Connect to the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def read(sock: socket.socket, size: int) -> bytes:
    """Read exactly so much, or up to the end."""
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def read_to_end(sock: socket.socket) -> bytes:
    """Read up to the regular end."""
    return read(sock, 1 << 30)


def is_silent(sock: socket.socket) -> bool:
    """Nothing has come, and no end."""
    sock.setblocking(False)
    try:
        sock.recv(1)
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(10)
    return False


# --- untouched ----------------------------------------------------------------------------------


def test_bytes_and_ends_pass_unharmed() -> None:
    """Both ways, megabytes, and the end of one side before that of the other."""
    blob = os.urandom(3_000_000)
    with wired() as wire:
        sender = threading.Thread(target=lambda: wire.client.sendall(blob))
        sender.start()
        assert read(wire.server, len(blob)) == blob
        sender.join()
        wire.client.shutdown(socket.SHUT_WR)
        assert read_to_end(wire.server) == b""
        wire.server.sendall(b"bye")
        wire.server.close()
        assert read_to_end(wire.client) == b"bye"
        wire.proxy.wait_until(lambda: wire.proxy.open_connections == 0)


def test_a_reset_of_one_end_reaches_the_other() -> None:
    """An RST stays an RST."""
    with wired() as wire:
        wire.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.server.close()
        with pytest.raises(ConnectionResetError):
            wire.client.recv(1)


def test_a_server_that_is_gone_resets_the_client() -> None:
    """The proxy has let the client in by then."""
    with listening() as (proxy, listener):
        listener.close()
        with pytest.raises(ConnectionResetError), connect(proxy) as client:
            client.recv(1)
        proxy.wait_until(lambda: (proxy.connections, proxy.open_connections) == (1, 0))


# --- ends ---------------------------------------------------------------------------------------


def test_a_cut_ends_both_sides_after_so_many_bytes() -> None:
    """Each sees a FIN; of what the server said, five bytes arrive."""
    with wired(Cut(after_bytes=5)) as wire:
        wire.server.sendall(b"hello world")
        assert read_to_end(wire.client) == b"hello"
        assert read_to_end(wire.server) == b""
        wire.client.close()
        wire.server.close()
        wire.proxy.wait_until(lambda: wire.proxy.open_connections == 0)


def test_a_reset_ends_both_sides_after_so_many_bytes_of_the_client() -> None:
    """Each sees an RST; three bytes have passed."""
    with wired(Reset(after_bytes=3, watch="up")) as wire:
        wire.client.sendall(b"hello")
        wire.proxy.wait_until(lambda: wire.proxy.faults_started == 1)
        assert wire.server.recv(10) == b"hel"
        for sock in (wire.client, wire.server):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)


def test_a_reset_at_once_never_reaches_the_server() -> None:
    """The client is let in and reset, which its connect may hear already."""
    with listening(Reset()) as (proxy, listener):
        with pytest.raises(ConnectionResetError), connect(proxy) as client:
            client.recv(1)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_cut_at_once_never_reaches_the_server() -> None:
    """The client is let in and sent away politely."""
    with listening(Cut()) as (proxy, _), connect(proxy) as client:
        assert read_to_end(client) == b""
        client.close()
        proxy.wait_until(lambda: (proxy.connections, proxy.open_connections) == (1, 0))


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_half_close_leaves_the_other_direction(way: Any) -> None:
    """One side hears a FIN and can still speak."""
    with wired(HalfClose(way=way, after_bytes=2)) as wire:
        speaker, listener = wire.client, wire.server
        if way == "down":
            speaker, listener = listener, speaker
        speaker.sendall(b"abcd")
        assert read_to_end(listener) == b"ab"
        listener.sendall(b"still here")
        assert read(speaker, 10) == b"still here"


# --- frames and texts -----------------------------------------------------------------------------


def test_frames_are_counted_behind_the_handshake() -> None:
    """Two frames of the server pass, the third does not."""
    frames = [frame(TEXT, b"x" * size) for size in (1, 300, 70_000)]
    with wired(Cut(after_frames=2)) as wire:
        wire.upgrade()
        wire.server.sendall(b"".join(frames))
        assert read_to_end(wire.client) == frames[0] + frames[1]


def test_frames_of_the_client_are_counted_too() -> None:
    """A fault of one direction may wait for the other."""
    with wired(Stall(way="down", after_frames=1, watch="up")) as wire:
        wire.upgrade()
        wire.server.sendall(frame(TEXT, b"before"))
        assert read(wire.client, 8) == frame(TEXT, b"before")
        wire.client.sendall(frame(TEXT, b"ask", mask=MASK))
        wire.proxy.wait_until(lambda: wire.proxy.faults_started == 1)
        wire.server.sendall(frame(TEXT, b"after"))
        assert is_silent(wire.client)


def test_a_text_is_found_under_the_mask() -> None:
    """The frame with the text arrives whole."""
    ask = frame(TEXT, b'{"type": "response.create"}', mask=MASK)
    with wired(Cut(after_text="response.create", watch="up")) as wire:
        wire.upgrade()
        wire.client.sendall(ask + ask)
        assert read_to_end(wire.server) == ask


def test_a_text_of_an_event_lets_its_event_pass() -> None:
    """Over HTTP the blank line ends it."""
    head, events = b"HTTP/1.1 200 OK\r\n\r\n", [b"event: a\ndata: 1\n\n", b"event: b\n\n"]
    with wired(Cut(after_text=b"event: a")) as wire:
        wire.server.sendall(head + b"".join(events))
        assert read_to_end(wire.client) == head + events[0]


# --- what is changed ------------------------------------------------------------------------------


def test_a_frame_is_said_twice() -> None:
    """The one with the text, and no other."""
    one, two, three = (frame(TEXT, text) for text in (b"one", b"two", b"three"))
    with wired(Duplicate(after_text="two")) as wire:
        wire.upgrade()
        wire.server.sendall(one + two + three)
        assert read(wire.client, 22) == one + two + two + three


def test_bytes_are_said_twice() -> None:
    """A range of them, in the client's direction."""
    with wired(Duplicate(way="up", after_bytes=4, length=2)) as wire:
        wire.client.sendall(b"abcdef")
        assert read(wire.server, 8) == b"abcdcdef"


def test_a_duplicate_now_waits_for_the_end_of_the_frame() -> None:
    """And skips the handshake."""
    text = frame(TEXT, b"word")
    with wired(Duplicate()) as wire:
        wire.upgrade()
        wire.server.sendall(text[:3])
        assert read(wire.client, 3) == text[:3]
        wire.server.sendall(text[3:] + text)
        assert read(wire.client, 15) == text[3:] + text + text


def test_bytes_are_corrupted_where_it_was_asked() -> None:
    """The other direction stays as it is."""
    with wired(Corrupt(after_bytes=2, skip=1, length=2)) as wire:
        wire.server.sendall(b"ab\x00\x01\x02\x03")
        assert read(wire.client, 6) == b"ab\x00\xfe\xfd\x03"
        wire.client.sendall(b"abcdef")
        assert read(wire.server, 6) == b"abcdef"


# --- what is slow ---------------------------------------------------------------------------------


def test_a_stall_holds_both_directions_until_it_heals() -> None:
    """Nothing is lost, and no end is told."""
    with wired(Stall(after_bytes=2)) as wire:
        wire.server.sendall(b"abcd")
        assert read(wire.client, 2) == b"ab"
        wire.client.sendall(b"up")
        wire.client.shutdown(socket.SHUT_WR)
        assert is_silent(wire.server)
        assert is_silent(wire.client)
        wire.proxy.heal()
        assert read(wire.client, 2) == b"cd"
        assert read_to_end(wire.server) == b"up"


def test_a_stall_at_once_is_a_server_that_keeps_silent() -> None:
    """It accepts, and takes what fits into the kernel and no more."""
    with wired(Stall()) as wire:
        wire.client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            wire.client.sendall(bytes(32_000_000))
        assert is_silent(wire.server)


def test_a_stalled_connection_is_let_go_when_both_ends_have_left() -> None:
    """Neither hears of the other, and the proxy keeps nothing."""
    with wired(Stall()) as wire:
        wire.client.close()
        assert is_silent(wire.server)
        wire.server.close()
        wire.proxy.wait_until(lambda: wire.proxy.open_connections == 0)


def test_a_stall_hides_a_reset_until_it_heals() -> None:
    """As on a route that has died."""
    with wired(Stall()) as wire:
        wire.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.client.close()
        assert is_silent(wire.server)
        wire.proxy.heal()
        with pytest.raises(ConnectionResetError):
            wire.server.recv(1)


def test_a_delay_passes_everything_later() -> None:
    """In order, and the end last."""
    with wired(Delay(seconds=0.01)) as wire:
        wire.server.sendall(b"ab")
        wire.server.sendall(b"cd")
        wire.server.close()
        assert read_to_end(wire.client) == b"abcd"


def test_heal_ends_a_delay() -> None:
    """What would have come in an hour comes at once."""
    with wired(Delay(seconds=3600, way="down")) as wire:
        wire.server.sendall(b"late")
        wire.client.sendall(b"at once")
        assert read(wire.server, 7) == b"at once"
        assert is_silent(wire.client)
        wire.proxy.heal()
        assert read(wire.client, 4) == b"late"


def test_a_trickle_passes_everything_in_the_end() -> None:
    """Three bytes at a time, with rests between."""
    with wired(Trickle(size=3, pause=0.001)) as wire:
        wire.server.sendall(b"x" * 30)
        wire.server.close()
        assert read_to_end(wire.client) == b"x" * 30


def test_heal_ends_a_trickle() -> None:
    """What was slow comes at once."""
    with wired(Trickle(size=1, pause=3600)) as wire:
        wire.server.sendall(b"x" * 30)
        assert wire.client.recv(30) == b"x"
        assert is_silent(wire.client)
        wire.proxy.heal()
        assert read(wire.client, 29) == b"x" * 29


# --- the port -------------------------------------------------------------------------------------


def test_a_refusal_lasts_until_it_heals() -> None:
    """Nobody listens; open connections live on, and the port stays the same."""
    with wired() as wire:
        port = wire.proxy.port
        wire.proxy.always(Refuse())
        with pytest.raises(ConnectionRefusedError):
            connect(wire.proxy)
        wire.server.sendall(b"alive")
        assert read(wire.client, 5) == b"alive"
        wire.proxy.heal()
        with connect(wire.proxy):
            assert wire.proxy.port == port


def test_a_black_hole_answers_nobody() -> None:
    """A connect hangs, and succeeds once the hole is gone."""
    with (
        listening(BlackHole()) as (proxy, _),
        socket.socket() as client,
        selectors.DefaultSelector() as selector,
    ):
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", proxy.port))
        selector.register(client, selectors.EVENT_WRITE)
        assert selector.select(0.05) == []
        proxy.heal()
        # The kernel asks again after a second.
        assert selector.select(10)
        assert client.getpeername()[1] == proxy.port


def test_a_system_without_black_holes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every connect gets in, a test must not pass by mistake; nothing is left running."""
    monkeypatch.setattr(fault_door, "_is_connected", lambda sock: True)
    with listening() as (proxy, _):
        with pytest.raises(UsageError, match="lets no queue of connections fill up"):
            proxy.always(BlackHole())
        with pytest.raises(UsageError, match="lets no queue"):
            FaultProxy(proxy.base_url, BlackHole()).start()


def test_faults_of_the_port_stand_alone() -> None:
    """They leave no connection for another fault, and are not about one connection."""
    with pytest.raises(ConfigError, match="give it alone"):
        FaultProxy("http://127.0.0.1:1", Refuse(), Cut())
    with FaultProxy("http://127.0.0.1:1") as proxy:
        for call in (proxy.next, proxy.inject):
            with pytest.raises(ConfigError, match=r"use always\(\)"):
                call(Refuse())  # type: ignore[arg-type]


# --- plans ----------------------------------------------------------------------------------------


def test_faults_are_planned_connection_by_connection() -> None:
    """Each call of ``next`` is about one; then the standing ones come back."""
    with listening(Reset()) as (proxy, listener):
        proxy.next()
        proxy.next(Stall(way="up"), Cut(after_bytes=1))
        endings = [ending_of(proxy, listener) for _ in range(3)]
        assert endings == [b"abc", b"a", b"reset"]


def ending_of(proxy: FaultProxy, listener: socket.socket) -> bytes:
    """Connect, have the server say three bytes and leave; return what the client gets."""
    with contextlib.suppress(ConnectionResetError), connect(proxy) as client:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, "client")
            selector.register(listener, selectors.EVENT_READ, "server")
            keys = [key.data for key, _ in selector.select(10)]
        if "server" in keys:
            server, _ = listener.accept()
            with server:
                server.sendall(b"abc")
        return read_to_end(client)
    return b"reset"


def test_a_fault_can_strike_open_connections_now() -> None:
    """``inject`` says how many it met; later connections are none of its business."""
    with wired() as wire:
        with connect(wire.proxy) as second:
            assert wire.proxy.inject(Reset()) == 2
            for sock in (wire.client, second):
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
        with connect(wire.proxy):
            wire.proxy.wait_until(lambda: wire.proxy.open_connections == 1)
        assert wire.proxy.faults_started == 2


def test_a_fault_injected_counts_from_then() -> None:
    """Three bytes have passed before, two more pass."""
    with wired() as wire:
        wire.server.sendall(b"abc")
        assert read(wire.client, 3) == b"abc"
        wire.proxy.inject(Cut(after_bytes=2))
        wire.server.sendall(b"defg")
        assert read_to_end(wire.client) == b"de"


def test_nothing_that_heals_is_planned_any_more() -> None:
    """Standing, planned and armed faults are forgotten."""
    with wired(Reset(after_bytes=1)) as wire:
        wire.proxy.next(Reset())
        wire.proxy.heal()
        wire.server.sendall(b"abc")
        assert read(wire.client, 3) == b"abc"
        with connect(wire.proxy):
            wire.proxy.wait_until(lambda: wire.proxy.open_connections == 2)
        assert wire.proxy.faults_started == 0


def test_a_wait_in_vain_says_what_has_passed() -> None:
    """Whoever waits for a frame where there is none sees why."""
    with wired(Cut(after_frames=1)) as wire:
        wire.server.sendall(b"\x16 TLS")
        assert read(wire.client, 5) == b"\x16 TLS"
        with pytest.raises(TimeoutError, match=r"0 faults started .*down 5 bytes of TLS"):
            wire.proxy.wait_until(lambda: wire.proxy.faults_started == 1, timeout=0.01)


# --- life -----------------------------------------------------------------------------------------


def descriptors() -> int:
    """Count the open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("fault", [Stall(), Cut(after_bytes=1), Delay(seconds=60), BlackHole()])
def test_nothing_is_left_of_it(fault: Fault) -> None:
    """No thread and no socket, with connections open and bytes under way."""
    before, threads = descriptors(), set(threading.enumerate())
    with listening() as (proxy, listener):
        proxy.always(fault)
        if not isinstance(fault, BlackHole):
            with connect(proxy) as client:
                client.sendall(b"up")
                server, _ = listener.accept()
                with server:
                    server.sendall(b"down")
                    proxy.wait_until(lambda: proxy.open_connections == 1)
                    proxy.stop()
    assert (descriptors(), set(threading.enumerate())) == (before, threads)


def test_it_starts_again_and_stops_twice() -> None:
    """Like the server beside it; a stopped one has no address."""
    proxy = FaultProxy("https://localhost:9/v1?a=b")
    for _ in range(2):
        assert proxy.start().start() is proxy
        assert proxy.base_url == f"https://localhost:{proxy.port}/v1?a=b"
        proxy.stop()
        proxy.stop()
        with pytest.raises(UsageError, match="not running"):
            _ = proxy.base_url
    with pytest.raises(UsageError, match="not running"):
        proxy.inject(Cut())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FaultProxy("127.0.0.1:80"), "url must start with"),
        (lambda: FaultProxy("http://127.0.0.1:1", Cut), "a fault of"),
    ],
)
def test_what_cannot_be_proxied_is_a_config_error(make: Callable[[], Any], words: str) -> None:
    """Before anything listens."""
    with pytest.raises(ConfigError, match=words):
        make()


def test_weird_traffic_neither_ends_nor_blocks_it() -> None:
    """Nonsense on both sides, with every kind of fault armed, and then a good connection."""
    faults = [Stall(after_text="\x00\x01"), Corrupt(after_frames=3), Duplicate(way="up")]
    with listening(*faults, Delay(seconds=0.001), Trickle(size=999, pause=0.001)) as (proxy, door):
        for seed in range(20):
            with connect(proxy) as client:
                server, _ = door.accept()
                with server:
                    client.sendall(UPGRADE + os.urandom(seed * 50))
                    server.sendall((ACCEPTED if seed % 2 else b"\n\n") + os.urandom(seed * 50))
        proxy.always()
        proxy.wait_until(lambda: proxy.open_connections == 0)
        with connect(proxy) as client:
            server, _ = door.accept()
            with server:
                server.sendall(b"fine")
                assert read(client, 4) == b"fine"


# --- around the server and the client of this package --------------------------------------------


@pytest.fixture
def proxy(responses_server: LocalServer) -> Iterator[FaultProxy]:
    """A proxy before the server of the session, without faults."""
    with FaultProxy(responses_server.base_url) as proxy:
        yield proxy


@contextmanager
def client_of(proxy: FaultProxy, **options: Any) -> Iterator[ResponsesClient]:
    """Make a client that has WebSocket alone."""
    options = {"api_key": "k", "base_url": proxy.base_url, "transport": "websocket", **options}
    with ResponsesClient(**options) as client:
        yield client


def test_a_turn_passes_unharmed(proxy: FaultProxy) -> None:
    """Over WebSocket, and over HTTP by somebody else."""
    with client_of(proxy) as client:
        assert client.create(**TURN).output_text == "You said: hello there"
    reply = requests.post(f"{proxy.base_url}/responses", json=TURN, timeout=10)
    assert reply.json()["output"][0]["content"][0]["text"] == "You said: hello there"


def test_a_stream_is_cut_at_the_frame_that_was_named(proxy: FaultProxy) -> None:
    """The first delta is seen, the second is not; the next turn is well."""
    proxy.next(Reset(after_text="response.output_text.delta"))
    with client_of(proxy) as client:
        events, error = read_until_error(client.stream(**TURN))
        assert [event.type for event in events][-1] == "response.output_text.delta"
        assert isinstance(error, ResponseInterruptedError)
        assert client.create(**TURN).report.attempts == 1


def test_a_lost_create_is_replayed(proxy: FaultProxy) -> None:
    """Each connection has its own plan: the first is cut, the second is not."""
    proxy.next(Cut(after_frames=1, watch="up"))
    with client_of(proxy) as client:
        assert client.create(**TURN).report.replayed
        assert (proxy.connections, proxy.faults_started) == (2, 1)


def test_a_corrupted_frame_is_a_protocol_error(proxy: FaultProxy) -> None:
    """The first byte of a frame's payload, in the middle of an answer."""
    proxy.next(Corrupt(after_text="response.created", skip=4))
    with client_of(proxy) as client, pytest.raises(ProtocolError):
        client.create(**TURN)


def test_a_silent_link_is_found_dead(proxy: FaultProxy) -> None:
    """Stalled both ways behind ``created``: the missing pong tells."""
    proxy.always(Stall(after_text="response.created"))
    timeouts = Timeouts(ping_interval=0.05, ping_timeout=0.1)
    with (
        client_of(proxy, timeouts=timeouts, replay="never") as client,
        pytest.raises(DeliveryUnknownError),
    ):
        client.create(**TURN)


def test_a_port_that_is_shut_or_silent_is_a_connect_error(proxy: FaultProxy) -> None:
    """Each in its own words; then the client recovers."""
    with client_of(proxy, timeouts=Timeouts(connect=0.2)) as client:
        proxy.always(Refuse())
        with pytest.raises(ConnectError, match="refused"):
            client.create(**TURN)
        proxy.always(BlackHole())
        with pytest.raises(ConnectError, match="longer than the connect timeout"):
            client.create(**TURN)
        proxy.heal()
        assert client.create(**TURN).output_text == "You said: hello there"


def test_tls_passes_and_breaks_by_bytes() -> None:
    """A certificate chain, a cut in the handshake, and a stall in the stream."""
    authority = TestAuthority()
    with (
        ResponsesPeer(tls=authority.server_context()) as peer,
        FaultProxy(peer.base_url) as proxy,
        client_of(proxy, ssl_context=authority.client_context()) as client,
    ):
        assert client.create(**TURN).output_text == "hello there"
        proxy.inject(Stall())
        with pytest.raises(TurnTimeoutError):
            client.create(**TURN, timeout=0.1)
        proxy.next(Reset(after_bytes=100))
        with pytest.raises(ConnectError) as caught:
            client.create(**TURN)
        assert caught.value.stage == "tls"
    authority.close()
