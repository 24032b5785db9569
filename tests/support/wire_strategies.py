"""Wire objects made from the schema: a seeded generator, and hypothesis strategies over its seeds.

The schema is ``tests/data/events.json``. Drawing a whole Response choice by choice is more than
hypothesis likes; a seed is one choice, and a failing one makes the same object again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

DATA = Path(__file__).resolve().parent.parent / "data"
SCHEMA: dict[str, Any] = json.loads((DATA / "events.json").read_text("utf-8"))

#: ``type`` to the name of the model, of all server events.
EVENT_MODELS: dict[str, str] = SCHEMA["server_events"]
COMMAND_MODELS: dict[str, str] = SCHEMA["client_events"]

#: Levels of models inside models; deeper ones get their required keys only.
_DEEP = 4
_WORDS = ("", "a", "Zürich", "日本", "🙂", 'quote " and \\ slash', "line\nbreak", "\x00", "x" * 40)


class Field(NamedTuple):
    """One key of a model."""

    name: str
    type: str
    optional: bool
    nullable: bool


@cache
def fields_of(model: str) -> tuple[Field, ...]:
    """Return the keys of a model of the schema."""
    rows = SCHEMA["models"][model].items()
    return tuple(
        Field(name, text.removesuffix(" !").removesuffix(" ?"), " ?" in text, text.endswith(" !"))
        for name, text in rows
    )


@cache
def members_of(text: str) -> tuple[str, ...]:
    """Split a type at its outer bars, and resolve named unions and aliases."""
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "|" and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    parts.append(text[start:].strip())
    return tuple(member for part in parts for member in _resolve(part))


def _resolve(part: str) -> tuple[str, ...]:
    if part in SCHEMA["unions"]:
        return tuple(each for name in SCHEMA["unions"][part] for each in members_of(name))
    if part in SCHEMA["enums"]:
        return tuple(f'"{value}"' for value in SCHEMA["enums"][part] if value[0] != "<")
    return (SCHEMA["aliases"].get(part, part),)


def inner_of(member: str) -> str | None:
    """Return what an array or a map holds, or None for anything else."""
    if member.startswith("array<"):
        return member[len("array<") : -1]
    return member[len("map<string,") : -1] if member.startswith("map<") else None


class Wire:
    """Makes plain JSON that fits the schema."""

    def __init__(self, seed: int, *, extras: bool = True) -> None:
        self._random = Random(seed)
        self._extras = extras

    def value(self, text: str, depth: int = 0) -> Any:
        """Return a value of a type."""
        member = self._random.choice(members_of(text))
        inner = inner_of(member)
        if member.startswith("array<") and inner:
            return [self.value(inner, depth + 1) for _ in range(self._count(depth))]
        if member.startswith("map<") and inner:
            return {f"key {n}": self.value(inner, depth + 1) for n in range(self._count(depth))}
        if member.startswith('"'):
            return member.strip('"')
        return self.model(member, depth) if member in SCHEMA["models"] else self._scalar(member)

    def model(self, name: str, depth: int = 0) -> dict[str, Any]:
        """Return an object of a model: keys in any order, optional ones or nulls at random."""
        wire = {
            field.name: self._field(field, depth)
            for field in fields_of(name)
            if not field.optional or (depth < _DEEP and self._random.random() < 0.6)
        }
        if self._extras and self._random.random() < 0.3:
            wire[f"x_unknown_{self._random.randrange(9)}"] = self._scalar("any")
        keys = list(wire)
        self._random.shuffle(keys)
        return {key: wire[key] for key in keys}

    def event(self) -> dict[str, Any]:
        """Return an event of any type."""
        return self.model(EVENT_MODELS[self._random.choice(sorted(EVENT_MODELS))])

    def _field(self, field: Field, depth: int) -> Any:
        if field.nullable and self._random.random() < 0.15:
            return None
        return self.value(field.type, depth + 1)

    def _count(self, depth: int) -> int:
        return self._random.randrange(3) if depth < _DEEP else 0

    def _scalar(self, member: str) -> Any:
        makers = {
            "string": lambda: self._random.choice(_WORDS),
            "integer": lambda: self._random.randrange(-5, 10**9),
            "number": lambda: self._random.choice([0, 1, 0.5, -0.0, 1e-7, 1.7e9]),
            "boolean": lambda: self._random.random() < 0.5,
            "null": lambda: None,
            "any": lambda: {"free": [1, {"form": None}], "type": "string"},
        }
        return makers[member]()


#: Characters, numbers and shapes on which JSON readers differ; in the text of a frame.
AWKWARD = (
    r'"\ud83d"',
    r'"\udc00 low first"',
    r'"\ud83d\ude00"',
    r'"\u0000\u001f\/"',
    '"\u2028 and 🙂"',
    '"\ud83d"',
    str(2**63),
    str(2**64),
    str(-(2**63) - 1),
    str(10**40),
    "-0",
    "-0.0",
    "1e400",
    "-1e400",
    "1e-400",
    "1.7976931348623157e308",
    "18446744073709551616.0",
    "0.1000000000000000055511151231257827",
    "9" * 5000,
    "NaN",
    "Infinity",
    "01",
    "1.",
    '"\t"',
    "[" * 127 + "]" * 127,
    "[" * 1100 + "]" * 1100,
    '{"a":' * 60 + "[18446744073709551616]" + "}" * 60,
    '{"k":1,"k":{"k":2,"k":3}}',
    "[1,]",
    " [ 1 , 2 ] ",
)


def frames(count: int, seed: int = 0) -> Iterator[str]:
    """Yield texts of events, a third of them with something awkward in a key of its own."""
    random = Random(seed)
    for number in range(count):
        wire = Wire(random.randrange(2**32)).event()
        text = json.dumps(wire, ensure_ascii=random.random() < 0.5)
        if number % 3 == 0:
            key = random.choice(["type", "sequence_number", "delta", "unheard_of"])
            text = f'{text[:-1]}, "{key}": {random.choice(AWKWARD)}}}'
        yield text


def wires(model: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of one model of the schema."""
    return st.integers(0, 2**32 - 1).map(lambda seed: Wire(seed).model(model))


def events() -> st.SearchStrategy[dict[str, Any]]:
    """Events of every type."""
    return st.integers(0, 2**32 - 1).map(lambda seed: Wire(seed).event())


def transcripts() -> list[Path]:
    """Return the annotated conversations, one file each."""
    return sorted((DATA / "transcripts").glob("*.jsonl"))


def transcript_frames(path: Path) -> list[tuple[str, Any]]:
    """Return the frames of a transcript with their direction, ``client`` or ``server``."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(line["dir"], line["frame"]) for line in lines if "frame" in line]
