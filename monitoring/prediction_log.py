"""What a model answered in production: an append-only log that any service can write to.

    <log>/<data set>/predictions/date=2026-11-26/hour=03/<logged at>-<random>.parquet
    <log>/<data set>/labels/date=2026-11-27/<logged at>-<random>.parquet

A file is written whole under a temporary name and renamed (an object store takes a whole object), and is never changed,
so the log can be read while it is written. Labels come when they come, in files of their own, and are joined by sample
id. Columns of `predictions` (see docs/drift.md):

    sample_id      text, unique; where it is repeated, the record that was logged first counts
    time           when the answer was given, by the service's clock, UTC
    logged_at      when the record was written, by the log's clock, UTC
    model_version  text
    prediction     text: class name; null where the service had no answer
    scores         list of float32: probabilities in the order of the file's metadata `classes`; may be null
    image          text: `<sha256>#<row>` of an array in the store, or null
    label          text, where it is known at once
    feature.<name> float64 or text, of a table
"""

from __future__ import annotations

import io
import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.blobs import Blobs
from augment_ops.data.store import Store, open_blobs
from augment_ops.errors import DataError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

FEATURE = "feature."
_MARKERS = "datasets/"  # an empty object a data set: the whole log need not be listed to know them
# A service's clock may be ahead of the log's by so much; a time further in the future is not believed, and the record
# belongs to the moment it was logged. Larger than what NTP lets a clock drift, smaller than any window.
CLOCK_AHEAD = timedelta(minutes=5)


class PredictionLog:
    """The log of one data set.

    Args:
        uri: folder or fsspec URI of all logs.
        dataset: kebab-case name.
        store: where pictures go; None for tables.
    """

    def __init__(self, uri: str, dataset: str, store: Store | None = None) -> None:
        self.uri, self.dataset, self.store = uri, dataset, store
        self.blobs = _blobs(uri)
        self._known = False  # whether `datasets` will find it

    def write(
        self,
        ids: Sequence[str],
        times: Sequence[datetime],
        *,
        model_version: str,
        predictions: Sequence[str | None] | None = None,
        scores: NDArray[Any] | None = None,
        classes: Sequence[str] = (),
        images: NDArray[Any] | None = None,
        features: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
        labels: Sequence[str | None] | None = None,
        logged_at: datetime | None = None,
    ) -> list[str]:
        """Append N records, a file for each hour that they fall into; the names of the files.

        A batch that fails half-way may be written again: records are told apart by their ids.

        Args:
            ids: N sample ids.
            times: N moments, with a time zone.
            scores: float (N, K), probabilities of `classes`.
            images: uint8 (N, H, W, C), kept in the store.
            features: N values by name: numbers, or text.
            logged_at: by default now.

        Raises:
            DataError: parts that do not have N entries.
            StoreError: the log cannot be written; nothing is left half-written.
        """
        import pyarrow as pa

        now = logged_at or datetime.now(UTC)
        parts: dict[str, Any] = {"predictions": predictions, "scores": scores, "images": images, "labels": labels}
        _refuse_lengths(len(ids), {"times": times, **parts, **(features or {})})
        stamp, text = pa.timestamp("us", tz="UTC"), pa.string()
        columns = {
            "sample_id": pa.array([str(one) for one in ids], text),
            "time": pa.array(list(times), stamp),
            "logged_at": pa.array([now] * len(ids), stamp),
            "model_version": pa.array([model_version] * len(ids), text),
            "prediction": pa.array(predictions if predictions is not None else [None] * len(ids), text),
            "scores": pa.array([None] * len(ids) if scores is None else list(scores), pa.list_(pa.float32())),
            "image": pa.array(self._keep(images, len(ids)), text),
            "label": pa.array(labels if labels is not None else [None] * len(ids), text),
            **{f"{FEATURE}{name}": _feature(values) for name, values in (features or {}).items()},
        }
        table = pa.table(columns).replace_schema_metadata({"classes": json.dumps(list(classes))})
        hours = np.array([_hour(believed(time, now)) for time in times])
        written = []
        for hour in np.unique(hours):
            name = f"{self.dataset}/predictions/{hour}/{_file(now)}"
            self._append(name, table.filter(pa.array(hours == hour)))
            written.append(name)
        return written

    def label(self, labels: Mapping[str, str], *, logged_at: datetime | None = None) -> str:
        """Append labels that have arrived: sample id → class name. A later label of a sample replaces an earlier one.

        Raises:
            StoreError: the log cannot be written.
        """
        import pyarrow as pa

        now = logged_at or datetime.now(UTC)
        text = pa.string()
        table = pa.table(
            {
                "sample_id": pa.array(list(labels), text),
                "label": pa.array(list(labels.values()), text),
                "logged_at": pa.array([now] * len(labels), pa.timestamp("us", tz="UTC")),
            }
        )
        name = f"{self.dataset}/labels/date={now:%Y-%m-%d}/{_file(now)}"
        self._append(name, table)
        return name

    def _keep(self, images: NDArray[Any] | None, n: int) -> list[str | None]:
        """References of pictures: all of a call are one object, because small files are what slows a store down."""
        if images is None or not n:
            return [None] * n
        if self.store is None:
            raise InputError(
                f"prediction log of {self.dataset}", "pictures", "a store to keep them in", "pass `store=` to the log"
            )
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(images), allow_pickle=False)
        digest = self.store.put(buffer.getvalue())
        return [f"{digest}#{row}" for row in range(n)]

    def _append(self, name: str, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self.blobs.write(name, buffer.getvalue())
        marker = f"{_MARKERS}{self.dataset}"
        if not self._known and self.blobs.size(marker) is None:
            self.blobs.write(marker, b"")
        self._known = True


def datasets(uri: str) -> list[str]:
    """Names of the data sets that have a log there."""
    return [name.removeprefix(_MARKERS) for name in _blobs(uri).names(_MARKERS)]


def _blobs(uri: str) -> Blobs:
    return open_blobs(uri, Path(tempfile.gettempdir()))  # a batch is written at once, so nothing lies there


def believed(time: datetime, logged_at: datetime) -> datetime:
    """The moment that a record belongs to: the service's, unless that lies in the future."""
    return logged_at if time > logged_at + CLOCK_AHEAD else time


def _hour(time: datetime) -> str:
    return f"date={time.astimezone(UTC):%Y-%m-%d}/hour={time.astimezone(UTC):%H}"


def _file(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:12]}.parquet"


def _feature(values: Sequence[Any] | NDArray[Any]) -> pa.Array:
    import pyarrow as pa

    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return pa.array(array.astype(np.float64), pa.float64())
    return pa.array([None if v is None or v != v else str(v) for v in array.tolist()], pa.string())  # noqa: PLR0124


def _refuse_lengths(n: int, parts: Mapping[str, Any]) -> None:
    wrong = [f"{name} has {len(values)}" for name, values in parts.items() if values is not None and len(values) != n]
    if wrong:
        raise DataError(
            "prediction log", "; ".join(wrong), f"{n} entries, one a sample id", "pass one value a record, or none"
        )
