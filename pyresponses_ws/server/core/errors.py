"""Errors of the API as the server words them, and their two shapes on the wire.

Request errors of the WebSocket carry the status in the frame and no sequence number (observed
live); over HTTP the status is the response's own.
"""

from __future__ import annotations

import math
from typing import Any

from pyresponses_ws.errors import (
    TEXT_LIMIT,
    APIError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    PreviousResponseNotFoundError,
    RateLimitError,
    ServerError,
)

_INVALID = "invalid_request_error"

#: The service's own sentence about lane names.
_STREAM_ID_RULE = (
    "The 'stream_id' field must be a non-empty string with at most 256 characters and may only "
    "contain letters, numbers, underscores, hyphens, and periods."
)


def bad_request(message: str, *, code: str | None = None, param: str | None = None) -> APIError:
    """Make a 400 ``invalid_request_error``."""
    return BadRequestError(message, code=code, param=param, status=400, type=_INVALID)


def invalid_type(param: str, expected: str, value: object) -> APIError:
    """Make the 400 for a value of the wrong JSON type."""
    got = json_kind(value)
    message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return bad_request(message, code="invalid_type", param=param)


def invalid_value(param: str, value: str, supported: str) -> APIError:
    """Make the 400 for a value outside its enumeration."""
    message = f"Invalid value: '{_short(value)}'. Supported values are: {supported}."
    return bad_request(message, code="invalid_value", param=param)


def missing_parameter(param: str) -> APIError:
    """Make the 400 for a field that must be there."""
    message = f"Missing required parameter: '{param}'."
    return bad_request(message, code="missing_required_parameter", param=param)


def below_minimum(param: str, value: float, limit: float) -> APIError:
    """Make the 400 for a number under its least value."""
    kind = "integer" if isinstance(value, int) else "decimal"
    message = (
        f"Invalid '{param}': {kind} below minimum value. Expected a value >= {limit}, "
        f"but got {value} instead."
    )
    return bad_request(message, code=f"{kind}_below_min_value", param=param)


def above_maximum(param: str, value: float, limit: float) -> APIError:
    """Make the 400 for a number over its greatest value."""
    kind = "integer" if isinstance(value, int) else "decimal"
    message = (
        f"Invalid '{param}': {kind} above maximum value. Expected a value <= {limit}, "
        f"but got {value} instead."
    )
    return bad_request(message, code=f"{kind}_above_max_value", param=param)


def too_long(param: str, length: int, limit: int) -> APIError:
    """Make the 400 for a string of too many characters."""
    message = (
        f"Invalid '{param}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {length} instead."
    )
    return bad_request(message, code="string_above_max_length", param=param)


def too_many_properties(param: str, count: int, limit: int) -> APIError:
    """Make the 400 for an object with too many keys."""
    message = (
        f"Invalid '{param}': too many properties. Expected an object with at most {limit} "
        f"properties, but got an object with {count} properties instead."
    )
    return bad_request(message, code="object_above_max_properties", param=param)


def pattern_mismatch(param: str, pattern: str) -> APIError:
    """Make the 400 for a string with characters that are not allowed."""
    message = (
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the "
        f"pattern '{pattern}'."
    )
    return bad_request(message, code="invalid_value", param=param)


def nested_function(param: str) -> APIError:
    """Make the 400 for a tool in the shape of chat completions."""
    message = (
        f"Unknown parameter: '{param}.function'. Tools are flat here: put 'name', 'description' "
        f"and 'parameters' beside 'type'."
    )
    return bad_request(message, code="unknown_parameter", param=f"{param}.function")


def item_not_found(item_id: str) -> APIError:
    """Make the 404 of an ``item_reference`` that names nothing."""
    message = (
        f"Item with id '{_short(item_id)}' not found. Items are not persisted when `store` is set "
        "to false. Try again with `store` set to true, or remove this item from your input."
    )
    return NotFoundError(message, param="input", status=404, type=_INVALID)


def response_not_found(response_id: str) -> APIError:
    """Make the 404 of a stored response that is missing or somebody else's."""
    message = f"Response with id '{_short(response_id)}' not found."
    return NotFoundError(message, status=404, type=_INVALID)


def unknown_cursor(item_id: str) -> APIError:
    """Make the 400 for an ``after`` that is not in the list."""
    message = f"Invalid 'after': no item with id '{_short(item_id)}' is in this list."
    return bad_request(message, param="after")


def not_cancellable(response_id: str) -> APIError:
    """Make the 400 for cancelling a response that did not run in the background."""
    message = (
        f"Cannot cancel response '{_short(response_id)}': only responses created with "
        "'background' set to true can be cancelled."
    )
    return bad_request(message)


def invalid_stream_id() -> APIError:
    """Make the 400 for a bad lane name; the service does not echo the name."""
    return bad_request(_STREAM_ID_RULE, code="invalid_stream_id", param="stream_id")


def too_many_lanes(limit: int) -> APIError:
    """Make the 400 for a new lane name beyond the limit; the service echoes the name."""
    message = (
        "This WebSocket connection has reached its maximum number of distinct stream IDs "
        f"({limit}). Reuse an existing stream_id or open a new WebSocket connection."
    )
    return bad_request(message, code="websocket_stream_limit_reached", param="stream_id")


def context_length_exceeded(limit: int) -> APIError:
    """Make the 400 of a context that is longer than anything here reads."""
    message = f"Your input exceeds the context window: over {limit} characters with its history."
    return bad_request(message, code="context_length_exceeded", param="input")


