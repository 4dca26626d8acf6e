"""A table of interactions: users of three tastes, whose items follow each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from augment_ops.data.payload import ArrayPayload

TASTES, EACH = 3, 12  # items of one taste


@dataclass(frozen=True)
class Training:
    """A training split: see `augment_ops.modalities.base.Population`."""

    payload: ArrayPayload
    labels: np.ndarray
    ids: tuple[str, ...]
    schema: dict[str, Any] | None
    classes: tuple[str, ...] = ()


def interactions(users: int = 60, each: int = 10, seed: int = 0) -> pd.DataFrame:
    """Rows in no order of time: user, item, moment (seconds) and rating.

    A user begins somewhere in the items of one taste and goes round, an item every minute or two.
    """
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{user}", f"i{taste * EACH + (first + step) % EACH:02d}", start + int(moments[step]), str(1 + step % 5))
        for user in range(users)
        for taste, first, start in [(user % TASTES, int(rng.integers(EACH)), 100_000 + 1_000 * user)]
        for moments in [np.cumsum(rng.integers(60, 120, each))]
        for step in range(each)
    ]
    table = pd.DataFrame(rows, columns=["user", "item", "time", "rating"])
    return table.iloc[rng.permutation(len(table))].reset_index(drop=True)
