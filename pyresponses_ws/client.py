"""The client: what a program makes once and calls for every turn."""

from __future__ import annotations

import os
import ssl
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from pyresponses_ws import events, items
from pyresponses_ws._runtime.delivery import Delivery
from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.farewell import CLIENT_CLOSED
from pyresponses_ws._runtime.history import HistorySizes
from pyresponses_ws._runtime.pool import Pool
from pyresponses_ws._runtime.reconnector import Reconnector
from pyresponses_ws._runtime.session import Session
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.config import (
    ApiKey,
    ClientCert,
    ClientConfig,
    Hooks,
    Replay,
    Timeouts,
    TransportChoice,
    config_from_environment,
)
from pyresponses_ws.connection import Connection
from pyresponses_ws.errors import ConfigError
from pyresponses_ws.lazy import load_all
from pyresponses_ws.prepare import prepare_turn
from pyresponses_ws.report import ClientStats
from pyresponses_ws.responses import Responses
from pyresponses_ws.stream import ResponseStream
from pyresponses_ws.timeout import DEFAULT, Timeout, resolve_timeout

if TYPE_CHECKING:
    from pyresponses_ws._runtime.clock import Clock
    from pyresponses_ws._transport.base import Transport
    from pyresponses_ws.diagnosis import Diagnosis
    from pyresponses_ws.items import Response

# Now, and not with the first event of each kind: Ctrl-C in the middle of an import leaves the lock
# of that module held, and a reader that needs the module then would wait for ever.
load_all(events.__name__, events.HOMES)
load_all(items.__name__, items.HOMES)


