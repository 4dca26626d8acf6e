"""Spans of a process that lives long, sent in the background while it works; for who has asked (`otlp.wanted`).

The SDK's own batches and samplers: `OTEL_TRACES_SAMPLER` says which traces are kept that nobody has begun elsewhere,
`OTEL_BSP_…` how many spans wait and how often they are sent. What does not fit is dropped; nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from augment_ops.monitoring.telemetry import otlp


class _Counted(SpanExporter):
    """An exporter whose failures are counted."""

    def __init__(self, exporter: SpanExporter, failed: Callable[[], None]) -> None:
        self._exporter, self._failed = exporter, failed

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._failed()
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is there."""
        return self._exporter.force_flush(timeout_millis)


def provider(failed: Callable[[], None]) -> TracerProvider:
    """Makes tracers whose spans go where the standard variables say; `shutdown` sends what is left.

    Args:
        failed: called for each batch that nobody took.
    """
    made = TracerProvider(resource=otlp.resource(), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(_Counted(otlp.exporter("traces"), failed)))
    return made
