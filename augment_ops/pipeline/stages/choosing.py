"""`delivery: auto`: where a run augments, chosen once by what this machine can do with its policy, data and network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from augment_ops.content import canonical_json, from_json
from augment_ops.data.payload import Part
from augment_ops.data.snapshot import Split
from augment_ops.delivery.batches import Batch
from augment_ops.delivery.choice import Choice, DeliveryMeasured, Shards, choose
from augment_ops.delivery.offline import known_shard, shard_identity
from augment_ops.delivery.on_device import works_on_tensors
from augment_ops.delivery.online import OnlineBatches
from augment_ops.delivery.pace import LIMIT_S, loops, numbers_of_workers, read_us, tensors_us
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError, StoreError
from augment_ops.files import replace_file
from augment_ops.machine import usable_cores
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.stages.training import mixer_of, online_batches, recipe_of
from augment_ops.training.base import Budget, Labelled, Paced, Task
from augment_ops.training.declared import paced
from augment_ops.training.threads import threads_of

_STEPS_S = 2 * LIMIT_S  # of measuring the network, which begins with a few samples
_CHOICE = "delivery.json"


def chosen(inputs: Inputs, augmenter: BatchAugmenter, train: Split, epochs: int) -> Choice:
    """Where a run with `delivery: auto` augments: what was chosen before where the stage was killed since.

    Raises:
        InputError, TrainingError: the network cannot be trained on these samples.
    """
    kept = _kept(inputs.unfinished)
    choice = kept or _chosen(inputs, augmenter, train, epochs)
    if kept is None and inputs.unfinished is not None:
        # Before a shard is written: a retry that measured anew might come to another mode.
        replace_file(inputs.unfinished / _CHOICE, canonical_json(choice))
    for line in choice.said():
        inputs.say(line)
    return choice


def _kept(folder: Path | None) -> Choice | None:
    if folder is None or not (folder / _CHOICE).is_file():
        return None
    try:
        return from_json(Choice, (folder / _CHOICE).read_bytes())
    except StoreError:
        return None  # measured anew: nothing rests on it yet


def _chosen(inputs: Inputs, augmenter: BatchAugmenter, train: Split, epochs: int) -> Choice:
    params, policy = inputs.params, augmenter.policy
    if policy.is_identity:
        return Choice(mode="online", workers=params.workers, reason="The policy changes nothing.")
    trainer, recipe = recipe_of(inputs)
    if not isinstance(trainer, Paced):
        reason = f"The trainer {trainer.name} does not say how fast it takes samples: nothing was measured."
        return Choice(mode="online", workers=params.workers, reason=reason)
    mixer = mixer_of(inputs, augmenter, train)

    def online(workers: int) -> OnlineBatches:
        return online_batches(inputs, augmenter, train, mixer, workers)

    batch = _first(online)
    device, cores = trainer.device(params.device), usable_cores()
    inputs.say(f"delivery auto: measures {trainer.name} on {device} and {policy.name} on {cores} cores")
    section = recipe.settings(trainer.name)
    budget = Budget(epochs, params.batch_size, params.seed, section, threads_of(section, params.threads))
    pace = paced(trainer, _task(inputs, train), batch, budget, device, _STEPS_S)
    found = DeliveryMeasured(
        device=device,
        cores=cores,
        threads=pace.threads,
        step_us=pace.sample_us,
        loops=(),
        shards=_shards(inputs, augmenter, train, epochs),
        tensors_us=_on_device(augmenter, train, batch, device),
    )
    numbers = numbers_of_workers(params.workers, max(1, cores - pace.threads))
    found = replace(found, loops=loops(online, numbers, found.keeps_busy))
    if not found.shards.refused and not any(map(found.keeps_busy, found.loops)):
        own = batch.samples if batch.mixed is None else batch.mixed.own
        read = read_us(inputs.store, own, len(train.labels), mixer, params.batch_size, LIMIT_S)
        found = replace(found, shards=replace(found.shards, read_us=read))
    return choose(found)


def _first(online: Callable[[int], OnlineBatches]) -> Batch:
    source = online(0)
    try:
        return next(source.epoch(0))
    finally:
        source.close()


def _task(inputs: Inputs, train: Split) -> Task:
    manifest = inputs.snapshot.manifest
    return Task(
        modality=manifest.modality,
        classes=manifest.classes,
        train=Labelled(train.payload, train.labels),
        validation=Labelled(Part(train.payload, np.empty(0, np.int64)), np.empty(0, np.int64)),
        augmented=True,
        categorical=modality(manifest.modality).categorical(manifest.schema, manifest.sample_shape),
        class_weight=inputs.params.class_weight,
        model=inputs.params.model,
    )


def _shards(inputs: Inputs, augmenter: BatchAugmenter, train: Split, epochs: int) -> Shards:
    if not augmenter.policy.transforms:
        return Shards(refused="samples are mixed and nothing else")
    try:
        identity = shard_identity(inputs.snapshot.manifest.digest, "train", augmenter, train.payload.dtype)
    except InputError as error:
        return Shards(refused=error.faults[0].found)
    sample = int(np.prod(augmenter.output_shape(train.payload.shape))) * train.payload.dtype.itemsize
    return Shards(
        there=all(known_shard(inputs.store, identity, epoch) for epoch in range(epochs)),
        size_bytes=sample * len(train.labels) * epochs,
        limit_bytes=int(inputs.params.cache_gib * (1 << 30)),
    )


def _on_device(augmenter: BatchAugmenter, train: Split, batch: Batch, device: str) -> float | None:
    if device == "cpu" or not works_on_tensors(augmenter):
        return None
    ids = SampleIds.of(train.ids)[batch.rows]
    return tensors_us(augmenter, train.payload.take(batch.rows), ids, device)
