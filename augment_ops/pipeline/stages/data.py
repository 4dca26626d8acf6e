"""ingest and check_data."""

from __future__ import annotations

from typing import Any

from augment_ops.data.fingerprint import fingerprint
from augment_ops.data.ingest import ingest as read_source
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.errors import CheckRefused
from augment_ops.modalities import modality
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.parameters import RunParams
from augment_ops.quality.report import QualityReport


def source_state(ctx: Context) -> str | None:
    """What lies at the run's source now, as a digest; None where nobody can tell without reading all of it.

    Raises:
        DataError: the source is missing, or unreadable as a whole.
    """
    params = ctx.params
    return fingerprint(
        params.dataset, ctx.store, modality=params.modality, allow_outside=params.allow_outside, **params.asked()
    )


def ingest(inputs: Inputs) -> SnapshotManifest:
    """Read the source into an immutable snapshot."""
    params = inputs.params
    manifest = read_source(params.dataset, inputs.store, **how_to_read(params))
    inputs.say(
        f"{manifest.dataset}: {manifest.samples} samples, {len(manifest.classes)} classes, {manifest.sample_shape}"
    )
    wanted = "encoded" if modality(params.modality).codec.decoder(params.asked()).encoded else "raw"
    if manifest.kept != wanted:
        inputs.say(f"the snapshot was in the store already and stays as it is: {manifest.kept}, not {wanted}")
    for note in manifest.reading.notes(manifest.sample_shape):
        inputs.say(note)
    return manifest


def how_to_read(params: RunParams) -> dict[str, Any]:
    """What a run's parameters say of reading its data set, as `data.ingest` takes it."""
    return {
        "modality": params.modality,
        "name": params.dataset_name or None,
        "max_samples": params.max_samples or None,
        "allow_outside": params.allow_outside,
        **params.asked(),
    }


def objects_of_snapshot(manifest: SnapshotManifest) -> tuple[str, ...]:
    """The objects of the store that hold a snapshot."""
    return manifest.index, *manifest.objects


def check_data(inputs: Inputs) -> QualityReport:
    """Hold the snapshot against the thresholds of policies/quality/."""
    from augment_ops.quality.data_checks import check_snapshot
    from augment_ops.quality.rules import QualityRules

    rules = QualityRules.load(inputs.file("quality/{quality}.yaml"))
    return check_snapshot(inputs.snapshot, rules, inputs.output("ingest", SnapshotManifest).reading)


def refuse_bad_data(_: Context, report: QualityReport) -> CheckRefused | None:
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
