"""Says why an upgrade was refused, and what to do; never repeats a secret."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pyresponses_ws._transport.base import Endpoint
from pyresponses_ws._transport.upgrade import BODY_LIMIT as BODY_LIMIT
from pyresponses_ws._transport.upgrade import Answer
from pyresponses_ws.errors import TEXT_LIMIT, ConnectError

#: What stands in place of a secret that a server repeated to us.
REDACTED = "***"
#: A shorter word is no secret, and striking it out would only garble the text.
SECRET_LENGTH = 4

_NO_WEBSOCKET = "this server answers HTTP here, not WebSocket: check base_url"
_GATEWAY = "Something on the way refuses it, a gateway or proxy: ask whoever runs that"
#: What helps, by status.
FIXES = {
    400: _NO_WEBSOCKET,
    401: "check the API key",
    403: "check what the key, its project and its region may use",
    404: _NO_WEBSOCKET,
    405: _NO_WEBSOCKET,
    407: "check the proxy's credentials",
    408: "try again",
    426: _NO_WEBSOCKET,
    429: "too many requests, or no quota: try again later",
}
#: The same for a request, where it differs.
HTTP_FIXES = {
    400: "Check the request",
    404: "No Responses API is here: check base_url",
    405: "No Responses API is here: check base_url",
    413: "Send less input, or refer to files by id",
}


def refusal(host: str, answer: Answer, secrets: Iterable[str]) -> ConnectError:
    """Build the error for an answer that opened no WebSocket."""
    text = redact(answer.body.decode("utf-8", "replace"), secrets)
    body = _parse_body(text)
    said = _message_of(body) or _plain_text(text)
    parts = [f"{host} answered the WebSocket upgrade with HTTP {answer.status}"]
    if said:
        parts.append(f": {said[:TEXT_LIMIT].rstrip('.')}")
    is_gateways = answer.status == 403 and not isinstance((body or {}).get("error"), dict)
    parts.append(f". {_GATEWAY if is_gateways else _fix(answer, secrets)}")
    return ConnectError(
        "".join(parts),
        status=answer.status,
        stage="upgrade",
        body=body,
        retry_after=parse_retry_after(answer.headers),
    )


def error_frame(
    status: int, headers: Mapping[str, str], body: bytes, endpoint: Endpoint
) -> dict[str, Any]:
    """Write an HTTP answer that is no success as the ``error`` frame of a WebSocket.

    What speaks the API's JSON says the same on both; of anything else, a gateway's page for one,
    the message tells status, first words and what to do.
    """
    text = redact_body(body, endpoint)
    found = _parse_body(text)
    error = None if found is None else found.get("error", found)
    if not isinstance(error, dict) or not _message_of(found):
        error = {"message": _words_of_refusal(status, headers, text, endpoint)}
    kept = {name: headers[name] for name in ("x-request-id",) if name in headers}
    if (wait := parse_retry_after(headers)) is not None:
        kept["retry-after"] = str(wait)
    return {"type": "error", "status": status, "error": error, "headers": kept}


def _words_of_refusal(
    status: int, headers: Mapping[str, str], text: str, endpoint: Endpoint
) -> str:
    host, secrets = urlsplit(endpoint.url).hostname, secrets_of(endpoint.url, endpoint.headers)
    said = (_message_of(_parse_body(text)) or _plain_text(text))[:TEXT_LIMIT].rstrip(".")
    if status in HTTP_FIXES:
        fix = HTTP_FIXES[status]
    else:
        fix = _fix(Answer(status=status, headers=headers), secrets)
    return f"{host} answered with HTTP {status}" + (f": {said}" if said else "") + f". {fix}"


def secrets_of(url: str, headers: Mapping[str, str]) -> list[str]:
    """List what must not be repeated: header values, their later words, and the URL's parameters.

    Longest first, so that striking one out leaves no part of another.
    """
    words = {word for value in headers.values() for word in (value, *value.split()[1:])}
    parts = urlsplit(url)
    words.update(pair.partition("=")[2] for pair in parts.query.split("&"))
    words.update(filter(None, (parts.password, parts.username)))
    return sorted((word for word in words if len(word) >= SECRET_LENGTH), key=len, reverse=True)


def redact_body(body: bytes, endpoint: Endpoint) -> str:
    """Decode what a server sent, and strike out what it repeats of our request."""
    text = body.decode("utf-8", "replace")
    return redact(text, secrets_of(endpoint.url, endpoint.headers))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Strike every secret out of a peer's text."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait: ``retry-after-ms``, or ``retry-after`` as seconds or date."""
    with_unit = (("retry-after-ms", 0.001), ("retry-after", 1.0))
    for name, unit in with_unit:
        seconds = _parse_number(headers.get(name, ""))
        if seconds is not None:
            return seconds * unit
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - time.time())


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _parse_body(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _message_of(body: dict[str, Any] | None) -> str:
    """Return the words of an error body, in any of the shapes seen live."""
    if body is None:
        return ""
    error = body.get("error", body)
    found = [error.get("message"), error.get("detail")] if isinstance(error, dict) else [error]
    return next((_one_line(text) for text in found if isinstance(text, str)), "")


def _plain_text(text: str) -> str:
    """Return the start of a body that is no JSON; of a web page, only that it is one."""
    stripped = text.lstrip()
    if stripped[:1] == "<":
        return "a web page"
    return "" if stripped[:1] in ("{", "[") else _one_line(stripped)


def _one_line(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def _fix(answer: Answer, secrets: Iterable[str]) -> str:
    if 300 <= answer.status < 400:
        return (
            f"Redirects{_target_of(answer, secrets)} are not followed, since they would take the"
            " key along: set base_url to the final address"
        )
    if answer.status >= 500:
        return "The server or a proxy before it fails: try again later"
    fix = FIXES.get(answer.status, _NO_WEBSOCKET)
    return fix[0].upper() + fix[1:]


def _target_of(answer: Answer, secrets: Iterable[str]) -> str:
    """Name the origin that a redirect points to; its path and query may hold secrets."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
    except ValueError:
        return ""
    return redact(f" (here to {parts.hostname})", secrets) if parts.hostname else ""
