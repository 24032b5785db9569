"""Random frames of clients: what fits the schema, what nearly does, and what is no JSON at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.support.wire_strategies import AWKWARD, COMMAND_MODELS, Wire

Frame = dict[str, Any]

#: Fields on which the server's limits are far narrower than the schema, so that nearly every create
#: of the schema alone would be refused for them.
_RARELY_VALID = (
    *("background", "context_management", "conversation", "reasoning", "temperature"),
    *("tool_choice", "top_logprobs", "top_p"),
)

_TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
_GOOD: dict[str, Any] = {
    "context_management": [{"type": "compaction", "compact_threshold": 5000}],
    "generate": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_options": {"prewarm": True},
    "reasoning": {"effort": "low"},
    "store": False,
    "stream_options": {"include_obfuscation": False},
    "temperature": 1,
    "tool_choice": "required",
    "tools": [_TOOL],
}

_JUNK: tuple[Any, ...] = (
    *(None, True, -1, 2**70, 0.5, "", "\ud800", "\x00", "x" * 5000, [], {}, [[]], [None], {"": {}}),
    *({"type": "message"}, [{"type": "message", "role": "user", "content": None}], "resp_0"),
)

_GARBAGE = ("", " ", "{", "null", "[]", '""', "0", "{}}", '{"type"', "\x00", "\ufeff{}", "{'a': 1}")


class FrameMaker:
    """Makes frames from one seed; the same seed makes the same frames."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def create(self, **fields: Any) -> Frame:
        """Make a create that has good chances to run; ``fields`` win, and None leaves one out."""
        chosen = self._random.sample(sorted(_GOOD), self._random.choice([0, 0, 1, 2]))
        frame: Frame = {"type": "response.create", "model": "m", "input": self._input()}
        frame |= {name: _GOOD[name] for name in chosen} | fields
        return {name: value for name, value in frame.items() if value is not None}

    def wild_create(self, **fields: Any) -> Frame:
        """Make a create of the schema; most are refused for one field or another."""
        wire = Wire(self._random.randrange(2**32)).model("ResponseCreate")
        if self._random.random() < 0.8:
            wire = {name: value for name, value in wire.items() if name not in _RARELY_VALID}
        if not wire.get("model"):
            wire["model"] = "m"
        return {**wire, **fields}

    def command(self) -> Frame:
        """Make a command of the schema as it comes."""
        model = COMMAND_MODELS[self._random.choice(sorted(COMMAND_MODELS))]
        return Wire(self._random.randrange(2**32)).model(model)

    def steer(self, target: str, text: str) -> Frame:
        """Make a steer; ``text`` is in its input."""
        message = {"type": "message", "role": "user", "content": text}
        part = {"role": "user", "content": [{"type": "input_text", "text": text}]}
        value = self._random.choice([text, [message], [part], [message, part][:1]])
        return {"type": "response.steer", "previous_response_id": target, "input": value}

    def mutate(self, frame: Frame) -> Frame:
        """Break a frame somewhere: a value replaced, left out, doubled or made too deep."""
        frame = json.loads(json.dumps(frame))
        place: Any = frame
        key = self._key_of(place)
        while self._key_of(place[key]) is not None and self._random.random() < 0.5:
            place = place[key]
            key = self._key_of(place)
        if isinstance(place, dict) and self._random.random() < 0.2:
            del place[key]
        else:
            place[key] = self.junk()
        return frame

    def junk(self) -> Any:
        """Return a value that is hardly ever expected."""
        kind = self._random.random()
        if kind < 0.05:
            return _nest(self._random.choice([20, 60, 120, 124, 126, 200]))
        if kind < 0.3:
            return Wire(self._random.randrange(2**32)).event()
        return self._random.choice(_JUNK)

    def garbage(self) -> str:
        """Return text that is no frame: cut short, awkward JSON, or no JSON."""
        kind = self._random.randrange(4)
        if kind == 0:
            text = json.dumps(self.command())
            return text[: self._random.randrange(len(text))]
        if kind == 1:
            return self._random.choice(AWKWARD)
        if kind == 2:
            return "".join(self._random.choices('{}[]",:\\u0 \ud800é🙂', k=20))
        return self._random.choice(_GARBAGE)

    def awkward(self) -> str:
        """Return the text of a create with something awkward in it, where any reader may trip."""
        text = json.dumps(self.create(), ensure_ascii=self._random.random() < 0.5)
        keys = ("metadata", "reasoning", "prompt", "text", "input", "user", "unheard_of", "type")
        key = self._random.choice(keys)
        value = self._random.choice(AWKWARD)
        value = self._random.choice([value, f'{{"format": {value}}}', f"[{value}]"])
        return f'{text[:-1]}, "{key}": {value}}}'

    def _input(self) -> Any:
        kind = self._random.random()
        if kind < 0.5:
            return self._random.choice(["hi", "What is the weather in Paris?", "🙂", "\ud83d", ""])
        if kind < 0.7:
            return None
        return Wire(self._random.randrange(2**32)).value("array<ResponseInputItem>")

    def _key_of(self, place: Any) -> Any:
        keys: Sequence[Any] = ()
        if isinstance(place, dict):
            keys = sorted(place)
        elif isinstance(place, list):
            keys = range(len(place))
        return self._random.choice(keys) if keys else None


def _nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value
