"""Epochs of the served data set that are augmented once, kept in the store, and given to whoever asks for them.

They are the shards of offline and nearline delivery, under the same names: a training finds what a service has made,
and the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.payload import FilePayload
from augment_ops.data.snapshot import Snapshot, Split
from augment_ops.data.store import Store
from augment_ops.delivery.nearline import ShardCache
from augment_ops.delivery.offline import known_shard, make_shard, shard_identity
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples
from augment_ops.serving.augment_request import OfDataSet, no
from augment_ops.serving.augmenting_rules import NearlineRules
from augment_ops.serving.problems import Problem

_SEEN_S = 60.0  # between two notes that an epoch is in use: each is a file, and retention counts in days
_NOTED = 1024  # epochs of which a worker remembers when it noted them


class ServedSplit:
    """The usable samples of one split of the data set, found by their ids.

    Attributes:
        snapshot: digest.
    """

    def __init__(self, snapshot: str, split: Split) -> None:
        self.snapshot, self.split = snapshot, split

    def rows(self, ids: Sequence[Any]) -> NDArray[np.int64]:
        """Positions of ids in the split.

        Raises:
            Problem: the split has no sample of an id, or an id comes twice.
        """
        names = [str(one) if isinstance(one, (str, int)) else "" for one in ids]
        unknown = [one for one in names if one not in self._places]
        if unknown:
            found = f"{len(unknown)} ids that {self.split.name} does not have, such as {unknown[0][:60]!r}"
            raise no("ids", found, "ids of the split", "take those of its snapshot, or send the samples")
        if len(set(names)) < len(names):
            raise no("ids", "an id more than once", "each once", "ask for a sample once in a request")
        return np.array([self._places[one] for one in names], np.int64)

    @cached_property
    def hashed(self) -> SampleIds:
        """Of all its samples."""
        return SampleIds.of(self.split.ids)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.split.ids)}


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochOf:
    """One epoch of a split, by a policy and a seed."""

    of: ServedSplit
    augment: BatchAugmenter
    epoch: int

    @cached_property
    def identity(self) -> str:
        """Of the shards that it is one of.

        Raises:
            InputError: the policy rescales, which shards do not keep.
        """
        return shard_identity(self.of.snapshot, self.of.split.name, self.augment, self.of.split.payload.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample of it."""
        return tuple(self.augment.output_shape(self.of.split.payload.shape))

    @property
    def size(self) -> int:
        """Bytes of all its samples."""
        return len(self.of.split) * int(np.prod(self.shape)) * self.of.split.payload.dtype.itemsize


class KeptEpochs:
    """The epochs in a store. Thread-safe.

    Args:
        rules: how much room they may take.
    """

    def __init__(self, store: Store, rules: NearlineRules) -> None:
        self.rules = rules
        self._store, self._cache = store, ShardCache(store, rules.space_bytes)
        self._splits: dict[str, ServedSplit] = {}  # of one snapshot
        self._noted: dict[str, float] = {}  # shard → when it was noted that it is in use
        self._lock = threading.Lock()

    def split(self, snapshot: str, asked: OfDataSet) -> ServedSplit:
        """A split of the snapshot that the champion learnt from.

        Raises:
            Problem: another snapshot is asked for.
            StoreError, DataError: it cannot be read.
        """
        if asked.snapshot not in ("", snapshot):
            told = f"ids of snapshot {asked.snapshot[:12]}, and the champion learnt from {snapshot[:12]}"
            raise Problem(HTTPStatus.CONFLICT, told)
        with self._lock:
            found = self._splits.get(asked.split)
            if found is None or found.snapshot != snapshot:
                opened = Snapshot.open(self._store, snapshot)
                self._splits = {name: one for name, one in self._splits.items() if one.snapshot == snapshot}
                found = self._splits[asked.split] = ServedSplit(snapshot, opened.split(asked.split))
        return found

    def known(self, one: EpochOf) -> bool:
        """Whether an epoch is there."""
        return bool(known_shard(self._store, one.identity, one.epoch))

    def read(self, one: EpochOf, rows: NDArray[np.int64]) -> Samples | None:
        """Samples of an epoch; None where it has to be made, or cannot be read now."""
        shard = known_shard(self._store, one.identity, one.epoch)
        if not shard:
            return None
        path = self._cache.opened(shard, self._store.verified)
        if path is None:
            return None
        try:
            kept = FilePayload(path, len(one.of.split), one.shape, one.of.split.payload.dtype).take(rows)
        except OSError:  # another process has made room meanwhile
            return None
        self._note(shard, one)
        return kept

    def make(self, one: EpochOf, augment: Callable[[Samples, SampleIds, int], Samples]) -> bool:
        """Make an epoch and keep it; False where there is no room for it.

        Args:
            augment: what its samples are augmented through, with the bytes of `one.augment`.

        Raises:
            StoreError: the store is full, or cannot be written.
        """
        if not self._cache.make_room(one.size):
            return False
        samples, ids = one.of.split.payload, one.of.hashed
        shard, _ = make_shard(self._store, one.identity, samples, ids, augment, one.shape, one.epoch)
        self._cache.use(shard, one.size)
        return True

    def _note(self, shard: str, one: EpochOf) -> None:
        now = monotonic()
        with self._lock:
            if now - self._noted.get(shard, -_SEEN_S) < _SEEN_S:
                return
            self._noted[shard] = now
            if len(self._noted) > _NOTED:
                del self._noted[next(iter(self._noted))]
        if self._cache.owns(shard):
            self._cache.use(shard, one.size)
