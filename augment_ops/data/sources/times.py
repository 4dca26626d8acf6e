"""Times as cells of a table have them: numbers whose order is that of time, or dates in ISO 8601."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def seconds_of(cells: pd.Series[Any]) -> NDArray[np.float64]:
    """Seconds since 1970 UTC of dates, and numbers as they are: float64 (n,), NaN for a cell that is no time."""
    import pandas as pd

    if cells.dtype.kind == "M":
        return _seconds(pd.to_datetime(cells, utc=True))
    text = cells.astype(object)
    seconds = np.array(pd.to_numeric(text, errors="coerce"), np.float64)
    is_number = ~np.isnan(seconds)
    seconds[~np.isfinite(seconds)] = np.nan
    rest = ~is_number & np.asarray(text.notna())
    if rest.any():
        seconds[rest] = _seconds(pd.to_datetime(text[rest].astype(str), utc=True, format="ISO8601", errors="coerce"))
    return seconds


def _seconds(moments: pd.Series[Any]) -> NDArray[np.float64]:
    """Since 1970, float64 (n,); NaN where there is no moment. By microseconds: nanoseconds end in the year 2262."""
    whole = moments.dt.as_unit("us")
    seconds = whole.astype("int64").to_numpy(np.float64) / 1e6
    return np.where(whole.isna(), np.nan, seconds)
