"""Makes one handshake as a client would, watches it for a moment, and keeps what it saw."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass

from pyresponses_ws._runtime.dialer import Dialer
from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws._transport.base import NORMAL_CLOSURE, Close, Endpoint, TransportClosed
from pyresponses_ws._transport.network import open_socket
from pyresponses_ws._transport.target import Target, as_connect_error
from pyresponses_ws._transport.websocket import WebSocketTransport
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.diagnosis.certificate import Certificate, read_certificate
from pyresponses_ws.diagnosis.facts import Stage
from pyresponses_ws.diagnosis.problems import Failure
from pyresponses_ws.diagnosis.trace import Session, Trace
from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import Proxy

#: Seconds that a link is watched. A server that does not want an account closes at once, and one
#: across the world still needs a round trip for it.
WATCH = 2.0
#: Seconds for the server to answer our close frame.
GOODBYE_WAIT = 1.0

#: Told each step in words before it is taken.
OnStep = Callable[[str], object]


@dataclass(kw_only=True)
class Findings:
    """What came of the steps that were taken."""

    stage: Stage = "config"
    failure: Failure | None = None
    #: The failure was at the proxy, or on the way to it.
    is_at_proxy: bool = False
    endpoint: Endpoint | None = None
    #: How the server ended the link while it was watched.
    close: Close | None = None
    addresses: tuple[str, ...] = ()
    look_up_ms: float | None = None
    #: When the handshake had ended, on the clock of the trace.
    handshake_end: float = 0.0
    #: The certificate that was not trusted.
    rejected: Certificate | None = None

    @property
    def proxy(self) -> Proxy | None:
        return None if self.endpoint is None else self.endpoint.proxy


class Probe:
    """One attempt. Belongs to the thread that runs it; starts no thread but that of a look-up."""

    def __init__(
        self, config: ClientConfig, threads: Threads, *, is_anonymous: bool, on_step: OnStep
    ) -> None:
        self._config = config
        self._threads = threads
        self._is_anonymous = is_anonymous
        self._on_step = on_step
        # What the caller is handling; see Failure.
        self._around = sys.exc_info()[1]
        self.trace = Trace(threads.clock.now)
        self.findings = Findings()

    def run(self, watch: float) -> None:
        """Fill the findings. Raises nothing of what it is there to find."""
        try:
            self._attempt(watch)
        except (ConfigError, ConnectError) as exc:
            self._note(exc)

    def _attempt(self, watch: float) -> None:
        findings = self.findings
        endpoint = findings.endpoint = self._make_endpoint()
        findings.stage = "dns"
        findings.is_at_proxy = endpoint.proxy is not None
        self._look_up(self._first_target())
        # From here on the error says how far it got.
        findings.is_at_proxy = False
        transport = WebSocketTransport(
            run_with_deadline=self._threads.run_with_deadline,
            on_socket=self.trace.note,
            make_lock=self._threads.lock,
        )
        try:
            self._shake_hands(transport, endpoint)
            self._watch(transport, watch)
            self._take_leave(transport)
        finally:
            transport.dispose()

    def _make_endpoint(self) -> Endpoint:
        """Build what the client would. Raises ConfigError."""
        config = dataclasses.replace(self._config, api_key=self._ask_key())
        endpoint = Dialer(config, self._threads).endpoint(config.websocket_url)
        if not self._is_anonymous or "authorization" in map(str.lower, config.headers):
            return endpoint
        headers = {k: v for k, v in endpoint.headers.items() if k.lower() != "authorization"}
        return dataclasses.replace(endpoint, headers=headers)

    def _ask_key(self) -> str:
        try:
            return self._config.current_api_key()
        except ConfigError:
            raise
        except Exception as exc:  # of the user's callable; what it says may hold anything
            raise ConfigError(f"asking api_key for the key raised {type(exc).__name__}") from None

    def _first_target(self) -> Target:
        """Return whom the first socket goes to."""
        proxy = self.findings.proxy
        return self._server() if proxy is None else Target.of_proxy(proxy)

    def _server(self) -> Target:
        host = self._config.host
        return Target(host=host, port=self._config.port, server_hostname=host)

    def _look_up(self, target: Target) -> None:
        """Note the addresses of a host. Raises ConnectError."""

        def look_up() -> list[str]:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            return [str(address[0]) for *_, address in found]

        self._on_step(f"resolving {target.host}")
        started = self._now()
        try:
            with as_connect_error(target, "dns"):
                found = self._threads.run_with_deadline(look_up, self._config.timeouts.connect)
        finally:
            self.findings.look_up_ms = (self._now() - started) * 1000
        self.findings.addresses = tuple(dict.fromkeys(found))

    def _shake_hands(self, transport: WebSocketTransport, endpoint: Endpoint) -> None:
        by_way = "" if endpoint.proxy is None else f" by way of {endpoint.proxy}"
        self._on_step(f"connecting to {self._server()}{by_way}")
        try:
            transport.connect(endpoint, timeout=self._config.timeouts.connect)
        finally:
            self.findings.handshake_end = self._now()

    def _watch(self, transport: WebSocketTransport, seconds: float) -> None:
        """See whether the server ends the link at once."""
        self.findings.stage = "open"
        self._on_step(f"open; watching for {seconds:g} s whether it stays so")
        self.findings.close = self._receive(transport, seconds)
        if self.findings.close is not None:
            self.findings.stage = "closed"

    def _take_leave(self, transport: WebSocketTransport) -> None:
        close = self.findings.close
        transport.close(NORMAL_CLOSURE if close is None else close.code, "")
        if close is None:
            self._receive(transport, GOODBYE_WAIT)

    def _receive(self, transport: WebSocketTransport, seconds: float) -> Close | None:
        """Read for this long; return how the link ended, if it did."""
        deadline = self._now() + seconds
        try:
            while (left := deadline - self._now()) > 0:
                if self.trace.sock is not None:
                    self.trace.sock.settimeout(left)
                transport.receive()
        except TransportClosed as exc:
            return exc.close
        return None

    def _note(self, exc: ConfigError | ConnectError) -> None:
        """Note what ended the attempt, and where; look at a certificate that was not trusted."""
        findings = self.findings
        findings.failure = failure = Failure(exc, around=self._around)
        if isinstance(exc, ConfigError):
            findings.stage = "config"
        elif findings.look_up_ms is not None and findings.addresses:
            self._note_handshake(exc)
        if failure.has(ssl.SSLCertVerificationError):
            findings.rejected = self._fetch_certificate()

    def _note_handshake(self, exc: ConnectError) -> None:
        findings = self.findings
        findings.is_at_proxy = exc.stage == "proxy"
        if findings.is_at_proxy:
            findings.stage = "tcp" if self.trace.address is None else "proxy"
        elif exc.stage in ("dns", "tcp", "tls"):
            findings.stage = exc.stage  # type: ignore[assignment]  # mypy does not narrow a str
        else:
            findings.stage = "upgrade"

    def _fetch_certificate(self) -> Certificate | None:
        """Shake hands once more, unverified and without a word, to see whose certificate it is."""
        self._on_step("looking at the certificate")
        is_at_proxy, endpoint = self.findings.is_at_proxy, self.findings.endpoint
        target = self._first_target() if is_at_proxy else self._server()
        try:
            sock = open_socket(
                target.host,
                target.port,
                ssl_context=_unverified(),
                server_hostname=None,
                timeout=self._config.timeouts.connect,
                run_with_deadline=self._threads.run_with_deadline,
                on_socket=lambda sock: None,
                proxy=None if is_at_proxy else self.findings.proxy,
                # The way there stays verified: its proxy gets its password.
                proxy_ssl_context=None if endpoint is None else endpoint.ssl_context,
                make_lock=self._threads.lock,
            )
        except (ConfigError, ConnectError):
            return None
        with contextlib.closing(sock):
            trace = Trace(self._now)
            trace.note(sock)
        return decode(trace.session)

    def _now(self) -> float:
        return self._threads.clock.now()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def decode(session: Session | None) -> Certificate | None:
    """Read the certificate of a session; None where it cannot be read."""
    if session is None:
        return None
    try:
        return read_certificate(session.der)
    except ValueError:
        return None
