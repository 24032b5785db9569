"""What an upstream's failures become for the client of this server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyresponses_ws.errors import APIError, ServerError
from pyresponses_ws.failures import ErrorDetails, normalize_error, to_error

#: Statuses that speak of our key, about which the client can do nothing.
_ABOUT_OUR_KEY = frozenset({401, 403, 407})
#: Statuses of a route that is not there.
_NO_ROUTE = frozenset({404, 405})
#: What a gateway answers when the server behind it is at fault.
BAD_GATEWAY = 502
#: Longest piece of an upstream's text that becomes a message.
_MESSAGE_LIMIT = 2_000


def upstream_failed(message: str, *, status: int = BAD_GATEWAY) -> APIError:
    """Make the error of an upstream that is not there, or answers what nobody can read."""
    return ServerError(message, code="server_error", status=status, type="server_error")


def from_event(event: Mapping[str, Any]) -> APIError:
    """Make the error of an ``error`` event, a failed Response, or whatever else tells of one."""
    details = normalize_error(event)
    if details.implied_status in _ABOUT_OUR_KEY:
        return _key_refused(details.implied_status)
    return _as_told(details)


def from_refusal(frame: Mapping[str, Any], body: Mapping[str, Any] | None) -> APIError:
    """Make the error of an answer that is no success, written as an ``error`` frame.

    Status, code, parameter and waiting time are the upstream's. ``body`` is its JSON, None without.
    """
    is_api = body is not None and isinstance(body.get("error"), dict)
    if body is not None and isinstance(found := body.get("detail"), list | dict):
        # How FastAPI tells what is wrong with a request.
        frame = {**frame, "error": {"message": found}}
    details = normalize_error(frame)
    status = details.status or BAD_GATEWAY
    if status in _ABOUT_OUR_KEY:
        return _key_refused(status)
    if status < 400 or (status in _NO_ROUTE and not is_api):
        return upstream_failed(f"The upstream has no Responses API: {_message(details)}")
    return _as_told(details)


def edit_texts(error: APIError, edit: Callable[[str], str]) -> APIError:
    """Pass every text of an error through ``edit``; return the error."""
    error.args = (edit(str(error)),)
    for name in ("code", "type", "param", "request_id"):
        text = getattr(error, name)
        setattr(error, name, None if text is None else edit(text))
    error.raw = None
    return error


def _as_told(details: ErrorDetails) -> APIError:
    error = to_error(details)
    # Without the facts that to_error puts behind it: they travel in fields of their own.
    error.args = (_message(details),)
    if error.code is not None and error.code.isdigit():
        error.code = None  # The status, that some servers repeat.
    return error


def _key_refused(status: int | None) -> APIError:
    return upstream_failed(
        f"The upstream refused this server's key (HTTP {status}): whoever runs the server must set "
        "PYRESPONSES_WS_UPSTREAM_API_KEY to one that it takes."
    )


def _message(details: ErrorDetails) -> str:
    text = details.message
    return text if len(text) <= _MESSAGE_LIMIT else f"{text[:_MESSAGE_LIMIT]}..."
