"""One response from its request to its terminal event, over either wire."""

from __future__ import annotations

import random
from typing import Any

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.builder import ResponseBuilder
from pyresponses_ws.server.core.calls import check_calls, owed_input
from pyresponses_ws.server.core.chain import Checkpoint
from pyresponses_ws.server.core.compaction import (
    OpenCompaction,
    compact_turn,
    count_tokens,
    expand,
    needs_compaction,
)
from pyresponses_ws.server.core.envelope import Envelope
from pyresponses_ws.server.core.ids import Ids, Padding
from pyresponses_ws.server.core.kinds import Item
from pyresponses_ws.server.core.lanes import Lane
from pyresponses_ws.server.core.request import CreateRequest
from pyresponses_ws.server.core.store import StoredResponse
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.engines.base import (
    CloseDelta,
    Delta,
    Direction,
    Director,
    EngineRequest,
    FrameDelta,
    StartDelta,
    UsageDelta,
)

Event = dict[str, Any]

#: Characters of JSON that a context may have come as: four messages of the largest size. What one
#: connection makes the server remember stays bounded.
MAX_CONTEXT_SIZE = 64 * 2**20


class Turn:
    """A turn that may start: its parent is found and its calls are answered.

    Raises BadRequestError if they are not.
    """

    def __init__(
        self,
        request: CreateRequest,
        *,
        owner: str,
        parent: Checkpoint | None,
        rng: random.Random,
        padding: Padding,
        director: Director | None,
        is_vetted: bool,
        now: float,
    ) -> None:
        history = () if parent is None else parent.items
        check_calls(history, request.input, request.tools)
        self._size = request.size + (0 if parent is None else parent.size)
        if self._size > MAX_CONTEXT_SIZE:
            raise errors.context_length_exceeded(MAX_CONTEXT_SIZE)
        self.request = request
        #: The engine takes or refuses the turn itself: nothing is sent before it has.
        self.is_vetted = is_vetted
        #: ``response.created`` was made.
        self.has_started = False
        self.owner = owner
        self.parent = parent
        self._items = (*history, *request.input)
        # What the turn is continued from, once it is finished; fewer items where it compacted.
        self._window: tuple[Item, ...] = ()
        #: How the turn departs from the protocol; None if it does not.
        self.direction: Direction | None = None
        if director is not None:
            self.direction = director.direct(self.engine_request)
        ids = Ids(rng, parent_id=request.previous_response_id)
        self._builder = ResponseBuilder(
            request, ids=ids, padding=padding, now=now, is_played=not is_vetted
        )

    @property
    def lane(self) -> Lane:
        """The lane that the turn occupies."""
        return self.request.lane

    @property
    def engine_request(self) -> EngineRequest:
        """What the engine is asked."""
        settings = self.request.settings
        return EngineRequest(
            model=self.request.model,
            items=expand(self._items),
            tools=self.request.tools,
            tool_choice=settings.get("tool_choice", "auto"),
            instructions=settings.get("instructions"),
            generate=not self.request.is_warm_up,
            settings=settings,
            direction=self.direction,
        )

    @property
    def response(self) -> dict[str, Any]:
        """The Response as last sent."""
        return self._builder.response

    @property
    def id(self) -> str:
        """The id of the response."""
        value: str = self.response["id"]
        return value

    @property
    def envelope(self) -> Envelope:
        """What numbers the events of the response."""
        return self._builder.envelope

    @property
    def is_steerable(self) -> bool:
        """Whether steering is supported: not with automatic compaction (the guide says)."""
        return not (self.request.is_warm_up or self.request.settings.get("context_management"))

    @property
    def is_cut(self) -> bool:
        """Whether more deltas change nothing, so that the engine can stop."""
        return self._builder.is_cut

    def stop(self, reason: str) -> None:
        """Cut the output at the next boundary between items; see ``ResponseBuilder.stop``."""
        self._builder.stop(reason)

    def owed_input(self) -> list[Item]:
        """Return stubs of what the client must send before the response can be continued."""
        return owed_input(self._items, self._builder.output, self.request.tools)

    def start(self) -> list[Event]:
        """Return the first two events; call it once."""
        self.has_started = True
        return self._edit(self._builder.start())

    def add(self, delta: Delta) -> list[Event]:
        """Return the events of one delta; starts and closes are the caller's to carry out."""
        if isinstance(delta, CloseDelta | StartDelta):
            return []
        if isinstance(delta, FrameDelta):
            encode(delta.frame)  # What is no JSON fails this turn, and not who sends it.
            return [delta.frame]
        return self._edit(self._builder.add(delta))

    def finish(self, now: float) -> list[Event]:
        """End as completed or incomplete; a context grown too long is compacted before."""
        events = self._builder.close()
        self._window = (*self._items, *self._builder.output)
        # An engine that was stopped had no time to count.
        usage = self._builder.usage or self._estimate_usage()
        self._builder.usage = usage
        if self._must_compact(usage):
            self._window = compact_turn(self._window, self._builder.new_id("cmp"))
            # What cannot be put into the summary stays as large as it was.
            self._size = sum(len(encode(item)) for item in self._window)
            events += self._builder.append(OpenCompaction(self._window[0]))
        return self._edit([*events, *self._builder.finish(now)])

    def fail(self, error: APIError, now: float, *, with_error: bool = False) -> list[Event]:
        """End as failed; see ``ResponseBuilder.fail``."""
        return self._edit(self._builder.fail(error, now, with_error=with_error))

    def make_checkpoint(self) -> Checkpoint:
        """Return what a continuation of the finished turn starts from."""
        return Checkpoint(
            id=self.id, items=self._window, owner=self.owner, lane=self.lane, size=self._size
        )

    def make_stored(self, now: float) -> StoredResponse:
        """Return what the store keeps of the finished turn."""
        return StoredResponse(
            response=self.response,
            items=self._window,
            input=self._items,
            stored_at=now,
            size=self._size,
        )

    def _must_compact(self, usage: UsageDelta) -> bool:
        if self._builder.is_cut or self.request.is_warm_up:
            return False
        tokens = usage.input_tokens + usage.output_tokens
        return needs_compaction(self.request, tokens, self._builder.output)

    def _estimate_usage(self) -> UsageDelta:
        return UsageDelta(count_tokens(self._items), count_tokens(self._builder.output))

    def _edit(self, events: list[Event]) -> list[Event]:
        """Leave out and double what the turn's direction says."""
        if self.direction is None:
            return events
        drop, duplicate = self.direction.drop, self.direction.duplicate
        kept = [event for event in events if event["type"] not in drop]
        return [twin for event in kept for twin in [event] * (1 + (event["type"] in duplicate))]
