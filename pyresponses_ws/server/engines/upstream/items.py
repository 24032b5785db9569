"""One output item of an upstream while it comes in: its texts, each once, as deltas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pyresponses_ws.server.engines.base import (
    AnnotationDelta,
    Delta,
    DetailDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
)
from pyresponses_ws.server.engines.upstream.annotations import TEXT, Annotations
from pyresponses_ws.server.engines.upstream.texts import Texts

Item = dict[str, Any]

#: Which text of an item, by the types of its parts.
MESSAGE_CHANNELS = (TEXT, "refusal")
REASONING_CHANNELS = ("summary_text", "reasoning_text")

#: The key of a part's text.
_TEXT_KEYS = {"refusal": "refusal"}
#: Between two parts of a summary, which become one here: each starts with a heading of its own.
_PARAGRAPH = "\n\n"


class Draft(ABC):
    """An item that streams: a message, a reasoning or a call. Subclasses know their deltas."""

    #: Names of its channels.
    channels: tuple[str, ...] = ()
    #: The channels of texts that are no lists of parts.
    plain: Mapping[str, str] = MappingProxyType({})
    #: Fields of its done form that are told beside its texts.
    details: tuple[str, ...] = ()

    def __init__(self, kind: str, *, before: Draft | None = None) -> None:
        self.kind = kind
        #: What came under the same id, and has ended.
        self.before = before
        self.texts: Texts = Texts(None if before is None else before.texts)
        #: What the added and the done form say; the newest counts.
        self.facts: Item = {"type": kind}
        #: Its last text came: another item may follow, though its done form is missing.
        self.is_full = False
        #: Nothing more is expected of it.
        self.is_done = False
        #: Its done form came.
        self.is_settled = False
        self._deltas: list[Delta] = []

    @property
    def has_deltas(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._deltas)

    def take_deltas(self) -> list[Delta]:
        """Drain what there is to tell."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def add(self, channel: str, place: int | None, text: str) -> None:
        """Take a piece of a text."""
        if text:
            is_further = self.texts.add(channel, place, text)
            self._tell(channel, text, is_further=is_further)

    def settle(self, channel: str, place: int | None, text: str) -> None:
        """Take a text or part that is done."""
        self.add(channel, place, self.texts.rest(channel, text, place or 0))
        self.is_full = True

    def note(self, item: Item) -> None:
        """Take what a form of the item says beside its texts."""
        self.facts |= {key: value for key, value in item.items() if value is not None}

    def settle_item(self, item: Item) -> None:
        """Take the done form: the rests of its texts, then its details."""
        self.note(item)
        self.is_settled = True
        if not self.texts and self.before is None:
            for place, (channel, text) in enumerate(self._parts(item)):
                self.add(channel, place, text)
        else:
            for channel in self.channels:
                self.add(channel, None, self.texts.rest(channel, self._whole(item, channel)))
        self.close()

    def equals(self, item: Item) -> bool:
        """Say whether another form tells just what has come."""
        return all(self.texts.of(name) == self._whole(item, name) for name in self.channels)

    def covers(self, item: Item) -> bool:
        """Say whether another form tells of the same: one of the two goes on where the other ends.

        Space at their ends does not count: some servers strip it from what is done.
        """
        for channel in self.channels:
            had = self.texts.of(channel).strip()
            whole = self._whole(item, channel).strip()
            if not (whole.startswith(had) or had.startswith(whole)):
                return False
        return True

    def misses(self, item: Item) -> bool:
        """Say whether another form tells something that has not come.

        Without an id and without a text it is another, empty item.
        """
        wholes = {channel: self._whole(item, channel) for channel in self.channels}
        if bool(self.texts) and not item.get("id") and not any(wholes.values()):
            return True
        rests = (self.texts.rest(channel, whole) for channel, whole in wholes.items())
        return not self.covers(item) or any(rest.strip() for rest in rests)

    def close(self) -> None:
        """Take that nothing more comes; idempotent."""
        if not self.is_done:
            self.is_done = True
            self._tell_details()

    @abstractmethod
    def _tell(self, channel: str, text: str, *, is_further: bool) -> None:
        """Make the delta of a piece; ``is_further``: a further part of its channel begins."""

    def _parts(self, item: Item) -> Iterator[tuple[str, str]]:
        """Yield the texts of a form of the item, each with its channel."""
        for key in ("summary", "content"):
            value = item.get(key)
            if isinstance(value, str):
                value = [{"type": self.plain.get(key), "text": value}]
            for part in value if isinstance(value, list) else []:
                if (found := read_part(part)) is not None and found[0] in self.channels:
                    yield found

    def _whole(self, item: Item, channel: str) -> str:
        return "".join(text for name, text in self._parts(item) if name == channel)

    def _known_details(self) -> Item:
        known = {name: self.facts.get(name) for name in self.details}
        return {name: text for name, text in known.items() if isinstance(text, str) and text}

    def _tell_details(self) -> None:
        if self.texts and (details := self._known_details()):
            self._deltas.append(DetailDelta(details))


