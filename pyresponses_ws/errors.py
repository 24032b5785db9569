"""Every exception that this package raises, in one tree.

::

    ResponsesWSError
    ├── ConfigError (ValueError)                a bad option
    ├── UsageError (RuntimeError)               the calling code is wrong
    │   ├── ClosedError                         used after close(), or not open
    │   ├── ConcurrencyError                    two overlapping calls on one stream
    │   ├── ConversationBusyError               a turn of this conversation is running
    │   └── ForkedProcessError                  opened in another process
    ├── TransportError                          the pipe; the cause is chained
    │   ├── ConnectError                        no connection (.status of the handshake)
    │   ├── ConnectionLostError                 the link died (.code, .reason)
    │   ├── ReconnectError                      gave up (.attempts)
    │   ├── PoolTimeoutError (TimeoutError)     no free link in time; nothing was sent
    │   └── RequestTooLargeError                the frame would be refused
    ├── ProtocolError                           the peer broke the protocol (.text)
    ├── APIError                                the service said no
    │   ├── BadRequestError         (400, 422)
    │   ├── AuthenticationError     (401)
    │   ├── PermissionDeniedError   (403)
    │   ├── NotFoundError           (404)
    │   ├── RateLimitError          (429)
    │   ├── ServerError             (5xx)
    │   ├── PreviousResponseNotFoundError
    │   └── ConnectionLimitError
    ├── TurnError                               a turn that ended without its result
    │   ├── ResponseFailedError                 the terminal event says failed or cancelled
    │   ├── ResponseInterruptedError            lost after output was handed over
    │   ├── DeliveryUnknownError                lost before output; not safe to replay
    │   ├── TurnTimeoutError (TimeoutError)     a timer ran out (.phase)
    │   ├── TurnCancelledError                  cancel() or close() was called
    │   ├── StreamOverflowError                 read too slowly; the queue is full
    │   └── ContinuationLostError               history cannot be rebuilt (.missing)
    ├── OutputError                             structured output
    │   ├── RefusalError
    │   ├── IncompleteOutputError
    │   └── OutputValidationError
    ├── ConversationConflictError
    └── ToolError
        ├── ToolNotFoundError
        ├── ToolArgumentsError
        └── ToolLoopLimitError

All of them pickle, so that a Celery worker can hand one to its parent. None of them holds a
key, a header or a request's input. This module imports nothing from the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

_E = TypeVar("_E", bound="ResponsesWSError")

#: Longest piece of a peer's text that an exception repeats.
TEXT_LIMIT = 200


def _restore(cls: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    """Rebuild an exception without calling its keyword-only ``__init__``."""
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class ResponsesWSError(Exception):
    """Base of everything that this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


class ConfigError(ResponsesWSError, ValueError):
    """An option is missing, malformed, or contradicts another one."""


class UsageError(ResponsesWSError, RuntimeError):
    """The calling code is wrong; the same call would fail again."""


class ClosedError(UsageError):
    """The object is closed, or not open yet."""


class ConcurrencyError(UsageError):
    """Two calls on the same stream overlapped."""


class ConversationBusyError(UsageError):
    """A turn of this conversation is still running."""


class ForkedProcessError(UsageError):
    """The object belongs to a process that this one was forked from."""


class TurnFacts(ResponsesWSError):
    """Base of every error that can end a turn.

    What is known of the turn stands in its attributes; None, 0 or empty where no turn was.
    """

    #: A ``Partial``: what had arrived.
    partial: Any = None
    response_id: str | None = None
    #: Name of the turn's state: prepared, sent, accepted, observed or terminal.
    state: str | None = None
    #: The ``TurnReport``.
    report: Any = None
    close_code: int | None = None
    close_reason: str = ""
    #: Times that the request was handed to a socket.
    attempts: int = 0
    #: Seconds from the call to the error.
    elapsed: float | None = None
    #: Texts or items of steers that the server had not committed.
    pending_steers: Sequence[Any] = ()

    def set_facts(self, **facts: Any) -> None:
        """Record facts of the turn; an unknown name is an AttributeError."""
        for name, value in facts.items():
            if name not in TurnFacts.__annotations__:
                raise AttributeError(f"{name!r} is no fact of a turn")
            setattr(self, name, value)


class TransportError(TurnFacts):
    """The network failed; the cause, if any, is chained as ``__cause__``."""


