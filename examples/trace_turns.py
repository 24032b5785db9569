"""Record each turn as an OpenTelemetry span, below the span of what it was made for.

Needs OPENAI_API_KEY and the packages opentelemetry-sdk and pyresponses-ws[otel]. OPENAI_BASE_URL
points it at another server, such as the embedded one.
"""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pyresponses_ws import ResponsesClient
from pyresponses_ws.otel import otel_hooks


def main() -> None:
    spans = InMemorySpanExporter()  # yours would send them away
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("example")
    with (
        ResponsesClient(hooks=otel_hooks(tracer_provider=provider)) as client,
        tracer.start_as_current_span("greet twice"),
    ):
        client.create(model="gpt-6-astra", input="Say hello.")
        client.create(model="gpt-6-astra", input="Say it again.")
    for span in spans.get_finished_spans():
        tokens = (span.attributes or {}).get("gen_ai.usage.output_tokens", "no")
        print(f"{span.name}: {tokens} tokens")


if __name__ == "__main__":
    main()
