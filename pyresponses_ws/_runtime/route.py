"""Which transport the next attempt of a turn uses, and why."""

from __future__ import annotations

from pyresponses_ws._runtime.breaker import WebSocketBreaker, is_transport_failure
from pyresponses_ws._runtime.hook import call_hook
from pyresponses_ws._runtime.request import TurnRequest
from pyresponses_ws._runtime.source import LinkSource
from pyresponses_ws._transport.base import drop_frames
from pyresponses_ws.report import FallbackReport, TransportReason, TurnReport


class Route:
    """One turn's way. A turn that has gone over to HTTP stays there. One thread at a time."""

    def __init__(self, links: LinkSource, request: TurnRequest, report: TurnReport) -> None:
        self._links = links
        self._request = request
        self._report = report
        self.is_http = False
        #: What WebSocket said before HTTP was tried.
        self.websocket_error: Exception | None = None

    @property
    def may_fall_back(self) -> bool:
        """HTTP is there for this turn, and was not used yet."""
        is_there = self._links.breaker is not None and self._links.config.transport == "auto"
        return is_there and self._request.allows_http and not self.is_http

    def choose(self) -> None:
        """Decide before the first attempt."""
        if self._links.config.transport == "http" and self._request.allows_http:
            self._go_over("configured")
        elif self._request.is_too_large:
            self._fall_back("too_large", None)
        elif self.may_fall_back and self._breaker.is_open:
            self._fall_back("breaker_open", None, self._breaker.seconds_left)

    def note_connect_failure(self, error: Exception) -> bool:
        """No WebSocket could be opened. True when the next attempt goes over HTTP."""
        if not self.may_fall_back or not is_transport_failure(error):
            return False
        self._fall_back("connect_failed", error, self._breaker.note_failure(error))
        return True

    def note_refusal(self, row: str, error: Exception) -> None:
        """The server closed the WebSocket at this turn's request, and HTTP is next."""
        if row == "too_big":
            self._fall_back("too_large", error)
        else:
            self._fall_back("refused", error, self._breaker.note_failure(error))

    def note_answer(self) -> None:
        """Something of an answer came."""
        if not self.is_http and self.may_fall_back:
            self._breaker.note_success()

    @property
    def _breaker(self) -> WebSocketBreaker:
        assert self._links.breaker is not None, "asked for where HTTP is a way"
        return self._links.breaker

    def _fall_back(
        self, reason: TransportReason, error: Exception | None, cool_down: float | None = None
    ) -> None:
        if error is not None:
            drop_frames(error)
        self.websocket_error = error
        self._go_over(reason)
        config = self._links.config
        detail = "" if error is None else str(error)
        call_hook(
            config.hooks.on_fallback,
            FallbackReport(host=config.host, reason=reason, detail=detail, cool_down=cool_down),
        )

    def _go_over(self, reason: TransportReason) -> None:
        self.is_http = True
        self._report.note_http(reason)
