"""Spans as OpenTelemetry exports them: OTLP over HTTP, to where the standard variables `OTEL_…` say.

The provider is ours alone: what other libraries record of requests, whole addresses among it, finds no way out here.
"""

from __future__ import annotations

import logging
from contextvars import Token

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from idp.services.spans import CLIENT, SERVER, Noted, Span

logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # a collector that is away is told once, not at each try
KINDS = {SERVER: trace.SpanKind.SERVER, CLIENT: trace.SpanKind.CLIENT}


class OpenTelemetry:
    def __init__(self, processor: SpanProcessor | None = None) -> None:
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "connect"}))
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = provider.get_tracer("connect")

    def begin(self, name: str, kind: str, noted: Noted, parent: str) -> Span:
        within = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(name, within, KINDS[kind], dict(noted))
        token = context.attach(trace.set_span_in_context(span)) if kind == SERVER else None
        return _Open(span, token)

    def begin_within(self, name: str, noted: Noted) -> Span | None:
        """A part of the present span; of a program that nobody follows there is none."""
        if not trace.get_current_span().is_recording():
            return None
        return _Open(self._tracer.start_span(name, None, trace.SpanKind.CLIENT, dict(noted)), None)


class _Open:
    def __init__(self, span: trace.Span, token: Token[context.Context] | None) -> None:
        self._span = span
        self._token = token
        self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def note(self, noted: Noted) -> None:
        self._span.set_attributes(dict(noted))

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()
        if self._token is not None:
            context.detach(self._token)
