"""The annotations of one message of an upstream, each once, and behind its words.

Parts of text that follow each other become one here, so that what points into the second has to
point further on. An annotation comes in an event, with the done form, or both.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Annotation = dict[str, Any]

TEXT = "output_text"

#: Keys that count characters of the text, and the one that does so in one type only.
_OFFSETS = frozenset({"start_index", "end_index"})
_OFFSET_OF_TYPE = {"file_citation": "index"}


@dataclass(frozen=True)
class Spot:
    """Where a part of an upstream begins: in which part of ours, and behind how much of it."""

    part: int
    start: int


@dataclass(frozen=True)
class Note:
    """An annotation and the place of its part; None where no server said."""

    annotation: Annotation
    place: int | None
    #: Known of a done form, which has all texts.
    spot: Spot | None = None

    @property
    def key(self) -> str:
        """What equal annotations have in common."""
        return json.dumps(self.annotation, sort_keys=True)


class Joints:
    """Knows which parts of a message have become one."""

    def __init__(self) -> None:
        #: Number, channel and characters of our newest part.
        self.part = -1
        self.channel = ""
        self.length = 0
        self._spots: dict[int, Spot] = {}
        self._newest: Spot | None = None

    def add(self, channel: str, place: int, size: int) -> bool:
        """Take a piece of a part; return whether the part begins with it."""
        if channel != self.channel:
            self.part, self.channel, self.length = self.part + 1, channel, 0
        begins = channel == TEXT and place not in self._spots
        if begins:
            self._newest = self._spots[place] = Spot(self.part, self.length)
        self.length += size
        return begins

    def find(self, place: int | None) -> Spot | None:
        """Return where a part of text begins, without its place the newest; None if none has."""
        return self._newest if place is None else self._spots.get(place)

    def is_at(self, spot: Spot) -> bool:
        """Say whether our newest part is of text, and has this spot in it."""
        return self.channel == TEXT and spot.part == self.part


class Annotations:
    """Takes pieces of texts and annotations in any order; ``take`` drains what can be told."""

    def __init__(self) -> None:
        self._joints = Joints()
        self._waiting: list[Note] = []
        self._told: list[Note] = []
        self._ready: list[Annotation] = []

    def receive_text(self, channel: str, place: int, size: int) -> None:
        """Take that a piece of a text or refusal was told."""
        if self._joints.add(channel, place, size):
            self._tell_waiting()

    def receive(self, annotation: Annotation, place: int | None) -> None:
        """Take an annotation of a part, or without its place of the text so far."""
        self._tell_or_keep(Note(annotation, place))

    def receive_done(self, content: object) -> None:
        """Take those of the done form: what was told of them counts once, however often it came."""
        notes = list(_read_notes(content))
        # The form knows better where one is that could not be told yet.
        self._waiting = [*without(self._waiting, notes), *without(notes, self._told)]
        self._tell_waiting()

    def receive_end(self) -> None:
        """Take that no more text comes."""
        self._tell_waiting(is_last=True)

    def take(self) -> list[Annotation]:
        """Drain those whose words have been told."""
        ready, self._ready = self._ready, []
        return ready

    def _tell_waiting(self, *, is_last: bool = False) -> None:
        notes, self._waiting = self._waiting, []
        for note in notes:
            self._tell_or_keep(note, is_last=is_last)

    def _tell_or_keep(self, note: Note, *, is_last: bool = False) -> None:
        """Tell an annotation of our newest part; one of a part before it is too late."""
        joints = self._joints
        spot = note.spot or joints.find(note.place)
        if spot is None and is_last:
            spot = joints.find(None)
        if spot is not None and joints.is_at(spot) and (is_last or spot.start < joints.length):
            self._told.append(note)
            self._ready.append(shift(note.annotation, spot.start))
        elif spot is None or spot.part >= joints.part:
            self._waiting.append(note)


def shift(annotation: Annotation, by: int) -> Annotation:
    """Return an annotation whose words are so many characters further on."""
    names = _OFFSETS | {_OFFSET_OF_TYPE.get(str(annotation.get("type")))}
    return {
        key: value + by if key in names and type(value) is int else value
        for key, value in annotation.items()
    }


def without(notes: Sequence[Note], others: Sequence[Note]) -> list[Note]:
    """Return the notes that are not among others; each stands for one, of its place if it can."""
    alike = Counter((note.key, note.place) for note in others)
    rest = [note for note in notes if not _take_out(alike, (note.key, note.place))]
    anywhere: Counter[str] = Counter()
    for (key, _), count in alike.items():
        anywhere[key] += count
    return [note for note in rest if not _take_out(anywhere, note.key)]


def _take_out(counter: Counter[Any], key: Hashable) -> bool:
    has_one = counter[key] > 0
    counter[key] -= has_one
    return has_one


def _read_notes(content: object) -> Iterator[Note]:
    """Yield the annotations of a done form."""
    joints = Joints()
    for place, part in enumerate(content if isinstance(content, list) else []):
        if not isinstance(part, dict):
            continue
        text = part.get("refusal" if part.get("type") == "refusal" else "text")
        if isinstance(text, str) and text:
            joints.add(str(part.get("type")), place, len(text))
        found = part.get("annotations")
        for annotation in found if isinstance(found, list) else []:
            if isinstance(annotation, dict) and annotation:
                yield Note(annotation, place, joints.find(place))
