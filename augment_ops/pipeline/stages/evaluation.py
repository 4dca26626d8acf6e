"""stress_test and check_drift."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.errors import InputError
from augment_ops.lifecycle import champion as champions
from augment_ops.machine import usable_cores
from augment_ops.names import metric_name
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import ResolvedPolicy, StressTest
from augment_ops.stress.measures import corruption_error
from augment_ops.stress.report import CLEAN, Role, StressReport
from augment_ops.stress.suite import SuiteManifest
from augment_ops.training.result import TrainingResult
from monitoring.drift.check import DriftReport
from monitoring.drift.metrics import effects
from monitoring.drift.sample import Sample

if TYPE_CHECKING:
    from augment_ops.runtime.isolated import IsolatedModel
    from augment_ops.tracking import RegisteredVersion


_FREEZE = "freeze"  # the act of making stress images: a suite of easier ones would let any model through


def rival(ctx: Context) -> RegisteredVersion | None:
    """The champion that this run has to beat: that of its environment, or its predecessor where this run made it.

    Raises:
        GovernanceError: MLflow does not show what the ledger says.
    """
    champion = champions.champion(ctx.book, ctx.tracker, ctx.dataset, ctx.params.environment)
    if champion is None or champion.tags.get("augment_ops.pipeline_run") != ctx.run.id:
        return champion
    return champions.before(ctx.book, ctx.tracker, ctx.dataset, champion.version)


def stress_test(ctx: Context) -> StressTest:
    """Evaluate candidate, control and champion on the frozen suite."""
    from augment_ops.runtime.isolated import load_program
    from augment_ops.stress.evaluate import evaluate
    from augment_ops.stress.seen import seen_by

    suite = frozen_suite(ctx)
    with ExitStack() as opened:
        models: dict[Role, tuple[str, IsolatedModel]] = {}
        trained: tuple[tuple[Role, str], ...] = (("candidate", "train_candidate"), ("control", "train_control"))
        for role, stage in trained:
            result = ctx.output(stage, TrainingResult)
            model = load_program(ctx.store.local(result.artifact), result.artifact)
            models[role] = (result.model_digest, opened.enter_context(model))
        champion = rival(ctx)
        if champion is not None:
            models["champion"] = (champion.model_digest, opened.enter_context(_champion_model(ctx, champion)))
        ctx.say(f"models answer in isolated processes: {', '.join(models['candidate'][1].confinement)}")
        report = evaluate(
            suite,
            ctx.store.get,
            ctx.store.put,
            models,
            champion.version if champion else None,
            seen=seen_by(ctx.output("resolve_policy", ResolvedPolicy).policy()),
            columns=ctx.snapshot.group_columns(suite.sample_ids),
            workers=usable_cores(),
        )
    ctx.say(_said_of_remains(report))
    _log_stress(ctx, suite, report)
    return StressTest(suite, report)


def _said_of_remains(report: StressReport) -> str:
    """What the corruptions destroyed, as one line."""
    cells = [cell for cell in report.cells if cell.role == "candidate" and cell.severity]
    damaged = [cell for cell in cells if cell.remains is not None]
    if not damaged:
        return f"something is left of every sample in all {len(cells)} stressed cells"
    worst = max(damaged, key=lambda cell: cell.destroyed_share)
    assert worst.remains is not None
    causes = ", ".join(f"{cause} {n}" for cause, n in worst.remains.destroyed.items())
    return (
        f"samples are destroyed in {len(damaged)} of {len(cells)} stressed cells, and counted apart; most in "
        f"{worst.corruption} at severity {worst.severity}: {worst.destroyed_share:.1%} ({causes})"
    )


def frozen_suite(ctx: Context) -> SuiteManifest:
    """The suite of this run's snapshot, frozen on first use; afterwards the one that the ledger names."""
    from augment_ops.stress.suite import FORMAT, freeze, load

    spec = load(ctx.settings.policies / "stress" / f"{ctx.params.suite}.yaml")
    snapshot = ctx.snapshot.manifest
    key = f"{_FREEZE}:{digest_of([FORMAT, spec.digest, snapshot.digest])}"
    known = ctx.ledger.entries_under(key)
    if known and ctx.store.has(known[0].subjects["manifest"]):
        frozen = from_json(SuiteManifest, ctx.store.get(known[0].subjects["manifest"]))
        if all(ctx.store.has(digest) for cell in frozen.cells for digest in cell.objects):
            return frozen  # else what is gone is made again, to the byte
    held_out = ctx.snapshot.split(spec.split)
    manifest = freeze(
        spec,
        held_out.payload,
        held_out.ids,
        held_out.labels,
        ctx.store.put,
        snapshot_digest=snapshot.digest,
        classes=snapshot.classes,
    )
    subjects = {
        "suite": manifest.digest, "snapshot": snapshot.digest, "manifest": ctx.store.put(canonical_json(manifest)),
    }  # fmt: skip
    ctx.ledger.append(_FREEZE, ctx.run.actor, subjects, f"{spec.name} on {ctx.dataset}", key)
    return manifest


