"""A stretch of the prediction log as a sample: cut by time, labels joined, and everything odd counted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import digest_of
from augment_ops.errors import DataError, StoreError
from augment_ops.shown import plain
from monitoring.log_files import read_log_file
from monitoring.pictures import load_pictures
from monitoring.prediction_log import CLOCK_AHEAD, FEATURE, PredictionLog
from monitoring.records import are_probabilities, column_of, is_missing, number_text, once, stamps, texts
from monitoring.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

_MAX_ROWS = 200_000  # more are thinned evenly by id: 200,000 show a PSI of 0.001, and fit into memory with 100 columns
_SHOWN = 3
_TEXTS = ("sample_id", "model_version", "prediction", "image", "label")
_STAMPS = ("time", "logged_at")
_PLACE = re.compile(r"/date=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/")
# What reading a file of another make raises: a missing column, other types, a time that no calendar has.
_ODD = (KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError)

T = TypeVar("T")


class OddFile(str):
    """Name of a file that cannot be read, which knows the reason."""

    def __new__(cls, name: str, why: str) -> OddFile:
        """`why`: as it was raised."""
        self = super().__new__(cls, name)
        self.why = plain(why)
        return self

    why: str


def _why(name: str) -> str:
    return name.why if isinstance(name, OddFile) else "it lies below no date=YYYY-MM-DD/hour=HH/"


@dataclass(frozen=True, eq=False)
class LogWindow:
    """What the log holds from `start` to `end` (excluded).

    Attributes:
        sample: its records; pictures of another shape than most are left out of `images` and counted in `pixels`.
        rows: one row a record, in the order of `sample`: sample_id, time, model_version, image, prediction, label.
        picture_rows: int64 (M,), which rows `sample.images` belong to.
        corrupt: files that could not be read, with the reason where it lies in them (`OddFile`).
        repeated: records whose id was logged before; skewed: with a time in the future; late: logged after `judged_at`.
        lost_pictures: references that lead nowhere.
        notes: what is odd about records that count all the same.
    """

    start: datetime
    end: datetime
    sample: Sample
    rows: pd.DataFrame
    picture_rows: NDArray[np.int64]
    corrupt: tuple[str, ...]
    repeated: int
    skewed: int
    late: int
    lost_pictures: int
    thinned_from: int
    notes: tuple[str, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether the window cannot be judged for reasons that lie in the log and not in production."""
        return bool(self.corrupt) or self.sample.size == 0 or self.lost_pictures > 0

    @property
    def faults(self) -> tuple[str, ...]:
        """What is odd, one sentence each."""
        found = []
        if not self.sample.size:
            found.append("no record at all in this window: is the service, or its log, down?")
        if self.corrupt:
            shown = "; ".join(f"{name} ({_why(name)})" for name in self.corrupt[:_SHOWN])
            found.append(f"{len(self.corrupt)} files of the log cannot be read, their records are missing: {shown}")
        counts = {
            "records repeat an id that was logged before; the first one counts": self.repeated,
            "records have a time in the future; they count when they were logged": self.skewed,
            "records came after the window was judged; they stay in the log": self.late,
            "pictures are not in the store": self.lost_pictures,
        }
        found += [f"{count} {text}" for text, count in counts.items() if count]
        found += self.notes
        if self.thinned_from:
            found.append(f"thinned evenly from {self.thinned_from} records")
        return tuple(found)


def read_window(
    log: PredictionLog, start: datetime, end: datetime, judged_at: datetime | None = None, *, pictures: bool = True
) -> LogWindow:
    """Read the records whose time lies in [start, end).

    Args:
        judged_at: what was logged later is counted as late; None counts nothing.
        pictures: whether pictures are read.
    """
    corrupt: list[str] = []
    parts = _read(log, _prediction_files(log, start, end, corrupt), _records, corrupt)
    frame = _joined(parts)
    frame = frame[(frame["believed"] >= start) & (frame["believed"] < end)]
    ordered = frame.sort_values(["logged_at", "sample_id"], kind="stable")
    kept = ordered.drop_duplicates("sample_id").sort_values("sample_id", ignore_index=True)
    repeated, total = len(ordered) - len(kept), len(kept)
    if total > _MAX_ROWS:
        order = np.argsort([hash_of(one) for one in kept["sample_id"]], kind="stable")[:_MAX_ROWS]
        kept = kept.iloc[np.sort(order)].reset_index(drop=True)
    kept = _with_labels(kept, log, start, corrupt)
    images, picture_rows, pixels, lost = load_pictures(log.store, kept["image"].tolist() if pictures else [])
    columns = {name.removeprefix(FEATURE): _column(kept[name]) for name in kept if name.startswith(FEATURE)}
    size = len(kept)
    digest = digest_of(
        [log.dataset, start.isoformat(), end.isoformat(), kept["sample_id"].tolist(), kept["label"].tolist()]
    )
    sample = Sample(
        digest, size, columns=columns, images=images, pixels=pixels,
        predictions=_objects(kept["prediction"]) if size and kept["prediction"].notna().any() else None,
        labels=_objects(kept["label"]) if size and kept["label"].notna().any() else None,
        confidence=kept["confidence"].to_numpy(np.float64) if size and kept["confidence"].notna().any() else None,
    )  # fmt: skip
    skewed = int((kept["time"] > kept["logged_at"] + CLOCK_AHEAD).sum())
    late = 0 if judged_at is None else int((kept["logged_at"] > judged_at).sum())
    rows = kept[["sample_id", "time", "model_version", "image", "prediction", "label"]]
    thinned = total if total > _MAX_ROWS else 0
    return LogWindow(
        start, end, sample, rows, picture_rows, tuple(corrupt), repeated, skewed, late, lost, thinned,
        _notes(parts, kept),
    )  # fmt: skip


