"""One reading of every error shape that is on the wire.

Errors come nested (``{"type": "error", "status": 400, "error": {...}}``), flat
(``{"type": "error", "code": ..., "message": ...}``), inside a failed response, as HTTP bodies, and
in the dialects of other servers (``{"error": {"detail": ...}}``, ``{"error": "text"}``, integer
codes). ``normalize_error`` reads them all, and ``to_error`` makes the exception.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyresponses_ws.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConnectionLimitError,
    NotFoundError,
    PermissionDeniedError,
    PreviousResponseNotFoundError,
    RateLimitError,
    ServerError,
)

CONNECTION_LIMIT_CODE = "websocket_connection_limit_reached"
NOT_FOUND_CODE = "previous_response_not_found"

#: What a code or a type means where the frame has no status: errors in the middle of a response
#: have none. The numbers are those that the same errors have over HTTP.
_IMPLIED_STATUS = {
    "authentication_error": 401,
    "context_length_exceeded": 400,
    "credit_balance_exhausted": 429,
    "flex_unavailable": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "missing_required_parameter": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "server_is_overloaded": 503,
    "service_unavailable_error": 503,
    "slow_down": 503,
    "usage_limit_reached": 429,
    "usage_not_included": 429,
}

_CLASS_OF_STATUS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}

#: Some servers say it in words only.
_NOT_FOUND_TEXT = re.compile(r"previous[ _]response\b.*\bnot[ _]found", re.IGNORECASE | re.DOTALL)

#: Error objects inside error objects that are unwrapped; gateways nest their provider's.
_MAX_NESTING = 4


@dataclass(frozen=True)
class ErrorDetails:
    """What an error said, whatever its shape; None where it said nothing.

    ``retry_after`` is in seconds. ``raw`` is the error object as it came, without its headers.
    """

    status: int | None
    type: str | None
    code: str | None
    message: str
    param: str | None
    request_id: str | None
    retry_after: float | None
    raw: Mapping[str, Any]

    @property
    def implied_status(self) -> int | None:
        """The status, or the one that the code or the type stands for."""
        if self.status is not None:
            return self.status
        return _IMPLIED_STATUS.get(self.code or "") or _IMPLIED_STATUS.get(self.type or "")

    @property
    def is_connection_limit(self) -> bool:
        """The link is too old for another turn."""
        return self.code == CONNECTION_LIMIT_CODE

    @property
    def is_previous_response_lost(self) -> bool:
        """The server does not know ``previous_response_id``; said in code, type or words."""
        if NOT_FOUND_CODE in (self.code, self.type):
            return True
        return self.code is None and _NOT_FOUND_TEXT.search(self.message) is not None


def normalize_error(source: Any) -> ErrorDetails:
    """Read an error from an event, a Response, or any JSON value; never raises.

    The facts of the innermost error object win over those around it.
    """
    layers = _layers(_as_mapping(source))
    inner, headers = layers[-1], _headers(layers)
    return ErrorDetails(
        status=_status(layers),
        type=_error_type(inner),
        code=_text(inner.get("code")),
        message=_message(layers),
        param=_text(inner.get("param")),
        request_id=_first(layers, "request_id", str) or headers.get("x-request-id"),
        retry_after=_retry_after(headers),
        raw={key: value for key, value in inner.items() if key != "headers"},
    )


def to_error(details: ErrorDetails) -> APIError:
    """Make the exception of the class that fits best: by code, then status, then type."""
    known = {"code": details.code, "status": details.status}
    facts = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    return _class_of(details)(
        f"{details.message} ({facts})" if facts else details.message,
        code=details.code,
        type=details.type,
        status=details.status,
        param=details.param,
        request_id=details.request_id,
        retry_after=details.retry_after,
        raw=details.raw,
    )


def _class_of(details: ErrorDetails) -> type[APIError]:
    if details.is_previous_response_lost:
        return PreviousResponseNotFoundError
    if details.is_connection_limit:
        return ConnectionLimitError
    status = details.implied_status or 0
    if status >= 500:
        return ServerError
    return _CLASS_OF_STATUS.get(status, BadRequestError if status >= 400 else APIError)


def _as_mapping(source: Any) -> Mapping[str, Any]:
    """Return the JSON object that describes the error; text becomes its message."""
    if isinstance(source, Mapping):
        return source
    to_dict = getattr(source, "to_dict", None)
    if to_dict is not None:
        return _as_mapping(to_dict())
    return {} if source is None else {"message": source}


def _layers(outer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the objects around the error and the error object itself, outermost first."""
    layers = [outer]
    while len(layers) <= _MAX_NESTING:
        held = layers[-1].get("error") or layers[-1].get("response")
        if not isinstance(held, (Mapping, str)) and not hasattr(held, "to_dict"):
            break
        layers.append(_as_mapping(held))
    if "output" in layers[-1]:
        # A response without an error: the error object is empty, not the whole answer.
        layers.append({})
    return layers


def _message(layers: list[Mapping[str, Any]]) -> str:
    for layer in reversed(layers):
        for name in ("message", "detail"):
            if layer.get(name):
                return _as_text(layer[name])
    inner = layers[-1]
    said = _text(inner.get("code")) or _error_type(inner) or _first(layers, "status", str)
    return f"the server gave no message ({said})" if said else "the server gave no message"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def _error_type(inner: Mapping[str, Any]) -> str | None:
    """Return the error's own type; the ``type`` of a flat event is the event's."""
    found = _text(inner.get("type"))
    is_event = found is not None and (found == "error" or found.startswith("response."))
    return None if is_event else found


def _text(value: Any) -> str | None:
    """Return a code or a name as text; some servers send integer codes."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def _first(layers: list[Mapping[str, Any]], name: str, kind: type) -> Any:
    """Return the innermost value of this kind under the name."""
    values = (layer.get(name) for layer in reversed(layers))
    return next((v for v in values if isinstance(v, kind) and not isinstance(v, bool)), None)


def _status(layers: list[Mapping[str, Any]]) -> int | None:
    """Return the HTTP status, which may be called ``status_code`` or be the code itself."""
    for layer in reversed(layers):
        for name in ("status", "status_code"):
            found = _http_status(layer.get(name))
            if found is not None:
                return found
    return _http_status(_first(layers, "code", int))


def _http_status(value: Any) -> int | None:
    text = str(value) if isinstance(value, (int, str)) else ""
    is_status = len(text) == 3 and text.isascii() and text.isdigit() and "100" <= text <= "599"
    return int(text) if is_status else None


def _headers(layers: list[Mapping[str, Any]]) -> dict[str, str]:
    """Merge the header maps of all layers; names in lower case, since servers differ."""
    merged: dict[str, str] = {}
    for layer in layers:
        found = layer.get("headers")
        if isinstance(found, Mapping):
            merged.update({str(name).lower(): _as_text(value) for name, value in found.items()})
    return merged


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait in seconds; the header in milliseconds is the more exact one.

    A date is not understood: it would need a clock, and no capture shows one.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name)) * unit
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
