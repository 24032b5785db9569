"""Which turn an event belongs to.

Deltas carry no response id: they are told apart by their lane and their order on it. A lane runs
one turn at a time and starts the others in the order in which they were sent. So each lane is a
queue of slots; the first of them is the head, and what arrives on the lane is the head's.

A turn whose caller has left leaves its slot behind as a *fence*: the slot takes the place of the
turn until the turn's terminal event, so that its answer cannot be mistaken for the next one's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyresponses_ws._protocol.kinds import (
    CREATED,
    ERROR_TYPES,
    PROGRESS_TYPES,
    TERMINAL_TYPES,
    is_output,
)
from pyresponses_ws.errors import ProtocolError
from pyresponses_ws.failures import CONNECTION_LIMIT_CODE, normalize_error

if TYPE_CHECKING:
    from pyresponses_ws.events import Event

T = TypeVar("T")

#: Ended response ids that a lane remembers, to know a late or repeated terminal. The late one
#: follows its error at once; eight is arbitrary and ample.
_REMEMBERED_IDS = 8


class Abandonment(Enum):
    """What became of a turn whose caller left."""

    #: Its ending had been routed already: nothing to do.
    FINISHED = "finished"
    #: Others run on this link: its events are dropped up to its terminal.
    FENCED = "fenced"
    #: Nobody else runs here: retire the link now. Asked again, the answer stays the same.
    ALONE = "alone"


class _Slot(Generic[T]):
    """The place of one turn on its lane."""

    __slots__ = ("is_accepted", "lane", "receivers", "response_id")

    def __init__(self, lane: _Lane[T], turn: T) -> None:
        self.lane = lane
        #: The tuple that ``route`` returns: the turn alone, or nobody behind a fence.
        self.receivers: tuple[T, ...] = (turn,)
        #: True from ``response.created`` on.
        self.is_accepted = False
        self.response_id: str | None = None

    def is_of(self, turn: T) -> bool:
        return bool(self.receivers) and self.receivers[0] is turn


class _Lane(Generic[T]):
    """Queue of the turns that were sent on one lane and have not ended."""

    __slots__ = ("ended_ids", "failed_id_known", "is_failure_due", "name", "slots")

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.slots: deque[_Slot[T]] = deque()
        #: Responses that are over here, or were never ours, the oldest first; and whether their
        #: ``created`` had come while they ran.
        self.ended_ids: dict[str, bool] = {}
        #: The last turn ended by an ``error`` frame, so its ``failed`` may still come
        #: (the server of Hugging Face transformers sends both).
        self.is_failure_due = False
        self.failed_id_known = False

    def remember(self, response_id: str | None, *, was_announced: bool) -> None:
        if response_id is None:
            return
        self.ended_ids[response_id] = was_announced
        if len(self.ended_ids) > _REMEMBERED_IDS:
            del self.ended_ids[next(iter(self.ended_ids))]


class Lanes(Generic[T]):
    """The lanes of one link, and who runs on them; ``T`` is whatever receives a turn's events.

    One value may begin several slots at once; turns are compared by identity.
    """

    def __init__(self) -> None:
        #: Every unfinished slot, fences included, in the order of ``begin``.
        self._slots: dict[_Slot[T], None] = {}
        self._lanes: dict[str | None, _Lane[T]] = {}
        #: Receivers of the lanes whose head is accepted; what the fast path of ``route`` reads.
        self._open: dict[str | None, tuple[T, ...]] = {}
        #: Lane names used on this link. The server counts them for the link's life.
        self.names: set[str] = set()
        #: The server said that this link is too old: no turn may start on it.
        self.limit_reached = False
        #: Something was fenced here, so the socket goes once the others are done.
        self.is_retiring = False

    @property
    def running(self) -> int:
        """Number of turns that are unfinished and have somebody waiting for them."""
        return sum(1 for slot in self._slots if slot.receivers)

    @property
    def is_quiet(self) -> bool:
        """True when no turn runs and nothing is fenced."""
        return not self._slots

    def is_head(self, turn: T) -> bool:
        """Tell whether the turn is first on its lane, so that the server may be working on it."""
        heads = [lane.slots[0] for lane in self._lanes.values() if lane.slots]
        return any(slot.is_of(turn) for slot in heads)

    def is_running(self, turn: T) -> bool:
        """Tell whether the turn is waiting for its ending here."""
        return any(slot.is_of(turn) for slot in self._slots)

    def begin(self, lane: str | None, turn: T) -> None:
        """Queue a turn behind what runs on the lane; None is the default lane."""
        queue = self._lanes.get(lane)
        if queue is None:
            queue = self._lanes[lane] = _Lane(lane)
        slot = _Slot(queue, turn)
        # In this order: a Ctrl-C in between must leave a slot that ``abandon`` finds.
        self._slots[slot] = None
        queue.slots.append(slot)
        if lane is not None:
            self.names.add(lane)

    def route(self, event: Event) -> tuple[T, ...]:
        """Return whose event this is; ``()`` when it is nobody's and must be dropped.

        Raises ProtocolError when the peer's order makes it impossible to tell; the link is then
        of no further use.
        """
        special = _ROUTES.get(event.type)
        if special is not None:
            return special(self, event)
        try:
            return self._open[event.stream_id]
        except (KeyError, TypeError):
            return self._route_early(event)

    def abandon(self, turn: T) -> Abandonment:
        """Give up a turn: from now on nothing is routed to it."""
        own = [slot for slot in self._slots if slot.is_of(turn)]
        if not own:
            # Asked again, after an interrupt may have hidden the first answer.
            is_left_behind = self._slots and not self.running
            return Abandonment.ALONE if is_left_behind else Abandonment.FINISHED
        for slot in own:
            self._fence(slot)
        self.is_retiring = True
        return Abandonment.FENCED if self.running else Abandonment.ALONE

    def withdraw(self, turn: T) -> None:
        """Forget a turn of which nothing was sent, so that no answer can come."""
        for slot in [slot for slot in self._slots if slot.is_of(turn)]:
            self._finish(slot, None)

    def lose(self) -> list[T]:
        """Forget everything, the link being lost; return each turn that had no ending, once.

        They come in the order of ``begin``; fenced ones have nobody to tell.
        """
        turns = _distinct(self._slots)
        self._slots.clear()
        self._lanes.clear()
        self._open.clear()
        return list(turns)

    def _fence(self, slot: _Slot[T]) -> None:
        slot.receivers = ()
        if slot.is_accepted:
            self._open[slot.lane.name] = ()

    def _lane_of(self, event: Event) -> _Lane[T] | None:
        name = event.stream_id
        if name is not None and not isinstance(name, str):
            raise ProtocolError("stream_id is not a string", text=event.type)
        return self._lanes.get(name)

    def _route_early(self, event: Event) -> tuple[T, ...]:
        """Route what comes on a lane without a running response.

        Stray output when nobody runs is dropped: some servers go on after an error.
        """
        lane = self._lane_of(event)
        if lane is None or not lane.slots:
            return ()
        if is_output(event.type):
            raise ProtocolError("output came before response.created", text=event.type)
        return lane.slots[0].receivers

    def _route_created(self, event: Event) -> tuple[T, ...]:
        lane, response_id = self._lane_of(event), _response_id(event)
        if lane is None or _is_late_created(lane, response_id):
            return ()
        if not lane.slots:
            lane.remember(response_id, was_announced=False)
            return ()
        head = lane.slots[0]
        if head.is_accepted:
            return _refuse_second(head, response_id)
        return self._accept(head, response_id)

    def _accept(self, head: _Slot[T], response_id: str | None) -> tuple[T, ...]:
        head.is_accepted = True
        head.response_id = response_id
        head.lane.ended_ids.pop(response_id or "", None)
        self._open[head.lane.name] = head.receivers
        return head.receivers

    def _route_progress(self, event: Event) -> tuple[T, ...]:
        lane, response_id = self._lane_of(event), _response_id(event)
        if lane is None or not lane.slots or response_id in lane.ended_ids:
            return ()
        head = lane.slots[0]
        return head.receivers if _may_be(head, response_id) else ()

    def _route_terminal(self, event: Event) -> tuple[T, ...]:
        lane, response_id = self._lane_of(event), _response_id(event)
        if lane is None:
            return ()
        is_late = _is_late_failure(lane, response_id)
        # One is due at most, and this is the first terminal since.
        lane.is_failure_due = False
        if is_late or not lane.slots:
            lane.remember(response_id, was_announced=False)
            return ()
        head = lane.slots[0]
        if response_id in lane.ended_ids or not _may_be(head, response_id):
            return ()
        self._finish(head, response_id)
        return head.receivers

    def _route_error(self, event: Event) -> tuple[T, ...]:
        if normalize_error(event).code == CONNECTION_LIMIT_CODE:
            self.limit_reached = True
        blamed = self._blamed(event)
        for slot in blamed:
            self._finish(slot, None)
            slot.lane.is_failure_due = True
            slot.lane.failed_id_known = slot.response_id is not None
        return _distinct(blamed)

    def _finish(self, slot: _Slot[T], response_id: str | None) -> None:
        if slot in slot.lane.slots:  # unless a Ctrl-C cut its beginning short
            slot.lane.slots.remove(slot)
        slot.lane.remember(slot.response_id or response_id, was_announced=slot.is_accepted)
        del self._slots[slot]
        if slot.is_accepted:
            del self._open[slot.lane.name]

    def _blamed(self, event: Event) -> list[_Slot[T]]:
        """Return the slots that an ``error`` frame ends.

        A frame without a sequence number answers a request, so it concerns one that was not
        accepted, if there is one; with a number it belongs to the response that runs. One without
        a lane's name is the default lane's. When nobody there can be meant, it is for the requests
        that have no answer yet, else for every turn: ending too many beats ending none, since a
        turn without its ending waits for ever.
        """
        lane = self._lane_of(event)
        if lane is None or not lane.slots:
            slots = list(self._slots) if event.stream_id is None else []
            return _waiting(slots) or slots
        if event.sequence_number is not None:
            return [lane.slots[0]]
        waiting = _waiting(lane.slots)[:1]
        if not waiting and lane.name is None:
            waiting = _waiting(self._slots)
        return waiting or [lane.slots[0]]


def _response_id(event: Any) -> str | None:
    response_id = getattr(getattr(event, "response", None), "id", None)
    return response_id if isinstance(response_id, str) else None


def _may_be(head: _Slot[Any], response_id: str | None) -> bool:
    """Tell whether a lifecycle event with this response id can be the head's."""
    return response_id is None or head.response_id is None or response_id == head.response_id


