"""From how an attempt ended to the name of what is wrong. Pure; the words are in ``remedies``."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from pyresponses_ws.diagnosis.facts import Stage
from pyresponses_ws.errors import ConfigError, ConnectError

#: Reasons of OpenSSL for a peer whose first bytes are no TLS.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
#: Its reasons, as parts, for a server that wants a certificate of ours.
_CERTIFICATE_WANTED = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERT_UNKNOWN")

#: X509_V_ERR of OpenSSL; any other says that nobody whom we trust has issued it.
_CERTIFICATES = {9: "not_yet_valid", 10: "expired", 62: "wrong_name", 64: "wrong_name"}

#: What a status of the handshake says, where the body makes no difference. Those from 404 on come
#: from servers and proxies without a route for WebSockets.
_STATUSES = {
    401: "key_refused",
    404: "no_websocket",
    405: "no_websocket",
    407: "gateway",
    426: "no_websocket",
    429: "rate_limited",
}

#: What a proxy says to CONNECT; any other refusal is its own will. And the codes of SOCKS for a
#: server that it does not get through to (RFC 1928, section 6).
_PROXY_STATUSES = {
    407: "proxy_credentials",
    502: "proxy_lost",
    503: "proxy_lost",
    504: "proxy_lost",
}
_SOCKS_LOST = (3, 4, 5, 6)

#: What a close right after the upgrade says: 1008 comes where account or feature is not allowed,
#: 1011 from Azure for a token of the wrong audience, 1006 stands for no close frame.
_CLOSES = {1006: "dropped", 1008: "policy", 1011: "closed_failing"}


class Failure:
    """An error of the attempt, and what it came from."""

    def __init__(self, error: ConfigError | ConnectError, *, around: BaseException | None) -> None:
        self.error = error
        #: Outermost first. It ends before ``around``, an error that the caller of the diagnosis is
        #: handling: Python has every error that is raised meanwhile point to it.
        self.chain: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and cause is not around:
            self.chain.append(cause)
            inner = None if cause.__suppress_context__ else cause.__context__
            cause = cause.__cause__ or inner

    @property
    def reason(self) -> str:
        """What the system said, in few words; of a bad option, which it is."""
        root = self.error if isinstance(self.error, ConfigError) else self.chain[-1]
        if isinstance(root, ssl.SSLError):
            return (root.reason or "TLS error").replace("_", " ").lower()
        return getattr(root, "strerror", None) or str(root) or type(root).__name__

    def has(self, kind: type[BaseException]) -> bool:
        return any(isinstance(cause, kind) for cause in self.chain)

    def tls_errors(self) -> Iterator[ssl.SSLError]:
        return (cause for cause in self.chain if isinstance(cause, ssl.SSLError))


def find_problem(failure: Failure, stage: Stage, *, is_at_proxy: bool) -> str:
    """Name what kept the WebSocket from opening, at this stage of the way to server or proxy."""
    if isinstance(failure.error, ConfigError):
        return "misconfigured"
    if is_at_proxy:
        return _at_proxy(failure, failure.error.status)
    if stage == "dns":
        return "name_silent" if failure.has(TimeoutError) else "name_unknown"
    if stage == "tcp":
        return _at_tcp(failure)
    return _at_tls(failure) if stage == "tls" else _at_upgrade(failure, failure.error)


def find_close_problem(code: int, *, is_ours: bool) -> str:
    """Name what a close right after the upgrade means; ``is_ours``: we refused what came."""
    return "not_websocket" if is_ours else _CLOSES.get(code, "closed_at_once")


def is_api_error(error: ConnectError) -> bool:
    """Whether the API itself refused; a gateway before it has no ``error`` object."""
    return isinstance((error.body or {}).get("error"), dict)


def _at_proxy(failure: Failure, status: int | None) -> str:
    if status is not None:
        return _PROXY_STATUSES.get(status, "proxy_refuses")
    if failure.has(ssl.SSLCertVerificationError):
        return "proxy_untrusted"
    if failure.has(TimeoutError):
        return "proxy_silent"
    return "proxy_unreachable" if failure.has(OSError) else _at_socks(failure)


def _at_socks(failure: Failure) -> str:
    """Tell by the error of python-socks, which has a code for what the proxy said."""
    code = getattr(failure.chain[-1], "error_code", None)
    if code in _SOCKS_LOST:
        return "proxy_lost"
    is_login = "authentication" in failure.reason.lower()
    return "proxy_credentials" if is_login else "proxy_refuses"


def _at_tcp(failure: Failure) -> str:
    if failure.has(ConnectionRefusedError):
        return "refused"
    return "silent" if failure.has(TimeoutError) else "unreachable"


def _at_tls(failure: Failure) -> str:
    for cause in failure.tls_errors():
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(cause.verify_code, "untrusted")
        return _at_handshake(cause)
    return "tls_silent" if failure.has(TimeoutError) else "tls_failed"


def _at_handshake(cause: ssl.SSLError) -> str:
    reason = cause.reason or ""
    if reason in _NOT_TLS:
        return "no_tls"
    is_wanted = any(part in reason for part in _CERTIFICATE_WANTED)
    return "client_cert_wanted" if is_wanted else "tls_failed"


def _at_upgrade(failure: Failure, error: ConnectError) -> str:
    if error.status is not None and error.status != 101:
        return _of_status(error, error.status)
    # With TLS 1.3 a server tells only after the handshake that it wanted a certificate of ours.
    if any(_at_handshake(cause) == "client_cert_wanted" for cause in failure.tls_errors()):
        return "client_cert_wanted"
    if failure.has(TimeoutError):
        return "upgrade_silent"
    return "upgrade_cut" if failure.has(OSError) else "upgrade_failed"


def _of_status(error: ConnectError, status: int) -> str:
    if status in _STATUSES:
        return _STATUSES[status]
    if status == 403:
        return "forbidden" if is_api_error(error) else "gateway"
    if 300 <= status < 400:
        return "redirected"
    if status < 300:
        return "gateway"
    return "server_failed" if status >= 500 else "not_upgraded"
