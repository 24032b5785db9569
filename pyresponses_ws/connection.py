"""The low level: one logical connection that outlives its sockets."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from pyresponses_ws._runtime.clock import Empty
from pyresponses_ws._runtime.delivery import Delivery
from pyresponses_ws._runtime.farewell import CLIENT_CLOSED
from pyresponses_ws._runtime.lane import LaneSource
from pyresponses_ws._runtime.mailbox import Batch, Cancelled, Failed, Letter, Lost
from pyresponses_ws._runtime.session import Session
from pyresponses_ws._transport.base import Close
from pyresponses_ws.errors import ConnectionLostError, StreamOverflowError, UsageError
from pyresponses_ws.model import WireModel
from pyresponses_ws.prepare import prepare_turn

if TYPE_CHECKING:
    from pyresponses_ws._runtime.history import HistorySizes
    from pyresponses_ws.events import Event
    from pyresponses_ws.items import Response
    from pyresponses_ws.report import CloseInfo

State = Literal["idle", "connecting", "open", "reconnecting", "closed"]
Command = Mapping[str, Any] | WireModel

#: What the server accepts as ``stream_id``.
_LANE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")


class Lane(Iterator["Event"]):
    """One ``stream_id`` of a connection; None is the default lane.

    The server runs one turn at a time on a lane and lanes side by side. Iteration yields this
    lane's events, buffered from the first ``next`` or ``send``; a loss raises ConnectionLostError
    once, then iteration goes on with the next link. One thread reads; any thread sends.
    """

    def __init__(self, session: Session, sizes: HistorySizes, name: str | None) -> None:
        #: Lane name, or None for the default lane.
        self.name = name
        self._session = session
        self._sizes = sizes
        # Which of the session's mailboxes is read; the connection itself reads them all.
        self._inbox_name: str | None = name
        # Taken from the mailbox and not handed over yet; the reading thread's.
        self._events: deque[Event] = deque()

    def __iter__(self) -> Lane:
        return self

    def __next__(self) -> Event:
        event = self.receive()
        if event is None:
            raise StopIteration
        return event

    def receive(self, timeout: float | None = None) -> Event | None:
        """Wait for the next event, ``timeout`` seconds at most; None once the connection is closed.

        Raises TimeoutError, ConnectionLostError once a loss, and ReconnectError when no new link
        could be opened.
        """
        inbox = self._session.inbox(self._inbox_name)
        clock = self._session.dialer.threads.clock
        deadline = None if timeout is None else clock.now() + timeout
        while True:
            if self._session.is_finished:
                return None
            if self._events:
                return self._events.popleft()
            # A connection that gave up has letters, but will get no more.
            is_over = self._session.is_closed
            try:
                letter = inbox.get(clock.now() if is_over else deadline)
            except Empty:
                if is_over:
                    return None
                raise TimeoutError(f"no event within {timeout:g} s") from None
            if not self._open_letter(letter):
                return None

    def _open_letter(self, letter: Letter) -> bool:
        """Take the events out; False at the end. Raises what the letter says."""
        if isinstance(letter, Batch):
            self._events.extend(letter.events)
        elif isinstance(letter, Lost):
            close = letter.close
            reason = f": {close.reason}" if close.reason else ""
            raise ConnectionLostError(
                f"the link was lost (close code {close.code}{reason})",
                code=close.code,
                reason=close.reason,
            ) from close.cause
        elif isinstance(letter, Failed):
            raise letter.error
        elif isinstance(letter, Cancelled):
            return False
        else:
            raise StreamOverflowError("64 MiB of events wait unread; iterate faster")
        return True

    def send(self, command: Command) -> None:
        """Send one command: ``response.create``, ``response.steer``, or what comes after them.

        Never queues: raises ClosedError, naming the state, when the connection is not open;
        UsageError for what is no command; ConnectionLostError when the link dies meanwhile.
        """
        wire = command.to_dict() if isinstance(command, WireModel) else dict(command)
        if not isinstance(wire.get("type"), str):
            raise UsageError('a command needs a string "type", for example "response.create"')
        if self.name is not None and wire["type"] == "response.create":
            wire["stream_id"] = self.name
        self._session.inbox(self._inbox_name)
        self._session.send(wire)

    def warm_up(
        self,
        model: str | None = None,
        tools: Any = None,
        instructions: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **turn: Any,
    ) -> Response:
        """Have the server prepare a turn's state without output, and wait for its Response.

        Raises what ``ResponsesClient.create`` raises, and ClosedError when not open.
        """
        named = {"tools": tools, "instructions": instructions, "metadata": metadata}
        turn = {"model": model, "input": [], **named, **turn, "generate": False}
        config = self._session.dialer.config
        request = prepare_turn(turn, config, lane=self.name, is_pooled=False)
        source = LaneSource(self._session, self.name)
        total = config.timeouts.create_total
        delivery = Delivery(source, self._sizes, request, total=total)
        delivery.start()
        return delivery.result()

    @property
    def previous_response_id(self) -> str | None:
        """Id of this lane's latest completed response, while the server still knows it."""
        return self._session.latest_response_id(self.name)


class Connection(Lane):
    """One logical connection: the default lane, and every other by :meth:`lane`.

    Iteration and ``on`` see the events of all lanes. A lost link is replaced in the background
    after 1, 2, 4, 8 and 16 s (``retry_delays``, with jitter); the count starts again with the first
    event received. Close it, or use ``with``; a dropped one closes by itself.
    """

    def __init__(self, session: Session, sizes: HistorySizes) -> None:
        super().__init__(session, sizes, None)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Connection to {self._session.dialer.config.host}: {self.state}>"

    @property
    def state(self) -> State:
        """``idle``, ``connecting``, ``open``, ``reconnecting`` or ``closed``."""
        return self._session.state.value

    @property
    def is_connected(self) -> bool:
        """The state is ``open``."""
        return self.state == "open"

    @property
    def last_close(self) -> CloseInfo | None:
        """How the last link ended; None while the first one lives."""
        return self._session.last_close

    @property
    def previous_response_id(self) -> str | None:
        """Id of the latest completed response of any lane, while the server still knows it."""
        return self._session.latest_response_id(None, of_any=True)

    def lane(self, name: str) -> Lane:
        """The lane of that name: 1 to 256 letters, digits, ``_``, ``-`` or ``.``.

        The server takes 32 names in a link's life.
        """
        if not _LANE_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no lane name; use 1 to 256 letters, digits, '_', '-' or '.'"
            )
        return Lane(self._session, self._sizes, name)

    def on(self, name: str, callback: Callable[[Any], object]) -> Callable[[], None]:
        """Have ``callback`` called for each event of wire type ``name``; ``"*"`` is every event.

        ``"open"`` gets a LinkReport, ``"close"`` a CloseInfo, and ``"error"`` also the
        ReconnectError that ends the connection. Callbacks run one after another on a thread of
        their own; one that raises is logged. Returns a function that unsubscribes.
        """
        if not callable(callback):
            raise UsageError(f"callback must be callable, got {type(callback).__name__}")
        return self._session.listeners.add(name, callback)

    def close(self, code: int = CLIENT_CLOSED.code, reason: str = CLIENT_CLOSED.reason) -> None:
        """Close for good, or abort a connect that is under way. Idempotent; any thread.

        No event comes after. Waits about a second at most for the peer's answer.
        """
        close = Close(code=code, reason=reason)
        self._session.begin_close(close)
        self._session.end_close(close)
