"""What each stage leaves behind, as metrics. The one place that knows both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, get_args

from augment_ops.gate.decision import Verdict
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.monitoring.drift.metrics import drift_samples
from augment_ops.monitoring.telemetry import metrics
from augment_ops.monitoring.telemetry.metrics import Observation
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import AugmentedCheck, Decided, Promotion, ResolvedPolicy, StressTest
from augment_ops.pipeline.run import record_of
from augment_ops.quality.report import QualityReport
from augment_ops.stress.report import CLEAN, Cell, Role, StressReport
from augment_ops.training.result import TrainingResult

Samples = Iterator[Observation]


def measure(ctx: Context, stage: str, output: Any) -> list[Observation]:
    """The observations that a stage's output holds, beyond its having been made."""
    found = _MEASURES.get(stage)
    return [] if found is None else list(found(ctx, output))


def _quality(ctx: Context, report: QualityReport) -> Samples:
    for check in report.checks:
        yield metrics.QUALITY_STATUS.set(
            1, dataset=ctx.dataset, stage=report.stage, check=check.name, status=check.status
        )


def _policy(ctx: Context, policy: ResolvedPolicy) -> Samples:
    about = {"dataset": ctx.dataset, "policy": f"{policy.name}/{policy.version}"}
    yield metrics.POLICY_COST.set(policy.p50_ms / 1e3, percentile="p50", **about)
    yield metrics.POLICY_COST.set(policy.p95_ms / 1e3, percentile="p95", **about)
    yield metrics.POLICY_BUDGET.set(policy.budget_p95_ms / 1e3, **about)
    yield metrics.RUN_INFO.set(1, run_id=ctx.run.id, mlflow_url=ctx.parent.url, driver_url=ctx.run.link, **about)


def _training(ctx: Context, result: TrainingResult) -> Samples:
    about = {"dataset": ctx.dataset, "role": result.role}
    delivery = result.delivery
    trained = len(ctx.snapshot.split("train").labels) * len(result.curve)
    yield metrics.TRAINING_SAMPLES.add(trained, **about)
    yield metrics.TRAINING_THROUGHPUT.set(result.samples_per_s, **about)
    yield metrics.DATA_WAIT.set(delivery.data_wait_share, **about)
    yield metrics.PEAK_MEMORY.set(result.peak_rss_mb * 2**20, **about)
    yield metrics.VALIDATION_ACCURACY.set(result.curve[-1].validation_accuracy, **about)
    depth = delivery.queue_depth
    yield metrics.QUEUE_DEPTH.unknown(**about) if depth is None else metrics.QUEUE_DEPTH.set(depth, **about)
    for percentile in ("p50", "p90", "p95", "p99"):
        value = getattr(delivery, f"augment_{percentile}_ms") / 1e3
        yield metrics.AUGMENTATION_TIME.set(value, percentile=percentile, **about)


def _stress(ctx: Context, tested: StressTest) -> Samples:
    about, report = {"dataset": ctx.dataset}, tested.report
    for cell in (c for c in report.cells if c.n):
        where = {"corruption": cell.corruption, "severity": str(cell.severity)}
        yield metrics.STRESS_ACCURACY.set(cell.accuracy, role=cell.role, **where, **about)
        if cell.corruption == CLEAN:
            for name, recall in _recalls(report, cell):
                yield metrics.CLASS_RECALL.set(recall, role=cell.role, class_name=name, **about)
    clean = report.cell("candidate", CLEAN, 0)
    if clean is not None:
        for name, n in zip(report.classes, clean.class_n, strict=True):
            yield metrics.CLASS_SAMPLES.set(n, class_name=name, **about)


def _decision(ctx: Context, decided: Decided) -> Samples:
    about, verdict = {"dataset": ctx.dataset}, decided.decision.verdict
    for possible in get_args(Verdict):  # all of them, so that their rates begin at 0
        yield metrics.GATE_DECISIONS.add(possible == verdict, verdict=possible, **about)
    if verdict == "PASS":
        yield metrics.GATE_REFUSALS_IN_A_ROW.set(0, **about)
    else:
        yield metrics.GATE_REFUSALS_IN_A_ROW.add(1, **about)
    report = ctx.output("stress_test", StressTest).report
    versions: tuple[tuple[Role, str | None], ...] = (
        ("champion", decided.champion_version),
        ("candidate", decided.version),
    )
    for role, version in versions:
        if version is not None:
            yield from _version(report, role, version, ctx.dataset)


def _version(report: StressReport, role: Role, version: str, dataset: str) -> Samples:
    about = {"dataset": dataset, "model_version": version}
    for cell in report.cells:
        if cell.role == role and cell.n:
            where = {"corruption": cell.corruption, "severity": str(cell.severity)}
            yield metrics.MODEL_STRESS_ACCURACY.set(cell.accuracy, **where, **about)
            if cell.corruption == CLEAN:
                for name, recall in _recalls(report, cell):
                    yield metrics.MODEL_CLASS_RECALL.set(recall, class_name=name, **about)


def _recalls(report: StressReport, cell: Cell) -> Iterator[tuple[str, float]]:
    for name, recall in zip(report.classes, cell.class_recall, strict=True):
        if recall is not None:
            yield name, recall


def _promotion(ctx: Context, promotion: Promotion) -> Samples:
    decided = ctx.output("decide", Decided)
    moved = promotion.promoted and promotion.version != decided.champion_version
    yield metrics.PROMOTIONS.add(moved, dataset=ctx.dataset)
    if promotion.promoted and promotion.version is not None:
        record = record_of(ctx.store, ctx.run.id, "train_candidate")
        trained = datetime.fromisoformat(record.finished_at if record else ctx.run.started_at).timestamp()
        where = {"dataset": ctx.dataset, "environment": ctx.params.environment}
        yield metrics.CHAMPION_TRAINED.set(trained, model_version=promotion.version, **where)


def _drift(ctx: Context, report: DriftReport) -> Samples:
    yield from drift_samples(ctx.dataset, report)


def _augmented(ctx: Context, checked: AugmentedCheck) -> Samples:
    yield from _quality(ctx, checked.report)


_MEASURES: dict[str, Callable[[Context, Any], Samples]] = {
    "check_data": _quality,
    "resolve_policy": _policy,
    "check_augmented": _augmented,
    "train_candidate": _training,
    "train_control": _training,
    "stress_test": _stress,
    "check_drift": _drift,
    "decide": _decision,
    "promote": _promotion,
}
