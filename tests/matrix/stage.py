"""Sets the stage for a cell: server, proxy and client, and what goes wrong between them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from pyresponses_ws import ResponsesClient, Timeouts
from pyresponses_ws.config import TransportChoice
from pyresponses_ws.connection import Connection, Lane
from pyresponses_ws.errors import ClosedError, ConnectionLostError, ResponsesWSError
from pyresponses_ws.failures import normalize_error, to_error
from pyresponses_ws.testing import (
    BlackHole,
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    FaultProxy,
    HalfClose,
    Refuse,
    Reset,
    Stall,
    Trickle,
)
from pyresponses_ws.testing.faults import ConnectionFault
from tests.matrix.cells import (
    CLOSE_CODES,
    CONNECT_TIMER,
    EVENT_TIMER,
    OPENING,
    PING_INTERVAL,
    PING_TIMER,
    RUNNING,
    STALLS,
    Cell,
    expected,
)
from tests.matrix.resolver import NAME, Resolver
from tests.matrix.service import ARGUMENTS, CHUNK_HEADER, FRAME_HEADER, Plan, Service
from tests.support.deadlines import Stopwatch
from tests.support.responses_peer import KEY, PATIENCE, wait_for
from tests.support.tls import TestAuthority

LANES = ("a", "b")


@dataclass
class Result:
    """What happened to the turn that met the fault, and afterwards."""

    error: Exception | None = None
    neighbour: Exception | None = None
    attempts: int = 0
    replayed: bool = False
    requests: int = 0
    partial: str = ""
    #: What the answer came over.
    transport: str | None = None
    #: Seconds from the call to its end, without those in which the machine gave us nothing.
    seconds: float = 0.0
    #: Answers that came, each beside the one that was due.
    answers: list[tuple[str, str]] = field(default_factory=list)


@functools.cache
def authority() -> TestAuthority:
    """One for all cells: keys take time to make."""
    return TestAuthority()


def play(cell: Cell) -> Result:
    """Run the cell; a promise that is broken on the way raises."""
    with ExitStack() as stack:
        return Stage(cell, stack).play()


class Stage:
    """One cell, from the opening of its server to the closing of its client."""

    def __init__(self, cell: Cell, stack: ExitStack) -> None:
        self.cell = cell
        is_tls = cell.phase == "tls"
        plan = Plan(cell.phase, cell.fault, self._on_request) if cell.phase in RUNNING else None
        lanes = len(LANES) if cell.mode == "two_lanes" else 1
        tls = authority().server_context() if is_tls else None
        self.service = stack.enter_context(Service(plan, lanes=lanes, tls=tls))
        self.proxy = stack.enter_context(FaultProxy(self.service.base_url))
        self.result = Result()
        self._resolver = Resolver(self.proxy.port)
        if cell.phase == "resolve":
            stack.enter_context(self._resolver.installed())
        self._timeouts = _timeouts(cell)
        self.client = stack.enter_context(self._make_client())
        self.connection: Connection | None = None
        stack.callback(self._resolver.release.set)

    def _make_client(self) -> ResponsesClient:
        cell = self.cell
        by_name = self.proxy.base_url.replace("127.0.0.1", NAME)
        return ResponsesClient(
            api_key=KEY,
            base_url=by_name if cell.phase == "resolve" else self.proxy.base_url,
            transport=_transport(cell),
            timeouts=self._timeouts,
            retry_delays=(0.01,) * 5,
            ssl_context=authority().client_context() if cell.phase == "tls" else None,
            allow_insecure=cell.phase == "resolve",
            proxy=None,
        )

    # --- the play -----------------------------------------------------------------------------

    def play(self) -> Result:
        """Let the fault meet a turn, then see that the client is as good as new."""
        if self.cell.phase in ("between_turns", "closing"):
            self._run_turn(Result())
            self._inject()
        else:
            self._prepare()
        if self.cell.phase != "closing":
            before = len(self.service.requests)
            with Stopwatch() as watch:
                self._run_turn(self.result)
            self.result.seconds = watch.seconds
            self.result.requests = self._count_requests(before)
            self._heal()
            self._run_next()
        self.client.close(timeout=PATIENCE)
        return self.result

    def _count_requests(self, before: int) -> int:
        """Requests of one turn that came; the server may take note after the client's error."""
        due = expected(self.cell).requests or 0
        with suppress(AssertionError):  # the test tells how many came
            wait_for(lambda: self._requests_since(before) >= due)
        return self._requests_since(before)

    def _requests_since(self, before: int) -> int:
        return (len(self.service.requests) - before) // len(self._inputs())

    def _prepare(self) -> None:
        """Have the first connection meet the fault of a phase up to the end of a turn."""
        cell = self.cell
        if cell.phase == "resolve":
            self._resolver.fault = cell.fault
        elif cell.fault == "refuse":
            self.proxy.always(Refuse())
        elif cell.fault == "black_hole":
            self.proxy.always(BlackHole())
        elif (fault := _fault_of(cell, self._moment())) is not None:
            self.proxy.next(fault)

    def _moment(self) -> dict[str, Any]:
        """When the phase begins, as the proxy sees it."""
        cell = self.cell
        is_up = cell.fault == "stall_up"
        if cell.phase == "connect":
            return {}
        if cell.phase in ("tls", "upgrade"):
            # In the middle of a hello of TLS; behind the version in a head of HTTP.
            size = 20 if cell.phase == "tls" else 9
            return {"after_bytes": size, "watch": "up" if is_up else "down"}
        if cell.phase == "sent" and cell.is_http:
            return {"after_text": "HTTP/1.1 200", "watch": "down"}
        if cell.phase == "sent":
            return {"after_text": self._inputs()[-1], "watch": "up"}
        lane = LANES[-1] if cell.mode == "two_lanes" else ""
        return {"after_text": f'"{cell.phase}/{lane}"', "watch": "down"}

    def _on_request(self) -> None:
        """The request has come: a server that crashes is gone from now on."""
        if self.cell.fault == "crash":
            self.proxy.always(Refuse())
            if self.cell.phase == "sent":
                self.proxy.inject(Reset())

    def _inject(self) -> None:
        """Have the fault strike the idle connection, and let the client take note of a loss."""
        cell = self.cell
        if cell.fault == "crash":
            self.proxy.always(Refuse())
        if cell.fault in CLOSE_CODES:
            self.service.close_link(1, CLOSE_CODES[cell.fault])
        elif (fault := _fault_of(cell, {})) is not None:
            self.proxy.inject(fault)
        is_lost = cell.fault not in ("delay", "trickle", "duplicate", "corrupt")
        if is_lost and not cell.is_http and cell.phase == "between_turns":
            wait_for(lambda: not self.client.stats().links, "the end of the old link")
            self._hear_loss()

    def _hear_loss(self) -> None:
        """Whoever holds a connection is told of each loss, on every lane, once."""
        if self.connection is None:
            return
        for name in LANES:
            with pytest.raises(ConnectionLostError):
                self.connection.lane(name).receive(timeout=PATIENCE)

    def _heal(self) -> None:
        """End the fault, and with it the small timers.

        They are as short as a busy machine may stand still, and would end what is well.
        """
        self._resolver.fault = None
        self.proxy.heal()
        for each in fields(Timeouts):
            # The client reads them from here each time.
            object.__setattr__(self._timeouts, each.name, getattr(_PATIENT, each.name))

    # --- turns --------------------------------------------------------------------------------

    def _inputs(self) -> list[str]:
        word = "call" if self.cell.phase == "mid_call_arguments" else "turn"
        count = 2 if self.cell.mode == "two_lanes" else 1
        return [f"{word}-{number}" for number in range(count)]

    def _run_turn(self, result: Result) -> None:
        if self.cell.mode == "two_lanes":
            self._run_lanes(result)
            return
        (text,) = self._inputs()
        try:
            response = self._ask(text)
        except ResponsesWSError as exc:
            result.error = exc
            _note(result, exc)
            return
        report = response.report
        result.attempts, result.replayed = report.attempts, report.replayed
        result.transport = report.transport
        result.answers.append((_said(response), _due(text)))

    def _ask(self, text: str) -> Any:
        turn: dict[str, Any] = {"model": "m", "input": text}
        if self.cell.mode in ("create", "auto", "http"):
            return self.client.create(**turn)
        with self.client.stream(**turn) as stream:
            return stream.get_final_response()

    def _run_next(self) -> None:
        """A turn that meets no fault gets its own answer, whatever was before."""
        response = self._ask("next")
        self.result.answers.append((_said(response), _due("next")))

    def _run_lanes(self, result: Result) -> None:
        """Two turns on one connection, read to their ends."""
        try:
            connection = self._connect()
        except ResponsesWSError as exc:
            result.error = result.neighbour = exc
            return
        lanes = [connection.lane(name) for name in LANES]
        try:
            for lane, text in zip(lanes, self._inputs(), strict=True):
                lane.send({"type": "response.create", "model": "m", "input": text})
        except ClosedError as exc:
            result.error = result.neighbour = exc
            return
        result.attempts = 1
        endings = [
            _read_lane(lane, text, result) for lane, text in zip(lanes, self._inputs(), strict=True)
        ]
        result.neighbour, result.error = endings

    def _connect(self) -> Connection:
        """The connection, open again if it was lost."""
        if self.connection is None:
            self.connection = self.client.connect()
        connection = self.connection
        if expected(self.cell).error is not ClosedError:
            wait_for(lambda: connection.is_connected, "the next link")
        return connection


