"""What can go wrong, when, and how a turn is run; and what must come of it. Pure.

A cell is (fault, phase, mode). One that cannot be has its reason in ``reason_impossible``; of every
other one ``expected`` says the outcome, derived from the recovery table.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from pyresponses_ws._protocol.link import is_retryable_close
from pyresponses_ws._protocol.recovery import Action, Budget, Decision, Situation, decide
from pyresponses_ws._protocol.turn import TurnState
from pyresponses_ws.errors import (
    ClosedError,
    ConnectError,
    ConnectionLostError,
    DeliveryUnknownError,
    ProtocolError,
    TurnTimeoutError,
)
from pyresponses_ws.failures import ErrorDetails, normalize_error, to_error
from tests.support.answers import error as error_frame

#: ``half_close`` and ``corrupt`` are about what the server says; ``stall`` is both ways;
#: ``silence`` accepts and never says a byte; ``crash`` is a reset after which nobody listens. The
#: last five are the server's own doing: a close frame, or an error in place of what would be next.
Fault = Literal[
    "refuse",
    "black_hole",
    "silence",
    "cut",
    "reset",
    "half_close",
    "crash",
    "stall",
    "stall_up",
    "stall_down",
    "delay",
    "trickle",
    "duplicate",
    "corrupt",
    "close_1011",
    "close_1008",
    "close_1009",
    "overloaded",
    "too_old",
]
#: ``connect`` is TCP, up to the first byte; ``sent`` is when the request has passed (over HTTP: and
#: the head of the answer, in which there is no event yet). ``first_output`` is when an item was
#: added. ``between_turns`` is when an answer is complete and the connection idle; the outcome is
#: that of the next turn. ``closing`` is when the client is closed.
Phase = Literal[
    "resolve",
    "connect",
    "tls",
    "upgrade",
    "sent",
    "accepted",
    "first_output",
    "mid_text",
    "mid_call_arguments",
    "between_turns",
    "closing",
]
#: ``create`` and ``stream`` have WebSocket alone, ``auto`` is a create that may go over HTTP;
#: ``two_lanes`` is two turns side by side on one ``client.connect()``.
Mode = Literal["create", "stream", "auto", "two_lanes", "http", "http_stream"]

FAULTS: tuple[Fault, ...] = get_args(Fault)
PHASES: tuple[Phase, ...] = get_args(Phase)
MODES: tuple[Mode, ...] = get_args(Mode)

#: Phases in which no turn can have left yet.
OPENING: tuple[Phase, ...] = ("resolve", "connect", "tls", "upgrade")
#: Phases in which a turn is under way.
RUNNING: tuple[Phase, ...] = PHASES[PHASES.index("sent") : PHASES.index("between_turns")]
STALLS: tuple[Fault, ...] = ("stall", "stall_up", "stall_down")
#: Faults that are about getting a connection at all.
PORT: tuple[Fault, ...] = ("refuse", "black_hole", "silence")
CLOSE_CODES = {"close_1011": 1011, "close_1008": 1008, "close_1009": 1009}
#: Seconds of the timers of the cells that wait for one.
CONNECT_TIMER, EVENT_TIMER, PING_INTERVAL, PING_TIMER = 0.25, 0.3, 0.05, 0.25
#: Seconds that a call may take beyond its timer.
GRACE = 0.5
#: What the server says in the place of an answer.
ERRORS = {
    "overloaded": error_frame("server_is_overloaded", 503),
    "too_old": error_frame("websocket_connection_limit_reached", 400),
}
#: For the pauses between attempts, which no outcome depends on.
RNG = random.Random(1)
#: How far the text of the answer had come: its second piece is the last that passed.
HALF_TEXT = "one two"


class Cell(NamedTuple):
    """One experiment."""

    fault: Fault
    phase: Phase
    mode: Mode

    def __str__(self) -> str:
        return "-".join(self)

    @property
    def is_http(self) -> bool:
        return self.mode in ("http", "http_stream")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the turn that met the fault ends. None in a number means that it is not determined."""

    #: What is raised; None for an answer.
    error: type[Exception] | None = None
    #: What may be raised instead, where two threads race and both endings keep every promise.
    or_error: type[Exception] | None = None
    #: What the neighbour on the other lane gets.
    neighbour: type[Exception] | None = None
    attempts: int | None = 1
    replayed: bool | None = False
    #: Requests of this turn that reached the server.
    requests: int | None = 1
    #: Text of the error's partial answer.
    partial: str = ""
    #: What the answer came over; None on lanes, where each event tells nothing of it.
    transport: str | None = None


