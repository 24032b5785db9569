"""Whom a socket is for, and the words for what fails on the way there."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from pyresponses_ws.errors import ConfigError, ConnectError
from pyresponses_ws.proxies import Proxy

#: What helps against a certificate, by OpenSSL's code (X509_V_ERR_*) for what is wrong with it.
_CERTIFICATE_FIXES = {
    9: "Check this machine's clock",
    10: "It has to be renewed, or this machine's clock is wrong",
    62: "Check the host of {}",
    64: "Check the host of {}",
}
_UNKNOWN_AUTHORITY = "For a private authority give ca_bundle, or set SSL_CERT_FILE"
#: What each stage is in the middle of a sentence.
_DOING = {
    "dns": "resolving",
    "tcp": "connecting to",
    "proxy": "asking for a tunnel at",
    "tls": "the TLS handshake with",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to reach: the server, or the proxy before it."""

    host: str
    port: int
    #: Name that the certificate must carry.
    server_hostname: str
    #: Option or variable that named it, for what an error asks to check.
    source: str = "base_url"
    is_proxy: bool = False

    @classmethod
    def of_proxy(cls, proxy: Proxy) -> Target:
        return cls(
            host=proxy.host,
            port=proxy.port,
            server_hostname=proxy.host,
            source=proxy.source,
            is_proxy=True,
        )

    @property
    def authority(self) -> str:
        """Host and port as URLs and HTTP write them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"the proxy {self.authority}" if self.is_proxy else self.authority


@contextlib.contextmanager
def as_connect_error(target: Target, stage: str) -> Iterator[None]:
    """Translate what sockets, resolver and TLS raise in one stage.

    Whatever fails at a proxy is of the stage ``proxy``: the server was not reached.
    """
    try:
        yield
    except ConfigError:  # a ValueError too, and in words already
        raise
    except (OSError, ValueError) as exc:  # ValueError: a name that no encoding takes
        told = "proxy" if target.is_proxy else stage
        raise ConnectError(_explain(target, stage, exc), stage=told) from exc


def _explain(target: Target, stage: str, exc: Exception) -> str:
    """Say what failed, at whom, and what to do about it."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        fix = _CERTIFICATE_FIXES.get(exc.verify_code, _UNKNOWN_AUTHORITY).format(target.source)
        said = exc.verify_message.rstrip(".")
        return f"the certificate of {target} is not trusted: {said}. {fix}"
    if getattr(exc, "reason", None) in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return f"{target} does not speak TLS: check scheme and port of {target.source}"
    if isinstance(exc, TimeoutError):
        return f"{_DOING[stage]} {target} took longer than the connect timeout allows"
    if stage == "dns":
        whose = "the proxy's host" if target.is_proxy else "the host"
        return f"{whose} {target.host!r} cannot be resolved ({exc}): check {target.source}"
    what = f"{_DOING[stage]} {target} failed: {str(exc) or type(exc).__name__}"
    return f"{what}. Check host and port of {target.source}"


def split_endpoint(text: str, schemes: tuple[str, ...], needs: str) -> SplitResult:
    """Take a URL apart, for both transports.

    Raises ConfigError, whose message repeats no part but scheme and host.
    """
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - raises ValueError for one that is no number
    except ValueError:
        raise ConfigError("the URL cannot be read: check host and port of base_url") from None
    if url.scheme not in schemes:
        raise ConfigError(f"the URL has the scheme {url.scheme!r}; {needs}")
    if not url.hostname:
        raise ConfigError("the URL names no host: check base_url")
    if not re.fullmatch(r"[!-~]+", text):
        raise ConfigError(
            f"the URL for {url.hostname} holds a space, a line break or a character outside"
            " ASCII: percent-encode it"
        )
    return url