def _read_lane(lane: Lane, text: str, result: Result) -> Exception | None:
    """Read up to the end of a lane's turn."""
    said = ""
    while True:
        try:
            event = lane.receive(timeout=PATIENCE)
        except ResponsesWSError as exc:
            return exc
        assert event is not None, "the connection is closed"
        said += getattr(event, "delta", None) or ""
        if event.type == "error":
            return to_error(normalize_error(event))
        if event.type == "response.completed":
            said = _said(event.response)
            result.answers.append((said, _due(text)))
            return None


def _note(result: Result, exc: Any) -> None:
    result.attempts = exc.attempts
    result.replayed = bool(exc.report and exc.report.replayed)
    result.partial = exc.partial.text if exc.partial else ""


def _said(response: Any) -> str:
    (item,) = response.output
    return str(item.arguments if item.type == "function_call" else response.output_text)


def _due(text: str) -> str:
    return ARGUMENTS if "call" in text else f"one two {text}"


# --- faults ---------------------------------------------------------------------------------------


def _fault_of(cell: Cell, moment: dict[str, Any]) -> ConnectionFault | None:
    """What the proxy does; None where the server does it."""
    return _MAKERS[cell.fault](cell, moment) if cell.fault in _MAKERS else None


def _spoil(cell: Cell, moment: dict[str, Any]) -> ConnectionFault:
    """Invert the first byte of the next event's JSON, or of what comes next."""
    skip = 0
    if cell.phase not in OPENING:
        skip = CHUNK_HEADER if cell.is_http else FRAME_HEADER
    if cell.is_http and cell.phase == "sent":
        skip -= 2
    if cell.is_http and cell.phase == "between_turns":
        moment, skip = {"after_text": "HTTP/1.1 200"}, CHUNK_HEADER - 2
    return Corrupt(way="down", skip=skip, **moment)


