"""train_candidate and train_control: the same seed and budget, with the policy and without."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Any

from augment_ops.content import digest_of
from augment_ops.data.snapshot import Split
from augment_ops.delivery.batches import BatchSource
from augment_ops.delivery.meters import OtherWork, advice
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.nearline import NearlineBatches
from augment_ops.delivery.offline import ShardBatches, shard_identity
from augment_ops.delivery.on_device import OnDevice
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.machine import usable_cores
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.outputs import Augmentation, ResolvedPolicy
from augment_ops.pipeline.stages.traced_batches import TracedBatches
from augment_ops.policy.spec import Policy
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task, Trainer
from augment_ops.training.children import head
from augment_ops.training.declared import fitted
from augment_ops.training.factory import library_version
from augment_ops.training.own import source_of
from augment_ops.training.recipe import Recipe
from augment_ops.training.result import EpochMetrics, TrainedRole, TrainingResult
from augment_ops.training.threads import threads_of

NO_AUGMENTATION = digest_of("no augmentation")  # stands for the control's policy
_OWN_NETWORKS = "augment_ops."


def network_state(ctx: Context) -> object:
    """What made the network; None for code of the user's own, which may change under its name: other runs find none."""
    model = ctx.params.model
    if ":" in ctx.params.trainer:
        return None
    return "of this program" if not model or model.startswith(_OWN_NETWORKS) else library_version(model) or None


def trainer_of(modality_name: str, asked: str) -> Trainer:
    """The trainer that a run names; `auto` is the modality's own."""
    return trainer(modality(modality_name).trainer if asked == "auto" else asked)


def train_candidate(inputs: Inputs) -> TrainingResult:
    """Train with the policy."""
    plan = inputs.output("augment", Augmentation)
    resolved = inputs.output("resolve_policy", ResolvedPolicy)
    train = inputs.snapshot.split("train")
    source = _augmented(inputs, resolved.policy(), plan, train)  # first: it warms up while the model is made
    augmented = not resolved.policy().is_identity
    workers = plan.workers(inputs.params)
    on_device = on_device_of(_bound(inputs, resolved.policy(), train), train) if plan.mode == "device" else None
    told = _Told(
        role="candidate",
        policy_digest=resolved.digest,
        augmented_with=plan.digest,
        augmented=augmented,
        epochs=plan.epochs,
        workers=workers,
        on_device=on_device,
    )
    return _train(inputs, told, source, train)


def train_control(inputs: Inputs) -> TrainingResult:
    """Train without augmentation."""
    train = inputs.snapshot.split("train")
    epochs = inputs.params.epochs_for(len(train.labels))
    workers = usable_cores() if _decodes(inputs) else 0  # reading rows from memory needs none
    told = _Told(
        role="control",
        policy_digest=NO_AUGMENTATION,
        augmented_with=NO_AUGMENTATION,
        augmented=False,
        epochs=epochs,
        workers=workers,
    )
    return _train(inputs, told, online_batches(inputs, None, train, None, workers), train)


def _decodes(inputs: Inputs) -> bool:
    """Whether reading a sample is work: its file is decoded every time."""
    return inputs.snapshot.manifest.decoding is not None


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What tells one training from the other."""

    role: TrainedRole
    policy_digest: str
    augmented_with: str
    augmented: bool
    epochs: int
    workers: int
    on_device: OnDevice | None = None


def _train(inputs: Inputs, told: _Told, source: BatchSource, train: Split) -> TrainingResult:
    params, snapshot = inputs.params, inputs.snapshot
    if inputs.trace.on:
        source = TracedBatches(source, inputs.trace, told.role)
    chosen, recipe = recipe_of(inputs)
    device = chosen.device(params.device)
    section = recipe.settings(chosen.name)
    threads = threads_of(section, params.threads)
    budget = Budget(told.epochs, params.batch_size, params.seed, section, threads)
    others = OtherWork(head())  # the other training of the run, where it goes on beside, is none of them
    try:
        trained = fitted(chosen, _task(inputs, told, train, chosen.entries(budget)), source, budget, device)
        taken = others.cores()  # while workers that are processes still live, and count as this one's
    finally:
        source.close()
    for note in trained.notes:
        inputs.say(f"{told.role}: {note}")
    meters = trained.meters
    return TrainingResult(
        role=told.role,
        model_digest=trained.model_digest,
        artifact=inputs.store.put(trained.artifact),
        format=trained.format,
        factory=trained.factory,
        trainer=params.trainer if ":" in params.trainer else "",
        trainer_source=source_of(params.trainer) if ":" in params.trainer else "",
        device=device,
        threads=threads,
        recipe=recipe.title,
        recipe_digest=recipe.digest,
        notes=trained.notes,
        parameters=trained.parameters,
        snapshot_digest=snapshot.manifest.digest,
        policy_digest=told.policy_digest,
        augmented_with=told.augmented_with,
        seed=params.seed,
        curve=trained.curve,
        samples_per_s=meters.samples_per_s,
        delivery=meters.delivery,
        advice=advice(meters.delivery, workers=told.workers, cores=usable_cores(), taken=taken),
        wall_s=meters.wall_s,
        peak_rss_mb=_peak_rss_mb(),
    )


def recipe_of(inputs: Inputs) -> tuple[Trainer, Recipe]:
    """The run's trainer, and how it is to train."""
    chosen = trainer_of(inputs.snapshot.manifest.modality, inputs.params.trainer)
    return chosen, Recipe.load(inputs.file("recipes/{recipe}.yaml"), chosen)


