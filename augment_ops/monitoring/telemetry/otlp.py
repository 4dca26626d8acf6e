"""Metrics and spans over OTLP, where the standard OTEL_* variables ask for it; without them nothing is imported."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from augment_ops import __version__
from augment_ops.errors import NotInstalled, ServiceError
from augment_ops.extras import require
from augment_ops.monitoring.telemetry.metrics import COUNTING_SINCE, FAMILIES, Metrics
from augment_ops.monitoring.telemetry.tracing import Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

Signal = Literal["metrics", "traces"]
SERVICE = "augment-ops"
_EXPORTERS: dict[Signal, tuple[str, str]] = {
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "traces": ("trace_exporter", "OTLPSpanExporter"),
}
_TIMEOUT_S = 5.0  # at the end of each stage; the SDK's own default is 10


def wanted(signal: Signal, environ: Mapping[str, str] | None = None) -> bool:
    """Whether OTEL_EXPORTER_OTLP_ENDPOINT (or that of the signal) is set, and nothing switches the signal off."""
    env = os.environ if environ is None else environ
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get(f"OTEL_{signal.upper()}_EXPORTER") == "none":
        return False
    return bool(env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"))


def export_metrics(known: Metrics) -> None:
    """Send the state of all metrics; counters are cumulative since the state folder began to count.

    Raises:
        ServiceError: nobody took them.
    """
    _ask_for_it()
    from opentelemetry.sdk.metrics import export as sdk

    now = time.time_ns()
    since = int(1e9 * known.get((COUNTING_SINCE.name, ()), now / 1e9))
    metrics = []
    for family in FAMILIES:
        points = [
            sdk.NumberDataPoint(dict(zip(family.labels, labels, strict=True)), since, now, value)
            for (name, labels), value in known.items()
            if name == family.name
        ]
        if points:
            counts = family.kind == "counter"
            data = sdk.Sum(points, sdk.AggregationTemporality.CUMULATIVE, True) if counts else sdk.Gauge(points)
            metrics.append(sdk.Metric(family.otel, family.meaning, family.unit, data))
    scope = sdk.ScopeMetrics(_scope(), metrics, "")
    batch = sdk.MetricsData([sdk.ResourceMetrics(resource(), [scope], "")])
    _send("metrics", batch, sdk.MetricExportResult.SUCCESS)


def export_spans(trace: Trace) -> None:
    """Send the spans of a stage.

    Raises:
        ServiceError: nobody took them.
    """
    _ask_for_it()
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    def context(span: int) -> SpanContext:
        return SpanContext(trace.id, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    own, scope = resource(), _scope()
    spans = [
        ReadableSpan(
            name=span.name,
            context=context(span.id),
            parent=context(span.parent) if span.parent else None,
            resource=own,
            attributes=span.attributes,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=scope,
        )
        for span in trace.spans
    ]
    _send("traces", spans, SpanExportResult.SUCCESS)


def _ask_for_it() -> None:
    try:
        require("opentelemetry", "OTEL_EXPORTER_OTLP_…")
    except NotInstalled as error:  # who asks for an export and lacks the exporter is told so; no stage fails of it
        fault = error.faults[0]
        raise ServiceError(fault.where, fault.found, fault.expected, fault.fix) from error


def _send(signal: Signal, batch: Any, success: object) -> None:
    sending = exporter(signal)
    try:
        result = sending.export(batch)
    finally:
        sending.shutdown()
    if result is not success:
        raise ServiceError(
            f"OTLP {signal}",
            "no answer, or a refusal (the log has the cause)",
            "a collector that takes them",
            "start it, correct OTEL_EXPORTER_OTLP_ENDPOINT, or unset it",
        )


def exporter(signal: Signal) -> Any:
    """The exporter of a signal that the standard variables ask for."""
    transport = "grpc" if _setting(signal, "PROTOCOL") == "grpc" else "http"
    place, name = _EXPORTERS[signal]
    made = getattr(import_module(f"opentelemetry.exporter.otlp.proto.{transport}.{place}"), name)
    return made(timeout=float(_setting(signal, "TIMEOUT") or _TIMEOUT_S))


def _setting(signal: Signal, name: str) -> str:
    env = os.environ
    return env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}") or env.get(f"OTEL_EXPORTER_OTLP_{name}") or ""


def resource() -> Resource:
    """Who sends: this service, as far as the environment does not say otherwise."""
    from opentelemetry.sdk.resources import Resource

    # What the environment says comes first: Resource.create lets its arguments win over OTEL_RESOURCE_ATTRIBUTES.
    ours = {"service.name": SERVICE, "service.version": __version__, "service.instance.id": socket.gethostname()}
    named = Resource.create().attributes
    unnamed = str(named.get("service.name", "")).startswith("unknown_service")
    return Resource.create({k: v for k, v in ours.items() if k not in named or (k == "service.name" and unnamed)})


def _scope() -> InstrumentationScope:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope(SERVICE, __version__)