def _repeat(cell: Cell, moment: dict[str, Any]) -> ConnectionFault:
    length = 9 if cell.phase in OPENING else None
    return Duplicate(way="down", length=length, **moment)


def _silence(cell: Cell, moment: dict[str, Any]) -> ConnectionFault:
    return Stall()


def _crash(cell: Cell, moment: dict[str, Any]) -> ConnectionFault | None:
    """At ``sent`` the server itself asks for it, so that nobody is quicker than the refusal."""
    return None if cell.phase == "sent" else Reset(**moment)


_MAKERS: dict[str, Callable[[Cell, dict[str, Any]], ConnectionFault | None]] = {
    "silence": _silence,
    "cut": lambda cell, moment: Cut(**moment),
    "reset": lambda cell, moment: Reset(**moment),
    "half_close": lambda cell, moment: HalfClose(way="down", **moment),
    "crash": _crash,
    "stall": lambda cell, moment: Stall(way="both", **moment),
    "stall_up": lambda cell, moment: Stall(way="up", **moment),
    "stall_down": lambda cell, moment: Stall(way="down", **moment),
    "delay": lambda cell, moment: Delay(seconds=0.005, **moment),
    "trickle": lambda cell, moment: Trickle(size=200, pause=0.0005, **moment),
    "duplicate": _repeat,
    "corrupt": _spoil,
}


_PATIENT = Timeouts(connect=PATIENCE, create_total=PATIENCE, total=PATIENCE)


def _timeouts(cell: Cell) -> Timeouts:
    """Small where the cell waits for one of them, and out of the way elsewhere."""
    if cell.fault not in (*STALLS, "silence", "black_hole"):
        return replace(_PATIENT)
    if cell.phase in OPENING and (cell.fault != "silence" or not cell.is_http):
        return replace(_PATIENT, connect=CONNECT_TIMER)
    if cell.is_http:
        return replace(_PATIENT, first_event=EVENT_TIMER, silence=EVENT_TIMER)
    return replace(_PATIENT, ping_interval=PING_INTERVAL, ping_timeout=PING_TIMER)


def _transport(cell: Cell) -> TransportChoice:
    if cell.is_http:
        return "http"
    return "auto" if cell.mode == "auto" else "websocket"
