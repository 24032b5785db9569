"""Forward proxies on loopback for tests: CONNECT, over TLS too, and SOCKS5."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType

from tests.support.raw_server import Peer

#: Seconds that a thread here is waited for; never reached by a test that passes.
PATIENCE = 10.0

Authority = tuple[str, int]


class Refused(Exception):
    """What a door raises after it has said no."""


#: Reads what a client asks for, and returns host and port, and the words that grant it.
Door = Callable[[Peer, "TunnelProxy"], tuple[Authority, bytes]]


class TunnelProxy:
    """Listens on loopback and relays to where each client asks.

    ``hosts`` are names that only the proxy knows. Leaving the block ends every connection, joins
    every thread, and raises what went wrong in one.
    """

    def __init__(
        self,
        door: Door | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        hosts: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self._door = door or connect_door
        self._tls = tls
        self._hosts = {"localhost": "127.0.0.1", **(hosts or {})}
        self.credentials = credentials
        #: Where clients asked to go.
        self.asked: list[Authority] = []
        #: What each client said up to the tunnel, as far as it is HTTP.
        self.heads: list[bytes] = []
        #: All that came from clients inside the tunnels.
        self.relayed = bytearray()
        #: Set when a client has asked for something.
        self.is_asked = threading.Event()
        #: Set when the test is over; for doors that keep silent.
        self.ended = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def url(self, scheme: str, userinfo: str = "") -> str:
        """Return this proxy as an option, or a variable, names it."""
        return f"{scheme}://{userinfo}127.0.0.1:{self.port}"

    def __enter__(self) -> TunnelProxy:
        self._spawn(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.ended.set()
        for sock in (self._listener, *self._sockets):
            _shut(sock)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a relay does not end"
        if self._failure is not None and error is None:
            raise self._failure

    def connect_to(self, asked: Authority) -> socket.socket:
        """Connect to where a client asked to go."""
        host = self._hosts.get(asked[0], asked[0])
        return self._keep(socket.create_connection((host, asked[1]), PATIENCE))

    def _keep(self, sock: socket.socket) -> socket.socket:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(sock)
        return sock

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="tunnel-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:  # the listener is closed
                return
            self._spawn(partial(self._serve, self._keep(sock)))

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            try:
                if self._tls is not None:
                    sock = self._keep(self._tls.wrap_socket(sock, server_side=True))
                    stack.callback(sock.close)
                peer = Peer(sock)
                asked, grant = self._door(peer, self)
                stack.callback(_shut, sock)
                with self.connect_to(asked) as upstream:
                    peer.send(grant)
                    self._relay(peer, upstream)
            except (EOFError, OSError, Refused):
                _linger(sock)
            except BaseException as exc:  # raised in the test's thread
                self._failure = self._failure or exc

    def note(self, asked: Authority, head: bytes = b"") -> None:
        self.asked.append(asked)
        self.heads.append(head)
        self.is_asked.set()

    def _relay(self, peer: Peer, upstream: socket.socket) -> None:
        for sock in (peer.sock, upstream):
            # Before two threads use it: one that is switched to blocking amid a TLS write fails.
            sock.settimeout(None)
        back = threading.Thread(target=_copy, args=(upstream, peer.sock, None), daemon=True)
        back.start()
        self._threads.append(back)
        _copy(peer.sock, upstream, self.relayed)
        back.join(PATIENCE)


def _copy(source: socket.socket, sink: socket.socket, record: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            if record is not None:
                record += data
            sink.sendall(data)
    _shut(sink)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _linger(sock: socket.socket) -> None:
    """End our half, and wait for the client's, so that it reads what was said."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_WR)
        sock.settimeout(PATIENCE)
        while sock.recv(1 << 16):
            pass


# --- doors ----------------------------------------------------------------------------------------


def connect_door(peer: Peer, proxy: TunnelProxy) -> tuple[Authority, bytes]:
    """Grant CONNECT, with Basic credentials where the proxy wants them."""
    head = peer.read_request()
    method, authority, _ = head.split(b"\r\n")[0].decode().split(" ")
    host, _, port = authority.rpartition(":")
    proxy.note((host.strip("[]"), int(port)), head)
    assert method == "CONNECT", f"a client sent {method}"
    if proxy.credentials is not None and not _is_known(peer, proxy.credentials):
        peer.send(b"HTTP/1.1 407 -\r\nProxy-Authenticate: Basic realm=x\r\n\r\n")
        raise Refused
    return proxy.asked[-1], b"HTTP/1.1 200 Connection established\r\n\r\n"


def _is_known(peer: Peer, credentials: tuple[str, str]) -> bool:
    expected = base64.b64encode(":".join(credentials).encode()).decode()
    return peer.headers.get("proxy-authorization") == f"Basic {expected}"


def saying(*pieces: bytes) -> Door:
    """Make a door that answers each CONNECT with these bytes, and grants nothing."""

    def door(peer: Peer, proxy: TunnelProxy) -> tuple[Authority, bytes]:
        proxy.note(("", 0), peer.read_request())
        for piece in pieces:
            peer.send(piece)
        raise Refused

    return door


def silent(peer: Peer, proxy: TunnelProxy) -> tuple[Authority, bytes]:
    """A door that reads and says nothing until the test ends."""
    peer.read_exactly(1)
    proxy.is_asked.set()
    peer.read_to_end()
    raise Refused


def socks_door(peer: Peer, proxy: TunnelProxy) -> tuple[Authority, bytes]:
    """Grant SOCKS5 (RFC 1928), with user name and password (RFC 1929) where they are wanted."""
    version, count = peer.read_exactly(2)
    methods = peer.read_exactly(count)
    assert version == 5
    if proxy.credentials is None:
        peer.send(b"\x05\x00")
    else:
        _check_socks_credentials(peer, methods, proxy.credentials)
    asked = _read_socks_request(peer)
    proxy.note(asked)
    return asked, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def _check_socks_credentials(peer: Peer, methods: bytes, known: tuple[str, str]) -> None:
    if 2 not in methods:
        peer.send(b"\x05\xff")
        raise Refused
    peer.send(b"\x05\x02")
    assert peer.read_exactly(1) == b"\x01"
    name, password = (peer.read_exactly(peer.read_exactly(1)[0]).decode() for _ in range(2))
    is_known = (name, password) == known
    peer.send(b"\x01\x00" if is_known else b"\x01\x01")
    if not is_known:
        raise Refused


def _read_socks_request(peer: Peer) -> Authority:
    version, command, _, kind = peer.read_exactly(4)
    assert (version, command) == (5, 1)
    if kind == 3:
        host = peer.read_exactly(peer.read_exactly(1)[0]).decode()
    elif kind == 1:
        host = socket.inet_ntop(socket.AF_INET, peer.read_exactly(4))
    else:
        host = socket.inet_ntop(socket.AF_INET6, peer.read_exactly(16))
    return host, int.from_bytes(peer.read_exactly(2), "big")


def refusing_socks(code: int) -> Door:
    """Make a SOCKS5 door that answers every request with this reply code."""

    def door(peer: Peer, proxy: TunnelProxy) -> tuple[Authority, bytes]:
        socks_door(peer, proxy)
        peer.send(bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0)))
        raise Refused

    return door
