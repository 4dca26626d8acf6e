"""ingest and check_data."""

from __future__ import annotations

from augment_ops.data.fingerprint import fingerprint
from augment_ops.data.ingest import ingest as read_source
from augment_ops.data.snapshot import SnapshotManifest
from augment_ops.errors import CheckRefused
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.inputs import Inputs
from augment_ops.quality.report import QualityReport


def source_state(ctx: Context) -> str | None:
    """What lies at the run's source now, as a digest; None where nobody can tell without reading all of it.

    Raises:
        DataError: the source is missing, or unreadable as a whole.
    """
    return fingerprint(ctx.params.dataset, ctx.store, allow_outside=ctx.params.allow_outside)


def ingest(inputs: Inputs) -> SnapshotManifest:
    """Read the source into an immutable snapshot."""
    params = inputs.params
    manifest = read_source(
        params.dataset,
        inputs.store,
        name=params.dataset_name or None,
        image_size=params.resize_to(),
        max_samples=params.max_samples or None,
        channels=params.channels,
        allow_outside=params.allow_outside,
        keep=params.keep,
    )
    inputs.say(
        f"{manifest.dataset}: {manifest.samples} samples, {len(manifest.classes)} classes, {manifest.image_shape}"
    )
    for note in manifest.reading.notes(manifest.image_shape):
        inputs.say(note)
    return manifest


def objects_of_snapshot(manifest: SnapshotManifest) -> tuple[str, ...]:
    """The objects of the store that hold a snapshot."""
    return manifest.index, *manifest.objects


def check_data(inputs: Inputs) -> QualityReport:
    """Hold the snapshot against the thresholds of policies/quality/."""
    from augment_ops.quality.data_checks import check_snapshot
    from augment_ops.quality.rules import QualityRules

    rules = QualityRules.load(inputs.file("quality/{quality}.yaml"))
    return check_snapshot(inputs.snapshot, rules, inputs.output("ingest", SnapshotManifest).reading)


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
