"""Two real runs, watched by a real Prometheus and a real Alertmanager: what they show is what happened."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sklearn.datasets import load_digits

from augment_ops.cli.runs import run_pipeline
from augment_ops.errors import AugmentOpsError
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.telemetry.metrics import BY_NAME
from augment_ops.monitoring.telemetry.textfile import path_below, read
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.graph import STAGES
from augment_ops.pipeline.outputs import Augmentation
from augment_ops.pipeline.recorders.telemetry import champion_moved, verify_ledger
from augment_ops.pipeline.run import record_of
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, open_store
from support.ports import free_port
from support.prometheus import DASHBOARDS, Api, at, eventually, queries, running
from support.prometheus import prometheus as project_prometheus

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUNS = ("cli-first", "cli-second")
OF_RUNS = ("augmentation", "drift", "pipeline", "recall", "robustness")  # the others: test_serving_watched.py


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, web_servers: Any) -> Iterator[Settings]:
    """A home in which a run was promoted and a hasty one refused, beside a darkened production window.

    The second run's spans go to `settings.home/traces`, one file a stage.
    """
    home = tmp_path_factory.mktemp("home")
    digits = load_digits()
    np.savez(home / "window.npz", images=(digits.images * 8).astype(np.uint8), labels=digits.target)
    with pytest.MonkeyPatch.context() as patch, web_servers() as collector:
        patch.setenv("AUGMENT_OPS_HOME", str(home))
        patch.setenv("AUGMENT_OPS_POLICIES", str(ROOT / "policies"))
        for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI", "OTEL_SDK_DISABLED"):
            patch.delenv(name, raising=False)
        asked = {"dataset": "digits", "policy": "digits-robust"}
        assert run_pipeline(asked, RUNS[0], quiet=True)["promoted"]
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        asked |= {"epochs": 1, "production_window": str(home / "window.npz")}
        assert not run_pipeline(asked, RUNS[1], quiet=True)["promoted"]
        (home / "traces").mkdir()
        for number, (path, body) in enumerate(collector.received):
            if path == "/v1/traces":
                (home / "traces" / f"{number:03}").write_bytes(body)
        patch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        yield Settings.from_environment()


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[str]:
    """host:port of `augment-ops metrics serve` on that home."""
    code = "from augment_ops.cli import main; main()"
    command = (sys.executable, "-W", "ignore", "-c", code, "metrics", "serve", "--port", "0", "--json")
    with running(*command, log=settings.home / "serve.log") as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"].removeprefix("http://").removesuffix("/metrics")


@pytest.fixture(scope="module")
def alertmanager() -> int:
    return free_port()


@pytest.fixture(scope="module")
def prometheus(settings: Settings, served: str, alertmanager: int, program: Callable[[str], str]) -> Iterator[Api]:
    """Prometheus, which has scraped that home."""
    jobs = {"augment-ops": at(served)}
    with project_prometheus(program, settings.home / "prometheus", jobs, alertmanager) as api:
        # Three scrapes of both targets, after the ledger was verified: rates need two.
        scraped = (
            "count(count_over_time(augment_ops_ledger_faults[1m]) >= 3) and count(count_over_time(up[1m]) >= 3) == 2"
        )
        eventually(lambda: api.query(scraped), "three scrapes")
        yield api


def test_prometheus_shows_every_series_as_the_state_folder_has_it(prometheus: Api, settings: Settings) -> None:
    kept = read(path_below(settings.home))
    assert {BY_NAME[name].kind for name, _ in kept} == {"counter", "gauge"}
    shown = {}
    for name in {name for name, _ in kept}:
        for labels, value in prometheus.query(name):
            shown[name, tuple(labels.get(label, "") for label in BY_NAME[name].labels)] = value
    assert shown == pytest.approx(kept, nan_ok=True)


def test_its_counters_are_the_runs_own(prometheus: Api, settings: Settings) -> None:
    def counted(expression: str) -> dict[tuple[str, ...], float]:
        return {tuple(labels.values()): value for labels, value in prometheus.query(expression)}

    contexts = [Context.of(settings, run) for run in RUNS]
    trained = sum(
        len(ctx.snapshot.split("train").labels) * ctx.output("augment", Augmentation).epochs for ctx in contexts
    )
    assert counted("sum by (role) (augment_ops_training_samples_total)") == {
        ("candidate",): trained,
        ("control",): trained,
    }
    # The second run trains for another time: of what was computed, it finds the snapshot and its checks alone.
    again = counted('sum by (stage) (augment_ops_stage_executions_total{outcome="reused"}) > 0')
    assert again == {("ingest",): 1, ("check_data",): 1}
    executions = counted('sum by (stage) (augment_ops_stage_executions_total{outcome="done"})')
    assert executions == {(stage.name,): len(RUNS) - ((stage.name,) in again) for stage in STAGES}
    entries = Ledger(settings.ledger).entries()
    decided = Counter((e.reason.partition(":")[0],) for e in entries if e.act == "decide")
    assert counted("sum by (verdict) (augment_ops_gate_decisions_total) > 0") == decided
    assert decided == {("PASS",): 1, ("FAIL",): 1}
    assert counted("sum(augment_ops_promotions_total)") == {(): sum(e.act == "promote" for e in entries)}
    assert counted("sum(augment_ops_ledger_entries)") == {(): len(entries)}
    records = [record_of(open_store(settings), run, stage.name) for run in RUNS for stage in STAGES]
    work = sum(record.wall_s for record in records if record is not None)
    assert counted("sum(augment_ops_stage_work_seconds_total)")[()] == pytest.approx(work)


@pytest.mark.parametrize(("dashboard", "panel", "expression"), queries(*OF_RUNS), ids=lambda text: text[:40])
def test_no_panel_of_a_dashboard_is_empty(prometheus: Api, dashboard: str, panel: str, expression: str) -> None:
    found = prometheus.query(expression)
    assert found
    assert any(math.isfinite(value) for _, value in found)


def test_dashboards_can_be_provisioned() -> None:
    provider = yaml.safe_load((ROOT / "monitoring/grafana/provisioning/dashboards/augment_ops.yml").read_text())
    source = yaml.safe_load((ROOT / "monitoring/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert provider["providers"][0]["type"] == "file"
    (uid,) = [one["uid"] for one in source["datasources"]]
    documents = [json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json")]
    assert documents
    assert len(documents) == len({document["uid"] for document in documents})
    for document in documents:
        assert {target["datasource"]["uid"] for panel in document["panels"] for target in panel["targets"]} == {uid}
        cells = [
            (x, y)
            for grid in (panel["gridPos"] for panel in document["panels"])
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_every_rule_is_evaluated_and_drift_is_told_by_mail(
    prometheus: Api, settings: Settings, alertmanager: int, program: Callable[[str], str], mail_server: Any
) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    folder = settings.home / "alertmanager"
    folder.mkdir()
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(_here(mail_server.port)))
    command = (
        program("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{alertmanager}",
        "--cluster.listen-address=",
    )
    with running(*command, log=settings.home / "alertmanager.log"):
        letter = eventually(
            lambda: next((m for m in mail_server.received if "drifted" in m["Subject"]), None), "a mail about drift"
        )
    assert (letter["To"], letter["Subject"]) == ("people@here", "[firing] Production data of digits has drifted")
    text = letter.get_body(("plain",)).get_content()
    assert re.search(r"mean \(psi\).* moved beyond the limits of policies/drift/default.yaml", text)
    assert "What to do: docs/runbooks/drift.md" in text
    newest = Context.of(settings, RUNS[1]).parent.url
    assert f"Evidence: {newest}" in text


def _here(port: int) -> dict[str, Any]:
    """The project's Alertmanager configuration with the mail server that is here, and no patience."""
    text = (ROOT / "monitoring" / "alertmanager" / "alertmanager.yml").read_text()
    values = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port),
        "ALERT_EMAIL_FROM": "ops@here",
        "ALERT_EMAIL_TO": "people@here",
    }
    config = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], ""), text))
    config["global"] = {key: value for key, value in config["global"].items() if not key.startswith("smtp_auth")} | {
        "smtp_require_tls": False
    }
    config["route"]["group_wait"] = "0s"
    return config


