"""What an upstream's failures become for the client of this server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws.errors import TEXT_LIMIT, APIError, ConnectError, ProtocolError, ServerError
from pyresponses_ws.failures import ErrorDetails, normalize_error, to_error
from pyresponses_ws.proxies import Proxy

#: Statuses that speak of this server, about which its client can do nothing.
_ABOUT_US = (401, 403)
#: Statuses of a route that is not there.
_NO_ROUTE = frozenset({404, 405})
#: How servers say that of a route, in the place of something that the API has not got.
_NO_ROUTE_WORDS = re.compile(
    r"(\d{3} )?((file|page|route|endpoint) )?not found\W*|method not allowed\W*"
    r"|(invalid url|unexpected endpoint|cannot post)\b.*",
    re.IGNORECASE | re.DOTALL,
)
#: What a gateway answers when the server behind it is at fault.
BAD_GATEWAY = 502
#: Longest piece of an upstream's text that becomes a message.
_MESSAGE_LIMIT = 2_000

_CHECK_URL = "whoever runs this server must check the URL of --engine upstream:URL"
_KEY = "PYRESPONSES_WS_UPSTREAM_API_KEY"
#: What a client is told of a connection that failed; the log tells whoever runs the server more.
_STAGES = {
    "dns": "its name is not known",
    "tcp": "nothing answers there",
    "proxy": "{proxy} does not let this server through",
    "tls": "the TLS handshake failed",
}
#: What helps against an answer that says nothing itself, by status.
_FIXES = {
    400: "Check the request",
    408: "Try again",
    413: "Send less input, or refer to files by id",
    429: "Too many requests, or no quota: try again later",
}
#: The types that such statuses have over HTTP.
_TYPE_OF_LIMIT, _TYPE_OF_FAULT = "rate_limit_error", "server_error"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """Who answers, as errors name it."""

    #: Host and port.
    address: str
    #: What is between this server and it; its words hold no credentials.
    proxy: Proxy | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer that is no success."""

    status: int
    #: Those that travel: ``x-request-id``, and ``retry-after`` in seconds.
    headers: Mapping[str, str]
    #: The body, without what it repeats of our request.
    text: str
    #: The host that a redirect points to.
    target: str | None = None

    @property
    def body(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return codec.loads(self.text)
        except ProtocolError:
            return None

    @property
    def words(self) -> str:
        """What it says, on one line and cut; of a web page, only that it is one."""
        told, _ = _read_body(self.body)
        if told is not None:
            return _one_line(normalize_error({"error": told}).message)
        start = self.text.lstrip()[:1]
        if start == "<":
            return "a web page"
        return "" if start in ("{", "[") else _one_line(self.text)


def upstream_failed(message: str, *, status: int = BAD_GATEWAY) -> APIError:
    """Make the error of an upstream that is not there, or answers what nobody can read."""
    return ServerError(message, code="server_error", status=status, type=_TYPE_OF_FAULT)


def unreachable(error: ConnectError, upstream: Upstream) -> APIError:
    """Make the error of a connection that failed."""
    if error.stage == "proxy" and error.status == 407:
        return _stopped_by_proxy(upstream.proxy)
    why = _STAGES.get(error.stage or "", "connecting failed")
    why = why.format(proxy=_name_proxy(upstream.proxy))
    return upstream_failed(f"The upstream {upstream.address} cannot be reached: {why}.")


def no_responses_api(upstream: Upstream, status: int, content_type: str) -> APIError:
    """Make the error of a success in which nothing was of a Responses API."""
    return upstream_failed(
        f"The upstream {upstream.address} answered with HTTP {status} ({content_type}), and no "
        f"event of a Responses API came: {_CHECK_URL}."
    )


def from_event(event: Mapping[str, Any]) -> APIError:
    """Make the error of an ``error`` event, a failed Response, or whatever else tells of one."""
    details = normalize_error(event)
    if details.implied_status in _ABOUT_US:
        return _refused(details.implied_status, "The upstream")
    error = _as_told(details)
    if error.type is None and details.implied_status is None:
        error.type = _TYPE_OF_FAULT  # The request was taken, so it was not that.
    return error


def withheld_words(event: Mapping[str, Any]) -> str | None:
    """Return what an upstream says of this server, which is for whoever runs it; on one line."""
    details = normalize_error(event)
    return _one_line(details.message) if details.implied_status in _ABOUT_US else None


def from_refusal(refusal: Refusal, upstream: Upstream) -> APIError:
    """Make the error of an answer that is no success.

    Status, code, parameter and waiting time are the upstream's.
    """
    status, (told, is_api) = refusal.status, _read_body(refusal.body)
    if status in _ABOUT_US:
        return _refused(status, f"The upstream {upstream.address}")
    if status == 407:
        return _stopped_by_proxy(upstream.proxy)
    details = replace(normalize_error({"error": told, "headers": refusal.headers}), status=status)
    has_code = details.code is not None and not details.code.isdigit()
    is_route = not is_api or (not has_code and _is_about_route(details.message))
    if status < 400 or (status in _NO_ROUTE and is_route):
        return upstream_failed(_words_of(refusal, upstream))
    error = _as_told(details)
    if told is None:
        error.args = (_words_of(refusal, upstream),)
    return error


def is_error(event: Mapping[str, Any]) -> bool:
    """Say whether an event without a type, or a whole body, tells an error."""
    return bool(event.get("error")) or _is_flat(event)


def edit_texts(error: APIError, edit: Callable[[str], str]) -> APIError:
    """Pass every text of an error through ``edit``; return the error."""
    error.args = (edit(str(error)),)
    for name in ("code", "type", "param", "request_id"):
        text = getattr(error, name)
        setattr(error, name, None if text is None else edit(text))
    error.raw = None
    return error


def _read_body(body: Any) -> tuple[Mapping[str, Any] | None, bool]:
    """Return the error that a body tells, None without, and whether an API may have told it."""
    if not isinstance(body, Mapping):
        return None, False
    error = body.get("error")
    if isinstance(error, Mapping) and error:
        return error, True
    if isinstance(error, str) and error:
        return {"message": error}, True
    if body.get("detail"):  # How FastAPI tells what is wrong with a request.
        return {"message": body["detail"]}, True
    return (body, _is_flat(body)) if isinstance(body.get("message"), str) else (None, False)


def _is_flat(body: Mapping[str, Any]) -> bool:
    """Say whether it is an error as vLLM wrote it for long, without an object around it."""
    return body.get("object") == "error" and isinstance(body.get("message"), str)


def _as_told(details: ErrorDetails) -> APIError:
    error = to_error(details)
    # Without the facts that to_error puts behind it: they travel in fields of their own.
    error.args = (_cut(details.message, _MESSAGE_LIMIT),)
    if error.code is not None and error.code.isdigit():
        error.code = None  # The status, that some servers repeat.
    status = details.implied_status or 0
    if error.type is None and (status == 429 or status >= 500):
        # Else it would count as a fault of the request.
        error.type = _TYPE_OF_LIMIT if status == 429 else _TYPE_OF_FAULT
    return error


def _refused(status: int, who: str) -> APIError:
    """Make the error of a server that does not let this one in; the client's key is another."""
    if status == 401:
        return upstream_failed(
            f"{who} refused this server's key (HTTP 401): whoever runs this server must set {_KEY} "
            "to one that it takes."
        )
    return upstream_failed(
        f"{who} does not allow this server that (HTTP 403): its key ({_KEY}) may not use the "
        "model, or a region or a policy forbids it. This server's log may say more."
    )


def _stopped_by_proxy(proxy: Proxy | None) -> APIError:
    who, where = _name_proxy(proxy), "the environment" if proxy is None else proxy.source
    return upstream_failed(
        f"{who[0].upper()}{who[1:]} refused this server (HTTP 407): whoever runs this server must "
        f"check user name and password in {where}."
    )


def _name_proxy(proxy: Proxy | None) -> str:
    return "a proxy before it" if proxy is None else f"the proxy {proxy}"


def _words_of(refusal: Refusal, upstream: Upstream) -> str:
    """Write the message of an answer that is none of the API's."""
    said = refusal.words.rstrip(".")
    what = f"The upstream {upstream.address} answered with HTTP {refusal.status}"
    return f"{what}{': ' if said else ''}{said}. {_fix(refusal)}."


def _fix(refusal: Refusal) -> str:
    status = refusal.status
    if 300 <= status < 400:
        where = f" (here to {refusal.target})" if refusal.target else ""
        return (
            f"Redirects{where} are not followed, since they would take the key along: {_CHECK_URL}"
        )
    if status >= 500:
        return "It or a proxy before it fails: try again later"
    if status in _NO_ROUTE:
        return f"No Responses API is there: {_CHECK_URL}"
    return _FIXES.get(status, _CHECK_URL[0].upper() + _CHECK_URL[1:])


def _is_about_route(message: str) -> bool:
    return _NO_ROUTE_WORDS.fullmatch(message.strip()) is not None


def _one_line(text: str) -> str:
    return _cut(re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip(), TEXT_LIMIT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
