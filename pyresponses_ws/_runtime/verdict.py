"""From what ended a turn to the exception that says so."""

from __future__ import annotations

from pyresponses_ws._protocol.recovery import Decision
from pyresponses_ws._protocol.turn import Ending, Turn
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import (
    ConnectionLostError,
    DeliveryUnknownError,
    ResponseFailedError,
    ResponsesWSError,
    StreamOverflowError,
    TurnCancelledError,
    TurnFacts,
    TurnTimeoutError,
)
from pyresponses_ws.failures import to_error
from pyresponses_ws.report import TurnReport


def add_facts(
    error: TurnFacts, turn: Turn, report: TurnReport, close: Close | None, *, elapsed: float
) -> None:
    """Fill the attributes that every error of a turn carries."""
    error.set_facts(
        partial=turn.partial(),
        response_id=turn.response_id,
        state=turn.state.value,
        report=report,
        close_code=close.code if close is not None else None,
        close_reason=close.reason if close is not None else "",
        attempts=report.attempts,
        elapsed=elapsed,
    )


def lost_error(decision: Decision, close: Close, *, is_http: bool) -> ResponsesWSError:
    """The error for a lost link or connection, of the class that the recovery table chose."""
    reason = f": {close.reason}" if close.reason else ""
    what = f"the link was lost (close code {close.code}{reason})"
    if is_http:
        what = f"the HTTP connection was lost{reason}"
    if decision.error is None:
        code = None if is_http else close.code
        error: ResponsesWSError = ConnectionLostError(what, code=code, reason=close.reason)
    elif decision.error is DeliveryUnknownError:
        error = decision.error(f"{what}; whether the request ran is unknown, and it is not resent")
    else:
        what += " after output had been handed over, so the request was not sent again"
        error = decision.error(what)
    error.__cause__ = close.cause
    return error


def stranded_error(failure: Exception) -> DeliveryUnknownError:
    """The error for a link that was lost, when no other could be opened to send again."""
    return DeliveryUnknownError(
        "the link was lost, and no other could be opened to send the request again "
        f"({failure}); whether it ran is unknown"
    )


def ending_error(ending: Ending) -> ResponsesWSError:
    """The error for a terminal event that is no success."""
    details, response = ending.details, ending.response
    if response is None and details is not None:
        return to_error(details)
    message = details.message if details is not None else None
    return ResponseFailedError(
        f"the response ended as {ending.kind}" + (f": {message}" if message else ""),
        code=details.code if details is not None else None,
        response=response,
    )


def timeout_error(phase: str, seconds: float) -> TurnTimeoutError:
    """The error for a timer by which the caller gave up."""
    return TurnTimeoutError(f"the turn's {phase} timer of {seconds:g} s ran out", phase=phase)


def cancelled_error() -> TurnCancelledError:
    """The error for a turn that somebody cancelled, or whose client was closed."""
    return TurnCancelledError("the turn was cancelled")


def overflow_error() -> StreamOverflowError:
    """The error for a consumer that is too slow."""
    return StreamOverflowError(
        "events came faster than they were read until 64 MiB waited; read the stream faster, "
        "or use create()"
    )
