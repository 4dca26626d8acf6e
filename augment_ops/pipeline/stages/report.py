"""prepare_report and report: one page and one JSON document, kept in the state folder and in MLflow.

Who approves decides from the page, so it is made before they are asked. When they have answered, the same page is made
again with what came of it, in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from augment_ops.content import digest_of, sha256_hex
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.engine.key import generator, sample_key
from augment_ops.errors import StoreError
from augment_ops.files import replace_file
from augment_ops.gate.rules import GateRules
from augment_ops.governance.chain import GENESIS
from augment_ops.modalities import UNNAMED, modality
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import EVIDENCE
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
from augment_ops.pipeline.run import StageRecord, record_of, report_path
from augment_ops.pipeline.stages.alert_compared import alert_compared
from augment_ops.pipeline.stages.answers import why_nobody
from augment_ops.pipeline.stages.brief import brief_of
from augment_ops.quality.report import QualityReport
from augment_ops.report.brief import Brief
from augment_ops.report.in_turn import in_turn
from augment_ops.report.inputs import (
    Augmented,
    CorruptedLevel,
    CorruptedSample,
    FlippedPair,
    Judged,
    ReportInputs,
    judged_of,
    to_json,
)
from augment_ops.report.page import render
from augment_ops.report.recommends import Baseline, baseline
from augment_ops.report.stress_summary import worst_gap
from augment_ops.shown import is_below, own_addresses
from augment_ops.stress.cell_detail import CellDetail, cell_detail
from augment_ops.stress.outcomes import Outcomes, from_bytes
from augment_ops.stress.report import CLEAN
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from augment_ops.stress.suite import SuiteManifest
from augment_ops.training.result import TrainingResult

# Artifacts of the run in MLflow.
PAGE, GALLERY, POLICY_DIFF = "report/report.html", "pictures/contact_sheet.png", "policy/changes.txt"
_SHOWN_ORIGINALS, _SHOWN_COPIES = 12, 4
_SHOWN_FINDINGS = 24  # the page folds what is behind them
_CORRUPTED = 2  # samples that are shown under every corruption, of two classes where there are


def prepare_report(ctx: Context) -> Prepared:
    """Gather what whoever decides is told; where a person is asked, make the page as far as the run has come."""
    decided, brief = ctx.output("decide", Decided), brief_of(ctx)
    if why_nobody(ctx, decided):
        return Prepared(brief=brief)  # the stage `report` comes at once
    role = ctx.params.approval
    told = {"approved by": f"nobody yet: {role} is asked", "outcome": "open"}
    kept = _keep(ctx, replace(_inputs(ctx, brief, told), waits_for=role))
    return Prepared(
        brief=brief,
        asks=role,
        path=kept.path,
        url=kept.url,
        gallery_url=_address(ctx, GALLERY),
        diff_url=_address(ctx, POLICY_DIFF) if brief.policy_changes else "",
        digest=kept.digest,
    )


def report(ctx: Context) -> Report:
    """Make the page with what came of the run."""
    decided, promotion = ctx.output("decide", Decided), ctx.output("promote", Promotion)
    told = dict([ctx.output("approve", Approval).told]) | {"outcome": promotion.message}
    inputs = _inputs(ctx, ctx.output("prepare_report", Prepared).brief, told)
    kept = _keep(ctx, replace(inputs, promoted=promotion.promoted, outcome=promotion.message))
    return Report(
        verdict=decided.decision.verdict,
        summary=decided.decision.summary,
        reasons=tuple(asdict(reason) for reason in decided.decision.reasons),
        promotion=promotion.message,
        model_version=promotion.version,
        path=kept.path,
        url=kept.url,
        mlflow_run_url=ctx.parent.url if ctx.settings.has_mlflow_server else "",
        digest=kept.digest,
    )


@dataclass(frozen=True)
class _KeptPage:
    """Where a page lies: on this machine, and in MLflow's UI."""

    path: str
    url: str
    digest: str


def _keep(ctx: Context, inputs: ReportInputs) -> _KeptPage:
    manifest = ctx.snapshot.manifest
    page, document = render(inputs, manifest.modality, manifest.schema).encode(), to_json(inputs)
    ctx.tracker.log_bytes(ctx.parent, page, PAGE)
    ctx.tracker.log_bytes(ctx.parent, document, "report/report.json")
    path = _write(report_path(ctx.settings.home, ctx.run.id), page)
    _write(path.with_suffix(".json"), document)
    return _KeptPage(str(path), _address(ctx, PAGE), sha256_hex(page))


def _address(ctx: Context, artifact: str) -> str:
    """Of an artifact of the run in MLflow's UI; empty without a server."""
    return ctx.parent.artifact_url(artifact) if ctx.settings.has_mlflow_server else ""


