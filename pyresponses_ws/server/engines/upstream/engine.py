"""The engine that asks another server: any ``POST /v1/responses`` gets the WebSocket mode.

The upstream is sent the whole context with every turn, so it needs to remember nothing.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import math
import time
from collections.abc import Generator, Sequence
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from pyresponses_ws import codec
from pyresponses_ws._transport.base import Check, Endpoint, HTTPCall, HTTPPool, HTTPRequest
from pyresponses_ws._transport.http import RequestsPool
from pyresponses_ws._transport.network import make_ssl_context
from pyresponses_ws._transport.refusal import (
    BODY_LIMIT,
    SECRET_LENGTH,
    error_frame,
    redact,
    secrets_of,
)
from pyresponses_ws.config import check_api_key
from pyresponses_ws.errors import (
    APIError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    ResponsesWSError,
)
from pyresponses_ws.proxies import Proxy, find_proxy
from pyresponses_ws.server.core.errors import engine_failed
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.engines.base import (
    CancelToken,
    Delta,
    EngineRequest,
    StartDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.echo import count_input
from pyresponses_ws.server.engines.upstream.errors import (
    Refusal,
    Upstream,
    edit_texts,
    from_refusal,
    no_responses_api,
    unreachable,
    upstream_failed,
)
from pyresponses_ws.server.engines.upstream.events import Answer
from pyresponses_ws.server.engines.upstream.later import has_ended, run_later, run_with_deadline
from pyresponses_ws.server.engines.upstream.reader import MAX_EVENT_BYTES, AnswerReader
from pyresponses_ws.server.engines.upstream.request import make_body
from pyresponses_ws.server.engines.upstream.url import ROUTE, read_url
from pyresponses_ws.version import __version__

_logger = logging.getLogger(__name__)

#: Seconds for DNS, TCP, proxy and TLS, as our client has them.
CONNECT_TIMEOUT = 10.0
#: Seconds in which the upstream may take no byte of a request.
SEND_TIMEOUT = 30.0
#: Seconds for what an upstream says to a request that it refuses, behind its status.
REFUSAL_TIMEOUT = 5.0
#: Seconds for the whole list of models: somebody waits for it, and it is only a list.
MODELS_TIMEOUT = 5.0
#: Seconds after which a turn counts as taken though the upstream has not answered. It may load a
#: model for minutes before it does; a client waits one for the first event, and asks again then.
PATIENCE = 20.0
#: Connections that wait for the next turn: as many as turns run at once on most servers.
MAX_IDLE = 16


class UpstreamEngine:
    """Asks the server at ``url``, which is what a client would take for its ``base_url``.

    ``api_key`` is this server's own, for the upstream, "" is none; clients' go nowhere. Proxies and
    certificates are those of the environment. Any number of turns may run at once. One that the
    upstream has not answered after ``patience`` seconds counts as taken: a refusal then fails it.
    ``http`` stands in for the connections.

    Raises ConfigError for a URL or key that cannot be used; neither is repeated.
    """

    #: A turn that the upstream refuses was never created; see ``Vetter``.
    vets: Literal[True] = True
    takes_nested_tools: Literal[True] = True

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        http: HTTPPool | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._base, self._address = read_url(url, has_key=bool(api_key))
        self._headers = {"User-Agent": f"pyresponses-ws/{__version__}"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {_check_key(api_key)}"
        self._patience = patience
        # Made at once where it is needed, so that a bad bundle is told at the start.
        self._ssl_context = make_ssl_context() if self._base.startswith("https:") else None
        self._http = http or RequestsPool(run_with_deadline=run_with_deadline, max_idle=MAX_IDLE)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"

    def models(self) -> Sequence[str]:
        """Return what ``GET /models`` lists, within five seconds; nothing when it cannot."""
        try:
            return self._list_models()
        except Exception as exc:  # A list is not worth an error, whatever went wrong.
            why = exc if isinstance(exc, ResponsesWSError) else type(exc).__name__
            _logger.warning("%s does not list its models: %s", self._address, why)
            return ()

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        """Yield the deltas of one turn. Raises APIError, before or behind the StartDelta.

        A cancel shuts the socket down, so that the upstream stops too. A warm-up is not passed on:
        there is nothing to prepare on a server that remembers nothing.
        """
        if not request.generate:
            yield StartDelta()
            yield UsageDelta(input_tokens=count_input(request), output_tokens=0)
            return
        try:
            yield from self._ask(request, cancel)
        except APIError as exc:
            raise self._strike_secrets(exc) from None
        except _CancelledError:
            return
        except Exception as exc:
            # The safety net: whatever an upstream says, its turn ends. The text may be of a prompt.
            _logger.error("reading the upstream's answer failed: %s", type(exc).__name__)
            raise engine_failed() from None

    def close(self) -> None:
        """Close the connections that no turn uses; idempotent."""
        self._http.close()

    # --- one turn -----------------------------------------------------------------------------

    def _ask(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        body = encode(make_body(request)).encode()
        check = _Check(cancel)
        call = self._start("POST", ROUTE, check, body=body, timeout=CONNECT_TIMEOUT)
        cancel.on_cancel(call.abort)
        answer = Answer()
        sending = run_later(partial(self._send, call, check), "upstream")
        try:
            if not (is_in_time := has_ended(sending, self._patience)):
                yield StartDelta()
            sending.result()
            if is_in_time:
                yield StartDelta()
            for _ in _feed(answer, call, check):
                yield from answer.take_deltas()
        finally:
            if not answer.is_over or answer.error is not None:
                call.abort()  # It may go on for long, and nobody listens.
            # One thread at a time has the call; after an abort it is free within milliseconds.
            has_ended(sending, CONNECT_TIMEOUT)
            call.dispose()
        if answer.error is not None:
            raise self._explain(answer, answer.error, call)

    def _send(self, call: HTTPCall, check: _Check) -> None:
        """Send the request and wait for the head. Raises APIError for a refusal."""
        try:
            call.send(on_sent=_nothing)
        except ConnectError as exc:
            check()
            _logger.warning("no connection to the upstream %s: %s", self._address, exc)
            raise unreachable(exc, self._upstream()) from None
        except ConnectionLostError as exc:
            check()
            message = f"The connection to the upstream was lost before its answer: {exc.reason}."
            raise upstream_failed(message) from None
        except ConfigError as exc:
            raise upstream_failed(f"The upstream cannot be reached: {exc}", status=500) from None
        if not 200 <= call.status < 300:
            raise self._read_refusal(call, check)

    def _read_refusal(self, call: HTTPCall, check: _Check) -> APIError:
        # What has come by then says enough: the status does.
        check.end_within(REFUSAL_TIMEOUT)
        body = bytearray()
        with contextlib.suppress(ConnectionLostError, TimeoutError):
            _read_body(call, check, body, limit=BODY_LIMIT)
        frame = error_frame(call.status, call.headers, bytes(body), self._endpoint(ROUTE))
        refusal = Refusal(
            status=call.status,
            headers=frame["headers"],
            text=self._redact(body.decode("utf-8", "replace")),
            target=_host_of(call.headers.get("location", "")),
        )
        error = from_refusal(refusal, self._upstream())
        if error.status != call.status:
            # The client is told less than what helps whoever runs this server.
            words = self._redact(refusal.words) or "no words"
            _logger.warning("%s refused a turn with HTTP %d: %s", self._address, call.status, words)
        return error

    def _explain(self, answer: Answer, error: APIError, call: HTTPCall) -> APIError:
        """Log why an answer failed behind its head, without content; return what to raise."""
        content_type = self._redact(call.headers.get("content-type", "no content type"))[:80]
        if answer.is_foreign:
            error = no_responses_api(self._upstream(), call.status, content_type)
        why = str(error)
        if answer.is_told:
            why = self._redact(answer.withheld or "an error of its own")
        facts = (self._address, call.status, content_type, why)
        _logger.warning("the answer of %s failed behind its head (HTTP %d, %s): %s", *facts)
        return error

    def _upstream(self) -> Upstream:
        return Upstream(address=self._address, proxy=self._proxy())

    def _proxy(self) -> Proxy | None:
        """Return what is between, for errors, one of which may be that it cannot be used."""
        try:
            return find_proxy(self._base, None)
        except ConfigError:
            return None

    def _strike_secrets(self, error: APIError) -> APIError:
        """Take out what an upstream said of our secrets, if it repeated one."""
        return edit_texts(error, self._redact)

    def _redact(self, text: str) -> str:
        """Strike the key out, and what the proxy knows us by."""
        secrets = secrets_of(self._base, self._headers)
        if (proxy := self._proxy()) is not None:
            pair = f"{proxy.username or ''}:{proxy.password or ''}".encode()
            words = (base64.b64encode(pair).decode(), proxy.password or "")
            secrets += [word for word in words if len(word) >= SECRET_LENGTH]
        return redact(text, sorted(secrets, key=len, reverse=True))

    # --- calls --------------------------------------------------------------------------------

    def _start(
        self,
        method: Literal["GET", "POST"],
        path: str,
        check: Check,
        *,
        body: bytes | None = None,
        timeout: float,
    ) -> HTTPCall:
        try:
            endpoint = self._endpoint(path)
        except ConfigError as exc:
            raise upstream_failed(f"The upstream cannot be reached: {exc}", status=500) from None
        accept = "application/json" if body is None else "text/event-stream"
        request = HTTPRequest(method=method, endpoint=endpoint, body=body, accept=accept)
        return self._http.start(
            request, check=check, connect_timeout=timeout, send_timeout=SEND_TIMEOUT
        )

    def _endpoint(self, path: str) -> Endpoint:
        """Return how to reach a route. Raises ConfigError for the environment's proxy."""
        url = self._base + path
        proxy = find_proxy(url, None)
        if proxy is not None and proxy.scheme == "https" and self._ssl_context is None:
            self._ssl_context = make_ssl_context()
        return Endpoint(url=url, headers=self._headers, ssl_context=self._ssl_context, proxy=proxy)

    def _list_models(self) -> tuple[str, ...]:
        check = _Check(CancelToken())
        check.end_within(MODELS_TIMEOUT)
        body = bytearray()
        call = self._start("GET", "/models", check, timeout=MODELS_TIMEOUT)
        try:
            call.send(on_sent=_nothing)
            if not 200 <= call.status < 300:
                raise upstream_failed(f"HTTP {call.status}")
            _read_body(call, check, body, limit=MAX_EVENT_BYTES)
            listed = codec.loads(bytes(body))
        except BaseException:
            call.abort()
            raise
        finally:
            call.dispose()
        return tuple(model["id"] for model in listed["data"] if isinstance(model["id"], str))


