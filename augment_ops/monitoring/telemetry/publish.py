"""Where observations go: into the state folder's metrics, and over OTLP where that is configured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from augment_ops.errors import AugmentOpsError, ServiceError
from augment_ops.monitoring.telemetry import otlp
from augment_ops.monitoring.telemetry.metrics import EXPORT_FAILURES, Observation
from augment_ops.monitoring.telemetry.textfile import record
from augment_ops.monitoring.telemetry.tracing import Trace


def publish(home: Path, samples: Iterable[Observation], trace: Trace | None = None) -> list[str]:
    """Keep observations, and send them and the spans of `trace` on.

    Monitoring never stops what it watches: what could not be kept or sent is returned, one line each.
    """
    problems: list[str] = []
    # Counters begin at 0: a rate of one that appears with its first failure would not show it.
    failed: list[Observation] = [EXPORT_FAILURES.add(0, signal=signal) for signal in ("metrics", "traces")]
    if trace is not None and trace.on and trace.spans:
        try:
            otlp.export_spans(trace)
        except ServiceError as error:
            problems.append(f"spans were not sent: {error.faults[0].found}")
            failed.append(EXPORT_FAILURES.add(1, signal="traces"))
    try:
        known = record(home, [*samples, *failed])
        if otlp.wanted("metrics"):
            try:
                otlp.export_metrics(known)
            except ServiceError as error:
                problems.append(f"metrics were not sent: {error.faults[0].found}")
                record(home, [EXPORT_FAILURES.add(1, signal="metrics")])
    except AugmentOpsError as error:
        problems.append(f"metrics were not kept: {error.faults[0].where}: {error.faults[0].found}")
    return problems
