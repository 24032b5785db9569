"""What an upstream answers, event by event or whole, as deltas and one end. Pure.

Servers leave out what the protocol has: names of events, numbers, ids, beginnings, pieces, ends.
What they told counts, in whichever form, and once. Only an answer without its last event, or one
that is no JSON, is a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

from pyresponses_ws import codec
from pyresponses_ws.errors import APIError, ProtocolError
from pyresponses_ws.server.engines.base import CutDelta, Delta, TextDelta, UsageDelta
from pyresponses_ws.server.engines.upstream.calls import ARGUMENTS, CallDraft
from pyresponses_ws.server.engines.upstream.drafts import Drafts, TooManyItems
from pyresponses_ws.server.engines.upstream.errors import (
    from_event,
    is_error,
    upstream_failed,
    withheld_words,
)
from pyresponses_ws.server.engines.upstream.items import Draft, MessageDraft, read_part

Event = dict[str, Any]

#: Characters that may wait behind an item that is not done.
MAX_HELD = 16 * 2**20

#: The events of texts without their last word, by the type of their item, their channel, and the
#: key of the whole text. The names without ``_text`` are those of Open Responses.
_TEXTS: dict[str, tuple[str, str, str]] = {
    "response.output_text": ("message", "output_text", "text"),
    "response.refusal": ("message", "refusal", "refusal"),
    "response.reasoning_summary_text": ("reasoning", "summary_text", "text"),
    "response.reasoning_summary": ("reasoning", "summary_text", "text"),
    "response.reasoning_text": ("reasoning", "reasoning_text", "text"),
    "response.reasoning": ("reasoning", "reasoning_text", "text"),
    "response.function_call_arguments": ("function_call", ARGUMENTS, "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", ARGUMENTS, "input"),
}
#: The events of parts that are done, whatever their name says of the part.
_PARTS_DONE = frozenset(
    {
        *("response.content_part.done", "response.reasoning_part.done"),
        "response.reasoning_summary_part.done",
    }
)
_KIND_OF_PART = {
    "output_text": "message",
    "refusal": "message",
    "summary_text": "reasoning",
    "reasoning_text": "reasoning",
}
_PLACES = ("content_index", "summary_index")

#: Events that end a response. ``done`` leaves it to the status.
_TERMINALS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
    "response.done": "",
}
_GOOD_ENDS = frozenset({"completed", "incomplete"})
_ERRORS = frozenset({"error", "response.error"})
_REASONS = ("max_output_tokens", "max_messages", "content_filter")

#: Spellings of the two counts; the second is that of chat completions.
_INPUT_COUNTS = ("input_tokens", "prompt_tokens")
_OUTPUT_COUNTS = ("output_tokens", "completion_tokens")


class Answer:
    """Takes one answer: any number of ``receive_text``, or ``receive_whole``, or ``receive_end``.

    ``take_deltas`` drains. After ``is_over`` nothing counts any more; ``error`` then tells why the
    turn failed, or is None.
    """

    def __init__(self) -> None:
        self._drafts = Drafts()
        self._deltas: list[Delta] = []
        self._held = 0
        # The last text of each number, to know an event that comes twice.
        self._numbers: dict[int, int] = {}
        # Something of a Responses API came.
        self._is_known = False
        self.is_over = False
        self.error: APIError | None = None
        #: The error repeats what the upstream said, which is for the client alone.
        self.is_told = False
        #: What the upstream said, where the error does not repeat it.
        self.withheld: str | None = None
        #: The error is that nothing in the answer was of a Responses API.
        self.is_foreign = False

    def take_deltas(self) -> list[Delta]:
        """Drain what is to be told."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def receive_text(self, text: str) -> None:
        """Take the data of one event."""
        if self.is_over:
            return
        try:
            event = codec.loads(text)
        except ProtocolError:
            event = None
        if not isinstance(event, dict):
            self.fail_unread(upstream_failed("The upstream sent an event that is no JSON object."))
        elif not self._is_repeated(event, text):
            self._receive(event, len(text))

    def receive_whole(self, body: bytes) -> None:
        """Take a Response in one piece, of a server that streams nothing."""
        if self.is_over:
            return
        try:
            response = codec.loads(body)
        except ProtocolError:
            response = None
        if isinstance(response, dict) and isinstance(response.get("output"), list):
            self._receive({"type": "response.done", "response": response}, 0)
        elif isinstance(response, dict) and is_error(response):
            self._fail_as_told(response)
        else:
            self.fail_unread(
                upstream_failed("The upstream's answer is neither an event stream nor a Response.")
            )

    def receive_end(self) -> None:
        """Take that nothing more comes."""
        if not self.is_over:
            self.fail_unread(
                upstream_failed("The upstream's answer ended before the response did.")
            )

    def fail(self, error: APIError) -> None:
        """Take that the answer broke off, and why."""
        if not self.is_over:
            self._fail(error)

    def fail_unread(self, error: APIError) -> None:
        """Take that the answer is not, or no longer, in a form that can be read."""
        if not self.is_over:
            self.is_foreign = not self._is_known
            self._fail(error)

    # --- events -------------------------------------------------------------------------------

    def _is_repeated(self, event: Event, text: str) -> bool:
        """Say whether an event came before: the same, under a number that is not everybody's."""
        number = _integer(event.get("sequence_number"))
        if number is None:
            return False
        told, self._numbers[number] = self._numbers.get(number), hash(text)
        return told == hash(text) and len(self._numbers) > 1

    def _receive(self, event: Event, size: int) -> None:
        try:
            draft = self._dispatch(event)
        except TooManyItems:
            self._fail(upstream_failed("The upstream's response has too many items."))
            return
        if draft is not None:
            self._drafts.queue(draft)
            self._held += size if self._drafts.is_held(draft) else 0
        if not self.is_over:
            self._deltas += self._drafts.take_deltas()
            if self._held > MAX_HELD:
                self._fail(
                    upstream_failed("The upstream interleaves more than can be put in order.")
                )

    def _dispatch(self, event: Event) -> Draft | None:
        """Take one event; return the item that it is about."""
        kind = event.get("type")
        if not isinstance(kind, str):
            if is_error(event):
                self._fail_as_told(event)  # Behind the head some servers have no other way.
            return None
        self._is_known = self._is_known or kind.startswith("response.")
        if kind in _TERMINALS:
            self._end(_status_of(kind, event), event)
            return None
        if kind in _ERRORS:
            self._fail_as_told(event)
            return None
        base, _, last = kind.rpartition(".")
        if base in _TEXTS:
            return self._take_text(event, *_TEXTS[base], is_whole=last == "done")
        handler = _HANDLERS.get(kind)
        return None if handler is None else handler(self, event)

    def _take_text(
        self, event: Event, kind: str, channel: str, key: str, *, is_whole: bool
    ) -> Draft | None:
        text = event.get(key if is_whole else "delta")
        if not isinstance(text, str):
            return None
        if is_whole:
            return self._settle(event, kind, channel, text)
        draft = self._drafts.find_or_make(kind, *_names_of(event))
        draft.add(channel, _place_of(event), text)
        return draft

    def _settle(self, event: Event, kind: str, channel: str, text: str) -> Draft | None:
        """Take a whole text. One of an item that is done is told again."""
        names, at = _names_of(event), _place_of(event) or 0
        draft = self._drafts.find(kind, *names)
        if draft is not None and draft.is_done and text in draft.texts.of(channel):
            return None
        is_alias = draft is not None and self._drafts.is_alias(draft, names[0])
        if draft is not None and is_alias and not draft.texts.agrees(channel, text, at):
            draft = self._drafts.follow(kind, *names)
        else:
            draft = self._drafts.find_or_make(kind, *names)
        if isinstance(draft, CallDraft):
            draft.note({key: event.get(key) for key in ("name", "call_id", "namespace")})
        draft.settle(channel, at, text)
        return draft

    def _take_part(self, event: Event) -> Draft | None:
        part = read_part(event.get("part"))
        kind = None if part is None else _KIND_OF_PART.get(part[0])
        if part is None or kind is None:
            return None
        return self._settle(event, kind, *part)

    def _take_annotation(self, event: Event) -> Draft | None:
        draft = self._drafts.find("message", *_names_of(event))
        if not isinstance(draft, MessageDraft) or draft.is_done:
            return None
        draft.annotate(event.get("annotation"), _place_of(event))
        return draft

    def _take_added(self, event: Event) -> Draft | None:
        item = _as_item(event.get("item"))
        if item is None:
            return None
        draft = self._drafts.open(item["type"], *_names_of(event, item))
        if not draft.is_done:
            draft.note(item)
        return draft

    def _take_done(self, event: Event) -> Draft | None:
        item = _as_item(event.get("item"))
        if item is None:
            return None
        names = _names_of(event, item)
        draft = self._drafts.find(item["type"], *names)
        if draft is not None and draft.is_done and not draft.misses(item):
            # Told again, unless it ended already under another id, at the same place.
            is_other = draft.is_settled and self._drafts.is_alias(draft, names[0])
            if not is_other:
                return None
        draft = self._drafts.find_or_make(item["type"], *names)
        draft.settle_item(item)
        return draft

    # --- ends ---------------------------------------------------------------------------------

    def _end(self, status: str, event: Event) -> None:
        """Take a terminal event: what only its Response tells, then how it ended."""
        response = event.get("response")
        response = response if isinstance(response, dict) else {}
        self._take_output(response.get("output"))
        usage = read_usage(response.get("usage")) or read_usage(event.get("usage"))
        if usage is not None:
            self._deltas.append(usage)
        if status == "failed" or (status not in _GOOD_ENDS and response.get("error")):
            self._fail_as_told(event)
        elif status not in _GOOD_ENDS:
            self.is_told = True
            self._fail(upstream_failed(f"The upstream ended the response as {status[:40]!r}."))
        elif self._close_all() and status == "completed":
            self._fail(upstream_failed("The upstream sent a call without a name."))
        else:
            self._finish(cut=_reason_of(response) if status == "incomplete" else None)

    def _take_output(self, output: object) -> None:
        items = [_as_item(item) for item in output] if isinstance(output, list) else []
        for item, draft in self._drafts.match([item for item in items if item is not None]):
            if not draft.is_done:
                draft.settle_item(item)
                self._drafts.queue(draft)

    def _close_all(self) -> bool:
        """Close every item; return whether one of them is a call that nobody could run."""
        for draft in self._drafts:
            draft.close()
            self._drafts.queue(draft)
        return any(isinstance(draft, CallDraft) and draft.is_nameless for draft in self._drafts)

    def _finish(self, *, cut: CutDelta | None) -> None:
        self._deltas += self._drafts.take_deltas()
        has_message = any(isinstance(draft, MessageDraft) for draft in self._drafts)
        if has_message and not self._drafts.has_told:
            # An empty message beside a call says nothing; alone it is the answer.
            self._deltas.append(TextDelta(""))
        self._deltas += [] if cut is None else [cut]
        self.is_over = True

    def _fail_as_told(self, event: Event) -> None:
        self.is_told, self.withheld = True, withheld_words(event)
        self._fail(from_event(event))

    def _fail(self, error: APIError) -> None:
        self._deltas += self._drafts.take_all()
        self.is_over, self.error = True, error