def read_part(part: object) -> tuple[str, str] | None:
    """Return channel and text of a part; None for one of another kind, or without a text."""
    if not isinstance(part, dict) or not isinstance(kind := part.get("type"), str):
        return None
    text = part.get(_TEXT_KEYS.get(kind, "text"))
    return (kind, text) if isinstance(text, str) else None


class MessageDraft(Draft):
    """A message: text and refusals, with annotations."""

    channels = MESSAGE_CHANNELS
    plain = MappingProxyType({"content": "output_text"})
    details = ("phase",)

    def __init__(self, kind: str, *, before: Draft | None = None) -> None:
        super().__init__(kind, before=before)
        self._annotations = Annotations()

    def annotate(self, annotation: object, place: int | None = None) -> None:
        """Take an annotation of a part, or without its place of the text so far."""
        if isinstance(annotation, dict) and annotation:
            self._annotations.receive(annotation, place)
            self._tell_annotations()

    def settle_item(self, item: Item) -> None:
        """Take the done form; annotations that only it has count too."""
        self._annotations.receive_done(item.get("content"))
        super().settle_item(item)

    def close(self) -> None:
        """Take that nothing more comes."""
        if not self.is_done:
            self._annotations.receive_end()
            self._tell_annotations()
        super().close()

    def _tell(self, channel: str, text: str, *, is_further: bool) -> None:
        self._deltas.append(TextDelta(text) if channel == TEXT else RefusalDelta(text))
        self._annotations.receive_text(channel, self.texts.place_of(channel), len(text))
        self._tell_annotations()

    def _tell_annotations(self) -> None:
        self._deltas += map(AnnotationDelta, self._annotations.take())


class ReasoningDraft(Draft):
    """A reasoning: a summary, the text itself, or neither."""

    channels = REASONING_CHANNELS
    plain = MappingProxyType({"summary": "summary_text", "content": "reasoning_text"})
    details = ("encrypted_content",)

    def _tell(self, channel: str, text: str, *, is_further: bool) -> None:
        if channel == "summary_text":
            self._deltas.append(ReasoningDelta((_PARAGRAPH if is_further else "") + text))
        else:
            self._deltas.append(ReasoningDelta(text, kind="content"))

    def _tell_details(self) -> None:
        if self.texts:
            super()._tell_details()
        elif self.before is None:
            # Without a text there is nothing to stream, and no part to be opened for it.
            item = {"type": "reasoning", **self._known_details(), "summary": []}
            self._deltas.append(ItemDelta(item))


class WholeDraft(Draft):
    """An item of any other type, told when it is done."""

    def note(self, item: Item) -> None:
        """Take a form of it; the newest counts, as it is."""
        self.facts = item

    def covers(self, item: Item) -> bool:
        """Say yes: without an id its place among those of its type tells which it is."""
        return True

    def equals(self, item: Item) -> bool:
        """Say whether another form is this one, by whatever id."""
        return not self.misses(item)

    def misses(self, item: Item) -> bool:
        """Say whether another form tells of another item, or of more."""
        forms = ({k: v for k, v in form.items() if k != "id"} for form in (item, self.facts))
        return next(forms) != next(forms)

    def _tell(self, channel: str, text: str, *, is_further: bool) -> None:
        """Leave out its pieces: the done form has them."""

    def _tell_details(self) -> None:
        item_id = self.facts.get("id")
        rest = {key: value for key, value in self.facts.items() if key != "id"}
        has_id = isinstance(item_id, str) and item_id
        self._deltas.append(ItemDelta({"id": item_id, **rest} if has_id else rest))
