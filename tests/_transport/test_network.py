"""Opening sockets: names, addresses, TLS, deadlines, interruption."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyresponses_ws._transport import network
from pyresponses_ws._transport.network import open_socket
from pyresponses_ws.errors import ConfigError, ConnectError
from tests._transport.conftest import run_with_deadline
from tests.support.raw_server import Peer, RawServer
from tests.support.tls import TestAuthority


class GivenUpError(Exception):
    """What a test's ``on_socket`` raises."""


class Watch:
    """Records the sockets handed out, aborts as a transport would, and counts leaks."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.is_aborted = False
        self.has_socket = threading.Event()

    def __call__(self, sock: socket.socket) -> None:
        self.sockets.append(sock)
        self.has_socket.set()
        if self.is_aborted:
            raise GivenUpError

    def abort(self) -> None:
        self.is_aborted = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sockets[-1], socket.SHUT_RDWR)

    @property
    def are_all_closed(self) -> bool:
        return all(sock.fileno() < 0 for sock in self.sockets)


def dial(host: str, port: int, watch: Watch, **options: Any) -> socket.socket:
    given = {"ssl_context": None, "server_hostname": None, "timeout": 5.0, **options}
    return open_socket(host, port, run_with_deadline=run_with_deadline, on_socket=watch, **given)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


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


@pytest.fixture
def full_listener() -> Iterator[tuple[str, int]]:
    """An address that neither accepts nor refuses: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.fixture