def _champion_model(ctx: Context, champion: RegisteredVersion) -> IsolatedModel:
    mine = digest_of([ctx.snapshot.manifest.classes, ctx.snapshot.manifest.image_shape])
    if champion.tags.get("augment_ops.interface_digest") != mine:
        raise InputError(
            f"champion version {champion.version} of {ctx.dataset}",
            "a model for other classes or another image size",
            f"{len(ctx.snapshot.manifest.classes)} classes at {ctx.snapshot.manifest.image_shape}",
            "run under another --dataset-name: models with different interfaces cannot replace each other",
        )
    return ctx.tracker.load_model(ctx.dataset, champion.version, champion.artifact)


def _log_stress(ctx: Context, suite: SuiteManifest, report: StressReport) -> None:
    from augment_ops.report.plots import confusion_matrix, severity_curves

    tracker, manifest = ctx.tracker, ctx.snapshot.manifest
    counts = manifest.counts[suite.split]
    tracker.log_dataset(ctx.parent, manifest.dataset, suite.digest, "stress", suite.shape, counts, manifest.uri)
    curve: list[tuple[str, float, int]] = []
    for cell in report.cells:
        # The severity is the step: MLflow then draws accuracy against severity by itself.
        if cell.n:
            curve.append((f"stress.{cell.role}.{cell.corruption}.accuracy", cell.accuracy, cell.severity))
        if cell.role == "candidate" and cell.remains is not None:  # a fact of the suite, the same for every role
            curve.append((f"stress.destroyed_share.{cell.corruption}", cell.destroyed_share, cell.severity))
        if cell.corruption == CLEAN:
            for name, recall in zip(report.classes, cell.class_recall, strict=True):
                if recall is not None:
                    curve.append((f"recall.{cell.role}.{metric_name(name)}", recall, 0))
    empty = {(cell.corruption, cell.severity) for cell in report.cells if not cell.n}
    for measure in (m for m in report.measures if (m.corruption, m.severity) not in empty):
        numbers = asdict(measure)
        for name in ("balanced_accuracy", "calibration_error", "flip_share"):
            curve.append((f"stress.{measure.role}.{measure.corruption}.{name}", numbers[name], measure.severity))
    for reference in ("control", "champion"):
        for name, relative in (("mce", False), ("relative_mce", True)):
            value = corruption_error(report, "candidate", reference, relative=relative)
            if value is not None:
                curve.append((f"stress.candidate.{name}_to_{reference}", value, 0))
    tracker.log_curve(ctx.parent, curve)
    ctx.tag({"augment_ops.suite_digest": report.suite_digest})
    tracker.log_bytes(ctx.parent, canonical_json(report), "stress/report.json")
    tracker.log_bytes(ctx.parent, severity_curves(report), "pictures/accuracy_by_severity.png")
    for role, matrix in report.confusion.items():
        tracker.log_bytes(ctx.parent, confusion_matrix(matrix, report.classes), f"pictures/confusion_{role}.png")


def check_drift(ctx: Context) -> DriftReport:
    """Compare the snapshot with the production window, where there is one."""
    from monitoring.drift.check import check_drift as compare
    from monitoring.drift.rules import DriftRules

    rules = DriftRules.load(ctx.settings.policies / "drift" / f"{ctx.params.drift}.yaml")
    train, manifest = ctx.snapshot.split("train"), ctx.snapshot.manifest
    names = np.array(manifest.classes, dtype=object)[train.labels]
    reference = Sample.of_images(manifest.digest, train.payload, names)
    window = _window(ctx)
    report = compare(reference, window, rules)
    ctx.say(report.message)
    ctx.tracker.log_metrics(ctx.parent, effects(report))
    ctx.tracker.log_bytes(ctx.parent, canonical_json(report), "drift/report.json")
    if window is not None and window.images is not None:
        from monitoring.drift.page import second_opinion

        page = second_opinion(reference, window, ctx.say)
        if page is not None:
            ctx.tracker.log_bytes(ctx.parent, page, "drift/evidently.html")
    return report


def default_window(ctx: Context) -> Path:
    """Where production puts its latest images for this data set: any layout that a data set may have."""
    return ctx.settings.home / "production" / ctx.dataset


def _window(ctx: Context) -> Sample | None:
    from augment_ops.data.ingest import ingest
    from augment_ops.data.payload import Part
    from augment_ops.data.snapshot import Snapshot

    place = ctx.params.production_window or str(default_window(ctx))
    if not ctx.params.production_window and not Path(place).exists():
        return None
    manifest = ingest(
        place,
        ctx.store,
        name=f"{ctx.dataset}-window",
        image_size=ctx.params.resize_to(),
        channels=ctx.params.channels,
        allow_outside=ctx.params.allow_outside,
    )
    window = Snapshot.open(ctx.store, manifest.digest)
    usable = window.index[window.index["row"] >= 0]
    images = Part(window.payload, usable["row"].to_numpy(np.int64))
    return Sample.of_images(manifest.digest, images, usable["class_name"].to_numpy(dtype=object))
