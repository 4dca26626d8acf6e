"""stress_test and check_drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.data.fingerprint import fingerprint
from augment_ops.data.payload import Part
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import InputError
from augment_ops.lifecycle import champion as champions
from augment_ops.machine import usable_cores
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.known_outcomes import Asked, Known, known
from augment_ops.pipeline.outputs import ResolvedPolicy, StressTest
from augment_ops.pipeline.stages.sample_groups import sample_groups
from augment_ops.settings import Settings
from augment_ops.stress.report import Role, StressReport
from augment_ops.stress.suite import SuiteManifest
from augment_ops.training.result import TrainingResult

if TYPE_CHECKING:
    from augment_ops.runtime.base import Model
    from augment_ops.stress.operating import HeldBack
    from augment_ops.stress.outcomes import Predictions
    from augment_ops.tracking import RegisteredVersion


_VALIDATION = "validation"
_FREEZE = "freeze"  # the act of making stress samples: a suite of easier ones would let any model through


def incumbent(ctx: Context) -> RegisteredVersion | None:
    """The champion that this run has to beat: that of its environment, or its predecessor where this run made it.

    Raises:
        GovernanceError: MLflow does not show what the ledger says.
    """
    champion = champions.champion(ctx.book, ctx.tracker, ctx.dataset, ctx.params.environment)
    if champion is None or champion.tags.get("augment_ops.pipeline_run") != ctx.run.id:
        return champion
    return champions.before(ctx.book, ctx.tracker, ctx.dataset, champion.version)


def stress_test(ctx: Context) -> StressTest:
    """Evaluate candidate, control and champion on the frozen suite; whom an earlier run asked is not asked again."""
    from augment_ops.stress.evaluate import evaluate
    from augment_ops.stress.seen import seen_by

    suite, champion = frozen_suite(ctx), incumbent(ctx)
    questions = _questions(ctx, champion)
    found = _heard_before(ctx, suite, questions)
    with ExitStack() as opened:
        models: dict[Role, tuple[str, Model | Predictions]] = {}
        for role, question in questions.items():
            if role in found:
                models[role] = (question.model_digest, found[role].predictions)
                continue
            model = opened.enter_context(question.load())
            models[role] = (question.model_digest, model)
            if role == "candidate":
                ctx.say(f"models answer in isolated processes: {', '.join(model.confinement)}")
        report = evaluate(
            suite,
            ctx.store.get,
            ctx.store.put,
            models,
            champion.version if champion else None,
            seen=seen_by(ctx.output("resolve_policy", ResolvedPolicy).policy()),
            columns=sample_groups(ctx.snapshot, suite),
            held_back=_held_back(ctx, suite),
            workers=usable_cores(),
        )
    ctx.say(_said_of_remains(report))
    return StressTest(
        suite,
        report,
        artifacts={role: question.artifact for role, question in questions.items()},
        # What this run heard itself is no news: a stage that is run again leaves the same document.
        reused={role: known.run for role, known in found.items() if known.run != ctx.run.id},
    )


def _held_back(ctx: Context, suite: SuiteManifest) -> HeldBack | None:
    """The validation split, where the suite has thresholds chosen; a suite of that very split is tested on it."""
    from augment_ops.stress.operating import HeldBack

    if suite.alerts is None or suite.alerts.threshold is None or suite.split == _VALIDATION:
        return None
    split = ctx.snapshot.split(_VALIDATION)
    return HeldBack(split.payload, split.labels)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A model to ask: the digest of what it learnt, its artifact, and how to load it."""

    model_digest: str
    artifact: str
    load: Callable[[], Model]