def silent_listener() -> Iterator[tuple[str, int]]:
    """An address that accepts connections and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()


@pytest.fixture
def stuck_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that answers no name until the test is over; the event says that it was asked."""
    is_asked, is_over = threading.Event(), threading.Event()
    original = socket.getaddrinfo

    def getaddrinfo(*args: Any, **options: Any) -> Any:
        if not options["flags"]:
            is_asked.set()
            is_over.wait(20)
        return original(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield is_asked
    is_over.set()
    for thread in threading.enumerate():
        if thread.name == "test-resolver":
            thread.join(5)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Give a name several addresses."""
    results = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: results)


@contextlib.contextmanager
def ignoring(peer: Callable[[Peer], object] = Peer.read_to_end) -> Iterator[RawServer]:
    with RawServer(peer) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_socket_is_connected_without_delay(host: str) -> None:
    """By address or by name; small frames are not held back."""
    with ignoring() as server, dial(host, server.port, Watch()) as sock:
        assert sock.getpeername()[1] == server.port
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.gettimeout()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 300, "nul\0"])
def test_name_that_does_not_resolve_says_so(host: str) -> None:
    """Unknown or impossible, the stage is dns and the name is told."""
    with pytest.raises(ConnectError, match="cannot be resolved") as caught:
        dial(host, 80, Watch())
    assert caught.value.stage == "dns"


@pytest.mark.usefixtures("stuck_resolver")
def test_look_up_ends_at_the_deadline() -> None:
    """getaddrinfo knows no timeout; we do."""
    watch = Watch()
    with pytest.raises(ConnectError, match=r"resolving slow\.test:80 took longer") as caught:
        dial("slow.test", 80, watch, timeout=0.05)
    assert caught.value.stage == "dns"
    assert watch.are_all_closed


def test_look_up_ends_when_aborted(stuck_resolver: threading.Event) -> None:
    """A shutdown of what was handed out wakes the wait, and the flag ends it."""
    watch = Watch()
    with pytest.raises(GivenUpError), acting(watch.abort, once=stuck_resolver):
        dial("slow.test", 80, watch, timeout=20)
    assert watch.are_all_closed


def test_look_up_hears_ctrl_c(stuck_resolver: threading.Event) -> None:
    """A signal ends the wait, though getaddrinfo goes on in its thread."""
    watch = Watch()
    with pytest.raises(KeyboardInterrupt), acting(press_ctrl_c, once=stuck_resolver):
        dial("slow.test", 80, watch, timeout=20)
    assert watch.are_all_closed


def test_refused_connection_says_so() -> None:
    """Nobody listens: the stage is tcp, and the reason the system's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    watch = Watch()
    with pytest.raises(
        ConnectError, match=rf"connecting to 127\.0\.0\.1:{port} failed.*refused"
    ) as e:
        dial("127.0.0.1", port, watch)
    assert e.value.stage == "tcp"
    assert isinstance(e.value.__cause__, ConnectionRefusedError)
    assert watch.are_all_closed


def test_every_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose first address refuses is reached at its second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()
    with ignoring() as server:
        resolve_to(monkeypatch, closed, ("127.0.0.1", server.port))
        with dial("two.test", 80, Watch()) as sock:
            assert sock.getpeername()[1] == server.port


def test_dead_address_leaves_time_for_the_next(
    full_listener: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not answer gets its share of the time, not all of it."""
    with ignoring() as server:
        resolve_to(monkeypatch, full_listener, ("127.0.0.1", server.port))
        with dial("two.test", 80, Watch(), timeout=0.4) as sock:
            assert sock.getpeername()[1] == server.port


def test_name_without_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver may answer with nothing."""
    resolve_to(monkeypatch)
    with pytest.raises(ConnectError, match="the name has no address"):
        dial("empty.test", 80, Watch())


def test_connect_ends_at_the_deadline(full_listener: tuple[str, int]) -> None:
    """An address that drops what is sent to it does not hold us."""
    watch = Watch()
    with pytest.raises(ConnectError, match=r"connecting to .* took longer") as caught:
        dial(*full_listener, watch, timeout=0.1)
    assert caught.value.stage == "tcp"
    assert watch.are_all_closed


def test_connect_ends_when_aborted(full_listener: tuple[str, int]) -> None:
    """A shutdown ends a connect in progress."""
    watch = Watch()
    with pytest.raises(GivenUpError), acting(watch.abort, once=watch.has_socket):
        dial(*full_listener, watch, timeout=20)
    assert watch.are_all_closed


def test_abort_before_the_connect_call_is_heard(full_listener: tuple[str, int]) -> None:
    """A shutdown that comes too early for the kernel is found by looking again."""
    watch = Watch()

    def hand_out(sock: socket.socket) -> None:
        watch(sock)
        watch.is_aborted = True

    with pytest.raises(GivenUpError):
        dial(*full_listener, hand_out, timeout=20)  # type: ignore[arg-type]
    assert watch.are_all_closed


def test_connect_hears_ctrl_c(full_listener: tuple[str, int]) -> None:
    """A signal ends a connect in progress and leaves no descriptor."""
    watch = Watch()
    with pytest.raises(KeyboardInterrupt), acting(press_ctrl_c, once=watch.has_socket):
        dial(*full_listener, watch, timeout=20)
    assert watch.are_all_closed


def test_tls_is_negotiated(authority: TestAuthority) -> None:
    """The certificate is checked against the host's name, or the one that is given."""
    context = authority.client_context()
    with RawServer(Peer.read_to_end, tls=authority.server_context()) as server:
        for name in (None, "localhost"):
            options = {"ssl_context": context, "server_hostname": name}
            with dial("127.0.0.1", server.port, Watch(), **options) as sock:
                assert sock.version() in ("TLSv1.2", "TLSv1.3")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("context", "name", "words"),
    [
        (TestAuthority.client_context, "other.test", "not trusted: Hostname mismatch"),
        (lambda _: network.make_ssl_context(), None, "not trusted: .*For a private authority"),
    ],
    ids=["wrong name", "unknown authority"],
)
def test_certificate_that_is_not_trusted_is_named(
    authority: TestAuthority, context: Any, name: str | None, words: str
) -> None:
    """The error says whose certificate, why, and what to set."""
    watch, trusting = Watch(), context(authority)
    with (
        RawServer(Peer.read_to_end, tls=authority.server_context()) as server,
        pytest.raises(ConnectError, match=words) as caught,
    ):
        dial("127.0.0.1", server.port, watch, ssl_context=trusting, server_hostname=name)
    assert caught.value.stage == "tls"
    assert watch.are_all_closed


def test_server_without_tls_is_told(authority: TestAuthority) -> None:
    """Plain HTTP behind wss is the usual mistake of a scheme."""

    def answer_in_clear(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with (
        RawServer(answer_in_clear) as server,
        pytest.raises(ConnectError, match="does not speak TLS: check scheme and port") as caught,
    ):
        dial("127.0.0.1", server.port, Watch(), ssl_context=authority.client_context())
    assert caught.value.stage == "tls"


def test_server_that_leaves_during_tls_is_told(authority: TestAuthority) -> None:
    """An end in the handshake is a failure of this stage."""
    watch = Watch()

    def reset(peer: Peer) -> None:
        peer.read_exactly(1)
        peer.reset()

    with (
        RawServer(reset) as server,
        pytest.raises(ConnectError, match=r"the TLS handshake with .* failed"),
    ):
        dial("127.0.0.1", server.port, watch, ssl_context=authority.client_context())
    assert watch.are_all_closed


def test_tls_ends_at_the_deadline(
    silent_listener: tuple[str, int], authority: TestAuthority
) -> None:
    """A server that accepts and then says nothing does not hold us."""
    watch = Watch()
    with pytest.raises(ConnectError, match=r"the TLS handshake with .* took longer") as caught:
        dial(*silent_listener, watch, ssl_context=authority.client_context(), timeout=0.1)
    assert caught.value.stage == "tls"
    assert watch.are_all_closed


def test_tls_ends_when_aborted(silent_listener: tuple[str, int], authority: TestAuthority) -> None:
    """A shutdown ends a TLS handshake in progress."""
    watch = Watch()
    is_secure = threading.Event()

    def hand_out(sock: socket.socket) -> None:
        watch(sock)
        if hasattr(sock, "do_handshake"):
            is_secure.set()

    context = authority.client_context()
    with pytest.raises(ConnectError, match="TLS handshake"), acting(watch.abort, once=is_secure):
        dial(*silent_listener, hand_out, ssl_context=context, timeout=20)  # type: ignore[arg-type]
    assert watch.are_all_closed


def test_client_presents_its_certificate(authority: TestAuthority) -> None:
    """A server that asks for one gets it."""
    subjects = []
    context = network.make_ssl_context(
        ca_bundle=authority.bundle, client_cert=authority.client_cert
    )

    def look(peer: Peer) -> None:
        subjects.append(peer.sock.getpeercert())  # type: ignore[attr-defined]

    with (
        RawServer(look, tls=authority.server_context(asks_client=True)) as server,
        dial("127.0.0.1", server.port, Watch(), ssl_context=context) as sock,
    ):
        assert sock.recv(1) == b""
    assert "client@example.test" in str(subjects)


def test_context_is_left_as_it_was(authority: TestAuthority) -> None:
    """Both transports share it: neither its trust nor its checks may change."""
    context = authority.client_context()

    def facts() -> tuple[object, ...]:
        return context.cert_store_stats(), context.verify_mode, context.check_hostname

    before = facts()
    with (
        RawServer(Peer.read_to_end, tls=authority.server_context()) as server,
        dial("127.0.0.1", server.port, Watch(), ssl_context=context),
    ):
        pass
    assert facts() == before


def test_tls_is_refused_on_the_python_that_deadlocks(
    authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any socket is opened."""
    monkeypatch.setattr(sys, "version_info", (3, 13, 6, "final", 0))
    watch = Watch()
    with pytest.raises(ConfigError, match=r"3\.13\.6"):
        dial("127.0.0.1", 1, watch, ssl_context=authority.client_context())
    assert not watch.sockets
