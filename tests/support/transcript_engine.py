"""An engine that answers as the model of a transcript did, and the turns that ask it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from pyresponses_ws import Response
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    Delta,
    EngineRequest,
    ItemDelta,
    ReasoningDelta,
    TextDelta,
    UsageDelta,
)
from tests.support.three_transports import Json, TurnOf
from tests.support.transcript_server import Play

#: Fields that travel over a WebSocket only, or that the client sets itself; and ``store``, since
#: what is kept on a connection alone cannot be continued over HTTP.
_NOT_GIVEN = {"type", "stream_id", "store"}


class TranscriptEngine:
    """Answers one turn after the other with the next play; each must end with a Response."""

    def __init__(self, plays: Sequence[Play]) -> None:
        self._rest = iter(plays)

    def models(self) -> Sequence[str]:
        return ("transcript",)

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        response = next(self._rest).events[-1]["response"]
        for item in response["output"]:
            yield from _deltas(item)
        if response["usage"] is not None:
            yield UsageDelta(response["usage"]["input_tokens"], response["usage"]["output_tokens"])


def turns_of(plays: Sequence[Play]) -> list[TurnOf]:
    """Return the turns; ids of the transcript become those of the Responses before."""
    return [_turn(plays, number) for number in range(len(plays))]


def _turn(plays: Sequence[Play], number: int) -> TurnOf:
    create = plays[number].create
    fields = {key: value for key, value in create.items() if key not in _NOT_GIVEN}

    def turn(past: Sequence[Response | None]) -> Json:
        text = json.dumps(fields)
        for play, response in zip(plays, past, strict=False):
            for theirs, ours in _pairs(play, response):
                text = text.replace(theirs, ours)
        made: Json = json.loads(text)
        return made

    return turn


def _pairs(play: Play, response: Response | None) -> Iterator[tuple[str, str]]:
    """Yield the ids of a play, each with the one that stands for it here."""
    if response is None:
        return
    told = play.events[-1]["response"]
    yield told["id"], response.id
    for theirs, ours in zip(told["output"], response.to_dict()["output"], strict=False):
        for key in ("id", "call_id"):
            if key in theirs and key in ours:
                yield theirs[key], ours[key]


def _deltas(item: Json) -> Iterator[Any]:
    """Yield a text in pieces and any other item as a whole."""
    if item["type"] == "message":
        for word in item["content"][0]["text"].split(" "):
            yield TextDelta(word + " ")
    elif item["type"] == "function_call":
        yield CallDelta(name=item["name"])
        yield CallDelta(item["arguments"])
    elif item["type"] == "reasoning" and item["summary"]:
        yield ReasoningDelta(item["summary"][0]["text"])
    else:
        yield ItemDelta({key: value for key, value in item.items() if key != "id"})
