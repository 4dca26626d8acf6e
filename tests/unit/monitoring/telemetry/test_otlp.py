"""OTLP as a collector receives it, and nothing at all where nobody asked for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from augment_ops.monitoring.telemetry import metrics, otlp
from augment_ops.monitoring.telemetry.publish import publish
from augment_ops.monitoring.telemetry.textfile import path_below, read
from augment_ops.monitoring.telemetry.tracing import Trace
from support.spans import spans_of


def newest_metrics(server: Any) -> tuple[dict[str, str], dict[str, Any]]:
    body = [body for path, body in server.received if path == "/v1/metrics"][-1]
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
    return attributes, {m.name: m for scope in resource.scope_metrics for m in scope.metrics}


@pytest.fixture
def collector(web_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("OTEL_SDK_DISABLED", "OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", web_server.address)
    return web_server


def test_counters_are_the_totals_of_the_state_folder(collector: Any, tmp_path: Path) -> None:
    for n in (3, 4):
        assert publish(tmp_path, [metrics.TRAINING_SAMPLES.add(n, dataset="d", role="candidate")]) == []
    resource, found = newest_metrics(collector)
    assert resource["service.name"] == "augment-ops"
    counter = found["augment_ops.training.samples"]
    assert (counter.unit, counter.sum.is_monotonic, counter.sum.aggregation_temporality) == ("{sample}", True, 2)
    (point,) = counter.sum.data_points
    assert point.as_double == 7
    assert {a.key: a.value.string_value for a in point.attributes} == {"dataset": "d", "role": "candidate"}
    assert point.start_time_unix_nano < point.time_unix_nano


def test_everything_that_the_file_has_is_sent_and_nothing_else(collector: Any, tmp_path: Path) -> None:
    publish(tmp_path, [metrics.DATA_WAIT.set(0.25, dataset="d", role=role) for role in ("candidate", "control")])
    _, found = newest_metrics(collector)
    sent = {
        (otlp_metric.name, tuple(a.value.string_value for a in point.attributes)): point.as_double
        for otlp_metric in found.values()
        for point in (otlp_metric.sum.data_points or otlp_metric.gauge.data_points)
    }
    kept = read(path_below(tmp_path))
    assert sent == {(metrics.BY_NAME[name].otel, labels): value for (name, labels), value in kept.items()}


def test_the_environment_names_the_service(collector: Any, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "vision")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=staging,service.instance.id=w1")
    publish(tmp_path, [])
    resource, _ = newest_metrics(collector)
    assert {"service.name": "vision", "deployment.environment": "staging", "service.instance.id": "w1"}.items() <= (
        resource.items()
    )


def fail_in_an_epoch(trace: Trace) -> None:
    with trace.span("train", {"share": 0.5, "kept": False}), trace.span("epoch", {"e": 0}):
        trace.add("batch", 1, {})
        raise ValueError("no")


def test_stages_of_one_run_join_one_trace_whatever_process_they_ran_in(collector: Any, tmp_path: Path) -> None:
    first, second, other = (Trace(run, on=True) for run in ("run-1", "run-1", "run-2"))
    with first.span("ingest", {"n": 3}):
        pass
    with pytest.raises(ValueError, match="no"):
        fail_in_an_epoch(second)
    second.close("pipeline run", 1, {"outcome": "failed"})
    with other.span("ingest", {}):
        pass
    for trace in (first, second, other):
        assert publish(tmp_path, [], trace) == []
    spans = spans_of(collector)
    runs = {span.trace_id for span in spans}
    assert len(runs) == 2
    mine = {span.name: span for span in spans if span.trace_id == spans[0].trace_id}
    assert set(mine) == {"ingest", "train", "epoch", "batch", "pipeline run"}
    parents = {name: span.parent_span_id for name, span in mine.items()}
    root = mine["pipeline run"].span_id
    assert parents == {
        "pipeline run": b"",
        "ingest": root,
        "train": root,
        "epoch": mine["train"].span_id,
        "batch": mine["epoch"].span_id,
    }
    assert (mine["train"].status.code, mine["train"].status.message) == (2, "ValueError: no")
    assert mine["ingest"].status.code == 0
    assert mine["train"].start_time_unix_nano <= mine["epoch"].start_time_unix_nano
    assert mine["epoch"].end_time_unix_nano <= mine["train"].end_time_unix_nano


def test_what_another_process_traced_lies_below_the_span_that_waited_for_it() -> None:
    there, here = Trace("run", on=True), Trace("run", on=True)
    with there.span("training", {}):
        there.add("epoch", 0, {})
    with here.span("train_control", {}):
        here.adopt(there.spans, there.spans[0].start_ns)
    found = {span.name: span for span in here.spans}
    assert found["training"].parent == found["train_control"].id
    assert found["epoch"].parent == found["training"].id


def test_a_collector_that_refuses_stops_nobody_and_is_counted(collector: Any, tmp_path: Path) -> None:
    collector.answer = 400
    trace = Trace("run", on=True)
    with trace.span("ingest", {}):
        pass
    problems = publish(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")], trace)
    assert [problem.split(" were")[0] for problem in problems] == ["spans", "metrics"]
    kept = read(path_below(tmp_path))
    assert kept[metrics.PROMOTIONS.name, ("d",)] == 1
    assert {labels: v for (name, labels), v in kept.items() if name == metrics.EXPORT_FAILURES.name} == {
        ("metrics",): 1,
        ("traces",): 1,
    }


@pytest.mark.parametrize(
    ("environ", "metrics_wanted", "traces_wanted"),
    [
        ({}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, False, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, False, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False, False),
    ],
)
def test_the_standard_variables_decide(environ: dict[str, str], metrics_wanted: bool, traces_wanted: bool) -> None:
    assert (otlp.wanted("metrics", environ), otlp.wanted("traces", environ)) == (metrics_wanted, traces_wanted)


def test_nothing_of_opentelemetry_is_imported_where_nobody_asks(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from augment_ops.monitoring.telemetry import metrics;"
        "from augment_ops.monitoring.telemetry.publish import publish;"
        "from augment_ops.monitoring.telemetry.tracing import Trace;"
        "from augment_ops.monitoring.telemetry.otlp import wanted; t = Trace('r', on=wanted('traces'));"
        "publish(Path(sys.argv[1]), [metrics.PROMOTIONS.add(1, dataset='d')], t);"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[4])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environ, timeout=120, check=False)
    assert done.returncode == 0
    assert path_below(tmp_path).exists()
