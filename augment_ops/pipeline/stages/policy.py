"""resolve_policy, augment and check_augmented."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from augment_ops.content import digest_of
from augment_ops.data.snapshot import Snapshot, Split
from augment_ops.delivery.offline import materialise
from augment_ops.engine.cost import measure_cost
from augment_ops.engine.key import generator, sample_key
from augment_ops.errors import PolicyError
from augment_ops.lifecycle.admission import admit_policy
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.outputs import Augmentation, AugmentedCheck, ResolvedPolicy
from augment_ops.pipeline.stages.choosing import chosen
from augment_ops.pipeline.stages.training import on_device_of
from augment_ops.policy.spec import Policy
from augment_ops.policy.trial import trial_faults
from augment_ops.quantities import milliseconds
from augment_ops.workspace import subjects_of

if TYPE_CHECKING:
    from augment_ops.quality.checks import Checks
    from augment_ops.quality.training_samples import TrainingSamples

_TIMED_SAMPLES = 32  # a batch
_SHEET_SAMPLES, _SHEET_COPIES = 10, 7  # a page that fits a screen: what one sample becomes shows a policy's range


def resolve_policy(ctx: Context) -> ResolvedPolicy:
    """Admit one policy version to this run, measure its cost, and register it where it is published."""
    params, workspace = ctx.params, ctx.workspace
    policy = workspace.admit_to_run(params.policy)
    subjects = subjects_of(policy)
    with ctx.refusals(subjects):
        workspace.approvals.check_way(params.environment, params.approval)
        admitted = admit_policy(workspace, policy, params.environment)
    shape = policy.budget.at
    for warning in admitted.warnings:
        ctx.say(f"warning: {warning}")
    for line in admitted.ledger:
        ctx.say(line)
    for line in policy.narrowings():
        ctx.say(line)
    kind = modality(policy.modality)
    augmenter = kind.augmenter(policy, params.seed)
    cost = measure_cost(augmenter, kind.invented(_TIMED_SAMPLES, shape, sample_key("cost images", policy.digest)))
    ctx.say(f"{policy.name} {policy.version} ({policy.digest[:12]}): p95 {milliseconds(cost.p95_ms)} at {shape}")
    if admitted.published:
        # Another content under that version is refused by MLflow and by the ledger too.
        ctx.tracker.register_policy(policy.name, policy.version, policy.digest, policy.text.encode(), ctx.parent)
        key = f"publish:{policy.name}:{policy.version}"
        ctx.ledger.append("publish", ctx.run.actor, subjects, policy.description, key)
    else:
        ctx.tracker.log_bytes(ctx.parent, policy.text.encode(), f"policy/{policy.name}-{policy.version}.yaml")
    return ResolvedPolicy(
        name=policy.name,
        version=policy.version,
        digest=policy.digest,
        domain=policy.domain,
        owner=policy.owner,
        description=policy.description,
        limitations=policy.limitations,
        text=policy.text,
        engine=augmenter.engine,
        p50_ms=cost.p50_ms,
        p95_ms=cost.p95_ms,
        budget_p95_ms=policy.budget.p95_ms,
        budget_at=shape,
        state=admitted.standing.state,
        approved_by=tuple(admitted.standing.counted),
        warnings=admitted.warnings,
    )


def augment(inputs: Inputs) -> Augmentation:
    """Plan the augmentation, or write its shards."""
    params, resolved = inputs.params, inputs.output("resolve_policy", ResolvedPolicy)
    policy, train = resolved.policy(), inputs.snapshot.split("train")
    epochs = params.epochs_for(len(train.labels))
    check_shape(policy, inputs.snapshot.manifest.image_shape)
    augmenter = _augmenter(policy, params.seed, train)  # a policy that does not fit this split fails now as well
    choice = chosen(inputs, augmenter, train, epochs) if params.delivery == "auto" else None
    delivery = params.delivery if choice is None else choice.mode
    snapshot = inputs.snapshot.manifest.digest
    if delivery == "device" and not policy.is_identity:
        on_device_of(augmenter, train)  # now, rather than when models are trained
        plan = digest_of([snapshot, "train", resolved.digest, params.seed, resolved.engine, "tensors", epochs])
        return Augmentation("device", plan, epochs, None)
    if delivery != "offline" or not policy.transforms:
        plan = digest_of([snapshot, "train", resolved.digest, params.seed, resolved.engine, epochs])
        # Nothing is there to be kept where nothing is applied.
        mode = "nearline" if delivery == "nearline" and policy.transforms else "online"
        return Augmentation(mode, plan, epochs, None, choice)
    shards = materialise(
        inputs.store,
        train.payload,
        train.ids,
        augmenter,
        snapshot_digest=snapshot,
        split="train",
        epochs=epochs,
        progress=_shard_progress(inputs, epochs),
    )
    return Augmentation("offline", shards.digest, epochs, shards, choice)


def measured_here(ctx: Context) -> object:
    """None where the plan rests on what this machine did when it was asked, which no other run should find."""
    return None if ctx.params.delivery == "auto" else "as asked"


def shards_of(plan: Augmentation) -> tuple[str, ...]:
    """The objects of the store that hold augmented samples; none where they are made while training."""
    return () if plan.shards is None else plan.shards.shards


def _shard_progress(inputs: Inputs, epochs: int) -> Callable[[int], None]:
    began = time.time_ns()

    def done(epoch: int) -> None:
        nonlocal began
        inputs.say(f"shard {epoch + 1}/{epochs}")
        inputs.trace.add("shard", began, {"augment_ops.epoch": epoch})
        began = time.time_ns()

    return done


def _augmenter(policy: Policy, seed: int, train: Split) -> BatchAugmenter:
    return modality(policy.modality).augmenter(policy, seed, train)


def check_shape(policy: Policy, shape: tuple[int, ...]) -> None:
    """Models are trained and tested at one shape, and what fails on it fails now.

    Raises:
        PolicyError: the policy does not work on samples of that shape, or gives others.
    """
    kind = modality(policy.modality)
    faults = trial_faults(policy, shape)
    if faults:
        raise PolicyError.of(f"policy {policy.name}", faults)
    for fault in kind.shape_faults(policy, shape, kind.augmenter(policy, 0).output_shape(shape)):
        raise PolicyError(fault.where, fault.found, fault.expected, fault.fix)


def check_augmented(inputs: Inputs) -> AugmentedCheck:
    """Compare augmented samples with their originals and with what models are measured on."""
    from augment_ops.quality.augmented_checks import check_augmented as compare
    from augment_ops.quality.rules import QualityRules
    from augment_ops.report.in_turn import in_turn
    from augment_ops.report.plots import Pen, contact_sheet

    params, resolved = inputs.params, inputs.output("resolve_policy", ResolvedPolicy)
    rules = QualityRules.load(inputs.file("quality/{quality}.yaml"))
    train = inputs.snapshot.split("train")
    order = compared_samples(train, params.seed, modality(rules.modality).checks)
    originals = train.take(order)
    ids = [train.ids[row] for row in order]
    augmenter = _augmenter(resolved.policy(), params.seed, train)
    augmented = augmenter(originals, ids, epoch=0)
    plan = inputs.output("augment", Augmentation)
    classes, labels = inputs.snapshot.manifest.classes, train.labels[order]
    report = compare(
        originals,
        augmented,
        ids,
        labels,
        inputs.snapshot.measured_on(),
        rules,
        plan.digest,
        identity=not resolved.policy().transforms,
        classes=classes,
        schema=train.schema,
        train=training_samples(inputs.snapshot, train, order),
        copies=plan.epochs,
    )
    shown = in_turn(labels)[:_SHEET_SAMPLES]
    names, named = [classes[label] for label in labels[shown]], [ids[row] for row in shown]
    copies = np.stack([augmenter(originals[shown], named, epoch) for epoch in range(_SHEET_COPIES)], axis=1)
    sheet = contact_sheet(Pen(modality(resolved.policy().modality), train.schema), originals[shown], copies, names)
    return AugmentedCheck(report, inputs.store.put(sheet))


def compared_samples(train: Split, seed: int, checks: Checks) -> npt.NDArray[np.int64]:
    """Positions in the split of the samples to compare, int64 (n,): even ones, then more of the rare classes."""
    order = generator(sample_key("augmented sample", seed)).permutation(len(train.labels))
    even, rest = order[: checks.compared], order[checks.compared :]
    counts = np.bincount(train.labels[even], minlength=int(train.labels.max(initial=0)) + 1)
    more = [
        rest[train.labels[rest] == label][: checks.of_each_class - count]
        for label, count in enumerate(counts.tolist())
        if count < checks.of_each_class
    ]
    return np.concatenate([even, *more])


def training_samples(snapshot: Snapshot, train: Split, places: npt.NDArray[np.int64]) -> TrainingSamples:
    """The split with what its data set keeps beside the samples."""
    from augment_ops.quality.training_samples import TrainingSamples, names_of

    subjects = snapshot.read_index(["sample_id", "subject"]).set_index("sample_id")["subject"].loc[list(train.ids)]
    return TrainingSamples(
        payload=train.payload,
        labels=train.labels,
        places=places,
        subjects=names_of(subjects.tolist()) if subjects.notna().any() else None,
        groups={name: names_of(values) for name, values in snapshot.group_columns(train.ids).items()},
    )