#: A fault that is not noticed.
WELL = Outcome()


# --- which cells there are ------------------------------------------------------------------------


def all_cells() -> Iterator[Cell]:
    """Every combination, possible or not."""
    return (Cell(f, p, m) for f in FAULTS for p in PHASES for m in MODES)


def possible_cells() -> list[Cell]:
    """What is run."""
    return [cell for cell in all_cells() if reason_impossible(cell) is None]


def reason_impossible(cell: Cell) -> str | None:
    """Why there is no such cell; None if there is one."""
    reasons = (_of_mode(cell), _of_opening(cell), _of_port(cell), _of_server(cell), _of_rest(cell))
    return next((reason for reason in reasons if reason is not None), None)


def _of_mode(cell: Cell) -> str | None:
    if cell.is_http and cell.phase == "upgrade":
        return "HTTP has no upgrade"
    if cell.is_http and cell.fault in (*CLOSE_CODES, "too_old"):
        return "it is said in WebSocket's words only"
    if cell.is_http and cell.fault == "duplicate" and cell.phase not in ("tls", "closing"):
        return "HTTP counts the bytes of a chunk, so what comes twice is a broken chunk: corrupt"
    return None


def _of_opening(cell: Cell) -> str | None:
    fault, phase = cell.fault, cell.phase
    if phase == "resolve" and fault not in ("refuse", "black_hole", "delay"):
        return "there is no connection that it could happen to"
    if phase == "connect" and fault in STALLS:
        return "before the first byte it is silence"
    if phase == "connect" and fault in ("delay", "trickle", "duplicate", "corrupt"):
        return "there is no byte yet, and the kernel shakes hands at once"
    if phase in OPENING and fault == "crash":
        return "nothing was sent that would need another connection: reset"
    return None


def _of_port(cell: Cell) -> str | None:
    if cell.fault in PORT and cell.phase not in ("resolve", "connect"):
        return "whoever has a connection does not ask the port for one"
    return None


def _of_server(cell: Cell) -> str | None:
    is_said = cell.fault in CLOSE_CODES or cell.fault in ERRORS
    if is_said and cell.phase in OPENING:
        return "there is no WebSocket, and no request, that the server could answer so"
    if cell.fault in ERRORS and cell.phase in ("between_turns", "closing"):
        return "an error answers a turn, and none runs"
    if is_said and cell.phase == "closing":
        return "the server's close frame is what closing waits for"
    return None


def _of_rest(cell: Cell) -> str | None:
    if cell.fault == "duplicate" and cell.phase == "sent":
        return "nothing of the answer has come that could come twice"
    return None


# --- what must come of them -----------------------------------------------------------------------


def expected(cell: Cell) -> Outcome:
    """The outcome that the recovery table and the promises of the timers demand."""
    outcome = _expected(cell)
    if outcome.error is not None or outcome.transport is not None or cell.mode == "two_lanes":
        return outcome
    return replace(outcome, transport="http" if cell.is_http else "websocket")


def _expected(cell: Cell) -> Outcome:
    if cell.phase in OPENING:
        return _expected_opening(cell)
    if cell.phase == "closing":
        return WELL
    if cell.phase == "between_turns":
        return _expected_between(cell)
    return _expected_running(cell)


def _expected_opening(cell: Cell) -> Outcome:
    """Nothing was sent: the connect timer, or what the network says."""
    if cell.fault in ("delay", "trickle"):
        return WELL
    failed = _unconnected(cell)
    if cell.mode == "auto" and cell.fault not in ("refuse", "black_hole"):
        # After one attempt; it was not sent before, so nothing is sent again.
        return Outcome(transport="http")
    if cell.phase != "connect" or not cell.is_http:
        return failed
    if cell.fault == "silence":
        # The request is out, into nothing; a timer that ran out is not replayed.
        return Outcome(error=DeliveryUnknownError, requests=0)
    if cell.fault in ("cut", "reset", "half_close"):
        # Found while connecting, before the first byte, or behind the last.
        return Outcome(or_error=ConnectError, attempts=None, replayed=None, requests=None)
    return failed


def _unconnected(cell: Cell) -> Outcome:
    neighbour = ConnectError if cell.mode == "two_lanes" else None
    return Outcome(error=ConnectError, neighbour=neighbour, attempts=0, requests=0)


