"""What the report of a training says of the window whose drift started it: then, and against what it was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.errors import AugmentOpsError
from augment_ops.monitoring.drift.check import DriftReport, check_drift
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.pipeline.cause import AlertCause, alert_behind
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.stages.evaluation import reference_sample
from augment_ops.report.inputs import AlertCompared, Moved
from augment_ops.shown import is_below, own_addresses
from augment_ops.workspace import log_uri

_SHOWN = 12  # comparisons; the window's page has all of them


def alert_compared(ctx: Context) -> AlertCompared | None:
    """The alert that started the run, with its window compared once more; None where no alert did."""
    cause = alert_behind(ctx.ledger, ctx.run.id)
    if cause is None:
        return None
    moved, compared = _compared(ctx, cause)
    return AlertCompared(
        entry=cause.entry,
        kind=cause.kind,
        found=cause.found,
        window=cause.window,
        page=cause.page if is_below(cause.page, own_addresses(ctx.settings)) else "",
        moved=moved,
        compared=compared,
    )


def _compared(ctx: Context, cause: AlertCause) -> tuple[tuple[Moved, ...], str]:
    """What stood out in the window, and what came of comparing it with this run's training data."""
    if not cause.report:
        return (), ""
    try:
        then = from_json(DriftReport, ctx.store.get(cause.report))
    except AugmentOpsError as error:  # what was cleared is no reason to be without a report
        return (), f"What was found in the window is not in the store any more: {error.faults[0].found}."
    try:
        now = _against_training_data(ctx, cause)
    except AugmentOpsError as error:
        return tuple(_moved(then, None)), f"Not compared with what this run was trained on: {error.faults[0].found}."
    moved = tuple(_moved(then, now))
    known = [one for one in moved if one.status_now is not None]
    within = sum(one.status_now == "ok" for one in known)
    compared = f"Compared with what this run was trained on, {within} of {len(known)} are within their limits."
    missing = len(moved) - len(known)
    unknown = f" {missing} need a model's predictions, and are measured again when this one serves." if missing else ""
    return moved, f"{compared}{unknown}"


def _against_training_data(ctx: Context, cause: AlertCause) -> DriftReport:
    rules = DriftRules.load(ctx.settings.policies / "drift" / f"{ctx.params.drift}.yaml")
    log = PredictionLog(log_uri(ctx.settings), ctx.dataset, ctx.store)
    window = read_window(log, datetime.fromisoformat(cause.start), datetime.fromisoformat(cause.end))
    return check_drift(reference_sample(ctx.snapshot), _as_trained_on(window.sample, ctx.snapshot.manifest), rules)


def _as_trained_on(sample: Sample, manifest: SnapshotManifest) -> Sample:
    """Samples of the log with the schema of the training data: they were given to a model of the same data set."""
    form = None if sample.payload is None else (sample.modality, sample.payload.shape)
    return replace(sample, schema=manifest.schema) if form == (manifest.modality, manifest.sample_shape) else sample


def _moved(then: DriftReport, now: DriftReport | None) -> Iterator[Moved]:
    found = {} if now is None else {(one.name, one.detector): one for one in now.features}
    for one in [feature for feature in then.features if feature.status != "ok"][:_SHOWN]:
        again = found.get((one.name, one.detector))
        measured = again is not None and not math.isnan(again.effect)
        yield Moved(
            name=one.name,
            detector=one.detector,
            status=one.status,
            effect=one.effect,
            status_now=again.status if again is not None and measured else None,
            effect_now=again.effect if again is not None and measured else None,
            limit=one.limit,
        )
