"""One call of an upstream while it comes in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pyresponses_ws.server.engines.base import CallDelta, DetailDelta
from pyresponses_ws.server.engines.upstream.items import Draft

Item = dict[str, Any]

#: The one text of a call; of a custom tool it is the input.
ARGUMENTS = "arguments"


class CallDraft(Draft):
    """A call of a function or a custom tool. It is told from the moment that it has a name."""

    channels = (ARGUMENTS,)
    details = ("caller",)

    def __init__(self, kind: str, *, before: Draft | None = None) -> None:
        super().__init__(kind, before=before)
        self._is_open = False
        # Pieces that came before the name.
        self._early: list[str] = []

    @property
    def name(self) -> str:
        """The name, "" while it is not known."""
        return _text(self.facts.get("name"))

    @property
    def call_id(self) -> str:
        """What its output will name; a server without one tells it as the item's id."""
        return _text(self.facts.get("call_id")) or _text(self.facts.get("id"))

    def note(self, item: Item) -> None:
        """Take name and ids, which may open the call."""
        super().note(item)
        if not self._is_open and self.name and _text(self.facts.get("call_id")):
            self._open()

    def close(self) -> None:
        """Take that nothing more comes; arguments that only the added form had count too."""
        if not self.is_done:
            if not self.texts:
                for channel, text in self._parts(self.facts):
                    self.add(channel, None, self.texts.rest(channel, text))
            if not self._is_open and self.name:
                self._open()
        super().close()

    @property
    def is_nameless(self) -> bool:
        """Whether it ended without what makes it a call."""
        return self.is_done and not self._is_open and bool(self.texts)

    def equals(self, item: Item) -> bool:
        """Say whether another form tells of this call, whose texts alone would not say it."""
        return bool(self.name) and self.covers(item)

    def covers(self, item: Item) -> bool:
        """Say whether another form tells of the same call."""
        other = _text(item.get("call_id"))
        if other and _text(self.facts.get("call_id")):
            return other == self.call_id
        names = {self.name, _text(item.get("name"))} - {""}
        return len(names) < 2 and super().covers(item)

    def _open(self) -> None:
        self._is_open = True
        is_custom = self.kind == "custom_tool_call"
        text = "".join(self._early)
        self._deltas.append(
            CallDelta(
                text,
                name=self.name,
                kind="custom" if is_custom else "function",
                namespace=_text(self.facts.get("namespace")) or None,
                call_id=self.call_id or None,
            )
        )

    def _tell(self, channel: str, text: str, *, is_further: bool) -> None:
        if self._is_open:
            self._deltas.append(CallDelta(text))
        else:
            self._early.append(text)

    def _parts(self, item: Item) -> Iterator[tuple[str, str]]:
        value = item.get("input" if self.kind == "custom_tool_call" else "arguments")
        if isinstance(value, Mapping):
            value = json.dumps(value, ensure_ascii=False)
        if isinstance(value, str):
            yield ARGUMENTS, value

    def _tell_details(self) -> None:
        if self._is_open:
            details = {name: self.facts[name] for name in self.details if name in self.facts}
            self._deltas += [DetailDelta(details)] if details else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