def _order(inputs: Inputs, mixer: Mixer | None) -> dict[str, Any]:
    """What decides the batches of candidate and control alike, in every mode of delivery."""
    chosen, recipe = recipe_of(inputs)
    return {
        "seed": inputs.params.seed,
        "batch_size": inputs.params.batch_size,
        "balanced": recipe.is_balanced(chosen.name),
        "classes": len(inputs.snapshot.manifest.classes),
        "mixer": mixer,
    }


def _task(inputs: Inputs, told: _Told, train: Split, entries: int) -> Task:
    params, manifest, validation = inputs.params, inputs.snapshot.manifest, inputs.snapshot.split("validation")

    def progress(metrics: EpochMetrics) -> None:
        inputs.say(
            f"{told.role} epoch {metrics.epoch + 1}/{entries}: loss {metrics.train_loss:.3f}, validation accuracy "
            f"{metrics.validation_accuracy:.4f}, {metrics.samples_per_s:,.0f} samples/s, "
            f"wait {metrics.data_wait_share:.0%}"
        )

    return Task(
        modality=manifest.modality,
        classes=manifest.classes,
        train=Labelled(train.payload, train.labels),
        validation=Labelled(validation.payload, validation.labels),
        augmented=told.augmented,
        categorical=modality(manifest.modality).categorical(manifest.schema, manifest.sample_shape),
        class_weight=params.class_weight,
        model=params.model,
        progress=progress,
        on_device=told.on_device,
        unfinished=inputs.unfinished,
    )


def _augmented(inputs: Inputs, policy: Policy, plan: Augmentation, train: Split) -> BatchSource:
    original = policy.is_identity or plan.mode == "device"
    augmenter = None if original else _bound(inputs, policy, train)
    mixer = None if augmenter is None else mixer_of(inputs, augmenter, train)
    if plan.shards is not None:
        return ShardBatches(inputs.store, plan.shards, train.labels, **_order(inputs, mixer))
    workers = plan.workers(inputs.params) if augmenter or _decodes(inputs) else 0
    online = online_batches(inputs, augmenter, train, mixer, workers)
    if plan.mode != "nearline" or augmenter is None:
        return online
    return NearlineBatches(
        inputs.store,
        online,
        shard_identity(inputs.snapshot.manifest.digest, "train", augmenter, train.payload.dtype),
        train.payload,
        train.labels,
        limit_bytes=int(inputs.params.cache_gib * (1 << 30)),
        **_order(inputs, mixer),
    )


def _bound(inputs: Inputs, policy: Policy, train: Split) -> BatchAugmenter:
    return modality(policy.modality).augmenter(policy, inputs.params.seed, train)


def on_device_of(augmenter: BatchAugmenter, train: Split) -> OnDevice:
    """What augments where the network is.

    Raises:
        InputError: the policy cannot be applied there.
    """
    return OnDevice(augmenter=augmenter, ids=SampleIds.of(train.ids))


def mixer_of(inputs: Inputs, augmenter: BatchAugmenter, train: Split) -> Mixer | None:
    """What mixes the samples of a split; None where the policy does not."""
    mixing, classes = augmenter.policy.mixing, len(inputs.snapshot.manifest.classes)
    return None if mixing is None else Mixer(mixing, augmenter, SampleIds.of(train.ids), train.labels, classes)


def online_batches(
    inputs: Inputs, augmenter: BatchAugmenter | None, train: Split, mixer: Mixer | None, workers: int
) -> OnlineBatches:
    """The batches of a run's training, made while it trains."""
    online = OnlineBatches(
        train.payload,
        train.labels,
        train.ids,
        augmenter,
        workers=workers,
        **_order(inputs, mixer),
    )
    online.warm_up()
    return online


def _peak_rss_mb() -> float:
    # The trainer's peak and that of its largest worker, which it has waited for. Linux reports KiB.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + child) / 1024
