"""Options of a client: frozen, and checked once, when they are made."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.headers import check_headers
from pyresponses_ws.proxies import Proxy, find_proxy, parse_proxy
from pyresponses_ws.urls import (
    DEFAULT_BASE_URL,
    OPENAI_HOST,
    check_encryption,
    endpoint_url,
    is_secure,
    split_url,
)
from pyresponses_ws.version import __version__

if TYPE_CHECKING:
    from pyresponses_ws.report import (
        FallbackReport,
        LinkReport,
        RetryReport,
        RotateReport,
        TurnReport,
    )

#: The service closes with 1009 above 16 MiB of a frame; one MiB is left for what wraps the input.
MAX_REQUEST_BYTES = 15 * 2**20
TransportChoice = Literal["auto", "websocket", "http"]
Replay = Literal["safe", "never"]
ApiKey = str | Callable[[], str]
FilePath = str | os.PathLike[str]
#: A file that holds certificate and key, or a pair of files.
ClientCert = FilePath | tuple[FilePath, FilePath]


def check_seconds(name: str, value: Any, *, optional: bool) -> None:
    """Raise ConfigError unless the value is a finite time above 0; None where optional."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} must be a number of seconds, got {type(value).__name__}")
    if not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{name} must be a finite number of seconds above 0, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Limits in seconds. None switches a limit off where that is allowed.

    ``connect`` covers DNS, TCP, TLS and the upgrade together. ``send`` is the longest time in
    which the socket may take no byte. ``first_event`` runs from the end of the send to the first
    event of the turn. After ``ping_interval`` without an inbound frame a ping leaves, and the link
    is dead ``ping_timeout`` after it if nothing has arrived. ``silence`` is the longest pause
    between two events, ``total`` the longest turn of a stream, ``create_total`` of a blocking call.
    A pooled link unused for ``idle`` is closed; one that holds a chain of ``store=False`` stays
    for half an hour. ``pool`` is reserved and has no effect yet: a busy link means a new one.
    """

    connect: float = 10
    send: float = 30
    first_event: float | None = 60
    ping_interval: float | None = 20
    ping_timeout: float = 20
    silence: float | None = None
    total: float | None = None
    create_total: float | None = 600
    pool: float = 30
    idle: float | None = 300

    def __post_init__(self) -> None:
        for item in fields(self):
            optional = "None" in str(item.type)
            check_seconds(f"Timeouts.{item.name}", getattr(self, item.name), optional=optional)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Callables told what happens; called outside locks, on the thread where it happens.

    One that raises is logged and changes nothing else. ``on_fallback`` is told when turns leave
    WebSocket for HTTP, ``on_rotate`` when a link is replaced ahead of the server's age limit.
    """

    on_connect: Callable[[LinkReport], object] | None = None
    on_disconnect: Callable[[LinkReport], object] | None = None
    on_retry: Callable[[RetryReport], object] | None = None
    on_fallback: Callable[[FallbackReport], object] | None = None
    on_rotate: Callable[[RotateReport], object] | None = None
    on_turn_end: Callable[[TurnReport], object] | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            hook = getattr(self, item.name)
            if hook is not None and not callable(hook):
                raise ConfigError(f"Hooks.{item.name} must be callable, got {type(hook).__name__}")


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a string, got {type(value).__name__}")
    return value


def check_api_key(key: Any) -> str:
    """Return the key if it can travel in a header. Raises ConfigError, which never shows it."""
    text = _string("api_key", key)
    if not text.strip():
        raise ConfigError("no API key: pass api_key= or set OPENAI_API_KEY")
    for position, char in enumerate(text):
        if not 32 < ord(char) < 127:
            raise ConfigError(
                f"api_key holds a character that no header may carry (code {ord(char)} at "
                f"position {position}); was a newline copied along?"
            )
    return text


