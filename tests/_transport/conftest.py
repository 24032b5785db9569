"""What the tests of the transport share."""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from pyresponses_ws._transport.base import Close, Endpoint, TransportClosed
from pyresponses_ws._transport.websocket import WebSocketTransport
from tests.support.raw_server import RawServer
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy

T = TypeVar("T")


def run_with_deadline(function: Callable[[], T], timeout: float) -> T:
    """Run on a daemon thread, as the runtime's own does."""
    outcome: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((True, function()))
        except BaseException as exc:
            outcome.put((False, exc))

    threading.Thread(target=run, name="test-resolver", daemon=True).start()
    try:
        is_result, value = outcome.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if not is_result:
        assert isinstance(value, BaseException)
        raise value
    return value  # type: ignore[return-value]


def read_all(transport: WebSocketTransport) -> tuple[list[str], Close]:
    """Receive until the end; return every message, and how it ended."""
    messages: list[str] = []
    try:
        while True:
            messages += transport.receive()
    except TransportClosed as exc:
        return messages, exc.close


@pytest.fixture(scope="session")
def authority() -> Iterator[TestAuthority]:
    authority = TestAuthority()
    yield authority
    authority.close()


@pytest.fixture
def make_transport() -> Iterator[Callable[..., WebSocketTransport]]:
    """Make transports that are disposed of when the test ends."""
    made: list[WebSocketTransport] = []

    def make(*, max_message_bytes: int | None = None) -> WebSocketTransport:
        made.append(
            WebSocketTransport(
                run_with_deadline=run_with_deadline,
                max_message_bytes=max_message_bytes,
                make_lock=threading.Lock,
            )
        )
        return made[-1]

    yield make
    for transport in made:
        transport.dispose()


@pytest.fixture
def connect(
    make_transport: Callable[..., WebSocketTransport], authority: TestAuthority
) -> Callable[..., WebSocketTransport]:
    """Connect a transport to a server."""

    def connect(server: RawServer, **options: int) -> WebSocketTransport:
        transport = make_transport(**options)
        context = authority.client_context() if server.url.startswith("wss") else None
        transport.connect(Endpoint(url=server.url, ssl_context=context), timeout=5)
        return transport

    return connect


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_proxy(scheme: str, authority: TestAuthority) -> Callable[..., TunnelProxy]:
    """Make proxies of each kind."""

    def make(*doors: Any, **options: Any) -> TunnelProxy:
        tls = authority.server_context() if scheme == "https" else None
        return TunnelProxy(*doors, tls=tls, **options)

    return make


@pytest.fixture
def context(authority: TestAuthority) -> ssl.SSLContext:
    return authority.client_context()