def test_a_run_is_one_trace_from_the_run_to_its_batches(settings: Settings) -> None:
    spans = [
        span
        for path in sorted((settings.home / "traces").iterdir())
        for resource in ExportTraceServiceRequest.FromString(path.read_bytes()).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert len({span.trace_id for span in spans}) == 1
    by_id = {span.span_id: span for span in spans}
    (root,) = [span for span in spans if not span.parent_span_id]
    assert root.name == "pipeline run"
    stages = [span for span in spans if span.parent_span_id == root.span_id]
    assert [span.name for span in sorted(stages, key=lambda span: span.start_time_unix_nano)] == [
        stage.name for stage in STAGES
    ]
    batches = [span for span in spans if span.name == "batch"]
    path = [by_id[batches[0].parent_span_id], by_id[by_id[batches[0].parent_span_id].parent_span_id]]
    assert [span.name for span in path] == ["epoch", "train_candidate"]
    n = len(Context.of(settings, RUNS[1]).snapshot.split("train").labels)
    seen = {a.key: a.value.int_value for span in batches for a in span.attributes if a.key.endswith("samples")}
    assert 0 < seen["augment_ops.samples"] <= 64
    assert len(batches) == 2 * math.ceil(n / 64)
    for span in spans:
        if span.parent_span_id:
            assert span.end_time_unix_nano <= root.end_time_unix_nano


def test_a_stage_that_is_run_again_or_fails_is_counted_as_such_and_changes_no_gauge(settings: Settings) -> None:
    def executions() -> dict[tuple[str, ...], float]:
        known = read(path_below(settings.home))
        return {labels[1:]: v for (name, labels), v in known.items() if name == "augment_ops_stage_executions_total"}

    before, samples = executions(), _samples(settings)
    assert execute(settings, RUNS[0], "train_candidate").reused
    assert executions() == before | {("train_candidate", "reused"): 1}
    record = settings.home / "store" / "documents" / "runs" / RUNS[0] / "ingest.json"
    kept = record.read_bytes()
    record.unlink()
    try:
        with pytest.raises(AugmentOpsError):
            execute(settings, RUNS[0], "check_data")
    finally:
        record.write_bytes(kept)
    known = read(path_below(settings.home))
    assert known["augment_ops_stage_executions_total", ("unknown", "check_data", "failed")] == 1
    assert _samples(settings) == samples


def _samples(settings: Settings) -> dict[Any, float]:
    known = read(path_below(settings.home))
    return {series: v for series, v in known.items() if series[0].startswith("augment_ops_training")}


def test_metrics_that_cannot_be_kept_fail_no_stage(settings: Settings, tmp_path: Path) -> None:
    folder = path_below(settings.home).parent
    folder.rename(tmp_path / "metrics")
    folder.write_text("in the way")
    said: list[str] = []
    try:
        assert execute(settings, RUNS[0], "augment", say=said.append).reused
    finally:
        folder.unlink()
        (tmp_path / "metrics").rename(folder)
    assert any("metrics were not kept" in line for line in said)


def test_a_champion_that_a_person_chose_has_the_age_of_its_training(settings: Settings) -> None:
    (sample,) = champion_moved(Workspace(settings, "ann"), "digits", "1", "dev")
    known = read(path_below(settings.home))
    promoted = known["augment_ops_champion_trained_timestamp_seconds", ("digits", "1", "dev")]
    assert sample.labels == ("digits", "1", "dev")
    assert abs(sample.value - promoted) < 60  # the ledger's entry and the stage's record of the same training
    assert champion_moved(Workspace(settings, "ann"), "digits", "99", "dev") == []


def test_a_ledger_that_is_altered_or_cannot_be_read_has_faults(settings: Settings, tmp_path: Path) -> None:
    def faults(path: Path) -> float:
        samples = verify_ledger(Workspace(replace(settings, ledger=f"sqlite:///{path}"), "ann"))
        return {sample.family.name: sample.value for sample in samples}["augment_ops_ledger_faults"]

    altered = tmp_path / "ledger.db"
    altered.write_bytes((settings.home / "ledger.db").read_bytes())
    assert faults(altered) == 0
    with contextlib.closing(sqlite3.connect(altered)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE ledger SET actor = 'eve' WHERE seq = 2")
        database.commit()
    assert faults(altered) >= 1
    (tmp_path / "broken.db").write_text("no database at all, but long enough to be read as one" * 20)
    assert faults(tmp_path / "broken.db") == 1
