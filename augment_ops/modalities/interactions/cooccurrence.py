"""What transforms of histories know of the training split: which items are had together, and how often each is.

It is made of the training split and of nothing else: what a user did in the held-out part is nobody's neighbour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.interactions.histories import ITEM, Histories, is_histories

NEIGHBOURS = 20  # of an item: enough to draw from, and those that follow are had with it by chance
# Of a history, how many of the newest count as had together with what came next: about an evening of clicks.
TOGETHER = 10
_FEWEST = 2  # times that both came together: after one, whoever had a rare item would decide all of its neighbours


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """The training split as its histories and what came next.

    Attributes:
        near: int32 (K + 1, n), the items that are most often had with each, the nearest first; 0 where there
            are no more.
        cosines: float32 (K + 1, n), how near each of them is, 0 to 1; 0 where there is none.
        counts: int64 (K + 1,), how often each item came next; 0 for no item.
        nexts: int32 (N,), the code of what came after each history; 0 where that is not known.
        words: uint64 (N, 2), hashes of the sample ids.
    """

    near: NDArray[np.int32]
    cosines: NDArray[np.float32]
    counts: NDArray[np.int64]
    nexts: NDArray[np.int32]
    words: NDArray[np.uint64]

    @cached_property
    def digest(self) -> str:
        """sha256 over all that a transform depends on; cosines follow from the same counts."""
        sha = hashlib.sha256(np.ascontiguousarray(self.near, "<i4").data)
        for array, kind in ((self.counts, "<i8"), (self.nexts, "<i4"), (self.words, "<u8")):
            sha.update(np.ascontiguousarray(array, kind).data)
        return sha.hexdigest()

    def next_of(self, ids: SampleIds) -> NDArray[np.int32]:
        """What came after each sample's history: int32 (n,); 0 for one that is not in the training split."""
        ordered, order = self._order
        found = np.minimum(np.searchsorted(ordered, ids.words[:, 0]), len(order) - 1)
        rows = order[found]
        same = (self.words[rows] == ids.words).all(axis=1)
        return np.where(same, self.nexts[rows], 0).astype(np.int32)

    @cached_property
    def _order(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        order = np.argsort(self.words[:, 0], kind="stable")
        return self.words[order, 0], order


def cooccurrence(
    histories: Histories,
    nexts: NDArray[np.int64],
    ids: Sequence[str],
    neighbours: int = NEIGHBOURS,
    together: int = TOGETHER,
) -> Cooccurrence:
    """Count who is had with whom.

    Two items are near by the cosine of who had them: how often one came a few places before the other, over the root of
    how often each came. Both have to have come together twice.

    Args:
        histories: int32 (N, H, 2).
        nexts: int64 (N,), codes of what came next.
        ids: N sample ids.
        neighbours: n, how many each item has at most.
        together: how many places before count.

    Raises:
        TransformError: no histories, or not as many items and ids.

    Source: Deshpande & Karypis 2004, "Item-based top-N recommendation algorithms", doi 10.1145/963770.963776.
    """
    if not is_histories(histories) or not len(histories) == len(nexts) == len(ids) or not len(ids):
        found = f"{histories.dtype} {histories.shape}, {len(nexts)} items and {len(ids)} ids"
        raise TransformError("training split", found, "int32 (N, H, 2), an item and an id each", "ingest it again")
    recent = histories[:, -together:, ITEM].astype(np.int64)
    items = int(max(recent.max(initial=0), nexts.max())) + 1
    counts = np.bincount(nexts, minlength=items)
    counts[0] = 0
    near, cosines = _nearest(_pairs(recent, nexts, items), counts, neighbours)
    return Cooccurrence(near, cosines, counts, nexts.astype(np.int32), SampleIds.of(ids).words)


def of_batch(histories: Histories, ids: SampleIds) -> Cooccurrence:
    """A batch taken for the whole: the newest item of each history is what came next."""
    nexts = histories[:, -1, ITEM].astype(np.int64)
    found = cooccurrence(np.roll(histories, 1, axis=1), nexts, ids.names.tolist())
    return Cooccurrence(found.near, found.cosines, found.counts, np.zeros(len(histories), np.int32), found.words)


def _pairs(
    recent: NDArray[np.int64], nexts: NDArray[np.int64], items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of items that are had together: one, the other, and how often; both ways round."""
    there = (recent > 0) & (recent != nexts[:, None]) & (nexts[:, None] > 0)
    first, second = recent[there], np.broadcast_to(nexts[:, None], recent.shape)[there]
    both = np.concatenate([first * items + second, second * items + first])
    found, times = np.unique(both, return_counts=True)
    often = times >= _FEWEST
    return found[often] // items, found[often] % items, times[often]


def _nearest(
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], counts: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    item, other, times = pairs
    cosine = times / np.sqrt(np.maximum(counts[item], 1) * np.maximum(counts[other], 1))
    order = np.lexsort((other, -cosine, item))
    item, other, cosine = item[order], other[order], cosine[order]
    starts = np.searchsorted(item, np.arange(len(counts)))
    place = np.arange(len(item)) - starts[item]
    near = np.zeros((len(counts), most), np.int32)
    cosines = np.zeros(near.shape, np.float32)
    nearest = place < most
    near[item[nearest], place[nearest]] = other[nearest]
    cosines[item[nearest], place[nearest]] = cosine[nearest]
    return near, cosines
