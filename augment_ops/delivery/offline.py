"""Offline delivery: every epoch's augmented split as one shard in the store, addressed by what it was made from.

A shard holds the samples in the order of the split, so it does not depend on the order of training. It is written as it
is made, in blocks: memory is bounded by a block, and a run that was killed goes on after its last block but one. A
shard that is gone from the store is made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import LATER, canonical_json, digest_of, from_json
from augment_ops.data.payload import FilePayload, SamplesOrPayload, payload_of
from augment_ops.data.store import Store
from augment_ops.delivery.arguments import check_batch_size, check_counts, whole_labels
from augment_ops.delivery.batches import WHOLE, Batch, Share
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.order import Order
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError, StoreError
from augment_ops.modalities.base import Payload
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples

CACHE_ENTRIES = "cache/shards"  # documents by which nearline delivery knows the shards that it may remove
_FIRST_DTYPE = "uint8"  # of all shards whose manifest does not say
_BLOCK_BYTES = 32 << 20  # augmented at a time; bounds the memory of materialising


@dataclass(frozen=True, kw_only=True)
class ShardManifest:
    """The augmented copies of one split.

    Attributes:
        digest: over snapshot, split, policy, seed, engine and number of epochs: what decides the bytes.
        shape: (N, *shape) of every shard, in C order, rows as in the split.
        dtype: of every shard, as NumPy names it.
        shards: object digest of each epoch's shard.
        augment_s: time that augmenting took, per epoch; 0 for shards found in the store.
    """

    digest: str
    snapshot_digest: str
    split: str
    policy_digest: str
    seed: int
    engine: str
    shape: tuple[int, ...]
    dtype: str = field(default=_FIRST_DTYPE, metadata=LATER)
    shards: tuple[str, ...]
    augment_s: tuple[float, ...]


def materialise(
    store: Store,
    samples: SamplesOrPayload,
    ids: tuple[str, ...],
    augmenter: BatchAugmenter,
    *,
    snapshot_digest: str,
    split: str,
    epochs: int,
    progress: Callable[[int], None] = lambda epoch: None,
) -> ShardManifest:
    """Write the shards that are not there yet.

    Args:
        samples: (N, *shape) or a `Payload` of them, the split; ids: its N sample ids.
        epochs: number of copies of every sample, keyed by 0 … epochs - 1.
        progress: called with each epoch that is complete.

    Raises:
        InputError: not an id for every sample, ids that repeat, or no sample.
        StoreError: the store is full; shards already complete stay, nothing half-written does.
    """
    check_counts("materialise", {"samples": samples, "ids": ids})
    payload, hashed = payload_of(samples), SampleIds.of(ids)
    identity = shard_identity(snapshot_digest, split, augmenter, payload.dtype)
    shards, times = [], []
    for epoch in range(epochs):
        shard, elapsed = known_shard(store, identity, epoch), 0.0
        if not shard:
            after = augmenter.output_shape(payload.shape)
            shard, elapsed = make_shard(store, identity, payload, hashed, augmenter, after, epoch)
        store.remove_document(f"{CACHE_ENTRIES}/{shard}.json")  # a manifest counts on it: no cache may remove it now
        shards.append(shard)
        times.append(elapsed)
        progress(epoch)
    shape = (len(payload), *augmenter.output_shape(payload.shape))
    return ShardManifest(
        digest=digest_of([identity, epochs]),
        snapshot_digest=snapshot_digest,
        split=split,
        policy_digest=augmenter.policy.digest,
        seed=augmenter.seed,
        engine=augmenter.engine,
        shape=shape,
        dtype=payload.dtype.name,
        shards=tuple(shards),
        augment_s=tuple(times),
    )


def shard_identity(snapshot_digest: str, split: str, augmenter: BatchAugmenter, dtype: np.dtype[Any]) -> str:
    """Digest of what decides the bytes of a split's shards, but for the epoch.

    Args:
        dtype: of the split's samples.

    Raises:
        InputError: the policy rescales; shards keep samples as data sets do, which takes a quarter of the space.
    """
    if augmenter.policy.normalises:
        raise InputError(
            f"policy {augmenter.policy.name}",
            f"it ends with {augmenter.policy.transforms[-1].name}",
            "samples as the data set has them, which shards keep",
            "remove that step and scale the batches where the model reads them",
        )
    decides = [snapshot_digest, split, augmenter.policy.digest, augmenter.seed, augmenter.engine]
    return digest_of(decides if dtype.name == _FIRST_DTYPE else [*decides, dtype.name])


def shard_pointer(identity: str, epoch: int) -> str:
    """Name of the document that holds the shard of an epoch."""
    return f"derived/{identity}/epoch-{epoch:05d}.json"


def known_shard(store: Store, identity: str, epoch: int) -> str:
    """Object digest of an epoch's shard, which is in the store; empty where it has to be made."""
    known = store.get_document(shard_pointer(identity, epoch))
    shard = "" if known is None else from_json(str, known)
    return shard if shard and store.has(shard) else ""


