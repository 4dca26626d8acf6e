"""What MLflow is told of a stage's output, by name of the stage. Telling it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from augment_ops.content import canonical_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.governance.chain import GENESIS
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.monitoring.drift.metrics import effects
from augment_ops.names import NOTE_TAG, metric_name
from augment_ops.pipeline.cause import AlertCause, alert_behind, in_markdown
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import (
    Approval,
    Augmentation,
    AugmentedCheck,
    Decided,
    Prepared,
    Promotion,
    Report,
    ResolvedPolicy,
    StressTest,
)
from augment_ops.pipeline.recorders.headline import description, ending, headline, named, outcome, run_name
from augment_ops.pipeline.run import record_of
from augment_ops.pipeline.stages.evaluation import reference_sample, window_sample
from augment_ops.pipeline.stages.report import GALLERY, POLICY_DIFF, records_shown
from augment_ops.quality.report import QualityReport
from augment_ops.shown import link, markdown, own_addresses
from augment_ops.stress.classes import macro_f1, tail_recall
from augment_ops.stress.measures import corruption_error
from augment_ops.stress.report import CLEAN, StressReport
from augment_ops.tracking.values import PROMOTION_TAG
from augment_ops.training.result import TrainingResult

if TYPE_CHECKING:
    from augment_ops.tracking import TrackedRun

_REUSED = "augment_ops.reused."  # prefix of the tags that name the run whose work a stage found


def tell_mlflow(ctx: Context, stage: str, output: Any, reused_from: str) -> None:
    """Log what the output of a stage is, and whose it is where an earlier run had made it."""
    recorder = _RECORDERS.get(stage)
    if recorder is not None:
        recorder(ctx, output)
    if reused_from:
        dataset = output.dataset if isinstance(output, SnapshotManifest) else ctx.dataset
        ctx.open_run(dataset, tags={f"{_REUSED}{stage}": reused_from})


def _snapshot(ctx: Context, manifest: SnapshotManifest) -> None:
    cause = alert_behind(ctx.ledger, ctx.run.id)
    params = ctx.run.params
    # Here and not with the policy: a run that is refused before has its columns as well.
    columns = {"policy": str(params["policy"]), "environment": ctx.params.environment, "started_by": ctx.run.actor}
    tags = {"augment_ops.snapshot_digest": manifest.digest, **columns, **_why(ctx, cause)}
    run = ctx.open_run(manifest.dataset, tags=tags)
    foreign = ctx.params.foreign
    ctx.tracker.log_params(run, {name: value for name, value in params.items() if name not in foreign})
    _name_so_far(ctx, run, run_name(manifest.dataset, str(params["policy"]), cause))
    _describe_list(ctx, run, manifest.dataset)
    for split in manifest.counts:
        _log_input(ctx, run, manifest, split)


def _why(ctx: Context, cause: AlertCause | None) -> dict[str, str]:
    """What a run says from the beginning that an alert started: nobody has triggered it who could be asked."""
    if cause is None:
        return {}
    said = {} if _has_ended(ctx) else {NOTE_TAG: in_markdown(cause, own_addresses(ctx.settings))}
    return {"augment_ops.alert": cause.key, "cause": cause.short, **said}


def _has_ended(ctx: Context) -> bool:
    """Whether the report has said what came of the run: a stage that lost its record says nothing over it."""
    return record_of(ctx.store, ctx.run.id, "report") is not None


def _name_so_far(ctx: Context, run: TrackedRun, name: str) -> None:
    if not _has_ended(ctx):
        ctx.tracker.name_run(run, name)


def _describe_list(ctx: Context, run: TrackedRun, dataset: str) -> None:
    columns = link("verdict, largest loss and lowest recall of each", run.list_url, own_addresses(ctx.settings))
    # In one line: of more MLflow shows the first.
    ctx.tracker.describe_list(run, f"Runs of the pipeline on **{markdown(dataset)}**: {columns}.")


def _log_input(ctx: Context, run: TrackedRun, manifest: SnapshotManifest, split: str) -> None:
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


def _quality(ctx: Context, report: QualityReport) -> None:
    metrics = {f"quality.{report.stage}.{check.name}": check.measured for check in report.checks}
    ctx.tracker.log_metrics(ctx.parent, metrics)
    ctx.tracker.log_bytes(ctx.parent, canonical_json(report), f"quality/{report.stage}.json")


def _policy(ctx: Context, policy: ResolvedPolicy) -> None:
    ctx.tag(
        {
            "augment_ops.policy": policy.name,
            "augment_ops.policy_version": policy.version,
            "augment_ops.policy_digest": policy.digest,
            "augment_ops.policy_state": policy.state,
            "policy": named(policy),
        }
    )
    _name_so_far(ctx, ctx.parent, run_name(ctx.dataset, named(policy), alert_behind(ctx.ledger, ctx.run.id)))
    ctx.tracker.log_metrics(ctx.parent, {"policy.p50_ms": policy.p50_ms, "policy.p95_ms": policy.p95_ms})


def _planned(ctx: Context, plan: Augmentation) -> None:
    if plan.choice is None:
        return
    ctx.tag({"augment_ops.delivery": f"{plan.choice.mode}: {plan.choice.reason}"})
    ctx.tracker.log_bytes(ctx.parent, canonical_json(plan.choice), "delivery/choice.json")


def _augmented(ctx: Context, checked: AugmentedCheck) -> None:
    _quality(ctx, checked.report)
    ctx.tracker.log_bytes(ctx.parent, ctx.store.get(checked.contact_sheet), GALLERY)


def _training(ctx: Context, result: TrainingResult) -> None:
    from augment_ops.report.plots import learning_curve

    tags = {
        "augment_ops.model_digest": result.model_digest,
        "augment_ops.policy_digest": result.policy_digest,
        "augment_ops.snapshot_digest": result.snapshot_digest,
    }
    tracker, run, params = ctx.tracker, ctx.open_run(ctx.dataset, result.role, tags), ctx.params
    plan, manifest = ctx.output("augment", Augmentation), ctx.snapshot.manifest
    for split in ("train", "validation"):
        _log_input(ctx, run, manifest, split)
    tracker.log_params(
        run,
        {
            "role": result.role,
            "factory": result.factory,
            "recipe": result.recipe,
            "threads": result.threads,
            "parameters": result.parameters,
            "seed": result.seed,
            "epochs": plan.epochs,
            "batch_size": params.batch_size,
            "delivery": plan.mode,
            "workers": plan.workers(params),
        },
    )
    names = (
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "samples_per_s",
        "data_wait_share",
    )
    points = [(name, getattr(entry, name), entry.epoch) for entry in result.curve for name in names]
    tracker.log_curve(run, points, once=True)  # a training that was killed while it logged has logged another speed
    totals = {name: getattr(result, name) for name in ("samples_per_s", "wall_s", "peak_rss_mb")}
    totals |= {name: value for name, value in asdict(result.delivery).items() if value is not None}
    tracker.log_metrics(run, {f"total.{name}": value for name, value in totals.items()}, once=True)
    tracker.log_bytes(run, learning_curve({result.role: result.curve}), "pictures/learning_curve.png")
    tracker.log_bytes(run, canonical_json(result), "training.json")
    validation = ctx.snapshot.split("validation")
    example = validation.take(range(min(4, len(validation))))
    tracker.log_model(
        run,
        ctx.store.local(result.artifact),
        result.model_digest,
        example,
        manifest.classes,
        modality=manifest.modality,
        format=result.format,
    )
    tracker.finish_run(run, "FINISHED")


def _stress(ctx: Context, tested: StressTest) -> None:
    from augment_ops.report.plots import confusion_matrix, severity_curves

    tracker, manifest, suite, report = ctx.tracker, ctx.snapshot.manifest, tested.suite, tested.report
    counts = manifest.counts[suite.split]
    tracker.log_dataset(ctx.parent, manifest.dataset, suite.digest, "stress", suite.shape, counts, manifest.uri)
    tracker.log_curve(ctx.parent, _points(report))
    heard = {f"{_REUSED}stress_test.{role}": run for role, run in tested.reused.items()}
    ctx.tag({"augment_ops.suite_digest": report.suite_digest, **heard})
    tracker.log_bytes(ctx.parent, canonical_json(report), "stress/report.json")
    tracker.log_bytes(ctx.parent, severity_curves(report), "pictures/accuracy_by_severity.png")
    for role, matrix in report.confusion.items():
        tracker.log_bytes(ctx.parent, confusion_matrix(matrix, report.classes), f"pictures/confusion_{role}.png")


def _points(report: StressReport) -> list[tuple[str, float, int]]:
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
    curve += [*_measured(report), *_ranked(report), *_at_thresholds(report), *_out_of_scope(report)]
    for reference in ("control", "champion"):
        for name, relative in (("mce", False), ("relative_mce", True)):
            value = corruption_error(report, "candidate", reference, relative=relative)
            if value is not None:
                curve.append((f"stress.candidate.{name}_to_{reference}", value, 0))
    return curve


def _measured(report: StressReport) -> Iterator[tuple[str, float, int]]:
    """Of each cell that something is left in, what it says beside accuracy and recalls."""
    cells = {(cell.role, cell.corruption, cell.severity): cell for cell in report.cells if cell.n}
    for measure in report.measures:
        cell = cells.get((measure.role, measure.corruption, measure.severity))
        if cell is None:
            continue
        numbers = {name: getattr(measure, name) for name in ("balanced_accuracy", "calibration_error", "flip_share")}
        numbers |= {"macro_f1": macro_f1(cell, measure), "tail_recall": tail_recall(cell)}
        for name, value in numbers.items():
            if value is not None:
                yield f"stress.{measure.role}.{measure.corruption}.{name}", value, measure.severity


def _ranked(report: StressReport) -> Iterator[tuple[str, float, int]]:
    """How the class that is looked for is ordered, where one is."""
    for ordering in (one for one in report.orderings if one.n):
        for name in ("average_precision", "recall_at_precision", "brier_score", "calibration_error"):
            value = getattr(ordering, name)
            if value is not None:
                yield f"ordering.{ordering.role}.{ordering.corruption}.{name}", value, ordering.severity


def _at_thresholds(report: StressReport) -> Iterator[tuple[str, float, int]]:
    """What each model gives at its threshold."""
    for point in (one for one in report.operating if one.threshold is not None):
        yield f"operating.{point.role}.threshold", point.threshold or 0.0, 0
        for name, share in (("alerts", point.alerts), ("recall", point.recall), ("precision", point.precision)):
            if share is not None:
                yield f"operating.{point.role}.{name}", share.value, 0


def _out_of_scope(report: StressReport) -> Iterator[tuple[str, float, int]]:
    """How far each model is less sure of samples of no class."""
    for one in report.separations:
        if one.accepted is not None:
            yield f"out_of_scope.{one.role}.area", one.area, 0
            yield f"out_of_scope.{one.role}.accepted", one.accepted.value, 0


def _drift(ctx: Context, report: DriftReport) -> None:
    from augment_ops.monitoring.drift.page import second_opinion

    ctx.tracker.log_metrics(ctx.parent, effects(report))
    ctx.tracker.log_bytes(ctx.parent, canonical_json(report), "drift/report.json")
    if report.window_digest is not None:
        window = window_sample(ctx.store, report.window_digest)
        page = second_opinion(reference_sample(ctx.snapshot), window, ctx.say)
        if page is not None:
            ctx.tracker.log_bytes(ctx.parent, page, "drift/evidently.html")


def _decision(ctx: Context, decided: Decided) -> None:
    decision = decided.decision
    documents = {
        "rules": ctx.store.get(decision.rules_digest),
        "evidence": ctx.store.get(decision.evidence_digest),
        "decision": canonical_json(decision),
        "explanation": canonical_json(decided.explanation),
    }
    for name, document in documents.items():
        ctx.tracker.log_bytes(ctx.parent, document, f"gate/{name}.json")
    ctx.tracker.log_metrics(ctx.parent, headline(ctx.store, ctx.output("stress_test", StressTest), decided).metrics)
    ctx.tag({"augment_ops.verdict": decision.verdict, "verdict": decision.verdict})
    _name_so_far(ctx, ctx.parent, _name(ctx, ending(decided)))


def _prepared(ctx: Context, prepared: Prepared) -> None:
    """Keep what changed of the policy, and say for whom the run waits."""
    brief = prepared.brief
    if brief.policy_changes:
        told = [f"{brief.policy}, against {brief.policy_before} of champion {brief.champion}", *brief.policy_changes]
        ctx.tracker.log_bytes(ctx.parent, "\n".join([*told, ""]).encode(), POLICY_DIFF)
    if prepared.asks:
        waits = f"It waits for the answer of {prepared.asks}."
        if not _has_ended(ctx):
            ctx.note(description(ctx, ctx.output("decide", Decided), waits, report=prepared.url))
        ctx.tag({"augment_ops.report": prepared.url or prepared.path})


def _approved(ctx: Context, approval: Approval) -> None:
    """Say who let the candidate through, or did not, and why."""
    act, who = approval.told
    ctx.tag({"augment_ops.approval": f"{act} {who}"})


def _report(ctx: Context, report: Report) -> None:
    """Say what came of the run where people look first, and close it: green only where the candidate passed."""
    decided, promotion = ctx.output("decide", Decided), ctx.output("promote", Promotion)
    what = f"{report.promotion[:1].upper()}{report.promotion[1:]}."
    act, who = ctx.output("approve", Approval).told
    said = description(ctx, decided, what, f"{act.capitalize()} {who}.", report=report.url)
    ctx.note(said)
    _describe_version(ctx, decided, said)
    ctx.tracker.name_run(ctx.parent, _name(ctx, ending(decided, promotion)))
    ctx.tag(
        {
            "augment_ops.report": report.url or report.path,
            PROMOTION_TAG: report.promotion,
            "outcome": outcome(decided, promotion),
            # Tags and not metrics: a stage that is run again replaces them.
            "augment_ops.work_s": f"{sum(record.wall_s for record in records_shown(ctx).values()):.1f}",
            # Noted outside the ledger, so that a cut-off end shows.
            "augment_ops.ledger_head": ctx.provenance.head() or GENESIS,
        }
    )
    # The mark before a run in MLflow's list is its status and nothing else.
    ctx.tracker.finish_run(ctx.parent, "FINISHED" if promotion.passed else "FAILED")


def _name(ctx: Context, ending: str) -> str:
    policy, cause = ctx.output("resolve_policy", ResolvedPolicy), alert_behind(ctx.ledger, ctx.run.id)
    return run_name(ctx.dataset, named(policy), cause, ending)


def _describe_version(ctx: Context, decided: Decided, said: str) -> None:
    """Lead from the page of the version that this run registered to what it rests on."""
    if decided.version is None:
        return
    version = ctx.tracker.version(ctx.dataset, decided.version)
    if version.identity["augment_ops.pipeline_run"] == ctx.run.id:  # the same model may be champion since another run
        ctx.tracker.describe_version(ctx.dataset, decided.version, said)


_RECORDERS: Mapping[str, Callable[[Context, Any], None]] = {
    "ingest": _snapshot,
    "check_data": _quality,
    "resolve_policy": _policy,
    "augment": _planned,
    "check_augmented": _augmented,
    "train_candidate": _training,
    "train_control": _training,
    "stress_test": _stress,
    "check_drift": _drift,
    "decide": _decision,
    "prepare_report": _prepared,
    "approve": _approved,
    "report": _report,
}