#: What an option must be, where another kind would fail later, as an error of Python's own.
_KINDS: dict[str, tuple[type, ...]] = {
    "headers": (Mapping,),
    "query": (Mapping,),
    "retry_delays": (list, tuple),
    "max_request_bytes": (int,),
    "allow_insecure": (bool,),
    "ca_bundle": (str, os.PathLike),
    "client_cert": (str, os.PathLike, tuple),
    "proxy": (str,),
    "transport_factory": (Callable,),  # type: ignore[dict-item]  # isinstance takes it
}


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Everything that a client was told; see ``ResponsesClient`` for each option."""

    api_key: ApiKey = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    websocket_base_url: str | None = None
    organization: str | None = None
    project: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    transport: TransportChoice = "auto"
    timeouts: Timeouts = field(default_factory=Timeouts)
    replay: Replay = "safe"
    retry_delays: Sequence[float] = (1, 2, 4, 8, 16)
    proxy: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    ca_bundle: str | os.PathLike[str] | None = None
    client_cert: ClientCert | None = None
    allow_insecure: bool = False
    max_request_bytes: int = MAX_REQUEST_BYTES
    hooks: Hooks = field(default_factory=Hooks)
    transport_factory: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        self._check_kinds()
        if not callable(self.api_key):
            check_api_key(self.api_key)
        self._check_headers()
        self._check_choices()
        for parts in (self._parts("websocket"), self._parts("http")):
            check_encryption(parts, allow_insecure=self.allow_insecure)
        if self.proxy is not None:
            parse_proxy(self.proxy)

    def _check_kinds(self) -> None:
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kinds):
                words = " or ".join(kind.__name__.lower() for kind in kinds)
                raise ConfigError(f"{name} must be of type {words}, got {type(value).__name__}")

    def _check_headers(self) -> None:
        named = {"organization": self.organization, "project": self.project, **self.headers}
        for name, value in named.items():
            if value is None:
                continue
            _string("header names", name)
            _string(f"header {name!r}", value)
            check_headers({name: value})

    def _check_choices(self) -> None:
        if self.replay not in ("safe", "never"):
            raise ConfigError(f'replay must be "safe" or "never", got {self.replay!r}')
        if self.transport not in ("auto", "websocket", "http"):
            raise ConfigError(
                f'transport must be "auto", "websocket" or "http", got {self.transport!r}'
            )
        for index, delay in enumerate(self.retry_delays):
            check_seconds(f"retry_delays[{index}]", delay, optional=False)
        if self.max_request_bytes < 1 or isinstance(self.max_request_bytes, bool):
            raise ConfigError(f"max_request_bytes must be above 0, got {self.max_request_bytes}")
        if not isinstance(self.timeouts, Timeouts):
            raise ConfigError("timeouts must be a Timeouts(...)")
        if not isinstance(self.hooks, Hooks):
            raise ConfigError("hooks must be a Hooks(...)")
        if self.ssl_context is not None and (self.ca_bundle or self.client_cert):
            raise ConfigError("pass ssl_context, or ca_bundle and client_cert, not both")
        if not isinstance(self.ssl_context, (ssl.SSLContext, type(None))):
            raise ConfigError("ssl_context must be an ssl.SSLContext")
        if self.ssl_context is not None and self.ssl_context.protocol is ssl.PROTOCOL_TLS_SERVER:
            raise ConfigError("ssl_context is for the server's side; make one for clients")

    def _parts(self, family: Literal["websocket", "http"]) -> SplitResult:
        """Whoever names a WebSocket host alone must not see its key go to another over HTTP."""
        is_alone = self.base_url == DEFAULT_BASE_URL
        if self.websocket_base_url is not None and (family == "websocket" or is_alone):
            return split_url("websocket_base_url", self.websocket_base_url)
        return split_url("base_url", self.base_url)

    @property
    def websocket_url(self) -> str:
        """URL of the upgrade: ``/responses`` appended to the base, its query kept and merged."""
        return endpoint_url(self._parts("websocket"), "websocket", query=self.query)

    def http_url(self, path: str = "", query: Mapping[str, str] | None = None) -> str:
        """URL of the HTTP side: ``/responses`` below the base, and ``path`` behind it."""
        merged = {**self.query, **(query or {})}
        return endpoint_url(self._parts("http"), "http", query=merged, path=path)

    def find_proxy(self, url: str) -> Proxy | None:
        """The proxy on the way to ``url``, by option or environment. Raises ConfigError."""
        return find_proxy(url, None if self.proxy is None else parse_proxy(self.proxy))

    @property
    def host(self) -> str:
        """Host of the WebSocket URL, for messages and logs."""
        return self._parts("websocket").hostname or ""

    @property
    def port(self) -> int:
        """Port of the WebSocket URL."""
        return self._parts("websocket").port or (443 if self.is_secure else 80)

    @property
    def is_secure(self) -> bool:
        return is_secure(self._parts("websocket"))

    def current_api_key(self) -> str:
        """Return the key, asking the callable if one was given. Raises ConfigError."""
        return check_api_key(self.api_key() if callable(self.api_key) else self.api_key)

    def request_headers(self) -> dict[str, str]:
        """Headers of each request, the key among them; the caller's own win, case ignored."""
        headers = {
            "Authorization": f"Bearer {self.current_api_key()}",
            "User-Agent": f"pyresponses-ws/{__version__}",
        }
        if self.organization:
            headers["OpenAI-Organization"] = self.organization
        if self.project:
            headers["OpenAI-Project"] = self.project
        if self.host == OPENAI_HOST:
            headers["originator"] = "pyresponses_ws"
        own = {name.lower() for name in self.headers}
        kept = {name: value for name, value in headers.items() if name.lower() not in own}
        return kept | dict(self.headers)


def config_from_environment(options: Mapping[str, Any]) -> ClientConfig:
    """Build the configuration from a client's arguments, None meaning "not given".

    ``OPENAI_API_KEY``, ``OPENAI_BASE_URL``, ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID`` fill what
    the official package takes from them too. Raises ConfigError, for an unknown option as well.
    """
    known = {item.name for item in fields(ClientConfig)}
    for name in options:
        if name not in known:
            names = ", ".join(sorted(known))
            raise ConfigError(f"unknown option {name!r}; the options are {names}")
    given = {name: value for name, value in options.items() if value is not None}
    environment = {
        "api_key": "OPENAI_API_KEY",
        "base_url": "OPENAI_BASE_URL",
        "organization": "OPENAI_ORG_ID",
        "project": "OPENAI_PROJECT_ID",
    }
    for name, variable in environment.items():
        if name not in given and os.environ.get(variable):
            given[name] = os.environ[variable].strip()
    if "api_key" not in given:
        raise ConfigError("no API key: pass api_key= or set OPENAI_API_KEY")
    return ClientConfig(**given)