def _expected_between(cell: Cell) -> Outcome:
    """The next turn of the same client."""
    is_final = cell.fault == "crash" or not is_retryable_close(CLOSE_CODES.get(cell.fault))
    if cell.mode == "two_lanes" and is_final:
        # A connection that has no link, for now or for good, takes nothing.
        return Outcome(error=ClosedError, neighbour=ClosedError, attempts=0, requests=0)
    if cell.fault == "crash":
        return _unconnected(cell)
    if cell.fault == "corrupt":
        return _broken(cell)
    if cell.is_http and cell.fault in STALLS:
        # Nobody listens to an idle HTTP connection, so the turn meets it.
        is_out = cell.fault == "stall_down"
        return Outcome(error=DeliveryUnknownError, requests=int(is_out))
    return WELL


def _expected_running(cell: Cell) -> Outcome:
    if cell.fault in ("stall_up", "delay", "trickle", "duplicate"):
        return WELL
    if cell.fault == "corrupt":
        return _broken(cell)
    if cell.is_http and cell.fault in STALLS and cell.phase != "sent":
        # There are no pings over HTTP: how long a model may be silent is the caller's to say.
        return Outcome(error=TurnTimeoutError, partial=_partial(cell))
    return _from_table(cell)


def _broken(cell: Cell) -> Outcome:
    """Nonsense from the server. On lanes it is told as the loss that it leads to."""
    if cell.mode == "two_lanes":
        return _lost_lanes()
    return Outcome(error=ProtocolError, partial=_partial(cell))


def _lost_lanes() -> Outcome:
    """Whoever holds a connection is told of each loss, on every lane, and decides."""
    return Outcome(error=ConnectionLostError, neighbour=ConnectionLostError)


def _from_table(cell: Cell) -> Outcome:
    """What the recovery table says of a loss or an error frame."""
    details = _details(cell)
    if cell.mode == "two_lanes":
        return _lost_lanes() if details is None else Outcome(error=type(to_error(details)))
    decision = decide(_situation(cell, details), Budget(), rng=RNG)
    if decision.action is not Action.RAISE and cell.fault == "crash":
        # Nobody listens any more, so it cannot be sent again.
        return Outcome(error=DeliveryUnknownError, partial=_partial(cell))
    if decision.action is Action.HTTP:
        return Outcome(attempts=2, requests=2, transport="http")
    if decision.action is not Action.RAISE:
        is_replay = decision.action is Action.REPLAY
        return Outcome(attempts=2, replayed=is_replay, requests=2)
    return Outcome(error=_error_of(decision, details), partial=_partial(cell))


def _details(cell: Cell) -> ErrorDetails | None:
    return normalize_error(ERRORS[cell.fault]) if cell.fault in ERRORS else None


def _situation(cell: Cell, details: ErrorDetails | None) -> Situation:
    is_first_event = cell.is_http and cell.fault in STALLS
    return Situation(
        kind="disconnect" if details is None else "error",
        state=_state(cell),
        effect_free=True,
        details=details,
        close_code=CLOSE_CODES.get(cell.fault, 1006),
        provoked=True,
        http_available=cell.mode == "auto",
        # A timer that ran out has used the time of a replay.
        seconds_since_sent=math.inf if is_first_event else 0.0,
    )


def _state(cell: Cell) -> TurnState:
    """How far the turn is, as far as its caller was shown it."""
    if cell.phase == "sent":
        return TurnState.SENT
    is_shown = cell.mode in ("stream", "http_stream") and cell.phase != "accepted"
    return TurnState.OBSERVED if is_shown else TurnState.ACCEPTED


def _error_of(decision: Decision, details: ErrorDetails | None) -> type[Exception]:
    if details is not None:
        return type(to_error(details))
    return decision.error or ConnectionLostError


def longest(cell: Cell) -> float | None:
    """Seconds after which the turn that meets the fault must have ended; None for no timer."""
    if cell.phase == "closing" or cell.fault not in (*STALLS, "silence", "black_hole"):
        return None
    if cell.is_http and cell.phase not in ("resolve", "tls") and cell.fault != "black_hole":
        return EVENT_TIMER + GRACE
    if cell.phase in OPENING:
        # HTTP may have to find out by itself.
        return CONNECT_TIMER * (2 if cell.mode == "auto" else 1) + GRACE
    return PING_INTERVAL + PING_TIMER + GRACE


def _partial(cell: Cell) -> str:
    return HALF_TEXT if cell.phase == "mid_text" else ""
