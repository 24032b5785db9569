"""A TCP proxy on loopback that breaks connections as a test says."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from pyresponses_ws.errors import ConfigError, UsageError
from pyresponses_ws.testing.fault_door import HOST, Door
from pyresponses_ws.testing.fault_loop import Loop
from pyresponses_ws.testing.fault_relay import Relay
from pyresponses_ws.testing.faults import BlackHole, ConnectionFault, Fault, Refuse
from pyresponses_ws.urls import is_secure, split_url

T = TypeVar("T")


class FaultProxy:
    """Stands at a free port of ``127.0.0.1`` between clients and the server at ``url``.

    ``faults`` are those of every connection, until ``always``, ``next`` or ``heal`` say otherwise;
    see :mod:`pyresponses_ws.testing.faults`. Bytes are carried as they are, so any server on TCP
    will do; with TLS its certificate must name 127.0.0.1, or ``localhost`` if ``url`` does.

    ``start`` and ``stop`` (or ``with``) raise nothing when repeated. Methods may be called from any
    thread, and have taken effect when they return. Raises ConfigError for a URL or a fault that
    cannot be.
    """

    def __init__(self, url: str, *faults: Fault) -> None:
        self._parts = split_url("url", url)
        # Faults of each connection, and of the next ones before that. A test's threads write, the
        # proxy's thread reads; each step is atomic.
        self._standing = _check_standing(faults)
        self._planned: deque[tuple[ConnectionFault, ...]] = deque()
        # Guards what follows, and tells of each change. The proxy's thread is the only writer.
        self._changed = threading.Condition()
        self._connections = 0
        self._faults_started = 0
        self._relays: set[Relay] = set()
        # What runs; written by start and stop, which belong to one thread.
        self._loop: Loop | None = None
        self._door: Door | None = None
        # Where the server is, as socket.connect takes it.
        self._target: tuple[str, int] = ("", 0)

    # --- life ---------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """``url`` with the proxy in the server's place. Raises UsageError unless it runs."""
        host = "localhost" if self._parts.hostname == "localhost" else HOST
        return self._parts._replace(netloc=f"{host}:{self.port}").geturl()

    @property
    def port(self) -> int:
        """The port that clients connect to. Raises UsageError unless it runs."""
        if self._door is None:
            raise UsageError("the proxy is not running: call start() or use 'with'")
        return self._door.port

    def start(self) -> FaultProxy:
        """Let clients in. Raises OSError when the server's name has no address in IPv4."""
        if self._loop is None:
            self._target = self._find_server()
            self._loop = Loop(self._settle, self._leave)
            selector = self._loop.selector
            self._door = Door(selector, partial(self._accept, selector))
            try:
                self._loop.call(self._set_door)
            except UsageError:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """Close every socket and end the thread."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()
            self._door = None

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # --- what a test says ---------------------------------------------------------------------

    def always(self, *faults: Fault) -> None:
        """Give every connection from now on these faults; with none, no fault."""
        self._standing = _check_standing(faults)
        self._call(self._set_door)

    def next(self, *faults: ConnectionFault) -> None:
        """Give the next connection for which nothing is planned yet these faults, in place of all.

        Each call is about one connection; ``next()`` lets it through unharmed.
        """
        self._planned.append(_check_connection_faults(faults))

    def inject(self, *faults: ConnectionFault) -> int:
        """Give every open connection these faults, counting from now; return how many there are."""
        checked = _check_connection_faults(faults)

        def add() -> int:
            relays = list(self._relays)
            for relay in relays:
                relay.add(checked)
            return len(relays)

        return self._call(add)

    def heal(self) -> None:
        """Forget every fault: let clients in, and everything pass, what was held back included.

        Connections that were cut stay cut.
        """

        def forget() -> None:
            self._standing = ()
            self._planned.clear()
            self._set_door()
            for relay in list(self._relays):
                relay.heal()

        self._call(forget)

    # --- what a test sees ---------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Connections let in so far."""
        return self._connections

    @property
    def open_connections(self) -> int:
        """Connections of which an end still lives, as far as the proxy knows."""
        return len(self._relays)

    @property
    def faults_started(self) -> int:
        """Faults of connections whose moment has come."""
        return self._faults_started

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Block until ``condition``, about the counts above, holds.

        Raises TimeoutError, with what has passed on each open connection, after ``timeout``
        seconds.
        """
        with self._changed:
            if self._changed.wait_for(condition, timeout):
                return
            passed = "; ".join(relay.describe() for relay in self._relays) or "none is open"
            raise TimeoutError(
                f"not so after {timeout:g} s: {self._connections} connections, "
                f"{self._faults_started} faults started ({passed})"
            )

    # --- the proxy's thread -------------------------------------------------------------------

    def _call(self, function: Callable[[], T]) -> T:
        if self._loop is None:
            raise UsageError("the proxy is not running: call start() or use 'with'")
        return self._loop.call(function)

    def _set_door(self) -> None:
        """Do with the port what the standing faults say."""
        assert self._door is not None, "called while the proxy runs"
        match self._standing:
            case (Refuse(),):
                self._door.shut()
            case (BlackHole(),):
                self._door.clog()
            case _:
                self._door.open()

    def _accept(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        faults = self._planned.popleft() if self._planned else self._standing
        relay = Relay(client, selector, on_fault=self._note_fault, on_end=self._note_end)
        with self._changed:
            self._connections += 1
            self._relays.add(relay)
            self._changed.notify_all()
        relay.start(self._target, [each for each in faults if isinstance(each, ConnectionFault)])

    def _note_fault(self) -> None:
        with self._changed:
            self._faults_started += 1
            self._changed.notify_all()

    def _note_end(self, relay: Relay) -> None:
        with self._changed:
            self._relays.discard(relay)
            self._changed.notify_all()

    def _settle(self) -> float | None:
        """Move what time alone moves; return the seconds until there is more of it."""
        now = time.monotonic()
        for relay in [each for each in self._relays if each.due is not None and each.due <= now]:
            relay.settle()
        times = [relay.due for relay in self._relays if relay.due is not None]
        return max(0.0, min(times) - now) if times else None

    def _leave(self) -> None:
        """Close everything, as the thread's last act."""
        for relay in list(self._relays):
            relay.end()
        if self._door is not None:
            self._door.close()

    def _find_server(self) -> tuple[str, int]:
        port = self._parts.port or (443 if is_secure(self._parts) else 80)
        found = socket.getaddrinfo(self._parts.hostname, port, socket.AF_INET, socket.SOCK_STREAM)
        address: tuple[Any, ...] = found[0][4]
        return str(address[0]), int(address[1])


def _check_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    checked = tuple(faults)
    for fault in checked:
        if not isinstance(fault, Fault):
            raise ConfigError(f"a fault of pyresponses_ws.testing is needed, got {fault!r}")
    return checked


def _check_standing(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    checked = _check_faults(faults)
    for fault in checked:
        if len(checked) > 1 and not isinstance(fault, ConnectionFault):
            raise ConfigError(f"{fault} leaves no connection for another fault: give it alone")
    return checked


def _check_connection_faults(faults: Iterable[Fault]) -> tuple[ConnectionFault, ...]:
    checked = _check_faults(faults)
    for fault in checked:
        if not isinstance(fault, ConnectionFault):
            raise ConfigError(f"{fault} is about the port, not a connection: use always()")
    return tuple(each for each in checked if isinstance(each, ConnectionFault))
