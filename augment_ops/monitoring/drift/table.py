"""PSI of tables of any length: Parquet files, read a row group at a time.

Bins come from an evenly spaced part of the reference; both sides are then counted whole. Where exactly the bins' edges
lie decides nothing, as long as the window has no part in it, so a part of the reference is enough for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError
from augment_ops.monitoring.drift.detectors.base import MISSING, Measurement
from augment_ops.monitoring.drift.detectors.histogram import (
    RARE,
    UNSEEN,
    Histogram,
    is_numeric,
    labels_of,
    most_frequent,
)
from augment_ops.monitoring.drift.detectors.psi import psi_of
from augment_ops.monitoring.drift.records import column_of, once
from augment_ops.statistics import DEFAULT_BINNING, Binning, Counts, Cuts, count, cuts

_EDGE_VALUES = 200_000  # of the reference, for its edges: a quantile of 1% then lies within ±0.03% of its place
_BATCH = 1 << 18  # rows of a column in memory at once: 2 MB


def psi_of_tables(
    reference: Sequence[Path], window: Sequence[Path], columns: Sequence[str] = (), binning: Binning = DEFAULT_BINNING
) -> dict[str, Measurement]:
    """PSI of every column, in memory that does not grow with the rows.

    Args:
        reference, window: Parquet files of each side.
        columns: by default all that the first file of the reference has. One that the window lacks counts as missing
            in all of its rows.

    Raises:
        DataError: a file that cannot be read, a column that the reference does not have, that stands twice, or that is
            neither numbers nor text.
    """
    if not reference or not window:
        raise DataError("tables", "no file", "Parquet files of both sides", "name at least one for each")
    rows = _rows(reference), _rows(window)
    known = _columns(reference[0])
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise DataError(
            f"table {reference[0]}", f"no column {', '.join(unknown)}", ", ".join(known), "correct the names"
        )
    stride = max(1, rows[0] // _EDGE_VALUES)
    return {name: psi_of(_histogram(name, reference, window, stride, binning)) for name in columns or known}


def _histogram(
    name: str, reference: Sequence[Path], window: Sequence[Path], stride: int, binning: Binning
) -> Histogram:
    part = np.concatenate([values[::stride] for values in _batches(reference, name)])
    if is_numeric(part):
        found = cuts(part, binning)
        before, after = (_counted(side, name, found) for side in (reference, window))
        return Histogram(labels_of(found), before, after)
    known = most_frequent([value for value in part.tolist() if value is not None])
    labels = (*known, RARE, UNSEEN, MISSING)
    before, after = (_categories(side, name, known, kind) for side, kind in ((reference, RARE), (window, UNSEEN)))
    return Histogram(labels, before, after)


def _counted(paths: Sequence[Path], name: str, found: Cuts) -> Counts:
    total = np.zeros(len(labels_of(found)), np.int64)
    for values in _batches(paths, name):
        # Text where the reference has numbers is nothing that can be placed.
        total += count(values if is_numeric(values) else np.full(len(values), np.nan), found)
    return total


def _categories(paths: Sequence[Path], name: str, known: Sequence[str], others: str) -> Counts:
    import pandas as pd

    labels = (*known, RARE, UNSEEN, MISSING)
    total = np.zeros(len(labels), np.int64)
    for values in _batches(paths, name):
        counts = pd.Series(values, dtype=object).value_counts(dropna=False)
        for value, times in counts.items():
            missing = value is None or value != value  # noqa: PLR0124 - NaN
            label = MISSING if missing else str(value) if str(value) in known else others
            total[labels.index(label)] += int(times)
    return total


def _batches(paths: Sequence[Path], name: str) -> Iterator[NDArray[Any]]:
    """The column, a batch at a time; numbers as float64 with NaN for null, anything else as objects."""
    import pyarrow as pa

    for path in paths:
        with _opened(path) as file:
            if name not in file.schema_arrow.names:
                for start in range(0, file.metadata.num_rows, _BATCH):
                    yield np.full(min(_BATCH, file.metadata.num_rows - start), np.nan)
                continue
            for batch in file.iter_batches(_BATCH, columns=[name]):
                with _named(path):
                    values = column_of(name, pa.chunked_array([batch.column(0)]))
                yield values


def _rows(paths: Sequence[Path]) -> int:
    total = 0
    for path in paths:
        with _opened(path) as file:
            total += file.metadata.num_rows
    return total


def _columns(path: Path) -> list[str]:
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        text = str(error).splitlines()[0][:200]
        raise DataError(f"table {path}", text, "a whole Parquet file", "write or fetch the file again") from error
    with _named(path):
        once(file.schema_arrow.names)
    return file


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with one of its columns."""
    try:
        yield
    except DataError as error:
        raise DataError.of(f"table {path}", error.faults) from error
