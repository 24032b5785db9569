"""Who uses the client in a run: patient, hasty and careless callers, each on its own thread."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyresponses_ws import errors
from pyresponses_ws.client import ResponsesClient
from pyresponses_ws.connection import Connection
from pyresponses_ws.stream import ResponseStream
from tests.simulation.answers import ACTING, HARMLESS, piece, text_of

if TYPE_CHECKING:
    from tests.simulation.runtime import Run

#: Seconds by which a timer may be late.
GRACE = 0.5
#: Seconds in which a connection has a new link or gives up: its pauses, and a connect after each.
RECONNECT_TIME = 31.0 + 6 * 10.0 + 1.0
TOTALS = (None, None, 2.0, 45.0, 600.0)


class Careless(Exception):
    """Raised by a caller in the middle of its own loop."""


@dataclass
class Story:
    """One turn: what was asked, and what came of it."""

    mark: str
    has_effects: bool
    total: float | None
    started: float
    #: The package carries it to its end; otherwise the caller does, on a bare connection.
    is_delivered: bool = True
    #: It runs on a connection, which does not send again what was lost.
    is_on_lane: bool = False
    #: The caller reads without pauses, so that the timers must hold.
    is_prompt: bool = True
    #: Somebody cancelled it, closed its stream or the client, or interrupted its thread.
    is_disturbed: bool = False
    #: When ``cancel`` or ``close`` was called while the turn was read.
    cancelled_at: float | None = None
    #: When its link was gone.
    lost_at: float | None = None
    #: Pieces of text that were shown.
    shown: int = 0
    outcome: str | None = None
    #: Times that the hook was told of its end.
    endings: int = 0
    ended: float = 0.0
    attempts: int = 0
    is_replayed: bool = False

    def see(self, event: Any) -> None:
        """Check one event that was shown: it is ours, it is the next one, it is no repetition."""
        if event.type == "response.output_text.delta":
            expected = piece(self.mark, self.shown)
            assert event.delta == expected, f"{self.mark} saw {event.delta}, not {expected}"
            self.shown += 1


def disturb(run: Run, story: Story, act: Callable[[], object]) -> None:
    """Have another thread do this soon."""
    delay = run.rng.choice((0.0, 0.0, 0.001, 0.5, 10.0))

    def wait_and_act() -> None:
        run.scheduler.sleep(delay, "about to disturb")
        story.is_disturbed = True
        act()

    run.scheduler.spawn("disturber", wait_and_act)


def interrupt(run: Run, story: Story) -> None:
    """Have Ctrl-C come to the thread that calls this, if the turn still runs then."""
    me = run.scheduler.current

    def press() -> None:
        if story.outcome is None:
            me.interrupt = KeyboardInterrupt()

    disturb(run, story, press)


class Caller:
    """Runs one turn after another, each in a way of its own."""

    def __init__(self, run: Run, client: ResponsesClient, turns: int) -> None:
        self.run = run
        self.client = client
        self.turns = turns
        self.rng = run.rng
        self.scheduler = run.scheduler

    def live(self) -> None:
        while self.turns:
            self.turns -= 1
            self._take_turn()
            if self.run.is_closing:
                return
            if self.rng.random() < 0.2:
                self.scheduler.sleep(self.rng.choice((0.01, 1.0, 70.0, 400.0, 3200.0)), "idle")

    def _take_turn(self) -> None:
        ways = list(_WAYS)
        way = self.rng.choices(ways, [_WAYS[each] for each in ways])[0]
        story = self.run.begin(self.rng.random() < 0.3, self.rng.choice(TOTALS))
        try:
            self._try(way, story)
        except errors.ResponsesWSError as exc:
            self.run.note_error(story, exc)
        except Careless:
            story.outcome = "careless"
        except KeyboardInterrupt:
            assert story.is_disturbed, "interrupted by nobody"
            story.outcome = "interrupted"
        self.scheduler.current.interrupt = None
        self.run.end(story)

    def _try(self, way: Callable[[Caller, Story], str], story: Story) -> None:
        outcome = way(self, story)
        assert story.outcome is None, f"{story.mark} ended twice"
        story.outcome = outcome

    def _options(self, story: Story) -> dict[str, Any]:
        tools = [ACTING if story.has_effects else HARMLESS]
        chain = {"previous_response_id": "resp_before"} if self.rng.random() < 0.1 else {}
        extra = {"client_metadata": {"a": "b"}} if self.rng.random() < 0.1 else {}
        turn = {"model": "m", "input": story.mark, "tools": tools, **chain, **extra}
        return {**turn, "timeout": story.total}

    def _stream(self, story: Story) -> ResponseStream:
        return self.client.stream(**self._options(story))

    # --- ways to take a turn --------------------------------------------------------------------

    def create(self, story: Story) -> str:
        response = self.client.create(**self._options(story))
        self.run.check_response(story, response)
        return "answered"

    def read(self, story: Story) -> str:
        with self._stream(story) as stream:
            for event in stream:
                story.see(event)
            self.run.check_response(story, stream.get_final_response())
        return "answered"

    def read_slowly(self, story: Story) -> str:
        story.is_prompt = False
        with self._stream(story) as stream:
            for event in stream:
                story.see(event)
                self.scheduler.sleep(self.rng.choice((0.0, 0.01, 2.0, 30.0)), "reading slowly")
        return "answered"

    def read_some(self, story: Story) -> str:
        """Leave after a few events."""
        with self._stream(story) as stream:
            for _, event in zip(range(self.rng.randrange(5)), stream, strict=False):
                story.see(event)
        return "left"

    def drop(self, story: Story) -> str:
        """Let the stream go without a word."""
        stream = self._stream(story)
        for _, event in zip(range(self.rng.randrange(4)), stream, strict=False):
            story.see(event)
        del stream
        if self.rng.random() < 0.5:
            gc.collect()
        return "dropped"

    def stumble(self, story: Story) -> str:
        with self._stream(story) as stream:
            for event in stream:
                story.see(event)
                if self.rng.random() < 0.3:
                    raise Careless
        return "answered"

    def be_cancelled(self, story: Story) -> str:
        """Read while another thread cancels the stream, or closes it."""
        with self._stream(story) as stream:
            end = stream.cancel if self.rng.random() < 0.7 else stream.close

            def cancel() -> None:
                story.cancelled_at = self.scheduler.now()
                end()

            disturb(self.run, story, cancel)
            for event in stream:
                story.see(event)
        return "answered"

    def be_interrupted(self, story: Story) -> str:
        """Take the turn while Ctrl-C comes."""
        interrupt(self.run, story)
        return self.create(story) if self.rng.random() < 0.5 else self.read(story)


_WAYS: dict[Callable[[Caller, Story], str], float] = {
    Caller.create: 30,
    Caller.read: 20,
    Caller.read_slowly: 8,
    Caller.read_some: 10,
    Caller.drop: 8,
    Caller.stumble: 6,
    Caller.be_cancelled: 10,
    Caller.be_interrupted: 8,
}


class Host:
    """Opens a connection and has two users on its lanes."""

    def __init__(self, run: Run, client: ResponsesClient, turns: int) -> None:
        self.run = run
        self.client = client
        self.turns = turns

    def live(self) -> None:
        run, scheduler = self.run, self.run.scheduler
        connection = self._connect()
        if connection is None:
            return
        lanes = run.rng.choice((("a", "b"), ("a", "b", "c"), ("a",)))
        users = [LaneUser(run, connection, name, self.turns // len(lanes)) for name in lanes]
        tasks = [scheduler.spawn("lane user", user.live) for user in users]
        scheduler.wait(lambda: not set(tasks) & set(scheduler.tasks()), None, "the lanes")
        if run.rng.random() < 0.7:
            connection.close()

    def _connect(self) -> Connection | None:
        """Open it, at the second try if the first one fails."""
        with contextlib.suppress(errors.ResponsesWSError):
            return self.client.connect()
        self.run.scheduler.sleep(100.0, "between two connects")
        with contextlib.suppress(errors.ResponsesWSError):
            return self.client.connect()
        return None


class LaneUser:
    """Talks on one lane of a connection, beside another."""

    def __init__(self, run: Run, connection: Connection, name: str, turns: int) -> None:
        self.run = run
        self.rng = run.rng
        self.scheduler = run.scheduler
        self.turns = turns
        self.connection = connection
        self.lane = connection.lane(name)
        #: How its last link ended, while it waits for another, and since when.
        self._lost: tuple[Any, float] = (None, 0.0)
        #: This one leaves the reading to the package.
        self.warms_up = run.rng.random() < 0.5

    def live(self) -> None:
        while self.turns:
            self.turns -= 1
            story = self.run.begin(self.rng.random() < 0.3, None)
            story.is_on_lane, story.is_delivered = True, self.warms_up
            try:
                story.outcome = self._warm_up(story) if self.warms_up else self._talk(story)
            except errors.ResponsesWSError as exc:
                self.run.note_error(story, exc)
            except KeyboardInterrupt:
                story.outcome = "interrupted"
            self.scheduler.current.interrupt = None
            self.run.end(story)
            self._check_reconnect()
            if self.connection.state == "closed":
                return
            if story.outcome != "answered":
                self.scheduler.sleep(self.rng.choice((0.0, 1.0, 10.0)), "between two tries")
            elif self.rng.random() < 0.05:
                self.scheduler.sleep(1700.0, "a long idle time")

    def _command(self, story: Story) -> dict[str, Any]:
        tools = [ACTING if story.has_effects else HARMLESS]
        return {"model": "m", "input": story.mark, "tools": tools}

    def _check_reconnect(self) -> None:
        """A connection that lost its link has another soon, or gives up."""
        now, close = self.scheduler.now(), self.connection.last_close
        if self.connection.state != "reconnecting":
            self._lost = (None, now)
        elif close is not self._lost[0]:
            self._lost = (close, now)
        assert now - self._lost[1] <= RECONNECT_TIME, "nobody reconnects"

    def _warm_up(self, story: Story) -> str:
        if self.rng.random() < 0.1:
            interrupt(self.run, story)
        response = self.lane.warm_up(**self._command(story))
        self.run.check_response(story, response)
        return "answered"

    def _talk(self, story: Story) -> str:
        self.lane.send({"type": "response.create", **self._command(story)})
        story.is_prompt = False
        return self._listen(story, self.lane)

    def _listen(self, story: Story, events: Iterable[Any]) -> str:
        """Read to the end of this turn; what is left of others comes before its ``created``."""
        is_ours = False
        for event in events:
            response_id = str(getattr(getattr(event, "response", None), "id", ""))
            if f"_{story.mark}_" in response_id:
                is_ours = True
                if event.type.endswith(("completed", "incomplete", "failed", "cancelled", "done")):
                    return "answered"
            elif event.type == "error":
                return "refused"
            if is_ours:
                story.see(event)
        return "closed"


def is_prefix(partial: str, story: Story) -> bool:
    """Tell whether a partial text is the start of this turn's own."""
    return text_of(story.mark, 4).startswith(partial)