class _CancelledError(Exception):
    """The turn was cancelled; raised by the check of its call."""


class _Check:
    """Ends the waits of a call once its turn is cancelled, or its time is up."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._ends_at = math.inf

    def end_within(self, seconds: float) -> None:
        """Raise TimeoutError from then on."""
        self._ends_at = time.monotonic() + seconds

    def __call__(self) -> None:
        if self._cancel.is_set():
            raise _CancelledError
        if time.monotonic() >= self._ends_at:
            raise TimeoutError


def _feed(answer: Answer, call: HTTPCall, check: Check) -> Generator[None, None, None]:
    """Read until an answer is over; yield whenever it may have something to tell."""
    reader = AnswerReader(answer)
    try:
        while not answer.is_over:
            check()
            reader.receive(call.read())
            yield
    except ConnectionLostError as exc:
        check()
        answer.fail(upstream_failed(f"The upstream's answer broke off: {exc.reason}."))
        yield


def _read_body(call: HTTPCall, check: Check, body: bytearray, *, limit: int) -> None:
    """Read into ``body`` to the end, or so much as can matter. Raises what the check raises."""
    while len(body) <= limit and (data := call.read()):
        body += data
        check()
    if len(body) > limit:
        call.abort()


def _host_of(url: str) -> str | None:
    """Return the host that a URL names; its path and query may hold secrets."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _check_key(key: str) -> str:
    try:
        return check_api_key(key)
    except ConfigError as exc:
        raise ConfigError(f"the upstream's key: {exc}") from None


def _nothing() -> None:
    """Do nothing once a request is out."""
