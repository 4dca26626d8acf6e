"""Spans of the tested time as groups of samples: a model that decays is worse in the later ones."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

COLUMN = "time"  # as the index of a snapshot calls it, so that no column of a source has the name


def time_groups(times: NDArray[np.float64], count: int) -> list[str | None] | None:
    """The span of each sample, of `count` equally long ones from the earliest to the latest.

    Args:
        times: (N,), seconds since 1970; NaN for a sample without one.

    Returns:
        Names that sort as the spans do, None for a sample without a time; no list where nothing has one, or all have
        the same.
    """
    known = times[np.isfinite(times)]
    if not len(known) or known.min() == known.max():
        return None
    edges = np.linspace(known.min(), known.max(), count + 1)
    places = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, count - 1)
    digits = len(str(count))
    names = [f"{n + 1:0{digits}d} of {count}, from {_said(edges[n])}" for n in range(count)]
    return [names[place] if np.isfinite(time) else None for place, time in zip(places, times, strict=True)]


def _said(seconds: float) -> str:
    """A date, where it is one that the calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"
