"""A split by time in which no subject has rows in two parts: for a model that is measured on ones it does not know.

Time alone tears subjects apart, and subjects alone tear time: a customer pays in every month. So both are drawn. The
newest quarter of the rows is the time of testing, the tenth before it that of validation; a quarter of the subjects, by
a keyed hash, are those to be tested on, a tenth those of validation. A row belongs to a part where its time and its
subject do, and is left out elsewhere: about half of all rows are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.split import SHARES
from augment_ops.modalities.source import UNUSED

_KEY = b"augment-ops apart 1"  # another key is another split of every table: never change it


def apart(times: NDArray[np.float64], subjects: Sequence[str | None]) -> list[str]:
    """The part of each row: `train`, `validation`, `test` or `UNUSED`.

    Every row of train is earlier than every one of validation, and those than every one of test; rows of one moment
    stay together. A row without a subject is a subject of its own; one without a time, which is a defect, is left out.

    Args:
        times: float64 (N,), NaN for one that cannot be read.
        subjects: N.
    """
    known = times[~np.isnan(times)]
    ends, rest = [], 1.0
    for share in SHARES.values():
        rest -= share
        ends.append(float(np.quantile(known, rest, method="higher")) if len(known) else np.nan)
    names = (*SHARES, "train")  # the newest first
    by_time = np.where(np.isnan(times), -1, (times[:, None] < np.array(ends)).sum(axis=1))
    by_subject = [_part(f"row {row}" if name is None else f"subject {name}") for row, name in enumerate(subjects)]
    return [names[when] if when == whose else UNUSED for when, whose in zip(by_time.tolist(), by_subject, strict=True)]


def _part(name: str) -> int:
    """Place in `SHARES` of the part that a subject is drawn for, or their number, for train."""
    drawn = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=_KEY).digest())
    point, reached = drawn / 2**64, 0.0
    for place, share in enumerate(SHARES.values()):
        reached += share
        if point < reached:
            return place
    return len(SHARES)
