"""How the log hears of what broke and went on: a line, and the traceback only at DEBUG."""

from __future__ import annotations

import logging


def log_failure(logger: logging.Logger, what: str, exc: BaseException) -> None:
    """Log that ``what`` failed."""
    logger.error("%s failed: %s: %s", what, type(exc).__name__, exc)
    logger.debug("%s failed", what, exc_info=exc)
