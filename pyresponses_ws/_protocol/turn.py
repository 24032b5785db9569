"""One turn: from the request that is about to leave to the event that ends it.

A turn belongs to the thread of the caller, who feeds it the events that the reader routed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from pyresponses_ws._protocol.kinds import (
    CREATED,
    ERROR_TYPES,
    PROGRESS_TYPES,
    TERMINAL_TYPES,
    EndingKind,
    ending_kind,
    is_control,
)
from pyresponses_ws._protocol.machine import IllegalSignalError, advance
from pyresponses_ws._protocol.output import TAKE, Output
from pyresponses_ws.codec import decode_response
from pyresponses_ws.failures import ErrorDetails, normalize_error
from pyresponses_ws.items import Response, ResponseOutputText
from pyresponses_ws.partial import Partial

if TYPE_CHECKING:
    from pyresponses_ws.events import Event


class TurnState(Enum):
    """How far a turn has come; it decides what may be done again after a loss."""

    #: Nothing of the request was handed to a socket.
    PREPARED = "prepared"
    #: Bytes of it may be out.
    SENT = "sent"
    #: ``response.created`` has arrived.
    ACCEPTED = "accepted"
    #: The caller was handed something of the answer.
    OBSERVED = "observed"
    #: The ending has arrived.
    TERMINAL = "terminal"


class _Signal(Enum):
    SEND = "send"
    ACCEPT = "accept"
    OBSERVE = "observe"
    END = "end"
    RESTART = "restart"


# Aliases: an attribute of an Enum class is a slow look-up on the path of every event.
_OBSERVED, _TERMINAL = TurnState.OBSERVED, TurnState.TERMINAL

#: A second ``created`` tells nothing new here; the lanes drop it anyway.
_BEGUN = (TurnState.ACCEPTED, TurnState.OBSERVED)

_LIFE = {
    (TurnState.PREPARED, _Signal.SEND): TurnState.SENT,
    (TurnState.PREPARED, _Signal.RESTART): TurnState.PREPARED,
    (TurnState.SENT, _Signal.ACCEPT): TurnState.ACCEPTED,
    (TurnState.SENT, _Signal.OBSERVE): TurnState.OBSERVED,
    (TurnState.SENT, _Signal.END): TurnState.TERMINAL,
    (TurnState.SENT, _Signal.RESTART): TurnState.PREPARED,
    (TurnState.ACCEPTED, _Signal.OBSERVE): TurnState.OBSERVED,
    (TurnState.ACCEPTED, _Signal.END): TurnState.TERMINAL,
    (TurnState.ACCEPTED, _Signal.RESTART): TurnState.PREPARED,
    # No restart from here: what the caller has seen would come twice.
    (TurnState.OBSERVED, _Signal.END): TurnState.TERMINAL,
}

_LIFECYCLE_TYPES = {CREATED} | PROGRESS_TYPES | TERMINAL_TYPES | ERROR_TYPES

#: Items that ask the client to run something. A tuple, since a peer's type may not be hashable.
_CALL_TYPES = (
    "apply_patch_call",
    "computer_call",
    "custom_tool_call",
    "function_call",
    "local_shell_call",
    "shell_call",
)


@dataclass(frozen=True)
class Ending:
    """How a turn ended. ``details`` is there for ``failed``, ``cancelled`` and ``error``.

    ``response`` is the final Response; None for ``error``, which brings none.
    """

    kind: EndingKind
    event: Event
    response: Response | None
    details: ErrorDetails | None


class Turn:
    """State and answer of one request. Holds no lock: one thread at a time."""

    state: TurnState
    #: The state before the ending; the same as ``state`` until then. It decides whether a refused
    #: request may be sent again.
    reached: TurnState
    response_id: str | None
    ending: Ending | None
    _output: Output
    #: The response as ``created`` or a later event showed it, its output apart.
    _known: Response | None

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.state = self.reached = TurnState.PREPARED
        self.response_id = None
        self.ending = None
        self._output = Output()
        self._known = None

    @property
    def has_output(self) -> bool:
        """True when something of an output item has arrived."""
        return self._output.has_begun

    @property
    def usage(self) -> Any:
        """The usage that the ending told; None before it, or when it told none."""
        response = None if self.ending is None else self.ending.response
        return None if response is None else response.usage

    def mark_sent(self) -> None:
        """Note that bytes may leave from now on. Raises IllegalSignalError unless prepared."""
        self._advance(_Signal.SEND)

    def receive_event(self, event: Event) -> None:
        """Take an event that was routed to this turn.

        What makes no sense changes nothing; what comes after the ending is dropped. Raises
        IllegalSignalError when a response starts or ends though nothing was sent.
        """
        if self.ending is not None:
            return
        take = TAKE.get(event.type)
        if take is not None:
            take(self._output, event)
        elif event.type in _LIFECYCLE_TYPES:
            self._receive_lifecycle(event)

    def mark_observed(self, event: Event) -> None:
        """Note that the caller was handed ``event``; control events show nothing of the answer."""
        state = self.state
        if state is _OBSERVED or state is _TERMINAL or is_control(event.type):
            return
        self._advance(_Signal.OBSERVE)

    def restart(self) -> None:
        """Go back to the start, to be sent again; what had arrived is dropped.

        Raises IllegalSignalError when the caller has seen some of the answer, or got all of it.
        """
        if self.ending is not None and self.ending.kind not in ("error", "failed"):
            raise IllegalSignalError(f"a turn that is {self.ending.kind} cannot start again")
        advance(_LIFE, self.reached, _Signal.RESTART)
        self._clear()

    def snapshot(self) -> Response:
        """Return the response as far as it is known.

        Only items that changed since the last snapshot are built anew; the others are shared with
        it, so treat it as read-only.
        """
        if self.ending is not None and self.ending.response is not None:
            return self.ending.response
        known = self._known_fields() or {"object": "response", "status": "in_progress"}
        return decode_response({**known, "output": self._output.items()})

    def response(self) -> Response:
        """Return the final response.

        Raises IllegalSignalError before the ending, and when an ``error`` was the ending.
        """
        if self.ending is None or self.ending.response is None:
            raise IllegalSignalError("this turn has no final response")
        return self.ending.response

    def partial(self) -> Partial:
        """Return what has arrived, for an error to carry."""
        items, shown = self._output.finished(), self._output.items()
        final = None if self.ending is None else self.ending.response
        if final is not None and not shown:
            items = shown = final.output
        return Partial(
            text=_text_of(shown),
            items=list(items),
            calls=[item for item in items if _is_call(item)],
            incomplete_calls=[item for item in self._output.unfinished() if _is_call(item)],
            usage=self.usage,
        )

    def _advance(self, signal: _Signal) -> None:
        self.state = self.reached = advance(_LIFE, self.state, signal)

    def _receive_lifecycle(self, event: Event) -> None:
        response = getattr(event, "response", None)
        if not isinstance(response, Response):
            response = None
        if response is not None and self.response_id is None and isinstance(response.id, str):
            self.response_id = response.id
        if event.type in TERMINAL_TYPES or event.type in ERROR_TYPES:
            self._end(event, response)
            return
        self._known = response or self._known
        if event.type == CREATED and self.state not in _BEGUN:
            self._advance(_Signal.ACCEPT)

    def _end(self, event: Event, response: Response | None) -> None:
        kind = ending_kind(event.type, None if response is None else response.status)
        ended = advance(_LIFE, self.state, _Signal.END)
        final = None if kind == "error" else self._final(response, kind)
        is_bad = kind in ("error", "failed", "cancelled")
        self.ending = Ending(kind, event, final, normalize_error(event) if is_bad else None)
        self.state = ended

    def _final(self, told: Response | None, kind: EndingKind) -> Response:
        """Complete the response of the terminal event.

        ChatGPT's Codex backend leaves ``output`` empty there, and other servers leave out more;
        what is missing comes from the events before.
        """
        given = None if told is None else told.output
        is_whole = isinstance(given, list) and (given or not self.has_output)
        if told is not None and is_whole:
            return told
        items = self._output.settle("completed" if kind == "completed" else "incomplete")
        fields: dict[str, Any] = {} if told is None else told.__dict__
        known = {key: value for key, value in self._known_fields().items() if key not in fields}
        status = fields.get("status") or kind
        return decode_response({**fields, **known, "status": status, "output": items})

    def _known_fields(self) -> dict[str, Any]:
        return {} if self._known is None else self._known.__dict__


def _is_call(item: Any) -> bool:
    return getattr(item, "type", None) in _CALL_TYPES


def _text_of(items: Iterable[Any]) -> str:
    """Join the text of the messages, whatever else a peer may have put into them."""
    messages = (item for item in items if getattr(item, "type", None) == "message")
    contents = (content for item in messages if isinstance(content := item.content, list))
    parts = (part for content in contents for part in content)
    texts: Iterable[Any] = (part.text for part in parts if isinstance(part, ResponseOutputText))
    return "".join(text for text in texts if isinstance(text, str))
