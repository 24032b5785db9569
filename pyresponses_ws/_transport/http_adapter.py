"""Has requests speak HTTP over a connection that is open already. Its only door.

requests writes the request and http.client below it reads the head of the answer. Neither opens,
keeps or closes a connection, knows of TLS, proxies or the environment, follows a redirect, keeps a
cookie or reads a body: all that is done elsewhere, for both transports alike. No Session is made,
so there is nowhere to keep anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

import requests
import requests.adapters
import urllib3

from pyresponses_ws._transport.base import HTTPRequest
from pyresponses_ws._transport.http_origin import Origin
from pyresponses_ws._transport.http_wire import Wire, lost
from pyresponses_ws.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of an answer: names of headers in lower case, repeated ones joined by commas."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    is_chunked: bool
    #: Bytes of a body that is not chunked; None where it ends with the connection.
    length: int | None
    #: The connection cannot carry another request.
    is_last: bool


class Passing(BaseException):
    """Carries an exception past libraries that would retry, wrap or swallow it.

    They catch OSError, which a TimeoutError of a caller's timer is too, but nothing like this.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def exchange(
    wire: Wire, request: HTTPRequest, origin: Origin, *, on_sent: Callable[[], None]
) -> Head:
    """Send a request and return the head of its answer.

    Raises ConnectionLostError, ConfigError, and what the wire's check and ``on_sent`` raise.
    """
    line = _Line(wire, origin, _Plug(wire, on_sent))
    failure: BaseException
    try:
        _Adapter(line).send(_prepare(request), stream=True)
        return line.take_head()
    except Passing as passing:
        failure = passing.error
    except HTTPException as exc:
        failure = lost(f"the answer is not HTTP ({type(exc).__name__})")
    # Raised out here, so that no exception of the libraries, which hold the request with the key,
    # becomes part of it.
    raise failure


def _prepare(request: HTTPRequest) -> requests.PreparedRequest:
    """Shape the request. What we need of the answer is not for the caller's headers to say."""
    headers = request.endpoint.headers
    ours = {"Accept": request.accept, "Accept-Encoding": "identity"}
    if request.body is not None:
        ours["Content-Type"] = "application/json"
    names = {name.lower() for name in ours}
    # requests refuses a value that starts with a space.
    kept = {name: value.strip() for name, value in headers.items() if name.lower() not in names}
    try:
        return requests.Request(
            request.method, request.endpoint.url, headers=kept | ours, data=request.body
        ).prepare()
    except (requests.RequestException, ValueError):
        pass
    raise ConfigError("the URL cannot be used for HTTP: check base_url")


class _Adapter(requests.adapters.HTTPAdapter):
    """Gives requests the one line, whatever the request."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._line

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Do the same for requests before 2.32."""
        return self._line

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Add no certificates: 144 of them would be, to a context that is not ours to change."""


class _Line:
    """What stands where requests expects a connection pool of urllib3."""

    def __init__(self, wire: Wire, origin: Origin, plug: _Plug) -> None:
        self._wire = wire
        self._plug = plug
        self._connection = _Connection(origin, plug)
        self._answer: HTTPResponse | None = None

    def urlopen(
        self, *, method: str, url: str, body: bytes | None, headers: Mapping[str, str], **_: Any
    ) -> urllib3.HTTPResponse:
        """Send, and return an answer that has a head alone. The rest is about what we do not do."""
        try:
            self._connection.request(method, url, body, headers)
        except BrokenPipeError:
            if not self._wire.has_sent:
                raise Passing(lost(self._wire.cut or "")) from None
            # Whoever refuses a large body says so before it closes the connection under it.
        self._plug.receive_head()
        try:
            self._answer = self._connection.getresponse()
        except (HTTPException, OSError) as exc:
            # requests would make an error of its own of it, which holds the request with the key.
            raise Passing(lost(f"the answer is not HTTP ({type(exc).__name__})")) from None
        return urllib3.HTTPResponse(status=self._answer.status, preload_content=False)

    def take_head(self) -> Head:
        answer = self._answer
        assert answer is not None
        headers: dict[str, str] = {}
        for name, value in answer.getheaders():
            key, value = name.lower(), value.strip()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return Head(
            status=answer.status,
            headers=headers,
            is_chunked=bool(answer.chunked),
            length=answer.length,
            is_last=answer.will_close or self._wire.cut is not None,
        )


class _Connection(HTTPConnection):
    """Writes requests to what it takes for its socket."""

    #: Somebody may have switched it on for the class: it prints the headers, and so the key.
    debuglevel = 0

    def __init__(self, origin: Origin, plug: _Plug) -> None:
        super().__init__(origin.host, origin.port)
        self.default_port = origin.default_port
        self.sock: Any = plug


class _Plug:
    """What http.client takes for a socket. It ends nothing: the socket has another owner."""

    def __init__(self, wire: Wire, on_sent: Callable[[], None]) -> None:
        self._wire = wire
        self._on_sent = on_sent
        self._head = b""

    def sendall(self, data: bytes) -> None:
        try:
            self._wire.send(data)
        except BrokenPipeError:
            raise
        except BaseException as exc:
            raise Passing(exc) from None

    def receive_head(self) -> None:
        """Wait for the answer, before http.client asks for it.

        Python 3.13 prints a warning about its half-made response if ``makefile`` raises.
        """
        try:
            if self._wire.cut is None:
                self._on_sent()
            self._head = self._wire.receive_head()
        except BaseException as exc:
            raise Passing(exc) from None

    def makefile(self, mode: str) -> io.BytesIO:
        """Return the head alone."""
        return io.BytesIO(self._head)

    def close(self) -> None:
        """Leave the socket open."""
