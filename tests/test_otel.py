"""Turns as spans and metrics, by the names of the GenAI conventions, and no content in them."""

from __future__ import annotations

import contextlib
import contextvars
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from pyresponses_ws import Hooks, ResponsesClient, ResponsesWSError, TurnReport
from pyresponses_ws.otel import otel_hooks
from pyresponses_ws.report import FallbackReport, RetryReport
from tests.support.answers import error
from tests.support.responses_peer import (
    KEY,
    PeerTurn,
    ResponsesPeer,
    close_with,
    cut_after,
    says,
    scripts,
)

INPUT = "canary-of-the-input"
TURN: dict[str, Any] = {"model": "m", "input": INPUT}


class Telemetry(NamedTuple):
    """Where spans and measurements end up."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider
    meters: MeterProvider

    def hooks(self, hooks: Hooks | None = None) -> Hooks:
        return otel_hooks(hooks, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans.get_finished_spans()
        return span

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.span.attributes or {})

    def points(self, name: str) -> list[HistogramDataPoint]:
        """Return what was measured under a name."""
        data = self.reader.get_metrics_data()
        assert data is not None
        scopes = [scope for found in data.resource_metrics for scope in found.scope_metrics]
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in metrics for point in metric.data.data_points]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    yield Telemetry(spans, reader, tracers, meters)
    tracers.shutdown()
    meters.shutdown()


def run(telemetry: Telemetry, *each: Callable[[PeerTurn], object]) -> None:
    """Run one turn against these scripts, however it ends."""
    options = {"hooks": telemetry.hooks(), "transport": "websocket"}
    with (
        ResponsesPeer(scripts(*each)) as peer,
        peer.client(**options) as client,
        contextlib.suppress(ResponsesWSError),
    ):
        client.create(**TURN)


# --- spans ----------------------------------------------------------------------------------------


def test_a_turn_is_a_client_span_by_the_conventions(telemetry: Telemetry) -> None:
    """Its name, kind and attributes are what tools look for."""
    run(telemetry)
    assert (telemetry.span.name, telemetry.span.kind) == ("chat m", SpanKind.CLIENT)
    assert telemetry.span.status.status_code is StatusCode.UNSET
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.response.id": "resp_1",
        "openai.api.type": "responses",
        "server.address": "127.0.0.1",
    }
    assert expected.items() <= telemetry.attributes.items()
    assert isinstance(telemetry.attributes["server.port"], int)
    assert "error.type" not in telemetry.attributes


def test_what_only_we_know_has_our_prefix(telemetry: Telemetry) -> None:
    """So that no tool mistakes it for a convention."""
    run(telemetry)
    expected = {
        "pyresponses_ws.status": "completed",
        "pyresponses_ws.transport": "websocket",
        "pyresponses_ws.reused_link": False,
        "pyresponses_ws.input_mode": "full",
        "pyresponses_ws.attempts": 1,
        "pyresponses_ws.replayed": False,
    }
    assert expected.items() <= telemetry.attributes.items()
    assert telemetry.attributes["pyresponses_ws.bytes_sent"] > 0
    assert "pyresponses_ws.close_code" not in telemetry.attributes


def test_a_span_lasts_as_long_as_its_turn(telemetry: Telemetry) -> None:
    """Though it is made at the end, it begins with the call."""
    telemetry.hooks().on_turn_end(TurnReport(model="m", total_ms=1500))
    span = telemetry.span
    assert span.end_time - span.start_time == 1_500_000_000


def test_the_callers_span_is_the_parent(telemetry: Telemetry) -> None:
    """A turn stands below what it was made for."""
    tracer = telemetry.tracers.get_tracer("test")
    with tracer.start_as_current_span("request") as parent:
        run(telemetry)
    turn = next(s for s in telemetry.spans.get_finished_spans() if s.name == "chat m")
    assert turn.parent is not None
    assert turn.parent.span_id == parent.get_span_context().span_id


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("mine.openai.azure.com", "azure.ai.openai"),
        ("api.x.ai", "x_ai"),
        ("gateway.example.test", "openai"),
    ],
)
def test_the_provider_is_told_by_the_host(telemetry: Telemetry, host: str, provider: str) -> None:
    """Others who speak this API are known by the format, which is OpenAI's."""
    telemetry.hooks().on_turn_end(TurnReport(host=host, port=443, total_ms=1))
    assert telemetry.attributes["gen_ai.provider.name"] == provider
    assert telemetry.span.name == "chat"


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (cut_after("some "), "ResponseInterruptedError"),
        (close_with(1008), "ConnectionLostError"),
        (says(error("rate_limit_exceeded", status=400)), "BadRequestError"),
    ],
)
def test_a_turn_that_raises_is_an_error_of_its_class(
    telemetry: Telemetry, script: Callable[[PeerTurn], object], kind: str
) -> None:
    """On the span as status and attribute, and on the duration."""
    options = {"hooks": telemetry.hooks(), "transport": "websocket"}
    with (
        ResponsesPeer(scripts(script)) as peer,
        peer.client(**options) as client,
        pytest.raises(ResponsesWSError),
        client.stream(**TURN) as stream,
    ):
        list(stream)
    assert telemetry.attributes["error.type"] == kind
    assert telemetry.span.status.status_code is StatusCode.ERROR
    (point,) = telemetry.points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == kind


def test_a_failed_response_is_an_error_of_its_status(telemetry: Telemetry) -> None:
    """Where no exception tells more."""
    telemetry.hooks().on_turn_end(TurnReport(status="failed", total_ms=1))
    assert telemetry.attributes["error.type"] == "failed"