def context_length_exceeded_tokens(limit: int, count: int, *, is_least: bool = False) -> APIError:
    """Make the 400 of a prompt that leaves a model no room; the sentence is the service's.

    ``is_least``: nobody has counted further than that.
    """
    tokens = f"at least {count}" if is_least else f"{count}"
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted "
        f"in {tokens} tokens. Please reduce the length of the messages."
    )
    return bad_request(message, code="context_length_exceeded", param="input")


def too_many_waiting(limit: int) -> APIError:
    """Make the 429 for a create that finds the queues of its connection full."""
    message = f"Too many responses wait on this connection (at most {limit}, or 64 MiB)."
    return _rate_limited(message, retry_after=None)


def too_many_requests(retry_after: float) -> APIError:
    """Make the 429 of an owner that creates faster than the server allows."""
    message = f"Rate limit reached. Please try again in {retry_after:.1f}s."
    return _rate_limited(message, retry_after=retry_after)


def connection_limit_reached(minutes: float) -> APIError:
    """Make the 400 that ends a connection at its age limit; no param (the guide shows none)."""
    message = (
        f"Responses websocket connection limit reached ({minutes:g} minutes). "
        "Create a new websocket connection to continue."
    )
    return bad_request(message, code="websocket_connection_limit_reached")


def _rate_limited(message: str, *, retry_after: float | None) -> APIError:
    return RateLimitError(
        message,
        code="rate_limit_exceeded",
        status=429,
        type="rate_limit_error",
        retry_after=retry_after,
    )


def previous_response_not_found(response_id: str) -> APIError:
    """Make the 400 for a ``previous_response_id`` that is unknown, evicted or somebody else's."""
    return PreviousResponseNotFoundError(
        f"Previous response with id '{_short(response_id)}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
        status=400,
        type=_INVALID,
    )


def unauthorized(*, given: bool) -> APIError:
    """Make the 401; ``given`` tells a wrong key from none at all."""
    message = (
        "Incorrect API key provided."
        if given
        else "Missing bearer or basic authentication in header"
    )
    code = "invalid_api_key" if given else None
    return AuthenticationError(message, code=code, status=401, type=_INVALID)


def forbidden_origin() -> APIError:
    """Make the 403 for a web page that is not the server's own."""
    message = "Requests from this Origin are not allowed. See --cors-origin."
    return PermissionDeniedError(message, status=403, type=_INVALID)


def misdirected() -> APIError:
    """Make the 421 for a Host that is not this server's."""
    message = "This server does not answer for that Host. See --allowed-host."
    return BadRequestError(message, status=421, type=_INVALID)


def unsupported_media_type() -> APIError:
    """Make the 415 for a POST that is not JSON."""
    message = "Unsupported content type: send 'Content-Type: application/json'."
    return BadRequestError(message, status=415, type=_INVALID)


def too_large(limit: int) -> APIError:
    """Make the 413 for a body over ``limit`` bytes."""
    return BadRequestError(f"The request body is over {limit} bytes.", status=413, type=_INVALID)


def headers_too_large(limit: int, *, count: int | None = None) -> APIError:
    """Make the 431 for headers over ``limit`` bytes, or a header over it, or too many of them."""
    message = f"The request headers are over {limit} bytes."
    if count is not None:
        message = f"A header is over {limit} bytes, or there are more than {count} headers."
    return BadRequestError(message, status=431, type=_INVALID)


def request_timeout() -> APIError:
    """Make the 408 for a request that does not come to its end."""
    return BadRequestError("The request did not arrive in time.", status=408, type=_INVALID)


def too_many_connections(limit: int) -> APIError:
    """Make the 429 for a connection over the limit of the server."""
    message = f"The server has {limit} connections open and takes no more. Try again later."
    return _rate_limited(message, retry_after=1.0)


def unknown_url(method: str, path: str) -> APIError:
    """Make the 404 in the service's words."""
    return NotFoundError(f"Invalid URL ({method} {path})", status=404, type=_INVALID)


def unknown_method(method: str, path: str) -> APIError:
    """Make the 405 in the service's words."""
    message = f"Invalid method for URL ({method} {path})"
    return BadRequestError(message, status=405, type=_INVALID)


def engine_failed() -> APIError:
    """Make the error of a turn whose engine broke."""
    message = "The server had an error while processing your request."
    return ServerError(message, code="server_error", status=500, type="server_error")


def shutting_down() -> APIError:
    """Make the error of a turn that the end of the server cut off."""
    message = "The server is shutting down."
    return ServerError(message, code="server_is_overloaded", status=503, type="server_error")


def _short(text: str) -> str:
    """Cut what a client sent, so that an error never returns megabytes."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}..."


def error_object(error: APIError) -> dict[str, Any]:
    """Return the nested ``error`` object of both wires."""
    return {
        "type": error.type or _INVALID,
        "code": error.code,
        "message": str(error),
        "param": error.param,
    }


def error_frame(error: APIError, lane: str | None = None) -> dict[str, Any]:
    """Return the WebSocket frame that refuses a request on ``lane``."""
    frame: dict[str, Any] = {"type": "error", "status": error.status or 500}
    if lane is not None:
        frame["stream_id"] = lane
    frame["error"] = error_object(error)
    if error.retry_after is not None:
        frame["error"]["headers"] = {"retry-after": f"{math.ceil(error.retry_after)}"}
    return frame


def json_kind(value: object) -> str:
    """Name the JSON type of ``value`` with its article, as the service's messages do."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    kinds = ((int, "an integer"), (float, "a decimal"), (str, "a string"), (list, "an array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")
