"""What the simulated server says to a request: honest, with every quirk known from the wire."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

Frame = dict[str, Any]

#: Codes of errors that refuse a request before it runs.
REFUSALS = (
    "server_is_overloaded",
    "server_error",
    "rate_limit_exceeded",
    "insufficient_quota",
    "invalid_prompt",
)
LIMIT = "websocket_connection_limit_reached"
NOT_FOUND = "previous_response_not_found"

#: Tools of a request: one that runs in the caller's process, and one that acts outside.
HARMLESS = {"type": "function", "name": "f"}
ACTING = {"type": "mcp", "server_label": "outside"}


class Ask(NamedTuple):
    """One request as the server reads it; every text of its answer holds the mark."""

    mark: str
    lane: str | None
    #: Id of the response, which no other has.
    response_id: str
    #: The request continues a response that the server may have forgotten.
    is_continued: bool = False


@dataclass
class Answer:
    """The frames that answer one request, in order."""

    frames: list[Frame]
    #: The text of the output, if the turn ends with one.
    text: str = ""
    #: The output itself.
    output: list[Frame] = field(default_factory=list)
    #: The request was worked on, so that running it again would be seen outside.
    runs: bool = True
    #: The frames end the turn; otherwise the server says nothing more of it.
    ends: bool = True
    #: Frames that come once it is over: a failure after its error, a repeated ending.
    late: list[Frame] = field(default_factory=list)
    #: Some frame breaks the protocol, so that the link is lost.
    is_torn: bool = False


def piece(mark: str, index: int) -> str:
    """The text of one delta: whose it is, and which."""
    return f"{mark}:{index};"


def text_of(mark: str, count: int) -> str:
    """The text of a whole answer."""
    return "".join(piece(mark, index) for index in range(count))


class Author:
    """Writes answers; the same random numbers write the same ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kinds = list(_WEIGHTS)
        self._weights = list(accumulate(_WEIGHTS.values()))

    def answer(self, ask: Ask) -> Answer:
        """Write the answer to one request."""
        rng = self._rng
        if ask.is_continued and rng.random() < 0.3:
            return refuse(ask, NOT_FOUND)
        kind = rng.choices(self._kinds, cum_weights=self._weights)[0]
        return kind(rng, ask)


def refuse(ask: Ask, code: str, **fields: Any) -> Answer:
    """Answer by an ``error`` frame that ends the request before it runs."""
    error = {"type": "invalid_request_error", "code": code, "message": "No.", **fields}
    return Answer([_frame("error", ask, error=error)], runs=False)


def _frame(type: str, ask: Ask, **fields: Any) -> Frame:
    named = {} if ask.lane is None else {"stream_id": ask.lane}
    return {"type": type, **fields, **named}


def _lifecycle(name: str, ask: Ask, **fields: Any) -> Frame:
    response = {"id": ask.response_id, "object": "response", **fields}
    return _frame(f"response.{name}", ask, response=response)


def _created(ask: Ask) -> Frame:
    return _lifecycle("created", ask, status="in_progress", output=[])


def _delta(ask: Ask, index: int) -> Frame:
    return _frame(
        "response.output_text.delta",
        ask,
        delta=piece(ask.mark, index),
        item_id=f"msg_{ask.mark}",
        output_index=0,
        content_index=0,
    )


def _item(ask: Ask, count: int) -> Frame:
    part = {"type": "output_text", "text": text_of(ask.mark, count), "annotations": []}
    named = {"id": f"msg_{ask.mark}", "type": "message", "role": "assistant"}
    return {**named, "status": "completed", "content": [part]}


def _begin(rng: random.Random, ask: Ask, count: int) -> list[Frame]:
    """Write ``created`` and some deltas, with what may come in between."""
    frames = [_created(ask)]
    if rng.random() < 0.1:
        frames.insert(rng.randrange(2), _lifecycle("queued", ask, status="queued"))
    for index in range(count):
        if rng.random() < 0.1:
            frames.append(rng.choice(_BETWEEN)(ask))
        frames.append(_delta(ask, index))
    return frames


def _end(rng: random.Random, ask: Ask, count: int, name: str, status: str | None) -> list[Frame]:
    """Write the ending, the output in it or just before it."""
    fields: Frame = {} if status is None else {"status": status}
    how = rng.randrange(4)
    if how == 0:
        return [_lifecycle(name, ask, **fields)]
    if how == 1:
        done = _frame("response.output_item.done", ask, output_index=0, item=_item(ask, count))
        return [done, _lifecycle(name, ask, output=[], **fields)]
    return [_lifecycle(name, ask, output=[_item(ask, count)], **fields)]


