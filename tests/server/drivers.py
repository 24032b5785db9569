"""Drives the pure core without a socket or a thread."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from pyresponses_ws.server.core.builder import ResponseBuilder
from pyresponses_ws.server.core.ids import Ids, Padding
from pyresponses_ws.server.core.request import CreateRequest, parse_create
from pyresponses_ws.server.core.service import Service
from pyresponses_ws.server.core.session import Close, Run, Send, Session
from pyresponses_ws.server.core.turn import Turn
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.engines.base import CancelToken, Delta, EngineRequest
from pyresponses_ws.server.engines.echo import EchoEngine

NOW = 1_795_158_001.0

Frame = dict[str, Any]


def make_request(**fields: Any) -> CreateRequest:
    """Parse a create of model ``m``."""
    return parse_create({"model": "m", "input": "hi", **fields}, lane=fields.get("stream_id"))


def make_builder(*, is_played: bool = True, **fields: Any) -> ResponseBuilder:
    """Make a builder with a fixed seed."""
    rng = random.Random(1)
    return ResponseBuilder(
        make_request(**fields),
        ids=Ids(rng),
        padding=Padding(rng),
        now=NOW,
        is_played=is_played,
    )


def build(deltas: Iterable[Delta], **fields: Any) -> list[Frame]:
    """Return every event of a response made of ``deltas``."""
    builder = make_builder(**fields)
    events = builder.start()
    for delta in deltas:
        events += builder.add(delta)
    return events + builder.finish(NOW + 2)


def answer(text: str, **fields: Any) -> list[Delta]:
    """Return what the echo engine says to a user text, usage left out."""
    request = EngineRequest(model="m", items=[user(text)], **fields)
    return list(EchoEngine().run(request, CancelToken()))[:-1]


def user(text: str) -> Frame:
    """Make a user message."""
    return {"type": "message", "role": "user", "content": text}


def make_service() -> Service:
    """Make what the connections of one server share, with a fixed seed."""
    return Service(rng=random.Random(1))


class Wire:
    """A session with its frames and running turns at hand."""

    def __init__(self, *, owner: str = "me", service: Service | None = None) -> None:
        self.service = service or make_service()
        self.session = Session(owner=owner, service=self.service)
        self.turns: list[Turn] = []
        self.closed: Close | None = None

    def send(self, text: str | None = None, **fields: Any) -> list[Frame]:
        """Put a frame in, by default a create of model ``m``; return the frames that come out."""
        frame = {"type": "response.create", "model": "m", **fields}
        self.session.receive_text(encode(frame) if text is None else text, NOW)
        return self.drain()

    def run(self, turn: Turn | None = None) -> list[Frame]:
        """Run the oldest (or this) turn with the echo engine to its end; return the frames."""
        turn = turn or self.turns[0]
        deltas = list(EchoEngine().run(turn.engine_request, CancelToken()))
        self.session.receive_deltas(turn, deltas)
        self.session.receive_end(turn, None, NOW)
        self.turns.remove(turn)
        return self.drain()

    def complete(self, **fields: Any) -> Frame:
        """Send a create and run it; return its final Response."""
        self.send(**fields)
        response: Frame = self.run()[-1]["response"]
        return response

    def drain(self) -> list[Frame]:
        """Return the frames that wait, and note the turns that want to run."""
        frames: list[Frame] = []
        while (action := self.session.take_action()) is not None:
            if isinstance(action, Run):
                self.turns.append(action.turn)
            elif isinstance(action, Send):
                frames += [action.frame] * action.times
            elif isinstance(action, Close):
                self.closed = action
        return frames


def types(frames: Iterable[Frame]) -> list[str]:
    """Return the types of frames."""
    return [frame["type"] for frame in frames]
