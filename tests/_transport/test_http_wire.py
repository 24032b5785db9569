"""The waits of an HTTP call: each is heard by the check, by an abort and by Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from pyresponses_ws._transport import http_wire
from pyresponses_ws._transport.base import SEND_TIMED_OUT
from pyresponses_ws._transport.http import RequestsCall
from pyresponses_ws._transport.http_wire import Wire
from pyresponses_ws.errors import ConnectError, ConnectionLostError
from tests._transport.http_scripts import (
    BODY,
    CHUNKED,
    Caller,
    Script,
    answering,
    calling,
    chunk,
    do_nothing,
    head,
    read_request,
    sized,
)
from tests.support.deadlines import Stopwatch
from tests.support.raw_server import Peer
from tests.support.tls import TestAuthority

#: More than the buffers of a loopback connection hold.
LARGE = b"x" * 32_000_000


class GivenUpError(TimeoutError):
    """What a check raises; a timer's error is a TimeoutError too."""


@dataclass
class Waiting:
    """A call that waits in one phase for ever, and what its check does there."""

    is_reached: Callable[[RequestsCall], bool]
    #: Exception of the check, raised at its third call in the phase.
    error: BaseException | None = None
    call: RequestsCall = field(init=False)
    #: Moments at which the check was called in the phase.
    checked_at: list[float] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)
    is_waiting: threading.Event = field(default_factory=threading.Event)
    is_sent: bool = False

    def check(self) -> None:
        if not self.is_reached(self.call):
            return
        self.checked_at.append(self.watch.read())
        self.is_waiting.set()
        if self.error is not None and len(self.checked_at) == 3:
            raise self.error

    def run(self, body: bytes) -> None:
        """Send and read, until something ends the wait."""
        with self.watch:
            self.call.send(on_sent=self.note_sent)
            while self.call.read():
                pass
        raise AssertionError("the wait has ended by itself")

    def note_sent(self) -> None:
        self.is_sent = True