def _questions(ctx: Context, champion: RegisteredVersion | None) -> dict[Role, _Question]:
    from augment_ops.runtime import load
    from augment_ops.runtime.artifact import read_artifact

    def trained(result: TrainingResult) -> _Question:
        artifact = result.artifact
        return _Question(
            model_digest=result.model_digest,
            artifact=artifact,
            load=lambda: load(read_artifact(ctx.store.local(artifact), artifact, result.format)),
        )

    candidate, control = (ctx.output(f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    _check_recipes(candidate, control)
    questions: dict[Role, _Question] = {"candidate": trained(candidate), "control": trained(control)}
    if champion is not None:
        _check_interface(ctx, champion)
        questions["champion"] = _Question(
            model_digest=champion.model_digest,
            artifact=champion.artifact,
            load=lambda: ctx.tracker.load_model(ctx.dataset, champion.version, champion.artifact),
        )
    return questions


def _check_recipes(candidate: TrainingResult, control: TrainingResult) -> None:
    """What the policy is worth is what the two differ by, so that they may differ by nothing else."""
    if candidate.recipe_digest != control.recipe_digest:
        raise InputError(
            "recipe",
            f"{control.recipe} ({control.recipe_digest[:12]}…) in the control's training",
            f"{candidate.recipe} ({candidate.recipe_digest[:12]}…), as in the candidate's",
            "the file was changed while the run was under way: start a new run",
        )


def _heard_before(ctx: Context, suite: SuiteManifest, questions: Mapping[Role, _Question]) -> dict[Role, Known]:
    """What earlier stress tests heard on this suite of the models beside the candidate, whose logits are probed."""
    found: dict[Role, Known] = {}
    for role, question in questions.items():
        if question.model_digest == questions["candidate"].model_digest:
            continue  # asked with it
        asked = Asked(suite=suite.digest, model=question.model_digest, artifact=question.artifact)
        heard = known(ctx.store, ctx.ledger, asked, ctx.say)
        if heard is not None:
            ctx.say(f"{role}: outcomes of run {heard.run} are used again")
            found[role] = heard
    return found


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
        if all(ctx.store.has(digest) for _, digest in frozen.objects()):
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
        of=snapshot.modality,
        schema=snapshot.schema,
        outside=ctx.snapshot.out_of_scope() if spec.out_of_scope else None,
        frequency=[snapshot.counts["train"].get(name, 0) for name in snapshot.classes],
        workers=usable_cores(),
    )
    subjects = {
        "suite": manifest.digest,
        "snapshot": snapshot.digest,
        "manifest": ctx.store.put(canonical_json(manifest)),
    }
    ctx.ledger.append(_FREEZE, ctx.run.actor, subjects, f"{spec.name} on {ctx.dataset}", key)
    return manifest


def _check_interface(ctx: Context, champion: RegisteredVersion) -> None:
    manifest = ctx.snapshot.manifest
    if champion.tags.get("augment_ops.interface_digest") != manifest.interface:
        raise InputError(
            f"champion version {champion.version} of {ctx.dataset}",
            "a model for other classes, or samples of another form",
            f"{len(manifest.classes)} classes at {manifest.sample_shape}",
            "run under another --dataset-name: models with different interfaces cannot replace each other",
        )


def check_drift(inputs: Inputs) -> DriftReport:
    """Compare the snapshot with the production window, where there is one."""
    from augment_ops.monitoring.drift.check import check_drift as compare
    from augment_ops.monitoring.drift.rules import DriftRules

    rules = DriftRules.load(inputs.file("drift/{drift}.yaml"))
    report = compare(reference_sample(inputs.snapshot), _window(inputs), rules)
    inputs.say(report.message)
    return report


def reference_sample(snapshot: Snapshot) -> Sample:
    """What a window is compared with: the training split."""
    train, manifest = snapshot.split("train"), snapshot.manifest
    names = np.array(manifest.classes, dtype=object)[train.labels]
    return Sample.of_payload(manifest.digest, train.payload, names, modality=manifest.modality, schema=manifest.schema)


def window_sample(store: Store, digest: str) -> Sample:
    """The usable samples of a window's snapshot."""
    window = Snapshot.open(store, digest)
    usable = window.index[window.index["row"] >= 0]
    samples, names = Part(window.payload, usable["row"].to_numpy(np.int64)), usable["class_name"].to_numpy(dtype=object)
    return Sample.of_payload(digest, samples, names, modality=window.manifest.modality, schema=window.manifest.schema)


def default_window(settings: Settings, dataset: str) -> Path:
    """Where production puts its latest samples for a data set: any layout that a data set may have."""
    return settings.home / "production" / dataset


def window_state(ctx: Context) -> tuple[str, ...]:
    """The production window's place, and what tells one content of it from another (see `source_state`); empty without
    a window.
    """
    place = ctx.params.production_window or str(default_window(ctx.settings, ctx.dataset))
    if not ctx.params.production_window and not Path(place).exists():
        return ()
    params = ctx.params
    found = fingerprint(
        place,
        ctx.store,
        modality=params.modality,
        allow_outside=params.allow_outside,
        **params.asked(storage=False),
    )
    return (place,) if found is None else (place, found)


def _window(inputs: Inputs) -> Sample | None:
    from augment_ops.data.ingest import ingest

    place, *_ = (*cast("tuple[str, ...]", inputs.state), "")
    if not place:
        return None
    params = inputs.params
    manifest = ingest(
        place,
        inputs.store,
        modality=params.modality,
        name=f"{inputs.snapshot.manifest.dataset}-window",
        allow_outside=params.allow_outside,
        schema=inputs.snapshot.manifest.schema,
        **params.asked(storage=False),
    )
    return window_sample(inputs.store, manifest.digest)
