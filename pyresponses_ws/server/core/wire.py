"""Text to object and back, for both wires."""

from __future__ import annotations

import json
from typing import Any

from pyresponses_ws import codec
from pyresponses_ws.errors import ProtocolError, UsageError
from pyresponses_ws.server.core import errors


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises the 400 of anything else, too deep nesting included."""
    try:
        data = codec.loads(text)
    except ProtocolError:
        message = "We could not parse the JSON body of your request."
        raise errors.bad_request(message) from None
    if not isinstance(data, dict):
        raise errors.bad_request(f"Expected a JSON object, but got {errors.json_kind(data)}.")
    return data


def encode(value: dict[str, Any]) -> str:
    """Return compact JSON without line breaks."""
    try:
        return codec.dumps(value).decode()
    except UsageError:
        # What the client sent may hold half of a surrogate pair, which has no UTF-8, or be nested
        # to the codec's limit before we put it into a Response. It goes back as it came.
        return json.dumps(value)
