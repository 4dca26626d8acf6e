"""ingest and check_data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from augment_ops.content import canonical_json
from augment_ops.data.fingerprint import fingerprint
from augment_ops.data.ingest import ingest as read_source
from augment_ops.data.snapshot import SnapshotManifest
from augment_ops.data.store import Store
from augment_ops.errors import CheckRefused
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import RunParams
from augment_ops.quality.report import QualityReport

if TYPE_CHECKING:
    from augment_ops.tracking import TrackedRun


def ingest(ctx: Context) -> SnapshotManifest:
    """Read the source into an immutable snapshot and open the run in MLflow."""
    params = ctx.params
    manifest = read_source(
        params.dataset,
        ctx.store,
        name=params.dataset_name or None,
        image_size=params.resize_to(),
        max_samples=params.max_samples or None,
        channels=params.channels,
        allow_outside=params.allow_outside,
    )
    ctx.say(f"{manifest.dataset}: {manifest.samples} samples, {len(manifest.classes)} classes, {manifest.image_shape}")
    for note in manifest.reading.notes(manifest.image_shape):
        ctx.say(note)
    run = ctx.open_run(manifest.dataset, tags={"augment_ops.snapshot_digest": manifest.digest})
    ctx.tracker.log_params(run, asdict(params))
    for split in manifest.counts:
        log_input(ctx, run, manifest, split)
    return manifest


def source_state(params: RunParams, store: Store) -> str | None:
    """What lies at the run's source now, as a digest; None where nobody can tell without reading all of it.

    Raises:
        DataError: the source is missing, or unreadable as a whole.
    """
    return fingerprint(params.dataset, store, allow_outside=params.allow_outside)


def log_input(ctx: Context, run: TrackedRun, manifest: SnapshotManifest, split: str) -> None:
    """Name a split of a snapshot as input of an MLflow run."""
    ctx.tracker.log_dataset(
        run,
        name=manifest.dataset,
        digest=manifest.digest,
        context=split,
        shape=manifest.image_shape,
        counts=manifest.counts[split],
        source=manifest.uri,
    )


def check_data(ctx: Context) -> QualityReport:
    """Hold the snapshot against the thresholds of policies/quality/."""
    from augment_ops.quality.data_checks import check_snapshot
    from augment_ops.quality.rules import QualityRules

    rules = QualityRules.load(ctx.settings.policies / "quality" / f"{ctx.params.quality}.yaml")
    report = check_snapshot(ctx.snapshot, rules, ctx.output("ingest", SnapshotManifest).reading)
    log_quality(ctx, report)
    return report


def log_quality(ctx: Context, report: QualityReport) -> None:
    """Every measurement of a quality report to MLflow, and the report itself."""
    metrics = {f"quality.{report.stage}.{check.name}": check.measured for check in report.checks}
    ctx.tracker.log_metrics(ctx.parent, metrics)
    ctx.tracker.log_bytes(ctx.parent, canonical_json(report), f"quality/{report.stage}.json")


def refuse_bad_data(report: QualityReport) -> CheckRefused | None:
    """Nothing may run on data that failed its checks."""
    if report.status != "fail":
        return None
    failures = report.failures
    return CheckRefused(
        "check_data",
        "; ".join(f"{check.name}: {check.message}" for check in failures),
        f"no failing check (policies/quality, rules {report.rules_digest[:12]})",
        "mend the data set, or review the thresholds; the report is in MLflow under quality/check_data.json",
    )