@contextlib.contextmanager
def full_listener() -> Iterator[Caller]:
    """Yield what calls an address that neither accepts nor refuses: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield Caller(f"http://127.0.0.1:{listener.getsockname()[1]}/")


class Silence:
    """A script that says what it has to say, and then nothing until the test is over."""

    def __init__(self, say: Callable[[Peer], object]) -> None:
        self._say = say
        self.is_over = threading.Event()

    def __call__(self, peer: Peer) -> None:
        self._say(peer)
        self.is_over.wait(20)


def read_head_only(peer: Peer) -> None:
    peer.read_request()


def begin_answer(peer: Peer) -> None:
    read_request(peer)
    peer.send(CHUNKED, chunk(b"first"))


SAYS = {"send": read_head_only, "head": read_request, "body": begin_answer}
REACHED: dict[str, Callable[[RequestsCall], bool]] = {
    "connect": lambda call: True,
    "send": lambda call: call.bytes_sent > 0,
    "head": lambda call: call.bytes_sent > len(BODY),
    "body": lambda call: call.status == 200,
}
PHASES = [("connect", False), *((name, tls) for name in SAYS for tls in (False, True))]
in_each_phase = pytest.mark.parametrize(
    ("phase", "is_tls"), PHASES, ids=[f"{name}{'-tls' * tls}" for name, tls in PHASES]
)


@contextlib.contextmanager
def waiting(
    phase: str, is_tls: bool, authority: TestAuthority, error: BaseException | None = None
) -> Iterator[Waiting]:
    """Yield a call that will wait in ``phase`` when it is run; nothing is left behind."""
    state = Waiting(REACHED[phase], error)
    with contextlib.ExitStack() as stack:
        if phase == "connect":
            caller = stack.enter_context(full_listener())
        else:
            script = Silence(SAYS[phase])
            tls = authority.server_context() if is_tls else None
            context = authority.client_context() if is_tls else None
            caller = stack.enter_context(calling(script, tls=tls, context=context))
            stack.callback(script.is_over.set)
        state.call = caller.start(LARGE if phase == "send" else BODY, check=state.check)
        stack.callback(state.call.dispose)
        yield state


@contextlib.contextmanager
def acting(action: Callable[[], None], *, once: threading.Event) -> Iterator[None]:
    """Do something from another thread when an event happens inside the block."""

    def act() -> None:
        once.wait(5)
        action()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# -------------------------------------------------------------------------- in each phase


@in_each_phase
def test_check_ends_the_wait(phase: str, is_tls: bool, authority: TestAuthority) -> None:
    """It is called at least every half second, and its exception comes out as it is."""
    error = GivenUpError("given up")
    with waiting(phase, is_tls, authority, error) as state:
        with pytest.raises(GivenUpError) as caught:
            state.run(BODY)
        assert caught.value is error
        assert error.__cause__ is None
        assert max(b - a for a, b in pairwise(state.checked_at)) <= 0.5
        assert state.call._sock is None
        assert state.is_sent is (phase in ("head", "body"))


@in_each_phase
def test_abort_ends_the_wait(phase: str, is_tls: bool, authority: TestAuthority) -> None:
    """From another thread; the error tells whether a byte may be out."""
    with waiting(phase, is_tls, authority) as state:
        expected = ConnectError if phase == "connect" else ConnectionLostError
        with pytest.raises(expected) as caught, acting(state.call.abort, once=state.is_waiting):
            state.run(BODY)
        assert isinstance(caught.value, ConnectError) or caught.value.reason == "aborted"
        assert state.call._sock is None
        state.call.abort()


@in_each_phase
def test_ctrl_c_ends_the_wait(phase: str, is_tls: bool, authority: TestAuthority) -> None:
    """KeyboardInterrupt comes out, and no descriptor stays."""
    with waiting(phase, is_tls, authority) as state:
        with pytest.raises(KeyboardInterrupt), acting(press_ctrl_c, once=state.is_waiting):
            state.run(BODY)
        assert state.call._sock is None


def test_check_is_heard_while_bytes_trickle() -> None:
    """A head that comes byte by byte must not put the check off."""
    error, is_over = GivenUpError(), threading.Event()

    def trickle(peer: Peer) -> None:
        read_request(peer)
        with contextlib.suppress(OSError):
            peer.send(b"HTTP/1.1 200 OK\r\nX: ")
            while not is_over.wait(0.02):
                peer.send(b"x")

    def give_up() -> None:
        if call.bytes_received:
            is_over.set()
            raise error

    with calling(trickle) as caller:
        call = caller.start(check=give_up)
        with pytest.raises(GivenUpError) as caught:
            call.send(on_sent=do_nothing)
    assert caught.value is error


@pytest.mark.parametrize("is_tls", [False, True])
def test_peer_that_takes_nothing_ends_the_send(is_tls: bool, authority: TestAuthority) -> None:
    """The time counts from the last byte that it took."""
    with waiting("send", is_tls, authority) as state:
        state.call._send_timeout = 0.2
        with pytest.raises(ConnectionLostError) as caught:
            state.run(BODY)
        assert caught.value.reason == SEND_TIMED_OUT
        assert 0 < state.call.bytes_sent < len(LARGE)


def test_unsent_bytes_are_told_while_an_upload_stands_still(authority: TestAuthority) -> None:
    """A timer above may wait for them."""
    unsent: list[int | None] = []
    with waiting("send", False, authority, GivenUpError()) as state:
        state.is_reached = lambda call: (
            call.bytes_sent > 0 and not unsent.append(call.unsent_bytes())
        )
        with pytest.raises(GivenUpError):
            state.run(BODY)
    assert unsent[-1] is None or unsent[-1] > 0


# --------------------------------------------------- before anything, and after everything


def test_abort_before_the_send_prevents_it() -> None:
    """No socket comes into being."""
    call = Caller("http://127.0.0.1:9/").start()
    call.abort()
    with pytest.raises(ConnectError, match="given up"):
        call.send(on_sent=do_nothing)
    assert call.bytes_sent == 0


def test_look_up_ends_when_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though getaddrinfo goes on in its thread."""
    is_asked, is_over = threading.Event(), threading.Event()

    def getaddrinfo(*args: object, flags: int = 0, **options: object) -> list[object]:
        if not flags:
            is_asked.set()
            is_over.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    call = Caller("http://stuck.test/").start()
    with pytest.raises(ConnectError), acting(call.abort, once=is_asked):
        call.send(on_sent=do_nothing)
    is_over.set()
    assert call._sock is None


def test_kernel_asks_whether_the_peer_is_there() -> None:
    """Over HTTP nothing else does."""
    with calling(answering(sized(b"{}"))) as caller:
        call = caller.send()
        sock = call._sock
        assert sock is not None
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            values = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, n)) for n in names]
            assert values == [20, 5, 4]
        call.dispose()


# -------------------------------------------------------------------------- early answers

TOO_LARGE = sized(b'{"error":{}}', "413 Content Too Large", "Connection: close")


