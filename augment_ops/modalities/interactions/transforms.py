"""What a policy does to histories: a part of them, fewer items, another order within a window, items that go together.

A transform is given N histories, the draws of each, and what is known of the training split, and makes N histories of
the same room. Ages stay where they are: whatever comes into a history comes after what it follows from, and before the
moment. What came next is never put into the history: a model would learn to find it there.

Sources: Xie et al. 2022, "Contrastive Learning for Sequential Recommendation" (CL4SRec), arXiv:2010.14395, for crop,
mask and reorder; Liu et al. 2021, "Contrastive Self-supervised Sequential Recommendation with Robust Augmentation"
(CoSeRec), arXiv:2108.06479, for substitution and insertion by what goes together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.interactions.cooccurrence import Cooccurrence
from augment_ops.modalities.interactions.histories import AGE, ITEM, Histories, kept, lengths, present

Draws = NDArray[np.float64]  # (N, 2 H + 1), in [0, 1): one for the history, then two a place


def cropped(histories: Histories, draws: Draws, *, eta: float) -> Histories:
    """A run of items that follow each other, a share `eta` of the history; where it begins is drawn (CL4SRec).

    One item stays at least.
    """
    n, room = lengths(histories), histories.shape[1]
    size = np.maximum(np.floor(eta * n).astype(np.int64), np.minimum(n, 1))
    first = room - n + (draws[:, 0] * (n - size + 1)).astype(np.int64)
    places = np.arange(room)
    return kept(histories, (places >= first[:, None]) & (places < (first + size)[:, None]))


def masked(histories: Histories, draws: Draws, *, gamma: float) -> Histories:
    """Each item is left out with the chance `gamma` (CL4SRec); where none would be left, the newest stays."""
    keep = present(histories) & (_of_place(draws, histories, 0) >= gamma)
    none_left = ~keep.any(axis=1)
    keep[none_left, -1] = True
    return kept(histories, keep)


def reordered(histories: Histories, draws: Draws, *, beta: float) -> Histories:
    """Within a window of a share `beta` of the history, drawn, items come in another order (CL4SRec).

    Ages stay in their places: time still runs one way, and nothing leaves the window.
    """
    n, room = lengths(histories), histories.shape[1]
    size = np.floor(beta * n).astype(np.int64)
    first = room - n + (draws[:, 0] * (n - size + 1)).astype(np.int64)
    places = np.arange(room)
    inside = (places >= first[:, None]) & (places < (first + size)[:, None])
    # Outside, a place sorts by itself; inside, by a number between the first place and the one after the last.
    within = first[:, None] + _of_place(draws, histories, 0) * np.maximum(size, 1)[:, None]
    order = np.argsort(np.where(inside, within, places), axis=1, kind="stable")
    out = histories.copy()
    out[..., ITEM] = np.take_along_axis(histories[..., ITEM], order, axis=1)
    return out


def substituted(
    histories: Histories, draws: Draws, nexts: NDArray[np.int32], known: Cooccurrence, *, rate: float, tail: float
) -> Histories:
    """Each item gives way, with the chance `rate`, to one that is had with it (CoSeRec).

    Args:
        nexts: int32 (N,), what came after each history; it is no substitute.
        tail: 0 draws evenly from the neighbours; 1 in the inverse ratio of how often they are had.
    """
    chosen = present(histories) & (_of_place(draws, histories, 0) < rate)
    rows, places = np.nonzero(chosen)
    other = _drawn(
        known, histories[rows, places, ITEM], nexts[rows], _of_place(draws, histories, 1)[rows, places], tail
    )
    out = histories.copy()
    out[rows, places, ITEM] = np.where(other > 0, other, histories[rows, places, ITEM])
    return out


def inserted(
    histories: Histories,
    draws: Draws,
    nexts: NDArray[np.int32],
    known: Cooccurrence,
    *,
    rate: float,
    tail: float,
    max_length: int,
) -> Histories:
    """Into short histories, with the chance `rate` after each item, one that is had with it (CoSeRec).

    What is simulated comes half way to the next item, or to the moment. In a full history the oldest items give way.

    Args:
        nexts: int32 (N,), what came after each history; it is not put in.
        tail: as `substituted` has it.
        max_length: items of the longest history that gets any.
    """
    room, ages = histories.shape[1], histories[..., AGE]
    short = lengths(histories) <= max_length
    chosen = present(histories) & short[:, None] & (_of_place(draws, histories, 0) < rate)
    rows, places = np.nonzero(chosen)
    other = _drawn(
        known, histories[rows, places, ITEM], nexts[rows], _of_place(draws, histories, 1)[rows, places], tail
    )
    until = np.concatenate([ages[:, 1:], np.zeros((len(ages), 1), np.int32)], axis=1)
    both = np.zeros((len(histories), room, 2, 2), np.int32)  # each item, and what follows it
    both[:, :, 0] = histories
    both[rows, places, 1, ITEM] = other
    half = (ages[rows, places].astype(np.int64) + until[rows, places]) // 2
    both[rows, places, 1, AGE] = np.where(other > 0, half, 0)
    wide = both.reshape(len(histories), 2 * room, 2)
    return kept(wide, present(wide))[:, -room:]


def _of_place(draws: Draws, histories: Histories, which: int) -> NDArray[np.float64]:
    """The first or second draw of each place: (N, H)."""
    room = histories.shape[1]
    return draws[:, 1 + which * room : 1 + (which + 1) * room]


def _drawn(
    known: Cooccurrence, items: NDArray[np.int32], nexts: NDArray[np.int32], draws: NDArray[np.float64], tail: float
) -> NDArray[np.int32]:
    """A neighbour of each item, int32 (n,); 0 where it has none but what came next."""
    inside = np.where(items < len(known.near), items, 0)
    near = known.near[inside]
    able = (near > 0) & (near != nexts[:, None])
    weights = np.where(able, np.maximum(known.counts[near], 1) ** -tail, 0.0)
    edges = np.cumsum(weights, axis=1)
    place = (edges <= (draws * edges[:, -1])[:, None]).sum(axis=1)
    place = np.minimum(place, near.shape[1] - 1)
    found = near[np.arange(len(near)), place]
    return np.where(able.any(axis=1), found, 0).astype(np.int32)