_HANDLERS: dict[str, Callable[[Answer, Event], Draft | None]] = {
    "response.output_item.added": Answer._take_added,
    "response.output_item.done": Answer._take_done,
    "response.output_text.annotation.added": Answer._take_annotation,
    **dict.fromkeys(_PARTS_DONE, Answer._take_part),
}


def read_usage(value: object) -> UsageDelta | None:
    """Read a usage in either spelling; None unless it counts input and output."""
    if not isinstance(value, dict):
        return None
    read, written = (_count(value, *names) for names in (_INPUT_COUNTS, _OUTPUT_COUNTS))
    if read is None or written is None:
        return None
    inputs, outputs = (
        next(
            (found for name in names if isinstance(found := value.get(f"{name}_details"), dict)), {}
        )
        for names in (_INPUT_COUNTS, _OUTPUT_COUNTS)
    )
    return UsageDelta(
        read,
        written,
        cached_tokens=_count(inputs, "cached_tokens") or 0,
        cache_write_tokens=_count(inputs, "cache_write_tokens") or 0,
        reasoning_tokens=_count(outputs, "reasoning_tokens") or 0,
    )


def _count(value: Event, *names: str) -> int | None:
    found = (_integer(value.get(name)) for name in names)
    return next((count for count in found if count is not None and count >= 0), None)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_item(value: object) -> Event | None:
    """Return an output item with its type; None for what is none."""
    if not isinstance(value, dict):
        return None
    kind = value.get("type") or ("message" if value.get("role") else None)
    return {**value, "type": kind} if isinstance(kind, str) else None


def _names_of(event: Event, item: Event | None = None) -> tuple[str | None, int | None]:
    """Return the id and the place of the item that an event is about, as far as it tells them."""
    item_id = event.get("item_id") if item is None else item.get("id") or event.get("item_id")
    known = item_id if isinstance(item_id, str) and item_id else None
    return known, _integer(event.get("output_index"))


def _place_of(event: Event) -> int | None:
    """Return the place of a part."""
    found = (_integer(event.get(name)) for name in _PLACES)
    return next((place for place in found if place is not None), None)


def _status_of(kind: str, event: Event) -> str:
    """Return how a response ended; some servers send ``completed`` for every end but an error."""
    response = event.get("response")
    told = response.get("status") if isinstance(response, dict) else None
    if _TERMINALS[kind] not in ("", "completed") or not isinstance(told, str):
        return _TERMINALS[kind] or "completed"
    is_vague = kind == "response.completed" and told in ("in_progress", "queued")
    return "completed" if is_vague else told


def _reason_of(response: Event) -> CutDelta:
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    known = reason if reason in _REASONS else "max_output_tokens"
    return CutDelta(cast(Literal["max_output_tokens", "max_messages", "content_filter"], known))
