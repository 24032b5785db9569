"""What an engine is: a synchronous generator of deltas that stops when it is told to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the assistant's text."""

    text: str


@dataclass(frozen=True)
class ReasoningDelta:
    """The next piece of the reasoning: of its summary, or of the reasoning itself (``content``)."""

    text: str
    kind: Literal["summary", "content"] = "summary"


@dataclass(frozen=True)
class RefusalDelta:
    """The next piece of a refusal."""

    text: str


@dataclass(frozen=True)
class CallDelta:
    """A piece of a tool call; one with a ``name`` opens a new call.

    ``text`` is a piece of the arguments, or of the input of a custom tool. A call without a
    ``call_id`` gets one.
    """

    text: str = ""
    name: str | None = None
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None
    call_id: str | None = None


@dataclass(frozen=True)
class UsageDelta:
    """What the turn cost; the last one counts."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class CutDelta:
    """The output stops here unfinished; the response ends as ``incomplete``."""

    reason: Literal["max_output_tokens", "max_messages", "content_filter"]


@dataclass(frozen=True)
class ItemDelta:
    """A whole output item of any type; it is added and done at once. Without ``id`` it gets one."""

    item: dict[str, Any]


@dataclass(frozen=True)
class AnnotationDelta:
    """An annotation of the text that came last: a citation of a URL or a file."""

    annotation: dict[str, Any]


@dataclass(frozen=True)
class DetailDelta:
    """Further fields of the open item, told when it is done: ``phase``, ``encrypted_content``."""

    fields: dict[str, Any]


@dataclass(frozen=True)
class DoneDelta:
    """The open item is done; only between two items of one type does that need to be said."""


@dataclass(frozen=True)
class StartDelta:
    """The engine takes the turn, so ``response.created`` goes out; see ``Vetter``."""


@dataclass(frozen=True)
class FrameDelta:
    """Something to send just as it is, whatever the protocol says; for faults."""

    frame: dict[str, Any]


@dataclass(frozen=True)
class CloseDelta:
    """The connection ends here, mid-turn; for faults.

    ``code`` is the close code of a WebSocket, 1006 for none: the socket is cut. Over HTTP it is
    always cut.
    """

    code: int
    reason: str = ""


#: What a response is made of.
Content = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | CallDelta
    | ItemDelta
    | AnnotationDelta
    | DetailDelta
    | DoneDelta
    | UsageDelta
    | CutDelta
)

Delta = Content | StartDelta | FrameDelta | CloseDelta


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """One turn as an engine sees it.

    ``items`` is the whole context, oldest first: the history that ``previous_response_id`` stands
    for, then the input. ``settings`` is the create as it came, nulls dropped.
    """

    model: str
    items: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]] = ()
    tool_choice: Any = "auto"
    instructions: str | None = None
    #: False for a warm-up: read the context, yield the usage and no output.
    generate: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    #: What ``direct`` gave back for this turn; None for engines without it.
    direction: Direction | None = None


@dataclass(frozen=True, kw_only=True)
class Direction:
    """How one turn is to depart from the protocol, decided before it starts."""

    #: An ``error`` frame to answer with in the place of the whole turn; over HTTP its ``status``
    #: and ``error`` are the reply.
    refusal: dict[str, Any] | None = None
    #: How the connection ends, after the refusal if there is one, in the place of the turn.
    close: CloseDelta | None = None
    #: Types of events to leave out, and to send twice. Numbers are given before either.
    drop: frozenset[str] = frozenset()
    duplicate: frozenset[str] = frozenset()
    #: The engine's own, for its ``run``.
    plan: object = None


class CancelToken:
    """Tells an engine that nobody waits for it any more; safe from any thread, set once."""

    def __init__(self) -> None:
        # Set once by cancel().
        self._event = threading.Event()
        # Guards _callbacks, so that none is lost between the test of the event and the append.
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Say whether the turn is cancelled."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``, less if cancelled; return whether it was."""
        return self._event.wait(seconds)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when cancelled, on the cancelling thread; now if it already is."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def cancel(self) -> None:
        """Cancel; idempotent."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _call(callback)


def _call(callback: Callable[[], None]) -> None:
    """Call an engine's callback; whoever cancels has more to do than to hear what went wrong."""
    try:
        callback()
    except Exception as exc:
        _logger.error("a callback of an engine failed: %s: %s", type(exc).__name__, exc)


class Engine(Protocol):
    """Makes answers. One engine serves every turn, each on a thread of its own."""

    def models(self) -> Sequence[str]:
        """Names for ``GET /v1/models``; an engine may accept others too. May block."""

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        """Yield the deltas of one turn; look at ``cancel`` between them.

        An ``APIError`` fails the response with its code and message; any other exception fails it
        as ``server_error``.
        """


@runtime_checkable
class Director(Protocol):
    """What an engine may do besides: break the protocol on purpose, for tests of clients."""

    def direct(self, request: EngineRequest) -> Direction:
        """Decide, once a turn and before it starts; called on the loop, so it must not block."""


class Vetter(Protocol):
    """An engine that looks at a request, on the thread of its turn, before it takes it.

    Its ``run`` yields a ``StartDelta`` before anything else. An ``APIError`` ahead of that refuses
    the turn, with its status, and no response was ever created; one behind it fails the response.
    Nothing is made up for such an engine: no phase of a message, no encrypted reasoning.
    """

    #: True; what it says is that ``run`` keeps the promise above.
    vets: bool


def has_trait(engine: Engine, name: str) -> bool:
    """Say whether an engine has set a trait: ``vets``, see ``Vetter``, or ``takes_nested_tools``.

    The latter is for models whose callers know tools in the shape of chat completions too; they
    reach the engine in the flat one.
    """
    return getattr(engine, name, False) is True


@runtime_checkable
class Closable(Protocol):
    """An engine that holds something: connections, memory."""

    def close(self) -> None:
        """Let go of it; called once, when the server has ended and no turn runs."""
