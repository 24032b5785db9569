"""What all connections of one server share: the stored responses, and how a turn is opened."""

from __future__ import annotations

import random
from dataclasses import replace

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core import errors
from pyresponses_ws.server.core.chain import Checkpoint, find_stored
from pyresponses_ws.server.core.ids import Ids, Padding
from pyresponses_ws.server.core.rate import RateLimiter
from pyresponses_ws.server.core.references import find_in, resolve_references
from pyresponses_ws.server.core.request import CreateRequest
from pyresponses_ws.server.core.store import ResponseStore
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.engines.base import Director


class Service:
    """Opens turns, for WebSocket sessions and HTTP requests alike. One thread calls it."""

    def __init__(
        self,
        *,
        rng: random.Random,
        director: Director | None = None,
        vets: bool = False,
        takes_nested_tools: bool = False,
        rates: RateLimiter | None = None,
    ) -> None:
        self.store = ResponseStore()
        self._rng = rng
        self._padding = Padding(rng)
        self._ids = Ids(rng)
        self._director = director
        # Whether the engine looks at a turn before it is created.
        self._vets = vets
        #: Whether tools may come in the shape of chat completions too.
        self.takes_nested_tools = takes_nested_tools
        self._rates = RateLimiter(None) if rates is None else rates
        # Why no turn is opened any more; None while they are.
        self._refusal: APIError | None = None

    def new_steer(self) -> str:
        """Make the id of a submission of steering."""
        return self._ids.new_steer()

    def find_stored(self, owner: str, response_id: str, now: float) -> Checkpoint:
        """Return what a stored response is continued from. Raises the 400 of a missing one."""
        return find_stored(self.store, owner, response_id, now)

    def find_parent(self, request: CreateRequest, owner: str, now: float) -> Checkpoint | None:
        """Return the stored response that a create without a connection continues, if any.

        Raises the 400 of a missing one.
        """
        parent_id = request.previous_response_id
        return None if parent_id is None else self.find_stored(owner, parent_id, now)

    def resolve(
        self, request: CreateRequest, *, owner: str, parent: Checkpoint | None, now: float
    ) -> CreateRequest:
        """Return the create with its references replaced by what they name. Raises the 404."""
        history = () if parent is None else parent.items
        find = find_in(history, lambda item_id: self.store.find_item(owner, item_id, now))
        return replace(request, input=resolve_references(request.input, find))

    def refuse(self, error: APIError) -> None:
        """Answer every create from now on with ``error``; turns that run go on."""
        self._refusal = error

    def check_open(self) -> None:
        """Raise what every create is refused with, if they are."""
        if self._refusal is not None:
            raise self._refusal

    def admit(self, owner: str, now: float) -> None:
        """Count a create of the owner. Raises the 429 of one too many, or what refuses all."""
        self.check_open()
        wait = self._rates.take(owner, now)
        if wait is not None:
            raise errors.too_many_requests(wait)

    def open_turn(
        self, request: CreateRequest, *, owner: str, parent: Checkpoint | None, now: float
    ) -> Turn:
        """Make a turn that may start. Raises the APIError that it is refused with instead."""
        self.check_open()
        return Turn(
            self.resolve(request, owner=owner, parent=parent, now=now),
            owner=owner,
            parent=parent,
            rng=self._rng,
            padding=self._padding,
            director=self._director,
            is_vetted=self._vets,
            now=now,
        )

    def save(self, turn: Turn, now: float) -> None:
        """Store a finished turn if its request says so."""
        if turn.request.is_stored:
            self.store.put(turn.owner, turn.make_stored(now))
