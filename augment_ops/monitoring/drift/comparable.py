"""Columns as they can be compared: what differs only in how it is written is no change.

A table's reader gives numbers, texts or objects, depending on what else stood in a column: one missing value makes
objects of integers, a CSV makes text of codes, a database gives decimals. The two sides need not agree.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Values

_UNIQUE_SHARE = 0.9  # of its values that occur once, from which a text names its sample instead of describing it
_LEAST = 50  # values, below which anything may be unique by chance


def comparable(reference: Values, window: Values) -> tuple[Values, Values]:
    """Both sides of a column as float64 (NaN for missing) where both can be numbers, else as they are.

    Numbers are numbers, truth values, decimals, dates and times (seconds since 1970, UTC; without a zone as UTC), and,
    beside a side of numbers, texts that write numbers.
    """
    before, after = _numbers(reference), _numbers(window)
    if before is None and after is not None:
        before = _numbers(reference, texts=True)
    elif after is None and before is not None:
        after = _numbers(window, texts=True)
    if before is None or after is None:
        return np.asarray(reference), np.asarray(window)
    return before, after


def names_its_sample(values: Values) -> bool:
    """Whether a column of texts is mostly unique: an id, an address, free text. Its values say nothing about a mix."""
    known = [value for value in np.asarray(values).tolist() if isinstance(value, str)]
    if len(known) < _LEAST:
        return False
    _, counts = np.unique(np.array(known, dtype=object), return_counts=True)
    return bool(np.count_nonzero(counts == 1) >= _UNIQUE_SHARE * len(known))


def _numbers(values: Values, *, texts: bool = False) -> NDArray[np.float64] | None:
    """The values as numbers; None where one of them is none."""
    values = np.asarray(values)
    if values.dtype.kind in "fiub":
        return np.asarray(values, dtype=np.float64)
    if values.dtype.kind in "mM":
        seconds = (
            values.astype("datetime64[us]" if values.dtype.kind == "M" else "timedelta64[us]").astype(np.int64) / 1e6
        )
        return np.where(np.isnat(values), np.nan, seconds)
    found = [_number(value, texts) for value in values.tolist()]
    if any(value is None for value in found) or not any(value == value for value in found):  # noqa: PLR0124 - NaN
        return None
    return np.array(found, dtype=np.float64)


def _number(value: Any, texts: bool) -> float | None:
    """NaN for a missing value, None for what is no number."""
    if value is None:
        return math.nan
    if isinstance(value, date):  # a time is a date too
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if not isinstance(value, (bool, int, float, Decimal)) and not (texts and isinstance(value, str)):
        return None
    try:
        return float(value)
    except OverflowError:
        return -math.inf if not isinstance(value, str) and value < 0 else math.inf
    except ValueError:
        return None
