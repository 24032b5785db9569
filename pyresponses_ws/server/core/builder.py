"""Turns an engine's deltas into the numbered events of one response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyresponses_ws.errors import APIError
from pyresponses_ws.server.core.envelope import Envelope
from pyresponses_ws.server.core.errors import error_object
from pyresponses_ws.server.core.ids import Ids, Padding
from pyresponses_ws.server.core.items import (
    Body,
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenReasoning,
    WholeItem,
)
from pyresponses_ws.server.core.kinds import Item, call_key
from pyresponses_ws.server.core.request import CreateRequest
from pyresponses_ws.server.core.response import close_response, open_response
from pyresponses_ws.server.core.wire import encode
from pyresponses_ws.server.engines.base import (
    AnnotationDelta,
    CallDelta,
    Content,
    CutDelta,
    DetailDelta,
    DoneDelta,
    ItemDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageDelta,
)

_ENCRYPTED = "reasoning.encrypted_content"

#: Deltas that carry text.
_Text = TextDelta | RefusalDelta | ReasoningDelta | CallDelta
_Output = _Text | ItemDelta | AnnotationDelta | DetailDelta | DoneDelta | CutDelta

#: Fields of an item that its builder alone decides on.
_OWN_FIELDS = frozenset({"id", "type", "call_id", "name"})


class ResponseBuilder:
    """Builds one response: ``start``, any number of ``add``, then ``finish`` or ``fail``.

    Items open when their first delta comes and close when another item opens or the response ends,
    so they never interleave.
    """

    def __init__(
        self,
        request: CreateRequest,
        *,
        ids: Ids,
        padding: Padding,
        now: float,
        is_played: bool = True,
    ) -> None:
        self._request = request
        # Whether the engine plays a model, so that what the service's models tell is made up.
        self._is_played = is_played
        self._ids = ids
        self._padding = padding if request.is_obfuscated else None
        self._now = now
        #: Numbers the events of this response.
        self.envelope = Envelope(request.lane)
        self._open: OpenItem | None = None
        # What the open item gets besides when it is done.
        self._details: Item = {}
        # Whether a finished item waits for the client's answer.
        self._has_call = False
        #: The last that the engine told of it.
        self.usage: UsageDelta | None = None
        # Why the output is to end before its next item, and why it has ended unfinished.
        self._stop: str | None = None
        self._cut: str | None = None
        #: Finished items, in order.
        self.output: list[Item] = []
        #: The Response as last sent.
        self.response = open_response(request, response_id=ids.new("resp", now), now=now)

    def start(self) -> list[Body]:
        """Return ``response.created`` and ``response.in_progress``."""
        bodies = ("response.created", "response.in_progress")
        return self._number_all({"type": kind, "response": self.response} for kind in bodies)

    def add(self, delta: Content) -> list[Body]:
        """Return the events of one delta; none once the output is cut.

        Raises TypeError or ValueError, before anything is numbered, for what no engine may make.
        """
        if isinstance(delta, UsageDelta):
            self.usage = _check_usage(delta)
            return []
        if self._stop is not None and self._has_item and self._opens_item(delta):
            self._obey_stop()
        if self._cut is not None:
            return []
        self._check(delta)
        return self._number_all(self._take(delta))

    def stop(self, reason: str) -> None:
        """End the response as incomplete once its current item, or else its first, is finished.

        Once a call for the client is part of it, the output goes on to its end: the guide has such
        a response complete.
        """
        self._stop = reason
        if self._open is None and self._has_item:
            self._obey_stop()

    @property
    def is_cut(self) -> bool:
        """Whether more deltas change nothing; ``finish`` will end the response as incomplete."""
        return self._cut is not None

    def close(self) -> list[Body]:
        """Close the open item, after which ``output`` and ``is_cut`` are final; idempotent."""
        # A stop lets the open item finish; any other cut goes through it.
        status = "incomplete" if self._cut not in (None, self._stop) else "completed"
        events = self._number_all(self._close_item(status))
        self._obey_stop()
        return events

    def append(self, item: OpenItem) -> list[Body]:
        """Add a whole item to a closed output."""
        return self._number_all([*self._open_item(item), *self._close_item("completed")])

    def finish(self, now: float) -> list[Body]:
        """Close what is open and return it with ``response.completed`` or ``incomplete``."""
        events = self.close()
        return [*events, *self._end("incomplete" if self._cut else "completed", now=now)]

    def fail(self, error: APIError, now: float, *, with_error: bool = False) -> list[Body]:
        """Return ``response.failed``; an unfinished item stays open and out of the output.

        ``with_error`` puts an ``error`` event before it, as the service does over server-sent
        events. On a WebSocket that would make the official client read the failure as the answer
        to its next turn.
        """
        body = {"type": "error", "error": error_object(error)}
        before = self._number_all([body] if with_error else [])
        return [*before, *self._end("failed", now=now, error=error)]

    def _end(self, status: str, *, now: float, error: APIError | None = None) -> list[Body]:
        self.response = close_response(
            self.response,
            status=status,
            output=self.output,
            usage=self.usage,
            now=now,
            error=error,
            cut=self._cut if status == "incomplete" else None,
        )
        return self._number_all([{"type": f"response.{status}", "response": self.response}])

    def _take(self, delta: _Output) -> Iterator[Body]:
        if isinstance(delta, CutDelta):
            self._cut = delta.reason
        elif isinstance(delta, CallDelta):
            yield from self._take_call(delta)
        elif isinstance(delta, ReasoningDelta):
            yield from self._take_reasoning(delta)
        elif isinstance(delta, ItemDelta):
            yield from self._take_item(delta.item)
        elif isinstance(delta, AnnotationDelta):
            yield from self._take_annotation(delta.annotation)
        elif isinstance(delta, DetailDelta):
            self._details |= delta.fields
        elif isinstance(delta, DoneDelta):
            yield from self._close_item("completed")
        else:
            yield from self._take_message(delta)

    def _take_message(self, delta: TextDelta | RefusalDelta) -> Iterator[Body]:
        message = self._open
        if not isinstance(message, OpenMessage):
            phase = "final_answer" if self._is_played else None
            message = OpenMessage(self.new_id("msg"), phase=phase)
            yield from self._open_item(message)
        part = "output_text" if isinstance(delta, TextDelta) else "refusal"
        for body in message.switch(part):
            yield self._place(body)
        yield from self._add_text(message, delta.text)

    def _take_annotation(self, annotation: Item) -> Iterator[Body]:
        assert isinstance(self._open, OpenMessage)
        for body in self._open.annotate(annotation):
            yield self._place(body)

    def _take_reasoning(self, delta: ReasoningDelta) -> Iterator[Body]:
        item = self._open
        if not isinstance(item, OpenReasoning):
            is_wanted = _ENCRYPTED in self._request.settings.get("include", ())
            make_secret = self._ids.new_secret if is_wanted and self._is_played else None
            item = OpenReasoning(self.new_id("rs"), make_secret)
            yield from self._open_item(item)
        for body in item.switch(delta.kind):
            yield self._place(body)
        yield from self._add_text(item, delta.text)

    def _take_call(self, delta: CallDelta) -> Iterator[Body]:
        if delta.name is not None:
            yield from self._open_item(self._new_call(delta, delta.name))
        call = self._open
        assert isinstance(call, OpenCall)
        yield from self._add_text(call, delta.text)

    def _take_item(self, item: Item) -> Iterator[Body]:
        rest = {key: value for key, value in item.items() if key != "id"}
        facts = {"id": item.get("id") or self._ids.new_for(item, self._now), **rest}
        yield from self._open_item(WholeItem(facts))
        yield from self._close_item("completed")

    def _check(self, delta: _Output) -> None:
        if isinstance(delta, ItemDelta):
            encode(delta.item)
            if not isinstance(delta.item.get("type"), str):
                raise ValueError("an engine made an item without a type")
            if not isinstance(delta.item.get("id") or "", str):
                raise ValueError("an engine made an item whose id is no text")
        if isinstance(delta, _Text) and not isinstance(delta.text, str):
            raise TypeError(f"an engine made {type(delta.text).__name__}, not text")
        is_piece = isinstance(delta, CallDelta) and delta.name is None
        if is_piece and not isinstance(self._open, OpenCall):
            raise ValueError("an engine sent a piece of a call before its name")
        if isinstance(delta, AnnotationDelta):
            encode(delta.annotation)
            if not (isinstance(self._open, OpenMessage) and self._open.has_text):
                raise ValueError("an engine annotated what is no text")
        if isinstance(delta, DetailDelta):
            encode(delta.fields)
            if self._open is None or delta.fields.keys() & _OWN_FIELDS:
                raise ValueError("an engine gave details of no item, or of what they cannot be")

    def _obey_stop(self) -> None:
        """Cut the output if a stop was asked for and no call for the client is part of it."""
        if not self._has_call and not isinstance(self._open, OpenCall):
            self._cut = self._cut or self._stop

    @property
    def _has_item(self) -> bool:
        return self._open is not None or bool(self.output)

    def _opens_item(self, delta: _Output) -> bool:
        """Say whether a delta needs another item than the open one."""
        if isinstance(delta, TextDelta | RefusalDelta):
            return not isinstance(self._open, OpenMessage)
        if isinstance(delta, ReasoningDelta):
            return not isinstance(self._open, OpenReasoning)
        return isinstance(delta, ItemDelta) or (
            isinstance(delta, CallDelta) and delta.name is not None
        )

    def _new_call(self, delta: CallDelta, name: str) -> OpenCall:
        is_custom = delta.kind == "custom"
        return OpenCall(
            self.new_id("ctc" if is_custom else "fc"),
            call_id=delta.call_id or self._ids.new_call(),
            name=name,
            is_custom=is_custom,
            namespace=delta.namespace,
        )

    def new_id(self, prefix: str) -> str:
        """Make the id of an item."""
        return self._ids.new(prefix, self._now)

    def _add_text(self, item: OpenItem, text: str) -> Iterator[Body]:
        for body in item.add(text) if text else ():
            if self._padding is not None:
                body["obfuscation"] = self._padding.next_for(text)
            yield self._place(body)

    def _open_item(self, item: OpenItem) -> Iterator[Body]:
        """Open an item once the one before it is closed."""
        yield from self._close_item("completed")
        self._open = item
        for body in item.open():
            yield self._place(body)

    def _close_item(self, status: str) -> Iterator[Body]:
        if self._open is None:
            return
        item, self._open = self._open, None
        details, self._details = self._details, {}
        for body in item.close(status):
            if "item" in body:
                body["item"] |= details
            yield self._place(body)
        self.output.append(item.item | details)
        self._has_call = self._has_call or call_key(item.item) is not None

    def _place(self, body: Body) -> Body:
        body["output_index"] = len(self.output)
        return body

    def _number_all(self, bodies: Iterable[Body]) -> list[Body]:
        return [self.envelope.wrap(body) for body in bodies]


def _check_usage(usage: UsageDelta) -> UsageDelta:
    counts = vars(usage).values()
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise TypeError(f"an engine made a usage that does not count: {usage}")
    return usage
