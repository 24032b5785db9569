"""The steps of a scripted reply, and how each becomes deltas."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.engines.arguments import to_json
from pyresponses_ws.server.engines.base import (
    CallDelta,
    CancelToken,
    CloseDelta,
    CutDelta,
    Delta,
    FrameDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)
from pyresponses_ws.server.engines.echo import cut_json, cut_words

#: Seconds of one wait of a step that hangs; it waits again until it is cancelled. Arbitrary.
_LONG = 3600.0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the steps of one turn play in."""

    cancel: CancelToken
    #: Seconds before each delta of a text that does not say it itself.
    pause: float = 0.0
    #: What ``$1`` or ``$name`` in a text stands for.
    groups: Mapping[str, str] = field(default_factory=dict)
    lane: str | None = None


class _Template(string.Template):
    """Takes numbers for names, as groups of regular expressions have them."""

    idpattern = r"(?a:[_a-z][_a-z0-9]*|[0-9]+)"


def fill(value: Any, groups: Mapping[str, str]) -> Any:
    """Put the groups into the texts of a JSON value; what names no group stays, ``$$`` is ``$``."""
    if isinstance(value, str):
        return _Template(value).safe_substitute(groups)
    if isinstance(value, list):
        return [fill(entry, groups) for entry in value]
    if isinstance(value, dict):
        return {key: fill(entry, groups) for key, entry in value.items()}
    return value


def address(frame: dict[str, Any], lane: str | None) -> dict[str, Any]:
    """Return a frame for the turn's lane, unless it names one; ``stream_id: null`` names none."""
    lane = frame.get("stream_id", lane)
    unaddressed = {key: value for key, value in frame.items() if key != "stream_id"}
    return unaddressed if lane is None else {**unaddressed, "stream_id": lane}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a text is dealt out: ``chunk`` characters a delta or word by word, ``every`` seconds."""

    chunk: int | None = None
    every: float | None = None

    def deal(self, text: str, cut: Callable[[str], list[str]], scene: Scene) -> Iterator[str]:
        """Yield the pieces in time, none after a cancel; ``cut`` says what a word is."""
        pause = scene.pause if self.every is None else self.every
        for piece in cut(text) if self.chunk is None else _cut_even(text, self.chunk):
            if pause and scene.cancel.wait(pause):
                return
            yield piece


def _cut_even(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


@dataclass(frozen=True)
class Say:
    """Words of one kind."""

    kind: Literal["text", "reasoning", "reasoning_content", "refusal"]
    text: str
    pace: Pace = Pace()

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield a delta a piece."""
        for piece in self.pace.deal(fill(self.text, scene.groups), cut_words, scene):
            yield self._delta(piece)

    def _delta(self, piece: str) -> Delta:
        if self.kind == "text":
            return TextDelta(piece)
        if self.kind == "refusal":
            return RefusalDelta(piece)
        return ReasoningDelta(piece, "summary" if self.kind == "reasoning" else "content")


@dataclass(frozen=True)
class Call:
    """A call of a tool; arguments that are no text travel as JSON."""

    name: str
    arguments: Any
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None
    pace: Pace = Pace()

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield the delta that opens the call, then one a piece of its arguments."""
        yield CallDelta(name=self.name, kind=self.kind, namespace=self.namespace)
        given = fill(self.arguments, scene.groups)
        text = given if isinstance(given, str) else to_json(given)
        cut = cut_json if self.kind == "function" else cut_words
        for piece in self.pace.deal(text, cut, scene):
            yield CallDelta(piece)


@dataclass(frozen=True)
class Emit:
    """One delta that is ready."""

    delta: ItemDelta | UsageDelta | CutDelta | CloseDelta

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield it."""
        yield self.delta


@dataclass(frozen=True)
class Frame:
    """A frame of any shape, unnumbered."""

    frame: dict[str, Any]

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield it, on the turn's lane unless it says otherwise."""
        yield FrameDelta(address(self.frame, scene.lane))


@dataclass(frozen=True, kw_only=True)
class Fail:
    """The failure of the response."""

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield nothing; raise what the response fails with."""
        yield from ()
        raise APIError(
            self.message, code=self.code, type=self.type, param=self.param, status=self.status
        )


@dataclass(frozen=True)
class Delay:
    """A pause; None lasts until the turn is cancelled."""

    seconds: float | None

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield nothing."""
        yield from ()
        is_over = scene.cancel.wait(_LONG if self.seconds is None else self.seconds)
        while self.seconds is None and not is_over:
            is_over = scene.cancel.wait(_LONG)


@dataclass(frozen=True)
class Repeat:
    """The same steps some times over."""

    times: int
    steps: Sequence[Step]

    def play(self, scene: Scene) -> Iterator[Delta]:
        """Yield what they yield, until a cancel."""
        for _ in range(self.times):
            if scene.cancel.is_set():
                return
            yield from play(self.steps, scene)


Step = Say | Call | Emit | Frame | Fail | Delay | Repeat


def play(steps: Sequence[Step], scene: Scene) -> Iterator[Delta]:
    """Yield the deltas of the steps in order, none after a cancel."""
    for step in steps:
        for delta in step.play(scene):
            if scene.cancel.is_set():
                return
            yield delta
        if scene.cancel.is_set():
            return


def has_usage(steps: Sequence[Step]) -> bool:
    """Say whether one of the steps tells the usage."""
    return any(
        has_usage(step.steps)
        if isinstance(step, Repeat)
        else isinstance(step, Emit) and isinstance(step.delta, UsageDelta)
        for step in steps
    )