def test_an_incomplete_response_is_no_error(telemetry: Telemetry) -> None:
    """It came whole as far as it goes; create() returns it."""
    telemetry.hooks().on_turn_end(TurnReport(status="incomplete", total_ms=1))
    assert "error.type" not in telemetry.attributes
    assert telemetry.span.status.status_code is StatusCode.UNSET


# --- retries and the way over HTTP ----------------------------------------------------------------


def test_a_retry_is_an_event_of_the_span(telemetry: Telemetry) -> None:
    """With the row of the recovery table, and when it was."""
    run(telemetry, cut_after())
    (event,) = telemetry.span.events
    assert event.name == "pyresponses_ws.retry"
    assert (event.attributes or {})["pyresponses_ws.row"] == "lost"
    assert telemetry.span.start_time <= event.timestamp <= telemetry.span.end_time
    assert telemetry.attributes["pyresponses_ws.replayed"] is True


def test_the_way_over_http_is_an_event_without_the_servers_words(telemetry: Telemetry) -> None:
    """A message of the server's may hold anything."""
    hooks = telemetry.hooks()
    hooks.on_fallback(
        FallbackReport(host="h", reason="connect_failed", detail="secret", cool_down=60)
    )
    hooks.on_turn_end(TurnReport(total_ms=1000, transport="http"))
    (event,) = telemetry.span.events
    assert event.name == "pyresponses_ws.fallback"
    assert dict(event.attributes or {}) == {"pyresponses_ws.transport_reason": "connect_failed"}


def test_an_event_of_an_earlier_turn_is_not_taken(telemetry: Telemetry) -> None:
    """A turn that was retried here and ended elsewhere leaves its events behind."""
    hooks = telemetry.hooks()
    hooks.on_retry(RetryReport(row="lost", delay=0, attempts=1))
    hooks.on_turn_end(TurnReport(total_ms=0))
    assert telemetry.span.events == ()


def test_contexts_do_not_share_events(telemetry: Telemetry) -> None:
    """Two turns in two contexts, as in two threads, keep apart."""
    hooks = telemetry.hooks()
    retry = RetryReport(row="lost", delay=0, attempts=1)
    hooks.on_retry(retry)
    other = contextvars.copy_context()
    other.run(hooks.on_retry, retry)
    hooks.on_turn_end(TurnReport(total_ms=1000))
    assert len(telemetry.span.events) == 1


# --- metrics --------------------------------------------------------------------------------------


def test_duration_and_tokens_are_measured(telemetry: Telemetry) -> None:
    """In seconds and tokens, by the attributes of the conventions."""
    from pyresponses_ws.testing import LocalServer

    with (
        LocalServer() as server,
        ResponsesClient(api_key="any", base_url=server.base_url, hooks=telemetry.hooks()) as client,
    ):
        usage = client.create(**TURN).usage
    (duration,) = telemetry.points("gen_ai.client.operation.duration")
    assert 0 < duration.sum < 60
    tokens = telemetry.points("gen_ai.client.token.usage")
    counts = {point.attributes["gen_ai.token.type"]: point.sum for point in tokens}
    assert counts == {"input": usage.input_tokens, "output": usage.output_tokens}
    assert telemetry.attributes["gen_ai.usage.input_tokens"] == usage.input_tokens
    assert tokens[0].explicit_bounds[:3] == (1, 4, 16)


def test_metrics_have_no_attribute_of_one_turn(telemetry: Telemetry) -> None:
    """An id there would make a time series of each turn."""
    run(telemetry)
    (point,) = telemetry.points("gen_ai.client.operation.duration")
    assert "gen_ai.response.id" not in point.attributes
    assert not any(name.startswith("pyresponses_ws.") for name in point.attributes)


# --- hooks of one's own ---------------------------------------------------------------------------


def test_hooks_of_ones_own_are_called_too(telemetry: Telemetry) -> None:
    """Those that are recorded, and those that are not."""
    called: list[str] = []
    own = Hooks(
        on_connect=lambda report: called.append("connect"),
        on_turn_end=lambda report: called.append("turn"),
    )
    with ResponsesPeer() as peer, peer.client(hooks=telemetry.hooks(own)) as client:
        client.create(**TURN)
    assert called == ["connect", "turn"]
    assert telemetry.span.name == "chat m"


def test_a_hook_of_ones_own_that_raises_hides_no_span(telemetry: Telemetry) -> None:
    """Its exception still goes to the client, which logs it."""

    def fail(report: TurnReport) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        telemetry.hooks(Hooks(on_turn_end=fail)).on_turn_end(TurnReport(total_ms=1))
    assert telemetry.span.name == "chat"


# --- what is never recorded, and what is missing --------------------------------------------------


def test_no_secret_and_no_content_is_recorded(telemetry: Telemetry) -> None:
    """Key, input and output stay out of spans and metrics, when a turn fails too."""
    run(telemetry, cut_after("canary-of-the-output"), says("not json, but a canary-of-the-peer"))
    shown = telemetry.span.to_json() + telemetry.reader.get_metrics_data().to_json()
    assert "chat m" in shown
    assert [word for word in (KEY, "canary") if word in shown] == []


def test_without_the_package_the_import_says_what_to_install() -> None:
    """Its extra is named."""
    program = (
        "import json, sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "try:\n"
        "    import pyresponses_ws.otel\n"
        "except ImportError as exc:\n"
        "    print(json.dumps(str(exc)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'pyresponses-ws[otel]'" in json.loads(done.stdout)


def test_the_client_loads_no_opentelemetry() -> None:
    """Only who asks for it pays for it."""
    program = "import sys\nfrom pyresponses_ws import *\nprint('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n"