def _inputs(ctx: Context, brief: Brief, told: Mapping[str, str]) -> ReportInputs:
    """What the page shows, but for how far the run has come.

    Args:
        told: who approved it, and what came of it, by name.
    """
    stress, decided = ctx.output("stress_test", StressTest), ctx.output("decide", Decided)
    candidate, control = (ctx.output(f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    policy, manifest = ctx.output("resolve_policy", ResolvedPolicy), ctx.snapshot.manifest
    params, explanation, plan = ctx.params, decided.explanation, ctx.output("augment", Augmentation)
    outcomes = from_bytes(ctx.store.get(stress.report.outcomes), stress.report.outcomes)
    named = [
        (finding.corruption, finding.severity, flip.sample_id)
        for finding in explanation.findings[:_SHOWN_FINDINGS]
        if finding.corruption is not None and finding.severity is not None
        for flip in finding.flips
    ]
    return ReportInputs(
        run_id=ctx.run.id,
        dataset=manifest.dataset,
        created=ctx.run.started_at,
        decision=decided.decision,
        data_quality=ctx.output("check_data", QualityReport),
        augmented_quality=ctx.output("check_augmented", AugmentedCheck).report,
        candidate=candidate,
        control=control,
        stress=stress.report,
        judged=judged(ctx.store, stress, decided.decision.rules_digest, _baselines(ctx, stress.suite, outcomes)),
        snapshot={k: v for k, v in asdict(manifest).items() if k not in _of_no_interest(manifest)}
        | {
            "notes": ctx.output("ingest", SnapshotManifest).reading.notes(manifest.sample_shape),
            "licence": modality(manifest.modality).codec.licence(manifest.uri),
        },
        policy={
            "name": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "domain": policy.domain,
            "description": policy.description,
            "owner": policy.owner,
            "limitations": policy.limitations,
            "budget": {"p95_ms": policy.budget_p95_ms, "at": policy.budget_at},
            "text": policy.text,
            "narrowed": policy.policy().narrowings(),
        },
        drift=asdict(ctx.output("check_drift", DriftReport)),
        run={
            "started by": ctx.run.actor,
            "environment": params.environment,
            "approval": params.approval,
            "policy": " ".join([policy.state, *(["by", ", ".join(policy.approved_by)] if policy.approved_by else [])]),
            **told,
            "delivery": plan.mode if plan.choice is None else f"{plan.mode}, chosen by measuring",
            "model": candidate.factory,
            "recipe": candidate.recipe,
            **({"threads": str(candidate.threads)} if candidate.threads else {}),
            "seed": str(params.seed),
            "git commit": ctx.run.git_commit,
            "software": ctx.run.software,
        },
        measured={f"{stage} (s)": record.wall_s for stage, record in records_shown(ctx).items()},
        reused=_reused(ctx, stress),
        lineage={
            "snapshot": manifest.digest,
            "policy": policy.digest,
            "suite": stress.suite.digest,
            "candidate": candidate.model_digest,
            "control": control.model_digest,
            "decision": digest_of(decided.decision),
            "evidence": decided.decision.evidence_digest,
            "ledger head": ctx.provenance.head() or GENESIS,
        },
        augmented=_augmented(ctx.snapshot, policy, params.seed),
        failing=_flipped(
            ctx, stress.suite, outcomes, [(f.corruption, f.severity, f.sample_id) for f in stress.report.flipped]
        ),
        explanation=explanation,
        pictures=_flipped(ctx, stress.suite, outcomes, named),
        airflow_url=ctx.run.link if is_below(ctx.run.link, own_addresses(ctx.settings)) else None,
        mlflow_url=ctx.parent.url,
        alert=alert_compared(ctx),
        brief=brief,
        corrupted=_corrupted(ctx, stress.suite, outcomes),
        details=_details(stress, outcomes),
        epochs=None if policy.policy().is_identity else plan.epochs,
        delivery=plan.choice,
    )


def judged(store: Store, stress: StressTest, rules_digest: str, baselines: Sequence[Baseline] = ()) -> Judged | None:
    """The stress test as a gate sees it that looks for one class, ranks items, or takes classes as one; else None."""
    equivalent = GateRules.model_validate_json(store.get(rules_digest)).equivalent
    if stress.suite.asked is None and not equivalent:
        return None
    outcomes = from_bytes(store.get(stress.report.outcomes), stress.report.outcomes)
    return judged_of(stress.report, outcomes, equivalent, baselines)


def _baselines(ctx: Context, suite: SuiteManifest, outcomes: Outcomes) -> tuple[Baseline, ...]:
    """What the modality has that ranks untrained, made of the training split; none where nothing is ranked."""
    ranked = outcomes.ranked
    if ranked is None:
        return ()
    clean = suite.cells[0]
    return tuple(
        baseline(name, ranked, suite.batches(clean, ctx.store.get), scores)
        for name, scores in modality(ctx.snapshot.manifest.modality).baselines(ctx.snapshot.split("train")).items()
    )


def _of_no_interest(manifest: SnapshotManifest) -> set[str]:
    """Fields that the report leaves out: where things lie, and what goes without saying."""
    unsaid = {"modality", "schema"} if manifest.modality == UNNAMED and manifest.schema is None else set()
    return {"index", "images", "reading"} | unsaid


def records_shown(ctx: Context) -> dict[str, StageRecord]:
    """Records of the stages whose work is shown, in the order of the pipeline."""
    shown = ("ingest", *EVIDENCE, "decide", "prepare_report", "promote")
    records = {stage: record_of(ctx.store, ctx.run.id, stage) for stage in shown}
    return {stage: record for stage, record in records.items() if record is not None}


def _reused(ctx: Context, stress: StressTest) -> dict[str, str]:
    stages = {stage: record.reused_from for stage, record in records_shown(ctx).items() if record.reused_from}
    return stages | {f"stress_test of the {role}": run for role, run in stress.reused.items()}


def _augmented(snapshot: Snapshot, resolved: ResolvedPolicy, seed: int) -> Augmented:
    train, policy = snapshot.split("train"), resolved.policy()
    order = generator(sample_key("report samples", seed)).permutation(len(train.labels))
    rows = order[in_turn(train.labels[order])[:_SHOWN_ORIGINALS]]
    originals, ids = train.take(rows), [train.ids[row] for row in rows]
    augmenter = modality(policy.modality).augmenter(policy, seed, train)
    copies = np.stack([augmenter(originals, ids, epoch) for epoch in range(_SHOWN_COPIES)], axis=1)
    return Augmented(originals, copies, tuple(snapshot.manifest.classes[label] for label in train.labels[rows]))


def _flipped(
    ctx: Context, suite: SuiteManifest, outcomes: Outcomes, wanted: list[tuple[str, int, str]]
) -> tuple[FlippedPair, ...]:
    """Samples by corruption, severity and id, clean and stressed, with what the candidate took them for."""
    rows = {sample: row for row, sample in enumerate(suite.sample_ids)}
    cells = {(cell.corruption, cell.severity): cell for cell in suite.cells}
    found = []
    for corruption, severity, sample in dict.fromkeys(wanted):
        row, place = rows[sample], outcomes.at("candidate", corruption, severity)
        assert place is not None  # the report and the explanation come from these outcomes
        label, taken_for = outcomes.labels[row], outcomes.answered[(*place, row)]
        found.append(
            FlippedPair(
                corruption=corruption,
                severity=severity,
                sample_id=sample,
                label=outcomes.classes[label],
                predicted=outcomes.classes[taken_for],
                clean=suite.sample(suite.cells[0], row, ctx.store.get),
                stressed=suite.sample(cells[corruption, severity], row, ctx.store.get),
            )
        )
    return tuple(found)


def _corrupted(ctx: Context, suite: SuiteManifest, outcomes: Outcomes) -> tuple[CorruptedSample, ...]:
    """The same few samples at every severity of every corruption: all of one sample, then all of the next."""
    rows = _of_different_classes(outcomes, min(suite.batch, len(suite.sample_ids)))
    # One object a cell is read, and of it as many samples as are shown are kept.
    first = {(c.corruption, c.severity): next(suite.batches(c, ctx.store.get))[rows].copy() for c in suite.cells}
    names = dict.fromkeys(cell.corruption for cell in suite.cells if cell.corruption != CLEAN)
    return tuple(
        CorruptedSample(
            corruption=name,
            sample_id=suite.sample_ids[row],
            label=outcomes.classes[outcomes.labels[row]],
            clean=first[CLEAN, 0][place],
            levels=tuple(
                CorruptedLevel(
                    severity=severity,
                    sample=samples[place],
                    predicted=_taken_for(outcomes, corruption, severity, row),
                )
                for (corruption, severity), samples in first.items()
                if corruption == name
            ),
        )
        for place, row in enumerate(rows)
        for name in names
    )


def _of_different_classes(outcomes: Outcomes, among: int) -> list[int]:
    """The first samples that the candidate has right when clean, each of another class; of any where it has none."""
    place = outcomes.at("candidate")
    assert place is not None  # outcomes have the clean cell, and a report has a candidate
    right = np.flatnonzero(outcomes.right[place][:among]).tolist() or list(range(min(among, _CORRUPTED)))
    of_class = {int(outcomes.labels[row]): row for row in reversed(right)}
    return sorted(of_class.values())[:_CORRUPTED]


def _taken_for(outcomes: Outcomes, corruption: str, severity: int, row: int) -> str:
    place = outcomes.at("candidate", corruption, severity)
    answered = NOT_A_NUMBER if place is None else int(outcomes.answered[(*place, row)])
    return "" if answered == NOT_A_NUMBER else outcomes.classes[answered]


def _details(stress: StressTest, outcomes: Outcomes) -> tuple[CellDetail, ...]:
    """Of the candidate, clean and where it loses most; none where either is not known."""
    worst = worst_gap(stress.report)
    addresses = [(CLEAN, 0), *([worst[:2]] if worst else [])]
    found = [cell_detail(outcomes, "candidate", *address) for address in addresses]
    return tuple(one for one in found if one is not None) if all(found) else ()


def _write(path: Path, data: bytes) -> Path:
    try:
        replace_file(path, data)
    except OSError as error:
        raise StoreError(
            str(path), str(error), "room for the report", "free space, then run the stage again"
        ) from error
    return path
