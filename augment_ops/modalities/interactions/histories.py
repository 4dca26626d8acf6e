"""Histories as arrays: int32 (N, H, 2), the code of each item and how many seconds before the moment it came.

The newest item is last and zeros fill the front, so that the newest items of all histories lie in the same columns. A
code is the item's place in the catalogue, from 1; 0 is no item, and its age is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Histories = NDArray[np.int32]  # (N, H, 2)

ITEM, AGE = 0, 1
TELLING = 5  # items from which on a history is one person's; users who did nothing yet are all alike
OLDEST_S = 2**31 - 1  # what int32 holds: 68 years


def present(histories: Histories) -> NDArray[np.bool_]:
    """Which places hold an item: bool (N, H)."""
    found: NDArray[np.bool_] = histories[..., ITEM] > 0
    return found


def lengths(histories: Histories) -> NDArray[np.int64]:
    """Items of each history: int64 (N,)."""
    found: NDArray[np.int64] = present(histories).sum(axis=1)
    return found


def kept(histories: Histories, keep: NDArray[np.bool_]) -> Histories:
    """The items at the places `keep`, bool (N, H), in their order and at the end again: a new array (N, H, 2)."""
    keep = keep & present(histories)
    # A stable order by truth brings what is left out to the front, and leaves the rest as it was.
    order = np.argsort(keep, axis=1, kind="stable")
    out = np.take_along_axis(np.where(keep[..., None], histories, 0), order[..., None], axis=1)
    return out.astype(np.int32, copy=False)


def in_order(histories: Histories) -> NDArray[np.bool_]:
    """Whether each history is one: items at the end, none after the moment, none before an older one: bool (N,)."""
    here, ages = present(histories), histories[..., AGE].astype(np.int64)
    at_end = (here[:, 1:] >= here[:, :-1]).all(axis=1)
    older_first = (~here[:, :-1] | (ages[:, :-1] >= ages[:, 1:])).all(axis=1)
    clean = (ages >= 0).all(axis=1) & (here | (ages == 0)).all(axis=1) & (histories[..., ITEM] >= 0).all(axis=1)
    found: NDArray[np.bool_] = at_end & older_first & clean
    return found


def is_histories(samples: object) -> bool:
    """Whether it is int32 (N, H, 2) with room for an item; the values are not looked at."""
    return (
        isinstance(samples, np.ndarray)
        and samples.dtype == np.int32
        and samples.ndim == 3
        and samples.shape[1] > 0
        and samples.shape[2] == 2
    )