def first_time(log: PredictionLog) -> datetime | None:
    """Beginning of the first hour that has records; None for an empty log."""
    hours = map(_hour_of, log.blobs.names(f"{log.dataset}/predictions/"))
    return next((hour for hour in hours if hour is not None), None)


def hash_of(sample_id: str) -> str:
    """Orders ids evenly and always in the same way."""
    return digest_of(["prediction log 1", sample_id])


def _hour_of(name: str) -> datetime | None:
    """The hour that a file's place says; None for one that lies at no such place."""
    found = _PLACE.search(name)
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}:00:00+00:00") if found else None
    except ValueError:
        return None


def _prediction_files(log: PredictionLog, start: datetime, end: datetime, odd: list[str]) -> Iterator[str]:
    first, last = start.astimezone(UTC), end.astimezone(UTC)
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < last:
        for name in log.blobs.names(f"{log.dataset}/predictions/date={day:%Y-%m-%d}/"):
            hour = _hour_of(name)
            if hour is None:
                odd.append(name)
            elif hour < last and hour + timedelta(hours=1) > first:
                yield name
        day += timedelta(days=1)


def _read(log: PredictionLog, names: Iterable[str], parts: Callable[[Any], T], corrupt: list[str]) -> list[T]:
    """`parts` of each file; one that it cannot be made of goes to `corrupt` with the reason, and the others count."""
    import pyarrow as pa

    found = []
    for name in names:
        try:
            found.append(parts(read_log_file(log.blobs.read(name) or b"")))
        except DataError as error:
            corrupt.append(OddFile(name, str(error)))
        except (pa.ArrowException, OSError, StoreError, *_ODD) as error:
            corrupt.append(OddFile(name, f"{type(error).__name__}: {error}".splitlines()[0]))
    return found


@dataclass(frozen=True, eq=False)
class _Records:
    """The records of one file, each column of the type that it should have.

    Attributes:
        frame: also `doubtful`: with scores that are no probabilities of the file's classes; `untimed`: without a time.
        unknown: columns that the log does not know.
    """

    frame: pd.DataFrame
    unknown: tuple[str, ...]


def _records(table: Any) -> _Records:
    """The records of one file.

    Raises:
        Exception: a column is missing, stands twice, is of another type, or has no value where there has to be one.
    """
    import pandas as pd

    once(table.column_names)
    absent = [name for name in (*_TEXTS, *_STAMPS, "scores") if name not in table.column_names]
    if absent:
        raise DataError(
            f"column {absent[0]!r}", "none of that name", "the columns of docs/drift.md", "write it as null"
        )
    data: dict[str, Any] = {
        name: pd.Series(
            texts(name, _decoded(table, name).to_pylist(), required=name == "sample_id", blank=True), dtype=object
        )
        for name in _TEXTS
    }
    for name in _STAMPS:
        found = stamps(name, table.column(name), required=name == "logged_at")
        data[name] = pd.Series(found).dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    data["untimed"] = data["time"].isna()
    classes = json.loads((table.schema.metadata or {}).get(b"classes", b"[]"))
    scores = [_confidence(row, len(classes)) for row in _scores(table)]
    data["confidence"] = np.array([math.nan if one is None else one for one in scores], dtype=np.float64)
    data["doubtful"] = [one is None for one in scores]
    for name in table.column_names:
        if name.startswith(FEATURE):
            data[name] = column_of(name, _decoded(table, name))
    unknown = tuple(name for name in table.column_names if name not in data and name != "scores")
    return _Records(pd.DataFrame(data), unknown)


def _decoded(table: Any, name: str) -> Any:
    """A column; text that was written as bytes, as some do, is text where it is UTF-8."""
    import pyarrow as pa

    column = table.column(name)
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        return column
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise DataError(f"column {name!r}", str(error)[:200], "text in UTF-8", "write it as text") from error


