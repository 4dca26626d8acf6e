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
    prediction     text (or whole numbers, truth values): class name; null where the service had no answer
    scores         list of float32: probabilities in the order of the file's metadata `classes`; may be null
    image          text: `<sha256>#<row>` of an array of samples in the store (whatever their modality), or null
    label          text, where it is known at once
    feature.<name> of a table: numbers, truth values, dates (all kept as float64) or text

The object `datasets/<data set>` says of which modality the samples are: it is empty for images.

What a file of another maker may hold besides, `augment_ops.monitoring.drift.records` says.
"""

from __future__ import annotations

import io
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import canonical_json
from augment_ops.data.blobs import Blobs
from augment_ops.data.store import Store, open_blobs
from augment_ops.errors import DataError, InputError, StoreError
from augment_ops.modalities import UNNAMED, modality
from augment_ops.modalities.source import Samples
from augment_ops.monitoring.drift.records import every, feature, moments, once, probabilities, texts
from augment_ops.names import check_dataset

if TYPE_CHECKING:
    import pyarrow as pa

FEATURE = "feature."
_MARKERS = "datasets/"  # an object a data set: the whole log need not be listed to know them
_FORMAT = 1  # of these objects
# A service's clock may be ahead of the log's by so much; a time further in the future is not believed, and the record
# belongs to the moment it was logged. Larger than what NTP lets a clock drift, smaller than any window.
CLOCK_AHEAD = timedelta(minutes=5)
# By which those of two machines that write to one log may differ where files are left out by their days: reading a day
# more costs little, and a label that is left out is lost.
CLOCKS_APART = timedelta(days=1)


class PredictionLog:
    """The log of one data set.

    Args:
        uri: folder or fsspec URI of all logs.
        dataset: kebab-case name.
        store: where samples go; None for tables.
        modality: of the samples that are written; by default what the log says.

    Raises:
        InputError: `dataset` is no name of a data set.
    """

    def __init__(self, uri: str, dataset: str, store: Store | None = None, modality: str = "") -> None:
        check_dataset("prediction log", dataset)
        self.uri, self.dataset, self.store = uri, dataset, store
        self.blobs = blobs_of(uri)
        self._given = modality
        self._known = False  # whether `datasets` will find it

    @property
    def modality(self) -> str:
        """Name of the modality of its samples: that of the first who wrote to it, or what is given where nobody has.

        Raises:
            StoreError: the log says it in a form that this version does not know.
        """
        said = self.blobs.read(self._marker)
        if not said:
            return UNNAMED if said is not None else self._given or UNNAMED
        try:
            document = json.loads(said)
            known = document["modality"] if document["format"] == _FORMAT else None
        except (ValueError, TypeError, KeyError):
            known = None
        if not isinstance(known, str):
            raise StoreError(
                f"{self.uri}/{self._marker}",
                repr(said[:80]),
                f"a modality in format {_FORMAT}",
                "read the log with the version that wrote it, or a newer one",
            )
        return known

    @property
    def _marker(self) -> str:
        return f"{_MARKERS}{self.dataset}"

    def write(
        self,
        ids: Sequence[str],
        times: Sequence[datetime],
        *,
        model_version: str,
        predictions: Sequence[Any] | None = None,
        scores: NDArray[Any] | None = None,
        classes: Sequence[str] = (),
        samples: Samples | None = None,
        features: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
        labels: Sequence[Any] | None = None,
        logged_at: datetime | None = None,
    ) -> list[str]:
        """Append N records, a file for each hour that they fall into; the names of the files.

        A batch that fails half-way may be written again: records are told apart by their ids.

        Args:
            ids: N sample ids.
            times: N moments, with a time zone.
            predictions, labels: N class names, None where there is none; 1 and 1.0 are the class "1".
            scores: float (N, K), probabilities of `classes`; a row of NaN for a record without any.
            samples: (N, *shape), what the model was given, kept in the store.
            features: N values by name: numbers, truth values, dates (kept as seconds since 1970), or text.
            logged_at: by default now.

        Raises:
            DataError: parts that do not have N entries, or values that are not of these kinds; all faults at once,
                and nothing is written.
            StoreError: the log cannot be written; nothing is left half-written.
        """
        import pyarrow as pa

        parts: dict[str, Any] = {"predictions": predictions, "scores": scores, "samples": samples, "labels": labels}
        n = len(ids)
        _refuse_lengths(n, {"times": times, **parts, **(features or {})})
        nothing: list[None] = [None] * n
        known = every(
            {
                "ids": lambda: texts("sample_id", ids, required=True),
                "times": lambda: moments("time", times),
                "now": lambda: moments("logged_at", [logged_at or datetime.now(UTC)])[0],
                "version": lambda: texts("model_version", [model_version], required=True, blank=True)[0],
                "predictions": lambda: nothing if predictions is None else texts("prediction", predictions),
                "labels": lambda: nothing if labels is None else texts("label", labels),
                "classes": lambda: _classes(classes),
                "scores": lambda: nothing if scores is None else probabilities(scores, classes, n),
                "samples": lambda: None if samples is None else self._check(samples),
                "features": lambda: _features(features or {}),
            },
            f"prediction log of {self.dataset}",
        )
        now, stamp, text = known["now"], pa.timestamp("us", tz="UTC"), pa.string()
        columns = {
            "sample_id": pa.array(known["ids"], text),
            "time": pa.array(known["times"], stamp),
            "logged_at": pa.array([now] * n, stamp),
            "model_version": pa.array([known["version"]] * n, text),
            "prediction": pa.array(known["predictions"], text),
            "scores": pa.array(known["scores"], pa.list_(pa.float32())),
            "image": pa.array(self._keep(samples, n), text),
            "label": pa.array(known["labels"], text),
            **known["features"],
        }
        table = pa.table(columns).replace_schema_metadata({"classes": json.dumps(known["classes"])})
        hours = np.array([_hour(believed(time, now)) for time in known["times"]])
        written = []
        for hour in np.unique(hours):
            name = f"{self.dataset}/predictions/{hour}/{_file(now)}"
            self._append(name, table.filter(pa.array(hours == hour)))
            written.append(name)
        return written

    def label(self, labels: Mapping[Any, Any], *, logged_at: datetime | None = None) -> str:
        """Append labels that have arrived: sample id → class name. A later label of a sample replaces an earlier one.

        Raises:
            DataError: an id or a label that is none, or two labels of one sample; nothing is written.
            StoreError: the log cannot be written.
        """
        import pyarrow as pa

        known = every(
            {
                "ids": lambda: texts("sample_id", list(labels), required=True),
                "labels": lambda: texts("label", list(labels.values()), required=True),
                "now": lambda: moments("logged_at", [logged_at or datetime.now(UTC)])[0],
            },
            f"labels of {self.dataset}",
        )
        twice = sorted(one for one, count in Counter(known["ids"]).items() if count > 1)
        if twice:
            found = f"{len(twice)} samples with two labels, {twice[0]!r} the first (1, 1.0 and '1' are one id)"
            raise DataError(f"labels of {self.dataset}", found, "one label a sample", "keep the right one")
        now, text = known["now"], pa.string()
        table = pa.table(
            {
                "sample_id": pa.array(known["ids"], text),
                "label": pa.array(known["labels"], text),
                "logged_at": pa.array([now] * len(labels), pa.timestamp("us", tz="UTC")),
            }
        )
        name = f"{self.dataset}/labels/date={now.date().isoformat()}/{_file(now)}"
        self._append(name, table)
        return name

    def _check(self, samples: Samples) -> None:
        """Refuse what are no samples of the log's modality."""
        own = self.modality
        if self._given and self._given != own:
            raise DataError(
                "column 'samples'",
                modality(self._given).plural,
                f"{modality(own).plural}, as the log holds them",
                "write them to the log of another data set",
            )
        modality(own).check(samples, "column 'samples'")

    def _keep(self, samples: Samples | None, n: int) -> list[str | None]:
        """References of samples: all of a call are one object, because small files are what slows a store down."""
        if samples is None or not n:
            return [None] * n
        if self.store is None:
            raise InputError(
                f"prediction log of {self.dataset}", "samples", "a store to keep them in", "pass `store=` to the log"
            )
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(samples), allow_pickle=False)
        digest = self.store.put(buffer.getvalue())
        return [f"{digest}#{row}" for row in range(n)]

    def _append(self, name: str, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self.blobs.write(name, buffer.getvalue())
        if not self._known and self.blobs.size(self._marker) is None:
            document = {"format": _FORMAT, "modality": self._given}
            self.blobs.write(self._marker, b"" if self._given in ("", UNNAMED) else canonical_json(document))
        self._known = True


def datasets(uri: str) -> list[str]:
    """Names of the data sets that have a log there."""
    return [name.removeprefix(_MARKERS) for name in blobs_of(uri).names(_MARKERS)]


def blobs_of(uri: str) -> Blobs:
    """What lies at the URI of the logs."""
    return open_blobs(uri, Path(tempfile.gettempdir()))  # a batch is written at once, so nothing lies there


def believed(time: datetime, logged_at: datetime) -> datetime:
    """The moment that a record belongs to: the service's, unless that lies in the future."""
    return logged_at if time > logged_at + CLOCK_AHEAD else time


def _hour(time: datetime) -> str:
    at = time.astimezone(UTC)
    return f"date={at.date().isoformat()}/hour={at:%H}"  # %Y would write the year 26 as 26


def _file(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:12]}.parquet"


def _classes(classes: Sequence[Any]) -> list[str | None]:
    names = texts("classes", list(classes), required=True)
    once([str(name) for name in names])
    return names


def _features(features: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The columns of a table by their names in the log."""
    import pyarrow as pa

    odd = [name for name in features if not isinstance(name, str)]
    if odd:
        raise DataError("features", f"a column called {odd[0]!r}", "names as text", "name every column")
    found = every({name: partial(feature, name, values) for name, values in features.items()}, "features")
    kinds = {name: pa.float64() if values.dtype.kind == "f" else pa.string() for name, values in found.items()}
    return {f"{FEATURE}{name}": pa.array(values, kinds[name]) for name, values in found.items()}


def _refuse_lengths(n: int, parts: Mapping[str, Any]) -> None:
    wrong = [f"{name} has {len(values)}" for name, values in parts.items() if values is not None and len(values) != n]
    if wrong:
        raise DataError(
            "prediction log", "; ".join(wrong), f"{n} entries, one a sample id", "pass one value a record, or none"
        )