def _is_late_failure(lane: _Lane[Any], response_id: str | None) -> bool:
    """Tell whether a terminal belongs to the turn before, which an ``error`` ended.

    Only before ``created``. Some servers send a terminal alone, so that it might be the head's;
    a head that waits longer is less of a harm than one that gets another's answer.
    """
    if not lane.is_failure_due or not lane.slots or lane.slots[0].is_accepted:
        return False
    # Where its id is known, another id is another's.
    return response_id is None or not lane.failed_id_known


def _is_late_created(lane: _Lane[Any], response_id: str | None) -> bool:
    """Tell whether a response starts that has ended already, or was never ours.

    One that was announced in its time is another: simple servers give every response one id.
    """
    return response_id is not None and lane.ended_ids.get(response_id) is False


def _refuse_second(head: _Slot[T], response_id: str | None) -> tuple[T, ...]:
    """Drop a repeated ``created``; raise for another response's, whose deltas would mix in."""
    if _may_be(head, response_id):
        return ()
    raise ProtocolError("a response was created while another runs on its lane", text=CREATED)


def _waiting(slots: Iterable[_Slot[T]]) -> list[_Slot[T]]:
    return [slot for slot in slots if not slot.is_accepted]


def _distinct(slots: Iterable[_Slot[T]]) -> tuple[T, ...]:
    """Return the turns of the slots in order, each once."""
    turns = {id(turn): turn for slot in slots for turn in slot.receivers}
    return tuple(turns.values())


_Route = Callable[[Lanes[Any], Any], tuple[Any, ...]]

#: Types that change who runs; all the others take the fast path.
_ROUTES: dict[str, _Route] = {
    CREATED: Lanes._route_created,
    **dict.fromkeys(PROGRESS_TYPES, Lanes._route_progress),
    **dict.fromkeys(TERMINAL_TYPES, Lanes._route_terminal),
    **dict.fromkeys(ERROR_TYPES, Lanes._route_error),
}
