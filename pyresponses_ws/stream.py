"""A turn as an iterator of its events."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from pyresponses_ws._runtime.verdict import cancelled_error
from pyresponses_ws.errors import ClosedError, ConcurrencyError, ResponsesWSError
from pyresponses_ws.events import ResponseTextDeltaEvent, ResponseTextDoneEvent

if TYPE_CHECKING:
    from pyresponses_ws._runtime.delivery import Delivery
    from pyresponses_ws.events import Event
    from pyresponses_ws.items import Response
    from pyresponses_ws.report import TurnReport


class _Closing:
    """Mark of a ``close``, in place of a call's."""


class ResponseStream(Iterator["Event"]):
    """One turn that is being answered; its own iterator.

    Iteration ends with the terminal event: after ``response.completed`` or ``response.incomplete``
    it stops, after ``response.failed`` it raises ResponseFailedError, and an ``error`` event raises
    its APIError at once. ``break`` alone pauses; leaving ``with``, ``close()`` or dropping the last
    reference retires the turn. The stream may move between threads, but two calls must not
    overlap: that raises ConcurrencyError. ``cancel`` may come from any thread.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        # Mark of the call that is inside, under the one key "call"; setdefault is atomic.
        self._inside: dict[str, object] = {}
        # What ended the turn early; raised again by get_final_response.
        self._error: ResponsesWSError | None = None

    def __enter__(self) -> ResponseStream:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> ResponseStream:
        return self

    def __next__(self) -> Event:
        claim = object()
        try:
            held = self._inside.setdefault("call", claim)
            if held is not claim:
                raise cancelled_error() if isinstance(held, _Closing) else _overlap()
            if self._delivery.is_over:
                self._raise_failure_once()
                raise StopIteration
            event = self._receive()
            self._delivery.turn.mark_observed(event)
            return event
        finally:
            if self._inside.get("call") is claim:
                del self._inside["call"]

    def text_deltas(self) -> Iterator[str]:
        """The answer's text, piece by piece; joined it is the final ``output_text``.

        A server that sends no deltas gives each text whole, when it is done.
        """
        streamed: set[tuple[int | None, int | None]] = set()
        for event in self:
            if isinstance(event, ResponseTextDeltaEvent):
                streamed.add((event.output_index, event.content_index))
                yield event.delta
            elif (
                isinstance(event, ResponseTextDoneEvent)
                and (event.output_index, event.content_index) not in streamed
            ):
                yield event.text

    def until_done(self) -> ResponseStream:
        """Read to the end, throwing the events away, and return the stream itself."""
        for _ in self:
            pass
        return self

    def get_final_response(self) -> Response:
        """Read to the end and return the Response. Raises what ended the turn, each time."""
        self.until_done()
        if self._error is not None:
            raise self._error
        if self._delivery.turn.ending is None:
            raise ClosedError("the stream was closed before its turn ended; use snapshot()")
        return self._delivery.result()

    def snapshot(self) -> Response:
        """The Response as far as it was read."""
        return self._delivery.turn.snapshot()

    def cancel(self) -> None:
        """End the turn from any thread or signal handler, without waiting.

        The thread that reads the stream gets TurnCancelledError. Idempotent.
        """
        self._delivery.claim.cancel()

    def close(self) -> None:
        """Retire the turn; what had arrived stays in ``snapshot()``. Idempotent.

        While another thread reads, that thread gets TurnCancelledError.
        """
        mark = _Closing()
        if self._inside.setdefault("call", mark) is not mark:
            self.cancel()
            return
        try:
            self._delivery.retire()
        finally:
            self._inside.pop("call", None)

    @property
    def response_id(self) -> str | None:
        """Id of the response; None until ``response.created``, another one after a replay."""
        return self._delivery.turn.response_id

    @property
    def report(self) -> TurnReport:
        """What the turn cost; final once it has ended."""
        return self._delivery.report

    def _receive(self) -> Event:
        try:
            return self._delivery.next_event()
        except ResponsesWSError as exc:
            self._error = exc
            raise

    def _raise_failure_once(self) -> None:
        """Raise ResponseFailedError the first time that the end is passed."""
        if self._error is None and self._delivery.turn.ending is not None:
            try:
                self._delivery.result()
            except ResponsesWSError as exc:
                self._error = exc
                raise


def _overlap() -> ConcurrencyError:
    return ConcurrencyError("another thread is reading this stream; let one finish first")