class ConnectError(TransportError):
    """No WebSocket, or over HTTP no connection, could be opened.

    ``status`` is the HTTP status of the handshake, or None when none came; ``body`` its JSON body;
    ``stage`` is how far it got: ``dns``, ``tcp``, ``proxy``, ``tls``, ``upgrade``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        stage: str | None = None,
        body: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stage = stage
        self.body = body
        self.retry_after = retry_after


class ConnectionLostError(TransportError):
    """An open link ended. ``code`` and ``reason`` are those of the close frame, or 1006 and why."""

    def __init__(self, message: str, *, code: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ReconnectError(TransportError):
    """Every attempt to reconnect failed; ``attempts`` is their number."""

    def __init__(self, message: str, *, attempts: int) -> None:
        super().__init__(message)
        self.attempts = attempts


class PoolTimeoutError(TransportError, TimeoutError):
    """No link became free within ``Timeouts.pool``; nothing was sent."""


class RequestTooLargeError(TransportError):
    """The request is larger than ``max_request_bytes``; nothing was sent."""


class ProtocolError(TurnFacts):
    """The peer sent what the protocol does not allow; ``text`` is the start of it."""

    def __init__(self, message: str, *, text: str = "") -> None:
        super().__init__(message)
        self.text = text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"


class APIError(TurnFacts):
    """The service refused or failed the request.

    One family for every shape on the wire: flat, nested, ``status`` or ``status_code``, with or
    without headers. ``raw`` is the error object as it came. When it ended a turn, the attributes
    of :class:`TurnError` are filled too.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        type: str | None = None,
        status: int | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.type = type
        self.status = status
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after
        self.raw = raw


class BadRequestError(APIError):
    """The request is malformed or impossible (400, 422, and other 4xx)."""


class AuthenticationError(APIError):
    """The key is missing, wrong or revoked (401)."""


class PermissionDeniedError(APIError):
    """The key may not do this (403)."""


class NotFoundError(APIError):
    """No such model, response or route (404)."""


class RateLimitError(APIError):
    """Too many requests, or no quota left (429); ``retry_after`` in seconds if it was sent."""


class ServerError(APIError):
    """The service failed or is overloaded (5xx)."""


class PreviousResponseNotFoundError(APIError):
    """``previous_response_id`` is unknown to the server: a dead connection's, or expired."""


class ConnectionLimitError(APIError):
    """The link reached the server's age limit (60 minutes at OpenAI)."""


class TurnError(TurnFacts):
    """A turn ended without the result that was asked for; ``partial`` is what had arrived."""


class ResponseFailedError(TurnError):
    """The response ended as ``failed`` or ``cancelled``.

    ``response`` is the final Response; ``code`` is its ``error.code``, or None.
    """

    def __init__(self, message: str, *, code: str | None = None, response: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.response = response


class ResponseInterruptedError(TurnError):
    """The link died after output had been handed to the caller; a replay would repeat it."""


class DeliveryUnknownError(TurnError):
    """The link died with the request out, and a replay might run it twice."""


class TurnTimeoutError(TurnError, TimeoutError):
    """A timer by which the caller gives up ran out; ``phase`` names it: silence or total.

    A call of ``client.responses`` also gives up by first_event. In a turn that timer, and that of
    the send, mean a lost link.
    """

    def __init__(self, message: str, *, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class TurnCancelledError(TurnError):
    """``cancel()`` on the stream, or ``close()`` on what owns it, ended the turn."""


class StreamOverflowError(TurnError):
    """Events arrived faster than they were read until the turn's queue was full."""


class ContinuationLostError(TurnError):
    """The chain is gone and cannot be rebuilt; ``missing`` lists what the history lacks."""

    def __init__(self, message: str, *, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = list(missing)


class OutputError(ResponsesWSError):
    """Structured output could not be produced."""


class RefusalError(OutputError):
    """The model refused."""


class IncompleteOutputError(OutputError):
    """The output was cut before it was complete."""


class OutputValidationError(OutputError):
    """The output does not fit the requested type."""


class ConversationConflictError(ResponsesWSError):
    """Another worker advanced the same conversation first."""


class ToolError(ResponsesWSError):
    """A tool call could not be carried out."""


class ToolNotFoundError(ToolError):
    """The model called a tool that was not offered."""


class ToolArgumentsError(ToolError):
    """The arguments do not fit the tool's schema."""


class ToolLoopLimitError(ToolError):
    """The tool loop reached ``max_steps`` or ``max_tool_calls``."""
