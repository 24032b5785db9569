"""Turns as OpenTelemetry spans and metrics, by hooks. The only module that imports opentelemetry.

Names and attributes are those of the GenAI semantic conventions for OpenAI (status: development;
github.com/open-telemetry/semantic-conventions-genai), whose word for a turn is ``chat``. What they
have no name for begins with ``pyresponses_ws.``. No input, output, key or header is ever recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

try:
    from opentelemetry import metrics, trace
except ImportError as exc:
    raise ImportError(
        "pyresponses_ws.otel needs opentelemetry-api: pip install 'pyresponses-ws[otel]'"
    ) from exc

from pyresponses_ws.config import Hooks
from pyresponses_ws.report import FallbackReport, RetryReport, TurnReport
from pyresponses_ws.version import __version__

if TYPE_CHECKING:
    from pyresponses_ws.items import ResponseUsage

T = TypeVar("T")
Attributes = dict[str, Any]

#: What the conventions call a request for a model's answer, whichever API of OpenAI it goes to.
OPERATION = "chat"
SCOPE = "pyresponses_ws"

#: Bounds of the buckets that the conventions give: seconds and tokens.
_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [4**power for power in range(14)]

#: Providers by the end of the host's name; whoever speaks this API elsewhere counts as OpenAI's.
_PROVIDERS = {".openai.azure.com": "azure.ai.openai", ".x.ai": "x_ai"}

#: Events kept for a turn that has not ended. Arbitrary; the budget of a turn allows half of it.
_EVENT_LIMIT = 16


class _Happening(NamedTuple):
    """Something that happened to a turn before its end; becomes an event of its span."""

    #: Nanoseconds since the epoch.
    at: int
    name: str
    attributes: Attributes


#: What happened lately in this context. A turn takes what is not older than itself. A tuple, since
#: contexts that were copied share what a variable holds.
_happenings: ContextVar[tuple[_Happening, ...]] = ContextVar("pyresponses_ws", default=())


def otel_hooks(
    hooks: Hooks | None = None,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Hooks:
    """Return hooks that record every turn; ``hooks`` of your own are called too, first.

    A turn becomes a span of the kind CLIENT, a child of the span that is current where the turn
    ends, with events for retries and for the way over HTTP; and the metrics
    ``gen_ai.client.operation.duration`` and ``gen_ai.client.token.usage``. Without providers, the
    global ones count. The hooks hold no lock, and may serve any number of clients and threads.
    """
    recorder = _Recorder(
        trace.get_tracer(SCOPE, __version__, tracer_provider),
        metrics.get_meter(SCOPE, __version__, meter_provider),
    )
    theirs = hooks or Hooks()
    ours = Hooks(
        on_retry=_both(theirs.on_retry, _note_retry),
        on_fallback=_both(theirs.on_fallback, _note_fallback),
        on_turn_end=_both(theirs.on_turn_end, recorder.record),
    )
    names = [item.name for item in fields(Hooks)]
    return Hooks(**{name: getattr(ours, name) or getattr(theirs, name) for name in names})


def _both(
    theirs: Callable[[T], object] | None, ours: Callable[[T], object]
) -> Callable[[T], object]:
    """Call both; ours even if theirs raises, which is still the client's to log."""
    if theirs is None:
        return ours
    first = theirs

    def call(report: T) -> None:
        try:
            first(report)
        finally:
            ours(report)

    return call


def _note_retry(report: RetryReport) -> None:
    _note(
        "pyresponses_ws.retry",
        {
            "pyresponses_ws.row": report.row,
            "pyresponses_ws.delay": report.delay,
            "pyresponses_ws.attempts": report.attempts,
        },
    )


def _note_fallback(report: FallbackReport) -> None:
    # Not its detail, which is a message of the server's: of any length, with anything in it.
    _note("pyresponses_ws.fallback", {"pyresponses_ws.transport_reason": report.reason})


def _note(name: str, attributes: Attributes) -> None:
    happening = _Happening(time.time_ns(), name, attributes)
    _happenings.set((*_happenings.get(), happening)[-_EVENT_LIMIT:])


