"""What drift looks at in histories: how long they are, how old, and whether items come again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError
from augment_ops.modalities.interactions.histories import AGE, ITEM, Histories, is_histories, lengths, present

_HOUR_S = 3600.0
PROPERTIES = ("interactions", "newest_h", "span_h", "repeated")


def features(histories: Histories) -> Mapping[str, NDArray[Any]]:
    """By name: float64 (N,).

    Items; hours since the newest one, and from the oldest to the newest (NaN without items); share of items that the
    history has already.
    """
    n, here, ages = lengths(histories), present(histories), histories[..., AGE].astype(np.float64)
    newest = np.where(n > 0, ages[:, -1], np.nan)
    oldest = np.where(n > 0, np.where(here, ages, -1).max(axis=1), np.nan)
    return {
        "interactions": n.astype(np.float64),
        "newest_h": newest / _HOUR_S,
        "span_h": (oldest - newest) / _HOUR_S,
        "repeated": 1 - distinct(histories) / np.maximum(n, 1) - (n == 0),
    }


def distinct(histories: Histories) -> NDArray[np.int64]:
    """Different items of each history: int64 (N,)."""
    ordered = np.sort(histories[..., ITEM], axis=1)
    first = np.concatenate([ordered[:, :1] > 0, (ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] > 0)], axis=1)
    found: NDArray[np.int64] = first.sum(axis=1)
    return found


def check(samples: object, where: str) -> None:
    """Refuse what are no histories.

    Raises:
        DataError: see `augment_ops.modalities.base.Modality.check`.
    """
    if is_histories(samples):
        return
    found = type(samples).__name__
    if isinstance(samples, np.ndarray):
        found = f"{samples.dtype} of shape {samples.shape}"
    fix = "pass the histories that the model was given: item and age in seconds, the newest last"
    raise DataError(where, found, "int32 (N, H, 2)", fix)
