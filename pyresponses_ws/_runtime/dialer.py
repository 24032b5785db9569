"""Opens links: from the options to a connected socket with its reader."""

from __future__ import annotations

import itertools
import logging
import os
import ssl
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pyresponses_ws._runtime.hook import call_hook
from pyresponses_ws._runtime.keeper import Keeper
from pyresponses_ws._runtime.link import Link
from pyresponses_ws._runtime.owner import Owner
from pyresponses_ws._runtime.reader import read
from pyresponses_ws._runtime.tally import Tally
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.base import Endpoint, HTTPPool, Transport
from pyresponses_ws._transport.network import make_ssl_context
from pyresponses_ws._transport.websocket import WebSocketTransport
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.errors import APIError, ConnectError
from pyresponses_ws.failures import normalize_error, to_error
from pyresponses_ws.report import RotateReport

if TYPE_CHECKING:
    from pyresponses_ws._transport.http import RequestsPool

logger = logging.getLogger("pyresponses_ws.links")

#: Seconds that the import of the HTTP side may take; a tenth of one is usual.
IMPORT_TIMEOUT = 60.0

#: Handshake statuses by which the API itself speaks; others speak of the way to it.
_API_STATUSES = (401, 403, 429)


class Dialer:
    """Makes and opens links for one client. Safe for any thread."""

    def __init__(self, config: ClientConfig, threads: Threads) -> None:
        self.config = config
        self.threads = threads
        self.keeper = Keeper(threads, config.timeouts)
        self.tally = Tally(threads)
        self._numbers = itertools.count(1)
        # Guards the making of the HTTP side.
        self._lock = threads.lock()
        self._http: HTTPPool | None = None
        self._ssl_context = config.ssl_context
        if config.ca_bundle is not None or config.client_cert is not None:
            # Now, so that a file that is no certificate is reported where it was named.
            self._ssl_context = self._make_ssl_context()

    def make_link(self, owner: Owner, *, closes_when_idle: bool) -> Link:
        """A link that is not connected yet."""
        tally, dialer = self.tally, weakref.ref(self)

        def on_ended(link: Link) -> None:
            was_open = tally.link_ended(link)
            if was_open:
                _log_end(link)
            # Weak: hooks may be methods of what holds the client.
            if was_open and (alive := dialer()) is not None:
                call_hook(alive.config.hooks.on_disconnect, link.report())

        return Link(
            number=next(self._numbers),
            host=self.config.host,
            transport=self._make_transport(),
            threads=self.threads,
            owner=owner,
            closes_when_idle=closes_when_idle,
            on_ended=on_ended,
            wake_keeper=self.keeper.wake,
        )

    def open(self, link: Link, *, timeout: float, is_reconnect: bool = False) -> None:
        """Connect it. Raises ConnectError, ConfigError, or an APIError of the handshake."""
        start_reader = partial(self._start_reader, is_reconnect=is_reconnect)
        try:
            link.open(self._endpoint, timeout=timeout, start_reader=start_reader)
        except ConnectError as exc:
            refusal = _api_error(exc)
            if refusal is None:
                raise
            raise refusal from exc

    def note_rotation(self, old: Link, new: Link | None) -> None:
        """Count and tell that a link is replaced because of its age."""
        self.tally.link_rotated()
        replacement = None if new is None else new.number
        report = RotateReport(link=old.number, replacement=replacement, age=old.vitals.age)
        logger.debug("link %d is %.0f s old and is replaced", old.number, report.age)
        call_hook(self.config.hooks.on_rotate, report)

    def _start_reader(self, link: Link, *, is_reconnect: bool) -> None:
        self.keeper.watch(link)
        self.tally.link_opened(link, is_reconnect=is_reconnect)
        # Before the reader can tell of the link's end.
        logger.debug("link %d to %s is open", link.number, link.host)
        call_hook(self.config.hooks.on_connect, link.report())
        self.threads.start(f"reader-{link.number}", partial(read, link))

    def _endpoint(self) -> Endpoint:
        return self.endpoint(self.config.websocket_url)

    def endpoint(self, url: str) -> Endpoint:
        """How to reach a URL of this client's server. Raises ConfigError."""
        proxy = self.config.find_proxy(url)
        is_secure = url.startswith(("wss:", "https:")) or (proxy and proxy.scheme == "https")
        if is_secure and self._ssl_context is None:
            self._ssl_context = self._make_ssl_context()
        return Endpoint(
            url=url,
            headers=self.config.request_headers(),
            ssl_context=self._ssl_context if is_secure else None,
            proxy=proxy,
        )

    @property
    def http(self) -> HTTPPool:
        """The HTTP side, made on first use: most clients never need it."""
        with self._lock:
            http = self._http
        if http is None:
            made = self._make_http()
            with self._lock:
                http = self._http = self._http or made
        return http

    def close_http(self) -> None:
        """Close the HTTP connections that nobody uses."""
        with self._lock:
            http = self._http
        if http is not None:
            http.close()

    def _make_http(self) -> HTTPPool:
        run_with_deadline = self.threads.run_with_deadline
        # Ctrl-C in the middle of an import can leave locks of Python's held for ever, and signals
        # come to the main thread only; so another one imports.
        try:
            make_pool = run_with_deadline(_import_http, IMPORT_TIMEOUT)
        except TimeoutError as exc:
            raise ConnectError(f"requests was not imported in {IMPORT_TIMEOUT:g} s") from exc
        return make_pool(run_with_deadline=run_with_deadline)

    def _make_transport(self) -> Transport:
        factory: Callable[[], Transport] | None = self.config.transport_factory
        if factory is not None:
            return factory()
        return WebSocketTransport(
            run_with_deadline=self.threads.run_with_deadline, make_lock=self.threads.lock
        )

    def _make_ssl_context(self) -> ssl.SSLContext:
        bundle = self.config.ca_bundle
        return make_ssl_context(
            ca_bundle=None if bundle is None else os.fspath(bundle),
            client_cert=self.config.client_cert,
        )


def _import_http() -> type[RequestsPool]:
    """Import the HTTP side, late, since requests takes longer than everything else."""
    from pyresponses_ws._transport.http import RequestsPool

    return RequestsPool


def _log_end(link: Link) -> None:
    report = link.report()
    logger.debug("link %d ended after %.1f s (%s)", report.link, report.age, report.close_code)


def _api_error(exc: ConnectError) -> APIError | None:
    """The API's own word in a refused handshake, if that is what it is.

    A 403 or 429 without an ``error`` object comes from a gateway on the way.
    """
    if exc.stage == "proxy":
        # Its 401 is about the password for the proxy.
        return None
    body = dict(exc.body or {})
    is_api = exc.status in _API_STATUSES and isinstance(body.get("error"), dict)
    if not is_api and exc.status != 401:
        return None
    error = to_error(normalize_error({"status": exc.status, **body}))
    # With host and fix, which the API's own message lacks.
    error.args = (f"{error}: {exc}",)
    error.retry_after = error.retry_after or exc.retry_after
    return error