def _scores(table: Any) -> list[Any]:
    import pyarrow as pa

    column, is_ = table.column("scores"), pa.types
    lists = is_.is_list(column.type) or is_.is_large_list(column.type) or is_.is_fixed_size_list(column.type)
    if is_.is_null(column.type) or (lists and (is_.is_floating(column.type.value_type))):
        found: list[Any] = column.to_pylist()
        return found
    raise DataError("column 'scores'", str(column.type), "lists of float32", "write one list of probabilities a record")


def _confidence(scores: list[float | None] | None, classes: int) -> float | None:
    """The largest probability; NaN where there are none, None where they are none."""
    if not scores:
        return math.nan
    known = [score for score in scores if score is not None]
    right = len(scores) == len(known) == classes and bool(are_probabilities(np.array(known, dtype=np.float64)))
    return max(known) if right else None


def _joined(parts: list[_Records]) -> pd.DataFrame:
    import pandas as pd

    if not parts:
        stamps_ = {name: pd.Series(dtype="datetime64[us, UTC]") for name in (*_STAMPS, "believed")}
        flags = {name: pd.Series(dtype=bool) for name in ("untimed", "doubtful")}
        return pd.DataFrame(
            {**{name: pd.Series(dtype=object) for name in _TEXTS}, **stamps_, **flags, "confidence": []}
        )
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    frame["time"] = frame["time"].fillna(frame["logged_at"])
    ahead = frame["time"] > frame["logged_at"] + CLOCK_AHEAD
    frame["believed"] = frame["time"].mask(ahead, frame["logged_at"])
    return frame


def _notes(parts: list[_Records], kept: pd.DataFrame) -> tuple[str, ...]:
    """What is odd about records that count all the same, one sentence each."""
    counts = {
        "records have no time; they count when they were logged": int(kept["untimed"].sum()),
        "records have scores that are no probabilities of their file's classes; they count as without confidence": int(
            kept["doubtful"].sum()
        ),
    }
    notes = [f"{count} {text}" for text, count in counts.items() if count]
    kinds: dict[str, set[str]] = {}
    for part in parts:
        for name in part.frame:
            if str(name).startswith(FEATURE) and part.frame[name].notna().any():
                kinds.setdefault(str(name).removeprefix(FEATURE), set()).add(part.frame[name].dtype.kind)
    mixed = sorted(name for name, found in kinds.items() if len(found) > 1)
    unknown = sorted({name for part in parts for name in part.unknown})
    if mixed:
        notes.append(f"columns are numbers in some files and text in others, and are compared as text: {_few(mixed)}")
    if unknown:
        notes.append(
            f"columns that the log does not know are not read (those of a table begin with {FEATURE}): {_few(unknown)}"
        )
    return tuple(notes)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _late_labels(table: Any) -> list[tuple[str, str, datetime]]:
    """(sample id, label, when it was logged) of one file; what has no label is left out."""
    once(table.column_names)
    ids = texts("sample_id", _decoded(table, "sample_id").to_pylist(), required=True, blank=True)
    labels = texts("label", _decoded(table, "label").to_pylist(), blank=True)
    at = stamps("logged_at", table.column("logged_at"), required=True).tolist()
    found = zip(ids, labels, at, strict=True)
    return [(str(one), label, moment.replace(tzinfo=UTC)) for one, label, moment in found if label is not None]


def _with_labels(frame: pd.DataFrame, log: PredictionLog, start: datetime, corrupt: list[str]) -> pd.DataFrame:
    """`frame` with the labels that have arrived since: of several the one that was logged last."""
    import pandas as pd

    wanted = set(frame["sample_id"])
    found: dict[str, tuple[datetime, str]] = {}
    # Labels of a moment are not logged before it, by more than a clock may be ahead.
    since = f"date={start - CLOCK_AHEAD:%Y-%m-%d}"
    everything = log.blobs.names(f"{log.dataset}/labels/")
    names = (name for name in everything if name.split("/")[2] >= since or not name.split("/")[2].startswith("date="))
    for labels in _read(log, names if wanted else (), _late_labels, corrupt):
        for one, label, at in labels:
            if one in wanted and (one not in found or at >= found[one][0]):
                found[one] = (at, label)
    known = [
        found[one][1] if one in found else own for one, own in zip(frame["sample_id"], frame["label"], strict=True)
    ]
    # Of objects, because pandas would make text of it, with NaN for what has not arrived.
    return frame.assign(label=pd.Series(known, index=frame.index, dtype=object))


def _objects(series: pd.Series) -> NDArray[Any]:
    return np.array([None if v is None or v != v else str(v) for v in series.tolist()], dtype=object)  # noqa: PLR0124


def _column(series: pd.Series) -> NDArray[Any]:
    """Numbers where all of them are; a column that holds text in any file is text."""
    if series.dtype.kind == "f":
        return np.asarray(series, dtype=np.float64)
    found = [None if is_missing(value) else number_text(value) for value in series.tolist()]
    return np.array([*found, None], dtype=object)[:-1]
