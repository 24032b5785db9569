"""Calls of the user's hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger("pyresponses_ws.hooks")


def call_hook(hook: Callable[[T], object] | None, argument: T) -> None:
    """Call it if there is one; what it raises is logged. Requires holding no lock."""
    if hook is None:
        return
    try:
        hook(argument)
    except Exception:
        # Safety net: a broken hook must not end a turn.
        logger.exception("a hook raised; it is ignored")
