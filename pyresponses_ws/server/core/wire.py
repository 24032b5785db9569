"""Text to object and back, for both wires."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pyresponses_ws.server.core import errors


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises the 400 of anything else, too deep nesting included."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        message = "We could not parse the JSON body of your request."
        raise errors.bad_request(message) from None
    if not isinstance(data, dict):
        raise errors.bad_request(f"Expected a JSON object, but got {errors.json_kind(data)}.")
    return data


def encode(value: dict[str, Any]) -> str:
    """Return compact JSON without line breaks."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair, echoed from the request, has no UTF-8 form; its escape has.
    return text if text.isascii() or _is_encodable(text) else json.dumps(value)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