class ResponsesClient:
    """A synchronous client of the Responses API over WebSocket.

    Construction opens nothing and starts no thread. Every method may be called from any thread;
    turns that run at the same time use a link each. ``with`` is optional: a client that is
    dropped closes its sockets and ends its threads.

    ``api_key`` may be a callable, asked before each connect. What is not given comes from
    ``OPENAI_API_KEY``, ``OPENAI_BASE_URL``, ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID``.
    ``base_url`` takes http, https, ws and wss; ``/responses`` is appended and a query kept.
    ``transport_factory`` is called for each link and returns an unconnected transport; it and
    ``clock`` are for tests, see ``pyresponses_ws.testing``.
    Raises ConfigError for an option that is unknown, malformed or at odds with another.
    """

    def __init__(
        self,
        api_key: ApiKey | None = None,
        *,
        base_url: str | None = None,
        websocket_base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        transport: TransportChoice | None = None,
        timeouts: Timeouts | None = None,
        replay: Replay | None = None,
        retry_delays: Sequence[float] | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: ClientCert | None = None,
        allow_insecure: bool | None = None,
        max_request_bytes: int | None = None,
        hooks: Hooks | None = None,
        transport_factory: Callable[[], Transport] | None = None,
        clock: Clock | None = None,
        **unknown: Any,
    ) -> None:
        options = {
            "api_key": api_key,
            "base_url": base_url,
            "websocket_base_url": websocket_base_url,
            "organization": organization,
            "project": project,
            "headers": headers,
            "query": query,
            "transport": transport,
            "timeouts": timeouts,
            "replay": replay,
            "retry_delays": retry_delays,
            "proxy": proxy,
            "ssl_context": ssl_context,
            "ca_bundle": ca_bundle,
            "client_cert": client_cert,
            "allow_insecure": allow_insecure,
            "max_request_bytes": max_request_bytes,
            "hooks": hooks,
            "transport_factory": transport_factory,
            **unknown,
        }
        self._config: ClientConfig = config_from_environment(options)
        threads = Threads(clock)
        self._dialer = Dialer(self._config, threads)
        self._reconnector = Reconnector(threads)
        self._pool = Pool(self._dialer, self._reconnector)
        self._sizes = HistorySizes(threads)
        # Guards the set below.
        self._lock = threads.lock()
        # Of connections, which close() must close too; weak, so that dropped ones can go.
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"ResponsesClient(host={self._config.host!r})"

    def __enter__(self) -> ResponsesClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def responses(self) -> Responses:
        """The same methods under the official package's names, and the HTTP side of the API."""
        return Responses(self, self._pool)

    @overload
    def create(
        self, *, stream: Literal[True], timeout: Timeout = ..., **turn: Any
    ) -> ResponseStream: ...

    @overload
    def create(
        self, *, stream: Literal[False] | None = ..., timeout: Timeout = ..., **turn: Any
    ) -> Response: ...

    def create(
        self, *, stream: bool | None = None, timeout: Timeout = DEFAULT, **turn: Any
    ) -> Response | ResponseStream:
        """Run a turn and return its Response, complete or incomplete.

        Parameters are the wire's own (``model``, ``input``, ``tools``, ...); unknown ones and
        ``extra_body`` pass through, None means "not given". ``timeout`` in seconds limits the whole
        turn (default ``Timeouts.create_total``; None: no limit). ``response.report`` tells how it
        went. With ``stream=True`` it is :meth:`stream`.

        Raises ConfigError, UsageError and RequestTooLargeError before anything is sent; then
        ConnectError, APIError, TurnError, ProtocolError or ConnectionLostError.
        """
        if stream:
            return self.stream(timeout=timeout, **turn)
        return self._begin(turn, timeout, default=self._config.timeouts.create_total).result()

    def stream(self, *, timeout: Timeout = DEFAULT, **turn: Any) -> ResponseStream:
        """Send a turn and return the iterator of its events; see :meth:`create`.

        ``timeout`` defaults to ``Timeouts.total``, which is no limit.
        """
        turn.pop("stream", None)
        return ResponseStream(self._begin(turn, timeout, default=self._config.timeouts.total))

    def warm_up(self, *, timeout: Timeout = DEFAULT, **turn: Any) -> Response:
        """Have the server prepare a turn's state without output (``generate: false``).

        The returned id can be continued by ``previous_response_id``. Without ``input``,
        instructions and tools alone are prepared.
        """
        turn.setdefault("input", [])
        turn["generate"] = False
        return self.create(stream=None, timeout=timeout, **turn)

    def connect(self) -> Connection:
        """Open a connection of one's own, the low level. Raises what the first connect raises.

        It never falls back to HTTP: ConfigError with ``transport="http"``. Later losses are
        repaired by reconnecting in the background.
        """
        if self._config.transport == "http":
            raise ConfigError('transport="http" leaves no WebSocket to connect; drop the option')
        session = Session(self._dialer, self._reconnector)
        with self._lock:
            self._pool.check_open()
            self._sessions.add(session)
        session.connect()
        return Connection(session, self._sizes)

    def diagnose(self) -> Diagnosis:
        """Make one handshake as this client would, and say in words what is wrong.

        Takes up to ``Timeouts.connect`` and two seconds; see docs/doctor.md. Raises ConfigError for
        a client with a ``transport_factory``, and ClosedError after ``close``.
        """
        from pyresponses_ws.diagnosis import diagnose  # few programs need it

        self._pool.check_open()
        return diagnose(self._config, self._dialer.threads)

    def stats(self) -> ClientStats:
        """Counts of links, turns and bytes, now."""
        self._pool.leave_buried()
        return self._dialer.tally.stats()

    def close(self, timeout: float = 5) -> None:
        """Take no new turn, wait up to ``timeout`` seconds for running ones, then cancel them.

        Connections are closed with 1000. Idempotent; any thread.
        """
        if not timeout >= 0:
            raise ConfigError(f"timeout must be 0 or more seconds, got {timeout!r}")
        self._pool.refuse()
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.begin_close(CLIENT_CLOSED)
        self._pool.close(timeout)
        for session in sessions:
            session.end_close(CLIENT_CLOSED)

    def _begin(
        self, turn: Mapping[str, Any], timeout: Timeout, *, default: float | None
    ) -> Delivery:
        total = resolve_timeout(timeout, default=default)
        request = prepare_turn(turn, self._config, is_pooled=True)
        delivery = Delivery(self._pool, self._sizes, request, total=total)
        self._pool.enter(delivery.claim)
        delivery.start()
        return delivery
