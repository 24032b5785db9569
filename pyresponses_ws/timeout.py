"""The argument ``timeout`` of a call: seconds, None for no limit, or left to the client."""

from __future__ import annotations

from pyresponses_ws.config import check_seconds


class Default:
    """Stands for "the client's own timeout", since None means "no limit"."""

    def __repr__(self) -> str:
        return "<default>"


DEFAULT = Default()
Timeout = float | None | Default


def resolve_timeout(timeout: Timeout, *, default: float | None) -> float | None:
    """Return the seconds that a call may take, None for no limit. Raises ConfigError."""
    seconds = default if isinstance(timeout, Default) else timeout
    check_seconds("timeout", seconds, optional=True)
    return seconds
