"""Nearline delivery: epochs are augmented once, kept in a cache of limited size, and read from it the next time.

The cache holds the shards of offline delivery, under the same names, so each mode finds what the other has made. An
epoch that is not there is augmented online and recorded on the way; only a whole recording becomes a shard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import canonical_json, from_json
from augment_ops.data.blobs import temporary_file
from augment_ops.data.mapped import Mapped
from augment_ops.data.payload import FilePayload, SamplesOrPayload, payload_of
from augment_ops.data.store import Store
from augment_ops.delivery.arguments import check_batch_size, check_counts, whole_labels
from augment_ops.delivery.batches import WHOLE, Batch, Share
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.offline import CACHE_ENTRIES, known_shard, read_batch, shard_pointer
from augment_ops.delivery.online import OnlineBatches
from augment_ops.delivery.order import Order
from augment_ops.errors import AlteredError, InputError, StoreError


@dataclass(frozen=True)
class _Entry:
    """A shard of the cache: its bytes, and when it was last used in seconds since 1970."""

    size: int
    used_at: float


class ShardCache:
    """Which shards of a store may be removed again, and in which order.

    Args:
        limit_bytes: what all of them together may take.
    """

    def __init__(self, store: Store, limit_bytes: int) -> None:
        self._store, self._limit = store, limit_bytes

    def use(self, shard: str, size: int) -> None:
        """Say that a shard was made or read now."""
        self._store.put_document(f"{CACHE_ENTRIES}/{shard}.json", canonical_json(_Entry(size, time.time())))

    def owns(self, shard: str) -> bool:
        """Whether a shard may be removed."""
        return self._store.get_document(f"{CACHE_ENTRIES}/{shard}.json") is not None

    def opened(self, shard: str, of: Callable[[str], Path]) -> Path | None:
        """The file that `of` gives of a shard; None where it cannot be had now.

        One whose content was altered is removed, if it may be: it is made again, in its place. A disk that is full or
        a store that is away says nothing of the shard.
        """
        try:
            return of(shard)
        except AlteredError:
            if self.owns(shard):
                self._remove(shard)
        except (StoreError, OSError):
            pass
        return None

    def make_room(self, size: int) -> bool:
        """Remove the shards used longest ago until `size` bytes fit; False where they never will."""
        if size > self._limit:
            return False
        entries = self._entries()
        total = sum(entry.size for entry, _ in entries)
        for entry, shard in sorted(entries, key=lambda pair: pair[0].used_at):
            if total + size <= self._limit:
                break
            self._remove(shard)
            total -= entry.size
        return True

    def forget(self, before: float) -> int:
        """Remove the shards that nobody has used since a moment, in seconds since 1970; how many."""
        old = [shard for entry, shard in self._entries() if entry.used_at < before]
        for shard in old:
            self._remove(shard)
        return len(old)

    def _entries(self) -> list[tuple[_Entry, str]]:
        found = []
        for name in self._store.documents(f"{CACHE_ENTRIES}/"):
            document = self._store.get_document(name)
            if document is not None:  # another process may have removed it meanwhile
                found.append((from_json(_Entry, document), name.rpartition("/")[2].removesuffix(".json")))
        return found

    def _remove(self, shard: str) -> None:
        self._store.remove(shard)
        self._store.remove_document(f"{CACHE_ENTRIES}/{shard}.json")


class NearlineBatches:
    """Batches from the cache where it has the epoch, else from `online`, recorded.

    Args:
        store: keeps the shards.
        online: augments what is not cached; its bytes are the shards'.
        identity: of the shards, as `shard_identity` gives it.
        samples: (N, *shape) or a `Payload` of them, the split, for its shape and dtype; labels: int64 (N,).
        seed, batch_size, balanced: decide the order of the epochs, as online. An epoch that leaves samples out is
            read from the cache where that has it, and never recorded.
        limit_bytes: what the cache may take.
        mixer: the one of `online`; the cache keeps samples as they were before.
        classes: how many there are, where that is known: a label beyond them is refused.

    Raises:
        InputError: counts that differ, labels that are no classes, no batch size, or other labels,
            order or mixer than those of `online`, whose batches come beside those of the cache.
    """

    def __init__(
        self,
        store: Store,
        online: OnlineBatches,
        identity: str,
        samples: SamplesOrPayload,
        labels: NDArray[np.int64],
        *,
        seed: int,
        batch_size: int,
        limit_bytes: int,
        mixer: Mixer | None = None,
        classes: int | None = None,
        balanced: bool = False,
    ) -> None:
        check_counts("NearlineBatches", {"samples": samples, "labels": labels})
        check_batch_size("NearlineBatches", batch_size)
        self._labels = whole_labels("NearlineBatches", labels, classes)
        self._order = Order(seed=seed, labels=self._labels, batch_size=batch_size, balanced=balanced)
        _check_alike(online, self._order, mixer)
        self._store, self._online, self._identity = store, online, identity
        payload = payload_of(samples)
        self._again = partial(
            NearlineBatches, store, identity=identity, samples=payload, labels=self._labels, seed=seed,
            batch_size=batch_size, limit_bytes=limit_bytes, mixer=mixer, classes=classes, balanced=balanced,
        )  # fmt: skip
        self._n, self._shape, self._dtype = len(payload), payload.shape, payload.dtype
        self._size = self._n * int(np.prod(self._shape)) * self._dtype.itemsize
        self._cache = ShardCache(store, limit_bytes)
        self._mixer = mixer
        self._reading = False

    def __len__(self) -> int:
        return len(self._order)

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """The batches of one epoch from number `start` on, every `step`-th, as far as they are the share's."""
        path = self._cached(epoch)
        self._reading = path is not None
        if path is not None:
            return self._read(path, epoch, start, step, share)
        # What leaves samples out would be a shard with holes; one that is there and cannot be read is not this cache's.
        whole = self._order.complete and (start, step, share) == (0, 1, WHOLE)
        if whole and not known_shard(self._store, self._identity, epoch):
            return self._recorded(epoch)
        return self._online.epoch(epoch, start, step, share)

    def ready(self) -> int | None:
        """How many batches wait for the trainer; None while they come from the cache."""
        return None if self._reading else self._online.ready()

    def again(self, processes: int) -> Callable[[], NearlineBatches]:
        """See `BatchSource`."""
        return partial(_around, self._again, self._online.again(processes))

    def close(self) -> None:
        """End the workers."""
        self._online.close()

    def _cached(self, epoch: int) -> Path | None:
        """The file of an epoch's shard, verified now; None where it has to be made, or cannot be read."""
        shard = known_shard(self._store, self._identity, epoch)
        if not shard:
            return None
        path = self._cache.opened(shard, self._store.local)
        if path is not None and self._cache.owns(shard):
            self._cache.use(shard, self._size)
        return path

    def _read(self, path: Path, epoch: int, start: int, step: int, share: Share) -> Iterator[Batch]:
        samples = FilePayload(path, self._n, self._shape, self._dtype)
        for rows in self._order.rows(epoch, start, step, share):
            yield read_batch(samples, self._labels, rows, epoch, 0.0, self._mixer)

    def _recorded(self, epoch: int) -> Iterator[Batch]:
        if not self._cache.make_room(self._size):
            yield from self._online.epoch(epoch)
            return
        with temporary_file(self._store.scratch) as temporary:
            recording = Mapped(temporary, (self._n, *self._shape), self._dtype, write=True)
            for batch in self._online.epoch(epoch):
                if (batch.samples.shape[1:], batch.samples.dtype) != (self._shape, self._dtype):
                    raise InputError(
                        "nearline",
                        f"samples that come as {batch.samples.dtype} {batch.samples.shape[1:]}",
                        f"{self._dtype} {self._shape}, as given",
                        "let the policy bring them back to that, or deliver online or offline",
                    )
                recording.put(batch.rows, batch.samples if batch.mixed is None else batch.mixed.own)
                yield batch
            recording.flush()
            shard = self._store.put_file(temporary)
        self._store.put_document(shard_pointer(self._identity, epoch), canonical_json(shard))
        self._cache.use(shard, self._size)


def _around(nearline: Callable[..., NearlineBatches], online: Callable[[], OnlineBatches]) -> NearlineBatches:
    return nearline(online=online())


def _check_alike(online: OnlineBatches, order: Order, mixer: Mixer | None) -> None:
    """An epoch from the cache has to come as it came when it was recorded."""
    same = {
        "labels": np.array_equal(online.labels, order.labels),
        "seed": online.order.seed == order.seed,
        "batch_size": online.order.batch_size == order.batch_size,
        "balanced": online.order.balanced == order.balanced,
        "mixer": online.mixer is mixer,
    }
    other = ", ".join(name for name, alike in same.items() if not alike)
    if other:
        raise InputError("NearlineBatches", f"another {other} than online", "the same", "give both the same")
