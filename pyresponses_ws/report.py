"""What happened to a turn, a link or a retry: numbers for the caller, hooks and logs.

No report holds a key, a header, a URL with user-info, an input or an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pyresponses_ws.events import Event
    from pyresponses_ws.items import Response, ResponseUsage

Transport = Literal["websocket", "http"]
#: Why a turn went over its transport. ``configured``: the option ``transport`` says so, or nothing
#: stood against WebSocket. The others name what sent it over HTTP: WebSocket could not be opened
#: (``connect_failed``) or is being left alone for a while (``breaker_open``); the server closed it
#: at this request (``refused``); the request is too large for a frame (``too_large``).
TransportReason = Literal["configured", "connect_failed", "breaker_open", "refused", "too_large"]
InputMode = Literal["full", "delta", "warm"]


@dataclass(kw_only=True)
class TurnReport:
    """One turn: how it travelled and what it cost. Milliseconds count from the call.

    It is filled while the turn runs and final once the turn has ended; the caller's thread is its
    only writer.
    """

    #: What was asked for, and of whom; None where the request names no model.
    model: str | None = None
    host: str = ""
    port: int | None = None
    transport: Transport = "websocket"
    transport_reason: TransportReason = "configured"
    #: Number of the link, counted per client; None before a link was found, and over HTTP.
    link: int | None = None
    #: The turn went over a link, or over HTTP a connection, that was open before it.
    reused_link: bool = False
    #: Seconds that the link had been open when the turn began; None over HTTP.
    link_age: float | None = None
    #: Time to open the link or connection; None where an open one was used.
    connect_ms: float | None = None
    #: Time that the turn waited for a link to be free.
    pool_wait_ms: float = 0.0
    #: Round trip of the link's latest ping; None where none was answered yet, and over HTTP.
    ping_ms: float | None = None
    #: Until ``response.created``.
    accepted_ms: float | None = None
    #: Until the first event of any kind.
    first_event_ms: float | None = None
    #: Until the first event with output.
    first_output_ms: float | None = None
    total_ms: float | None = None
    #: Bytes of JSON handed to the socket, replays included.
    bytes_sent: int = 0
    #: Bytes of JSON that came for this turn.
    bytes_received: int = 0
    #: Bytes that this turn would send with its whole history inlined; None where the history is
    #: not known here.
    full_replay_bytes: int | None = None
    input_mode: InputMode = "full"
    reset_reason: str | None = None
    events: int = 0
    #: Times that the request was handed to a socket.
    attempts: int = 0
    replayed: bool = False
    possible_duplicate_charge: bool = False
    close_code: int | None = None
    response_id: str | None = None
    #: The model that answered, by its own word.
    response_model: str | None = None
    #: The response's status (completed, incomplete, failed, ...), ``error`` after an error event;
    #: None where the turn got no ending.
    status: str | None = None
    #: Class of the exception that ended the turn early.
    error_type: str | None = None
    #: Tokens, as the ending told them. Those of a warm-up stand apart, in ``warm_up_usage``.
    usage: ResponseUsage | None = None
    warm_up_usage: ResponseUsage | None = None

    def note_link(self, link: LinkReport, *, is_reused: bool) -> None:
        """Note the link that an attempt goes over."""
        self.link, self.reused_link = link.link, is_reused
        self.link_age = link.age if is_reused else 0.0
        self.connect_ms = None if is_reused else link.connect_ms

    def note_http(self, reason: TransportReason) -> None:
        """Note that the attempts from now on go over HTTP."""
        self.transport, self.transport_reason = "http", reason
        self.link = self.link_age = self.ping_ms = self.connect_ms = None
        self.reused_link = False

    def note_ending(self, kind: str, response: Response | None) -> None:
        """Note how the turn ended, by its terminal event."""
        self.status = kind
        if response is not None:
            self.response_id, self.response_model = response.id, response.model
            is_warm = self.input_mode == "warm"
            self.usage = None if is_warm else response.usage
            self.warm_up_usage = response.usage if is_warm else None

    def note_events(self, events: Sequence[Event], size: int, *, elapsed_ms: float) -> None:
        """Count a batch of ``size`` bytes that came ``elapsed_ms`` after the call."""
        self.bytes_received += size
        self.events += len(events)
        if self.first_event_ms is None:
            self.first_event_ms = elapsed_ms
        if self.first_output_ms is not None:
            return
        for event in events:
            if event.type == "response.created" and self.accepted_ms is None:
                self.accepted_ms = elapsed_ms
            elif event.type.startswith("response.output_"):
                self.first_output_ms = elapsed_ms
                return

    @property
    def bytes_saved(self) -> int | None:
        """Bytes that incremental input saved; None where the history is not known here.

        Each attempt counts as it would with the whole history.
        """
        if self.full_replay_bytes is None:
            return None
        return self.full_replay_bytes * max(1, self.attempts) - self.bytes_sent

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON, ``bytes_saved`` included."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("usage", "warm_up_usage"):
            plain[name] = plain[name] and plain[name].to_dict()
        return {**plain, "bytes_saved": self.bytes_saved}


@dataclass(frozen=True, kw_only=True)
class LinkReport:
    """One link, at its opening or its end."""

    link: int
    host: str
    connect_ms: float
    #: Seconds since it was opened.
    age: float = 0.0
    close_code: int | None = None
    close_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RetryReport:
    """A second attempt of a turn, about to be made."""

    #: Row of the recovery table that allowed it.
    row: str
    #: Seconds to wait first.
    delay: float
    #: Attempts made so far.
    attempts: int


@dataclass(frozen=True, kw_only=True)
class FallbackReport:
    """A turn leaves WebSocket for HTTP."""

    host: str
    reason: TransportReason
    #: What WebSocket said, in words; empty where it was not asked.
    detail: str
    #: Seconds until WebSocket is probed again, and no turn asks it; None where the next one does.
    cool_down: float | None


@dataclass(frozen=True, kw_only=True)
class RotateReport:
    """A link is replaced ahead of the server's age limit."""

    #: Numbers of the two links; no replacement is one that the next turn opens.
    link: int
    replacement: int | None
    #: Age in seconds of the link that goes.
    age: float


@dataclass(frozen=True, kw_only=True)
class ClientStats:
    """Counts of one client at one moment."""

    #: Links open now, and opened ever.
    links: int
    links_opened: int
    #: Turns running now, and ended ever.
    turns_running: int
    turns: int
    #: Turns that were sent a second time, for whatever reason.
    retries: int
    reconnects: int
    #: Turns that went over HTTP, and those of them that had tried or been meant for WebSocket.
    http_turns: int
    fallbacks: int
    #: Links replaced ahead of the server's age limit.
    rotations: int
    #: Bytes on the wire over all links and HTTP connections, headers included.
    bytes_sent: int
    bytes_received: int


@dataclass(frozen=True, kw_only=True)
class CloseInfo:
    """How the last link of a connection ended."""

    #: Code of the close frame, or 1006 when none came.
    code: int
    reason: str
    #: Another link is, or would be, opened by itself.
    retryable: bool