def _whole(rng: random.Random, ask: Ask, name: str = "completed", status: str = "") -> Answer:
    count = 1 + rng.randrange(4)
    frames = _begin(rng, ask, count) + _end(rng, ask, count, name, status or name)
    late = [frames[-1]] if rng.random() < 0.05 else []
    return Answer(frames, text=text_of(ask.mark, count), output=[_item(ask, count)], late=late)


def _incomplete(rng: random.Random, ask: Ask) -> Answer:
    return _whole(rng, ask, "incomplete")


def _cancelled(rng: random.Random, ask: Ask) -> Answer:
    return _whole(rng, ask, "cancelled")


def _done(rng: random.Random, ask: Ask) -> Answer:
    return _whole(rng, ask, "done", rng.choice(("completed", "incomplete", "failed")))


def _failed(rng: random.Random, ask: Ask) -> Answer:
    answer = _whole(rng, ask, "failed")
    answer.frames[-1]["response"]["error"] = {"code": "server_error", "message": "It broke."}
    return answer


def _bare(rng: random.Random, ask: Ask) -> Answer:
    """An ending without ``created``: some servers send only that."""
    frame = _lifecycle("completed", ask, status="completed", output=[_item(ask, 1)])
    return Answer([frame], text=text_of(ask.mark, 1), output=[_item(ask, 1)])


def _broken(rng: random.Random, ask: Ask) -> Answer:
    """An error in the middle; some servers send ``failed`` after it."""
    frames = _begin(rng, ask, rng.randrange(3))
    error = {"type": "server_error", "code": None, "message": "Sorry."}
    frames.append(_frame("error", ask, error=error, sequence_number=len(frames)))
    late = [_lifecycle("failed", ask, status="failed")] if rng.random() < 0.5 else []
    return Answer(frames, late=late)


def _refused(rng: random.Random, ask: Ask) -> Answer:
    answer = refuse(ask, rng.choice(REFUSALS))
    if rng.random() < 0.1:
        answer.frames[0]["headers"] = {"retry-after": rng.choice(("2", "31"))}
    if rng.random() < 0.3:
        answer.late.append(_lifecycle("failed", ask, status="failed"))
    return answer


def _too_old(rng: random.Random, ask: Ask) -> Answer:
    return refuse(ask, LIMIT)


def _stalled(rng: random.Random, ask: Ask) -> Answer:
    """Nothing more comes, from whichever point on."""
    frames = _begin(rng, ask, 2)
    return Answer(frames[: rng.randrange(len(frames) + 1)], ends=False)


def _foreign(rng: random.Random, ask: Ask) -> Answer:
    """The ending of a response that nobody asked for, in the middle."""
    answer = _whole(rng, ask)
    stray = _lifecycle("completed", ask._replace(response_id=f"resp_foreign_{ask.mark}"))
    answer.frames.insert(len(answer.frames) - 1, stray)
    return answer


def _repeated(rng: random.Random, ask: Ask) -> Answer:
    answer = _whole(rng, ask)
    begun = next(i for i, f in enumerate(answer.frames) if f["type"] == "response.created")
    answer.frames.insert(begun + 1, answer.frames[begun])
    return answer


def _torn(rng: random.Random, ask: Ask) -> Answer:
    """Output before ``created``, or a second response amid the first."""
    if rng.random() < 0.5:
        return Answer([_delta(ask, 0)], is_torn=True)
    second = ask._replace(response_id=f"{ask.response_id}_second")
    return Answer([_created(ask), _delta(ask, 0), _created(second)], is_torn=True)


_BETWEEN: tuple[Callable[[Ask], Frame], ...] = (
    lambda ask: _lifecycle("in_progress", ask, status="in_progress"),
    lambda ask: _frame("keepalive", ask, sequence_number=1),
    lambda ask: _frame("response.of_the_future", ask, detail={"new": True}),
    lambda ask: _frame("response.metadata", ask),
)

_WEIGHTS: dict[Callable[[random.Random, Ask], Answer], float] = {
    _whole: 60,
    _incomplete: 3,
    _cancelled: 1,
    _done: 3,
    _failed: 3,
    _bare: 3,
    _broken: 5,
    _refused: 7,
    _too_old: 2,
    _stalled: 4,
    _foreign: 3,
    _repeated: 3,
    _torn: 1,
}
