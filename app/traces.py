"""Sends traces to a collector over OTLP, where one is named and the extra `otel` is installed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.tracing import NoTracer, Tracer, current_traceparent

log = logging.getLogger(__name__)

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True


def make_tracer(endpoint: str, *, service: str, version: str) -> Tracer:
    """Return a tracer that sends to the collector at this address; empty = one that does nothing."""
    if not endpoint:
        return NoTracer()
    if not IS_INSTALLED:
        log.warning("no traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra `otel` is not installed")
        return NoTracer()
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return OpenTelemetry(exporter, service=service, version=version)


class OpenTelemetry:
    """Writes spans with the SDK of OpenTelemetry."""

    def __init__(self, exporter: "SpanExporter", *, service: str, version: str) -> None:
        resource = Resource.create({"service.name": service, "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("acestep")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, *, parent: str | None = None, **attributes: str | int) -> Iterator[None]:
        """Trace a block."""
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(name, context=context, attributes=attributes):
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier)
            token = current_traceparent.set(carrier.get("traceparent"))
            try:
                yield
            finally:
                current_traceparent.reset(token)

    def past(self, name: str, *, start_ns: int, end_ns: int) -> None:
        """Trace what is over."""
        self._tracer.start_span(name, start_time=start_ns).end(end_ns)

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()