def refuse_early(peer: Peer) -> None:
    """Answer when the head is there, and read no more of the body."""
    # Otherwise the answer may still wait behind TLS's tickets when the reset throws it away.
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.read_request()
    peer.send(TOO_LARGE)


def refuse_and_leave(peer: Peer) -> None:
    """Answer and close, which resets the connection, since bytes were not read."""
    refuse_early(peer)
    peer.sock.close()


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("script", [refuse_early, refuse_and_leave])
def test_refusal_of_a_large_body_is_read(
    script: Script, is_tls: bool, authority: TestAuthority
) -> None:
    """It wins over the broken pipe, and the rest of the body stays here."""
    tls = authority.server_context() if is_tls else None
    context = authority.client_context() if is_tls else None
    with calling(script, tls=tls, context=context) as caller:
        call = caller.start(LARGE)
        sent: list[bool] = []
        call.send(on_sent=lambda: sent.append(True))
        assert (call.status, call.read(), sent) == (413, b'{"error":{}}', [])
        assert call.bytes_sent < len(LARGE)
        call.dispose()
        assert not caller.pool._idle._waiting


@pytest.mark.parametrize("early", [head("100 Continue"), CHUNKED])
def test_what_is_no_refusal_does_not_stop_the_request(early: bytes) -> None:
    """Some servers begin a good answer while they still read."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(early)
        peer.read_exactly(int(peer.headers["content-length"]))
        peer.send(b"" if early is CHUNKED else CHUNKED, chunk(b"whole"), b"0\r\n\r\n")

    with calling(script) as caller:
        assert caller.fetch(LARGE[:2_000_000]) == b"whole"


def test_peer_that_leaves_in_the_middle_of_a_request_is_a_lost_connection() -> None:
    """Part of the request is out, so it is not for us to send it again."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    with calling(script) as caller:
        call = caller.start(LARGE)
        with pytest.raises(ConnectionLostError, match=r"lost: (sending|receiving) failed|ended it"):
            call.send(on_sent=do_nothing)
        assert 0 < call.bytes_sent < len(LARGE)


# ------------------------------------------------------------------ what may be on the wire


class FakeSocket:
    """Takes bytes as the test says: a number is how many, an exception is raised."""

    def __init__(self, *results: int | BaseException) -> None:
        self.results = list(results)

    def settimeout(self, seconds: float) -> None:
        """Wait never."""

    def fileno(self) -> int:
        return -1

    def send(self, data: bytes) -> int:
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    def recv(self, size: int) -> bytes:
        raise BlockingIOError


class Account:
    """What a wire counts on."""

    bytes_sent = bytes_received = 0
    is_aborted = False


def send_through(*results: int | BaseException) -> Account:
    """Send ten bytes over such a socket; return the account when it fails."""
    account = Account()
    sock: socket.socket = FakeSocket(*results)  # type: ignore[assignment]
    wire = Wire(sock, owner=account, check=do_nothing, send_timeout=20)
    with pytest.raises((OSError, KeyboardInterrupt)):
        wire.send(b"0123456789")
    return account


def test_a_send_that_a_signal_hides_counts_as_made() -> None:
    """Nobody can tell how much of it is out."""
    assert send_through(KeyboardInterrupt()).bytes_sent == 10
    assert send_through(4, KeyboardInterrupt()).bytes_sent == 10


def test_a_failed_send_over_tls_may_have_put_something_out() -> None:
    """A record may have left in part; whatever is no plain socket counts as TLS."""
    assert send_through(ConnectionResetError()).bytes_sent == 1
    assert send_through(4, TimeoutError(), ConnectionResetError()).bytes_sent == 5


def test_a_failed_send_on_a_plain_socket_has_put_nothing_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a request that met a dead connection may go over another."""
    monkeypatch.setattr(http_wire.socket, "socket", FakeSocket)
    assert send_through(ConnectionResetError()).bytes_sent == 0
    assert send_through(4, BrokenPipeError()).bytes_sent == 4


def test_etimedout_is_no_wait_that_was_too_short() -> None:
    """The kernel says by it that its own probes had no answer."""
    assert http_wire.is_nothing_yet(TimeoutError("timed out"))
    assert http_wire.is_nothing_yet(BlockingIOError(11, "again"))
    assert not http_wire.is_nothing_yet(TimeoutError(110, "Connection timed out"))
    assert not http_wire.is_nothing_yet(ConnectionResetError(104, "reset"))