def _take_happenings(start: int) -> list[_Happening]:
    """Take what has happened in this context since a turn's beginning; drop what is older."""
    taken = [happening for happening in _happenings.get() if happening.at >= start]
    _happenings.set(())
    return taken


class _Recorder:
    """Writes a turn's report down. Stateless but for the instruments, which any thread may use."""

    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter) -> None:
        self._tracer = tracer
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def record(self, report: TurnReport) -> None:
        """Make the span, from the turn's beginning to now, and the measurements."""
        end = time.time_ns()
        start = end - int((report.total_ms or 0) * 1_000_000)
        span = self._tracer.start_span(
            f"{OPERATION} {report.model}" if report.model else OPERATION,
            kind=trace.SpanKind.CLIENT,
            attributes=_span_attributes(report),
            start_time=start,
        )
        for at, name, attributes in _take_happenings(start):
            span.add_event(name, attributes, timestamp=at)
        if error := error_type(report):
            span.set_status(trace.StatusCode.ERROR, error)
        span.end(end_time=end)
        self._measure(report)

    def _measure(self, report: TurnReport) -> None:
        common = _common_attributes(report)
        error = error_type(report)
        failed = {"error.type": error} if error else {}
        self._duration.record((report.total_ms or 0) / 1000, {**common, **failed})
        usage = report.usage or report.warm_up_usage
        for kind in ("input", "output"):
            count = getattr(usage, f"{kind}_tokens", None)
            if count is not None:
                self._tokens.record(count, {**common, "gen_ai.token.type": kind})


def error_type(report: TurnReport) -> str | None:
    """Return the class of the error that the turn ended with; its status where it raised none."""
    if report.error_type is not None or report.status in ("completed", "incomplete"):
        return report.error_type
    return report.status


def _common_attributes(report: TurnReport) -> Attributes:
    """Return what spans and metrics share: few values, so that time series stay few."""
    return _given(
        {
            "gen_ai.operation.name": OPERATION,
            "gen_ai.provider.name": _provider(report.host),
            "gen_ai.request.model": report.model,
            "gen_ai.response.model": report.response_model,
            "server.address": report.host or None,
            "server.port": report.port if report.host else None,
        }
    )


def _provider(host: str) -> str:
    matches = (name for end, name in _PROVIDERS.items() if f".{host}".endswith(end))
    return next(matches, "openai")


def _span_attributes(report: TurnReport) -> Attributes:
    return _given(
        {
            **_common_attributes(report),
            "error.type": error_type(report),
            "openai.api.type": "responses",
            "gen_ai.response.id": report.response_id,
            "gen_ai.response.time_to_first_chunk": _seconds(report.first_event_ms),
            **_usage_attributes(report.usage or report.warm_up_usage),
            **_own_attributes(report),
        }
    )


def _usage_attributes(usage: ResponseUsage | None) -> Attributes:
    if usage is None:
        return {}
    # Servers of others leave the details out.
    cached = getattr(usage.input_tokens_details, "cached_tokens", None)
    reasoning = getattr(usage.output_tokens_details, "reasoning_tokens", None)
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": cached,
        "gen_ai.usage.reasoning.output_tokens": reasoning,
    }


def _own_attributes(report: TurnReport) -> Attributes:
    """Return what only this package knows of a turn."""
    own = {
        "status": report.status,
        "transport": report.transport,
        "transport_reason": report.transport_reason,
        "reused_link": report.reused_link,
        "input_mode": report.input_mode,
        "reset_reason": report.reset_reason,
        "attempts": report.attempts,
        "replayed": report.replayed,
        "possible_duplicate_charge": report.possible_duplicate_charge,
        "close_code": report.close_code,
        "bytes_sent": report.bytes_sent,
        "bytes_received": report.bytes_received,
        "bytes_saved": report.bytes_saved,
        "connect_seconds": _seconds(report.connect_ms),
        "pool_wait_seconds": _seconds(report.pool_wait_ms),
    }
    return {f"pyresponses_ws.{name}": value for name, value in own.items()}


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _given(attributes: Attributes) -> Attributes:
    """Leave out what is not known; the conventions want no attribute then."""
    return {name: value for name, value in attributes.items() if value is not None}
