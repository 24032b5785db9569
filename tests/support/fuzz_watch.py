"""The books of one connection of the server, kept from outside: who asked, who was answered."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from typing import NoReturn

from pyresponses_ws.server.core.calls import owed_input
from pyresponses_ws.server.core.lanes import Lane, LaneLimits
from pyresponses_ws.server.core.session import Action, Close, Run, Send
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import encode
from tests.server.drivers import Frame

_TERMINALS = ("response.completed", "response.incomplete", "response.failed")

#: Steers that may wait on one response.
_MAX_STEERS = 16


class Watch:
    """Takes what a session wants done; raises AssertionError where that is wrong."""

    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        #: Creates that wait for their answer, oldest first, by their marks.
        self.open: dict[Lane, deque[str | None]] = defaultdict(deque)
        #: Turns whose engines run.
        self.running: dict[Lane, Turn] = {}
        #: Lanes on which something ran, the default one apart.
        self.names: set[str] = set()
        #: Ids of responses, oldest first.
        self.known: list[str] = []
        #: Finished responses that made calls: lane, id, and the outputs that are owed.
        self.owing: list[tuple[Lane, str, list[Frame]]] = []
        #: The text of the steer that is about to be sent; None if it has none.
        self.next_steer: str | None = None
        #: What came, by type.
        self.seen: Counter[str] = Counter()
        self.is_closed = False
        #: Whether the server was told to refuse creates, and the connection that it is old.
        self.is_refusing = False
        self.is_old = False
        # Accepted steers that are in nothing yet, by id: their texts and targets.
        self._steers: dict[str, tuple[str | None, str]] = {}
        # Ids of steers that were told to wait for a create, and texts of those in a response.
        self._pending: set[str] = set()
        self._spent: set[str] = set()
        # The next sequence number of each response, and the response that each lane is telling.
        self._numbers: Counter[str] = Counter()
        self._current: dict[Lane, str] = {}

    def expect(self, create: Frame) -> None:
        """Note a create that was sent, sound or not."""
        metadata = create.get("metadata")
        mark = metadata.get("mark") if isinstance(metadata, dict) else None
        if not self.is_closed:
            self.open[create.get("stream_id")].append(mark)

    def take_reply(self, action: Action) -> None:
        """Take what answers a frame that was no create."""
        assert isinstance(action, Send)
        if action.frame["type"] == "error":
            assert (action.frame["status"], action.times) == (400, 1)
            assert "stream_id" not in action.frame
        else:
            assert action.frame["type"].startswith("response.steer.")
            self.take_all([action])

    def take_all(self, actions: Iterable[Action]) -> None:
        """Take what the session wants done, in its order."""
        for action in actions:
            assert not self.is_closed, f"{action} after the close"
            self._take(action)

    def waits_for(self, response_id: str) -> bool:
        """Say whether steers of a response are in nothing yet."""
        targets = {target for _, target in self._steers.values()}
        return response_id in targets and not self.is_closed

    def check_steers(self) -> None:
        """Check, once every turn has ended, that only such steers wait as were told to."""
        if not self.is_closed and not self.is_refusing:
            assert set(self._followed()) <= self._pending, self._steers

    def check_end(self) -> None:
        """Check that nothing is left over once every turn has ended."""
        assert not self.running
        assert not self._current
        if not self.is_closed:
            assert not self.is_old
            assert not any(self.open.values()), dict(self.open)
            assert self.is_refusing or not self._followed(), self._followed()

    def _followed(self) -> list[str]:
        """Return the ids of open steers whose texts are known."""
        return [name for name, (text, _) in self._steers.items() if text is not None]

    def _take(self, action: Action) -> None:
        if isinstance(action, Run):
            self._take_run(action.turn)
        elif isinstance(action, Close):
            self.is_closed = True
            self._current.clear()
        elif isinstance(action, Send):
            text = encode(action.frame)
            for _ in range(action.times):
                self._take_frame(json.loads(text, parse_constant=_refuse_constant))
        else:
            assert self.running[action.turn.lane] is action.turn

    def _take_run(self, turn: Turn) -> None:
        assert turn.lane not in self.running, f"two turns on {turn.lane}"
        self.running[turn.lane] = turn
        self.names |= {turn.lane} - {None}
        assert len(self.running) <= self._limits.running
        assert len(self.names) <= self._limits.names
        for text in re.findall(r"steer-\d+\.", repr(turn.request.input)):
            assert text not in self._spent, f"{text} was used twice"
            self._spent.add(text)
        self._steers = {name: it for name, it in self._steers.items() if it[0] not in self._spent}

    def _take_frame(self, frame: Frame) -> None:
        self.seen[frame["type"]] += 1
        if frame["type"] == "error":
            self._take_error(frame)
        elif frame["type"].startswith("response.steer."):
            self._take_steer(frame)
        else:
            self._take_event(frame, frame.get("stream_id"))

    def _take_error(self, frame: Frame) -> None:
        """Take the answer to a create; it says no mark, but it comes in the lane's order."""
        assert frame["status"] < 500 or self.is_refusing, frame
        if frame["error"]["code"] == "websocket_connection_limit_reached":
            assert self.is_old
            return
        waiting = self.open[frame.get("stream_id")]
        assert waiting, f"nobody asked for {frame}"
        waiting.popleft()

    def _take_event(self, frame: Frame, lane: Lane) -> None:
        if frame["type"] == "response.created":
            self._begin(frame["response"], lane)
        self._count(self._current[lane], frame)
        if "response" in frame:
            assert frame["response"]["id"] == self._current[lane]
        if frame["type"] in _TERMINALS:
            self._end(frame["response"], lane)

    def _begin(self, response: Frame, lane: Lane) -> None:
        assert lane not in self._current, "a response began before the last one ended"
        self._current[lane] = response["id"]
        waiting, mark = self.open[lane], response["metadata"].get("mark")
        if waiting and waiting[0] == mark:
            waiting.popleft()
        else:
            # Nobody asked for it, so it is the successor of a response that was steered.
            targets = {target for _, target in self._steers.values()}
            assert response["previous_response_id"] in targets, (mark, list(waiting))
        self.known.append(response["id"])

    def _end(self, response: Frame, lane: Lane) -> None:
        del self._current[lane]
        owed = owed_input([], response["output"], response["tools"])
        if owed:
            given = [_fill(stub) for stub in owed]
            self.owing = [*self.owing[-8:], (lane, response["id"], given)]

    def _take_steer(self, frame: Frame) -> None:
        steer, kind = frame["steer"], frame["type"].rpartition(".")[2]
        target = steer["previous_response_id"]
        if kind == "failed" and frame["error"]["code"] == "response_not_found":
            assert frame["sequence_number"] == 0
            return
        self._count(target, frame)
        if kind == "accepted":
            assert steer["id"] not in self._steers
            self._steers[steer["id"]] = (self.next_steer, target)
            targets = Counter(target for _, target in self._steers.values())
            assert targets[target] <= _MAX_STEERS
        elif kind == "pending":
            assert steer["id"] in self._steers
            assert frame["required_input"]
            self._pending.add(steer["id"])
        elif "id" in steer:
            text, _ = self._steers.pop(steer["id"])
            assert text is None or text in json.dumps(steer["input"])

    def _count(self, response_id: str, frame: Frame) -> None:
        assert frame["sequence_number"] == self._numbers[response_id], frame
        self._numbers[response_id] += 1


def _fill(stub: Frame) -> Frame:
    """Make an answer of what a response owes."""
    if stub["type"] == "mcp_approval_response":
        return {**stub, "approve": True}
    return {**stub, "output": "done"}


def _refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")