def make_shard(
    store: Store,
    identity: str,
    samples: Payload,
    ids: SampleIds,
    augment: Callable[[Samples, SampleIds, int], Samples],
    shape: tuple[int, ...],
    epoch: int,
) -> tuple[str, float]:
    """Write the shard of an epoch, under its name; its object digest, and the seconds that augmenting took.

    Args:
        identity: as `shard_identity` gives it.
        samples: N of them, the split; ids: theirs.
        augment: gives samples of an epoch, augmented; shape: of one of them.

    Raises:
        StoreError: the store is full; nothing half-written stays.
    """
    value = samples.dtype.itemsize
    size = int(np.prod(shape)) * value  # bytes of a sample
    block = max(1, _BLOCK_BYTES // max(1, size, int(np.prod(samples.shape)) * value))
    augment_s = 0.0

    def blocks(done: int) -> Iterator[bytes]:
        nonlocal augment_s
        for start in range(done * block, len(samples), block):
            rows = np.arange(start, min(start + block, len(samples)))
            part = samples.take(rows)
            started = time.perf_counter()
            augmented = augment(part, ids[rows], epoch)
            augment_s += time.perf_counter() - started
            yield augmented.tobytes()

    key = digest_of([identity, epoch, block])
    shard = store.put_resumable(key, blocks, chunk_bytes=block * size, size=len(samples) * size)
    store.put_document(shard_pointer(identity, epoch), canonical_json(shard))
    return shard, augment_s


class ShardBatches:
    """Batches read from shards, in the order and with the bytes that online delivery gives.

    Args:
        labels: int64 (N,) of the split.
        seed: decides the order of the epochs, as online.
        mixer: MixUp or CutMix of what the shards hold.
        classes: how many there are, where that is known: a label beyond them is refused.
        balanced: whether every class comes equally often, see `Order`.

    Raises:
        InputError: counts that differ, labels that are no classes, no sample, or no batch size.
    """

    def __init__(
        self,
        store: Store,
        manifest: ShardManifest,
        labels: NDArray[np.int64],
        *,
        seed: int,
        batch_size: int,
        mixer: Mixer | None = None,
        classes: int | None = None,
        balanced: bool = False,
    ) -> None:
        mixed = {} if mixer is None else {"samples to mix": mixer}
        count = range(manifest.shape[0])
        check_counts("ShardBatches", {"samples in the shards": count, "labels": labels, **mixed})
        check_batch_size("ShardBatches", batch_size)
        self._store = store
        self._manifest = manifest
        self._labels = whole_labels("ShardBatches", labels, classes)
        self._order = Order(seed=seed, labels=self._labels, batch_size=batch_size, balanced=balanced)
        self._mixer = mixer

    def __len__(self) -> int:
        return len(self._order)

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """The batches of one epoch from number `start` on, every `step`-th, as far as they are the share's.

        Raises:
            StoreError: the shard is gone, altered, or was never made.
        """
        if not 0 <= epoch < len(self._manifest.shards):
            raise StoreError(
                f"shards {self._manifest.digest[:12]}, epoch {epoch}",
                f"{len(self._manifest.shards)} epochs",
                f"at least {epoch + 1}",
                "run the augment stage again with as many epochs as training has",
            )
        path = self._store.local(self._manifest.shards[epoch])
        count, *shape = self._manifest.shape
        samples = FilePayload(path, count, tuple(shape), np.dtype(self._manifest.dtype))
        per_sample = self._manifest.augment_s[epoch] / len(self._labels)
        for rows in self._order.rows(epoch, start, step, share):
            yield read_batch(samples, self._labels, rows, epoch, per_sample * len(rows), self._mixer)

    def ready(self) -> int | None:
        """Nothing runs ahead: a batch is read when it is asked for."""
        return None

    def again(self, processes: int) -> Callable[[], ShardBatches]:
        """See `BatchSource`."""
        order = self._order
        return partial(
            ShardBatches,
            self._store,
            self._manifest,
            self._labels,
            seed=order.seed,
            batch_size=order.batch_size,
            mixer=self._mixer,
            balanced=order.balanced,
        )

    def close(self) -> None:
        """Nothing is held open between epochs."""


def read_batch(
    samples: Payload,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    epoch: int,
    augment_s: float,
    mixer: Mixer | None,
) -> Batch:
    """A batch of a shard, mixed where a mixer is given."""
    if mixer is None:
        return Batch(samples.take(rows), labels[rows], rows, augment_s)
    mixed = mixer(rows, epoch, samples.take)
    return Batch(mixed.samples, labels[rows], rows, augment_s, mixed)
