"""A request of the API that is no turn, before it travels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from pyresponses_ws.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class APIRequest:
    """One request below ``/responses``."""

    method: Literal["GET", "POST", "DELETE"]
    #: What follows ``/responses``, percent-encoded.
    path: str
    #: Names may repeat.
    query: Sequence[tuple[str, str]] = ()
    #: JSON in UTF-8, or None.
    body: bytes | None = field(default=None, repr=False)
    accept: str = "application/json"
    #: The answer begins when all the work is done, however long that takes.
    answers_late: bool = False

    @property
    def is_idempotent(self) -> bool:
        """Done twice it has done no more than once (RFC 9110, section 9.2.2)."""
        return self.method != "POST"


def response_path(response_id: Any) -> str:
    """Return the path of a stored response. Raises ConfigError for what is no id."""
    if not isinstance(response_id, str):
        kind = type(response_id).__name__
        raise ConfigError(f"response_id must be a string, got {kind}")
    if not response_id.strip():
        raise ConfigError("response_id is empty")
    # Dots alone would climb to another path, as a slash would.
    if "/" in response_id or response_id in (".", ".."):
        raise ConfigError(f"response_id is no id: {response_id[:80]!r}")
    try:
        return "/" + quote(response_id, safe="")
    except UnicodeEncodeError:
        raise ConfigError("response_id holds half of a character") from None


def make_query(**values: Any) -> list[tuple[str, str]]:
    """Return the query of what is given; lists in brackets, as the official package writes them.

    Raises ConfigError for text in the place of a list.
    """
    if isinstance(values.get("include"), str):
        raise ConfigError("include must be a list of strings, got str")
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, (list, tuple)):
            pairs += [(f"{name}[]", str(each)) for each in value]
        elif value is not None:
            pairs.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return pairs
