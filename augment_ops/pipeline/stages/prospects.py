"""What a snapshot alone says of a run's end: whether policy and suite take its samples, and the gate has enough.

Asked as soon as there is a snapshot, because none of it changes by training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace

from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.split import SHARES
from augment_ops.errors import AugmentOpsError, CheckRefused, DataError, Fault
from augment_ops.gate.needs import Need, alike_fault, unmet
from augment_ops.gate.phrasing import counted, listed
from augment_ops.gate.rules import GateRules
from augment_ops.gate.rules import load as load_gate
from augment_ops.lifecycle.waivers import in_force
from augment_ops.modalities.source import OUT_OF_SCOPE
from augment_ops.pipeline.cause import people_behind
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import record_of
from augment_ops.pipeline.stages.policy import check_shape as check_policy
from augment_ops.stress.chosen import chosen_rows
from augment_ops.stress.definition import SuiteSpec
from augment_ops.stress.suite import check_shape as check_suite
from augment_ops.stress.suite import load as load_suite
from augment_ops.workspace import Workspace

_EXAMPLE = "equivalent: [[0, O, o]] in its file"
_GIVEN = "given by the source"  # how the rule of a split begins that ingestion has not made


def refuse_in_vain(ctx: Context, manifest: SnapshotManifest) -> AugmentOpsError | None:
    """Nothing is trained on samples that a later stage cannot work on, or that no model could pass the gate with.

    Where the environment asks for nothing of a policy, the second is said: whoever tries things out may go on. So is
    it where the run has come to its end, and a waiver that it rested on has ended since.
    """
    snapshot, params = Snapshot(ctx.store, manifest), ctx.params
    faults = misfits(ctx.workspace, params, snapshot)
    if faults:
        return DataError.of(f"data set {manifest.dataset}", faults)
    short = shortages(ctx.workspace, params, snapshot, people_behind(ctx.ledger, ctx.run.id))
    ended = record_of(ctx.store, ctx.run.id, "promote") is not None
    if short and not ended and ctx.workspace.approvals.is_above_dev(params.environment):
        return CheckRefused.of(f"data set {manifest.dataset} for {params.environment}", short)
    for fault in short:
        ctx.say(f"warning: the gate will not pass any model of this data set: {fault}")
    return None


def misfits(workspace: Workspace, params: RunParams, snapshot: Snapshot) -> list[Fault]:
    """Why a stage of this run would fail on samples of this shape; empty where none would.

    What the files themselves are faulty of, `preflight` tells.
    """
    shape, policies = snapshot.manifest.sample_shape, workspace.settings.policies
    looks: tuple[Callable[[], None], ...] = (
        lambda: check_policy(workspace.admit_to_run(params.policy), shape),
        lambda: check_suite(load_suite(policies / "stress" / f"{params.suite}.yaml"), shape),
        lambda: _check_alike(load_gate(policies / "gates" / f"{params.gate}.yaml"), snapshot.manifest.classes),
    )
    faults: list[Fault] = []
    for look in looks:
        try:
            look()
        except AugmentOpsError as error:
            faults += error.faults
    return faults


def _check_alike(rules: GateRules, classes: tuple[str, ...]) -> None:
    fault = alike_fault(rules, classes)
    if fault:
        expected = f"groups of the classes {listed(classes, 12)} that leave two to tell apart"
        raise DataError(f"gate {rules.name}: equivalent", fault, expected, "correct the line in the gate's file")


def shortages(workspace: Workspace, params: RunParams, snapshot: Snapshot, behind: Collection[str] = ()) -> list[Fault]:
    """What the gate has too few samples of, with what a person can do; empty where it can come to `PASS`.

    Args:
        behind: who stands behind the start of the run, beside the workspace's actor.
    """
    policies = workspace.settings.policies
    gate = policies / "gates" / f"{params.gate}.yaml"
    rules, suite = load_gate(gate), load_suite(policies / "stress" / f"{params.suite}.yaml")
    counts, held_out = _counts(suite, snapshot)
    outside = 0
    if rules.out_of_scope is not None and suite.out_of_scope:
        outside = min(suite.out_of_scope, len(snapshot.out_of_scope()[0]))
    needs = unmet(rules, counts, outside=outside)
    if needs:
        started_by = (workspace.actor, *behind)
        waived = in_force(workspace, snapshot.manifest.dataset, gate, params.environment, started_by)
        needs = unmet(rules, counts, {one.class_name for one in waived}, outside=outside)
    found = [_shortage(rules, suite, need, snapshot, held_out) for need in needs]
    taken = f"; or take more than {params.max_samples} of the data set (max_samples)" if params.max_samples else ""
    return [replace(fault, fix=fault.fix + taken) for fault in found]


def _counts(suite: SuiteSpec, snapshot: Snapshot) -> tuple[dict[str, int], int]:
    """Class, or band of a ranking → its samples in the suite, and how many the split has that it is drawn from."""
    split, classes = snapshot.split(suite.split), snapshot.manifest.classes
    labels = split.labels[chosen_rows(suite, split.ids, snapshot.manifest.sample_shape)]
    if suite.ranking is not None:
        train, ranking = snapshot.manifest.counts["train"], suite.ranking.as_asked()
        labels = ranking.band_of([train.get(name, 0) for name in classes])[labels]
        classes = ranking.classes[:-1]
    found = Counter(labels.tolist())
    return {name: found[label] for label, name in enumerate(classes)}, len(split)


def _shortage(rules: GateRules, suite: SuiteSpec, need: Need, snapshot: Snapshot, held_out: int) -> Fault:
    where = f"gate {rules.name}: {need.rule}.min_n"
    missing = {name: need.least - n for name, n in need.has.items()}
    if need.rule == "out_of_scope":
        return Fault(
            where,
            f"{need.has['']} samples of no class in the suite",
            f"{need.least}, or nothing can be said of what the models do with such samples",
            f"let the data set's column of splits say {OUT_OF_SCOPE} of {missing['']} more, and the suite {suite.name} "
            f"take as many (out_of_scope: {suite.out_of_scope}); or take the section out of the gate",
        )
    if "" in need.has:
        return Fault(
            where,
            f"{need.has['']} held-out samples in the suite",
            f"{need.least}, or nothing can be said of any corruption",
            _more(suite, snapshot, missing[""], "", held_out),
        )
    each = counted(need.has)
    them, others, alike = "it", "", ""
    if len(need.has) > 1:
        them, others = "them", ", and of the others as they lack"
        if rules.asked is None:  # one class is judged then, or bands, and rules refuse both
            alike = f"; or, where nobody tells some of them apart, have a gate judge these as one ({_EXAMPLE})"
    most = max(missing.values())
    return Fault(
        where,
        f"{len(need.has)} of {need.of} classes with fewer than {need.least} held-out samples in the suite: {each}",
        f"{need.least} of each class, or nothing can be said of its recall",
        _more(suite, snapshot, most, f" of class {next(iter(need.has))}{others}", held_out)
        + f"{alike}; or have somebody answer for {them} by name for a time (augment-ops waive)",
    )


def _more(suite: SuiteSpec, snapshot: Snapshot, missing: int, of: str, held_out: int) -> str:
    """What to add, so that so many more are in the suite."""
    if held_out > suite.max_samples:
        return f"raise max_samples of the suite {suite.name} ({suite.max_samples} of {held_out} held-out samples)"
    share = SHARES.get(suite.split)
    if snapshot.manifest.split_rule.startswith(_GIVEN) or share is None:
        return f"add {missing} samples{of} to the split {suite.split}"
    return f"add about {round(missing / share)} samples{of}: {share:.0%} of what is added is held out"
