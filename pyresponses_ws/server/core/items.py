"""One output item while it streams: the events that open it, fill it and close it.

Each class yields event bodies without envelope; the builder numbers them. Orders and keys are those
of live captures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

Body = dict[str, Any]

#: Names of the events of a reasoning item's parts, and of their text, by kind of part.
_REASONING_PARTS = {"summary": "reasoning_summary_part", "content": "content_part"}
_REASONING_TEXTS = {"summary": "reasoning_summary_text", "content": "reasoning_text"}


class OpenItem(Protocol):
    """An output item that is still growing."""

    def open(self) -> Iterator[Body]:
        """Yield the events that announce the item."""

    def add(self, text: str) -> Iterator[Body]:
        """Yield the event of the next piece."""

    def close(self, status: str) -> Iterator[Body]:
        """Yield the events that end the item; afterwards ``item`` is final."""

    @property
    def item(self) -> Body:
        """The item so far, in wire form."""


class OpenMessage:
    """An assistant message; its parts are text or refusal."""

    def __init__(self, item_id: str, *, phase: str | None = None) -> None:
        self.item: Body = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "content": [],
            **({} if phase is None else {"phase": phase}),
            "role": "assistant",
        }
        self._pieces: list[str] = []
        # Of the open part.
        self._annotations: list[Body] = []
        # "output_text" or "refusal" while a part is open.
        self._part: str | None = None

    def open(self) -> Iterator[Body]:
        yield _added(self.item)

    def switch(self, part: str) -> Iterator[Body]:
        """Open a part of this type unless it is the open one."""
        if part == self._part:
            return
        yield from self._close_part()
        self._part = part
        yield self._event("response.content_part.added", part=_part(part, "", []))

    def add(self, text: str) -> Iterator[Body]:
        self._pieces.append(text)
        logprobs: Body = {"logprobs": []} if self._part == "output_text" else {}
        yield self._event(f"response.{self._part}.delta", delta=text, **logprobs)

    @property
    def has_text(self) -> bool:
        """Whether a part of text is open."""
        return self._part == "output_text"

    def annotate(self, annotation: Body) -> Iterator[Body]:
        """Add an annotation to the open part of text."""
        index = len(self._annotations)
        self._annotations.append(annotation)
        yield self._event(
            "response.output_text.annotation.added", annotation=annotation, annotation_index=index
        )

    def close(self, status: str) -> Iterator[Body]:
        yield from self._close_part()
        self.item = {**self.item, "status": status}
        yield _done(self.item)

    def _close_part(self) -> Iterator[Body]:
        if self._part is None:
            return
        kind, text = self._part, "".join(self._pieces)
        full = {"text": text, "logprobs": []} if kind == "output_text" else {"refusal": text}
        part = _part(kind, text, self._annotations)
        yield self._event(f"response.{kind}.done", **full)
        yield self._event("response.content_part.done", part=part)
        self.item = {**self.item, "content": [*self.item["content"], part]}
        self._part, self._pieces, self._annotations = None, [], []

    def _event(self, kind: str, **fields: Any) -> Body:
        index = len(self.item["content"])
        return {"type": kind, "item_id": self.item["id"], "content_index": index, **fields}


class OpenReasoning:
    """A reasoning item; its parts are summary or content. It has no status key (observed live)."""

    def __init__(self, item_id: str, make_secret: Callable[[], str] | None = None) -> None:
        self.item: Body = {"id": item_id, "type": "reasoning"}
        # Makes encrypted_content where the create asked for it; drawn anew at the end, as live.
        self._make_secret = make_secret
        self._pieces: list[str] = []
        self._finished: dict[str, list[Body]] = {"summary": [], "content": []}
        # "summary" or "content" while a part is open.
        self._part: str | None = None

    def open(self) -> Iterator[Body]:
        self._fill()
        yield _added(self.item)

    def switch(self, part: str) -> Iterator[Body]:
        """Open a part of this kind unless it is the open one."""
        if part == self._part:
            return
        yield from self._close_part()
        self._part = part
        yield self._event(f"{_REASONING_PARTS[part]}.added", part=_reasoning_part(part, ""))

    def add(self, text: str) -> Iterator[Body]:
        self._pieces.append(text)
        yield self._event(f"{_REASONING_TEXTS[self._part or '']}.delta", delta=text)

    def close(self, status: str) -> Iterator[Body]:
        yield from self._close_part()
        self._fill()
        yield _done(self.item)

    def _close_part(self) -> Iterator[Body]:
        if self._part is None:
            return
        kind, text = self._part, "".join(self._pieces)
        part = _reasoning_part(kind, text)
        yield self._event(f"{_REASONING_TEXTS[kind]}.done", text=text)
        yield self._event(f"{_REASONING_PARTS[kind]}.done", part=part)
        self._finished[kind].append(part)
        self._part, self._pieces = None, []

    def _fill(self) -> None:
        content, summary = (list(self._finished[kind]) for kind in ("content", "summary"))
        self.item = {
            "id": self.item["id"],
            "type": "reasoning",
            **({"content": content} if content else {}),
            **({"encrypted_content": self._make_secret()} if self._make_secret else {}),
            "summary": summary,
        }

    def _event(self, kind: str, **fields: Any) -> Body:
        place = {f"{self._part}_index": len(self._finished[self._part or ""])}
        return {"type": f"response.{kind}", "item_id": self.item["id"], **place, **fields}


class OpenCall:
    """A call of a function (``arguments``) or of a custom tool (``input``)."""

    def __init__(
        self, item_id: str, *, call_id: str, name: str, is_custom: bool, namespace: str | None
    ) -> None:
        self._is_custom = is_custom
        self._field = "input" if is_custom else "arguments"
        self._event_name = "custom_tool_call_input" if is_custom else "function_call_arguments"
        extra = {} if namespace is None else {"namespace": namespace}
        self._facts: Body = {"call_id": call_id, "name": name, **extra}
        self._id = item_id
        self._pieces: list[str] = []
        self.item = self._make("in_progress")

    def open(self) -> Iterator[Body]:
        yield _added(self.item)

    def add(self, text: str) -> Iterator[Body]:
        self._pieces.append(text)
        yield self._event("delta", delta=text)

    def close(self, status: str) -> Iterator[Body]:
        yield self._event("done", **{self._field: "".join(self._pieces)})
        self.item = self._make(status)
        yield _done(self.item)

    def _make(self, status: str) -> Body:
        kind = "custom_tool_call" if self._is_custom else "function_call"
        rest = {self._field: "".join(self._pieces), **self._facts}
        return {"id": self._id, "type": kind, "status": status, **dict(sorted(rest.items()))}

    def _event(self, suffix: str, **fields: Any) -> Body:
        return {"type": f"response.{self._event_name}.{suffix}", "item_id": self._id, **fields}


class WholeItem:
    """An item that needs no growing: it is announced and ended with all it has."""

    def __init__(self, item: Body) -> None:
        self.item = item

    def open(self) -> Iterator[Body]:
        yield _added(self.item)

    def add(self, text: str) -> Iterator[Body]:
        raise ValueError("a whole item takes no pieces")

    def close(self, status: str) -> Iterator[Body]:
        yield _done(self.item)


def _added(item: Body) -> Body:
    return {"type": "response.output_item.added", "item": item}


def _done(item: Body) -> Body:
    return {"type": "response.output_item.done", "item": item}


def _part(kind: str, text: str, annotations: list[Body]) -> Body:
    if kind == "output_text":
        return {"type": kind, "annotations": annotations, "logprobs": [], "text": text}
    return {"type": kind, "refusal": text}


def _reasoning_part(kind: str, text: str) -> Body:
    return {"type": "summary_text" if kind == "summary" else "reasoning_text", "text": text}
