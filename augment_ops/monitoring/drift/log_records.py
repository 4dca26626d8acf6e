"""Files of the prediction log as records, each column of its own type; odd files are named with the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from augment_ops.errors import DataError, StoreError
from augment_ops.monitoring.drift.log_files import read_log_file
from augment_ops.monitoring.drift.prediction_log import CLOCK_AHEAD, FEATURE, PredictionLog
from augment_ops.monitoring.drift.records import are_probabilities, column_of, once, stamps, texts
from augment_ops.shown import plain

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3  # of what is odd, by name
_TEXTS = ("sample_id", "model_version", "prediction", "image", "label")
_STAMPS = ("time", "logged_at")
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


def why_odd(name: str) -> str:
    """The reason why a file is odd, in a few words."""
    return name.why if isinstance(name, OddFile) else "it lies below no date=YYYY-MM-DD/hour=HH/"


def read_parts(log: PredictionLog, names: Iterable[str], parts: Callable[[Any], T], corrupt: list[str]) -> list[T]:
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
class Records:
    """The records of one file, each column of the type that it should have.

    Attributes:
        frame: also `doubtful`: with scores that are no probabilities of the file's classes; `untimed`: without a time.
        unknown: columns that the log does not know.
    """

    frame: pd.DataFrame
    unknown: tuple[str, ...]


def records_of(table: Any) -> Records:
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
    return Records(pd.DataFrame(data), unknown)


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


def joined(parts: list[Records]) -> pd.DataFrame:
    """The records of all files, with `believed`: when each counts."""
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


def notes(parts: list[Records], kept: pd.DataFrame) -> tuple[str, ...]:
    """What is odd about records that count all the same, one sentence each."""
    counts = {
        "records have no time; they count when they were logged": int(kept["untimed"].sum()),
        "records have scores that are no probabilities of their file's classes; they count as without confidence": int(
            kept["doubtful"].sum()
        ),
    }
    found = [f"{count} {text}" for text, count in counts.items() if count]
    kinds: dict[str, set[str]] = {}
    for part in parts:
        for name in part.frame:
            if str(name).startswith(FEATURE) and part.frame[name].notna().any():
                kinds.setdefault(str(name).removeprefix(FEATURE), set()).add(part.frame[name].dtype.kind)
    mixed = sorted(name for name, found in kinds.items() if len(found) > 1)
    unknown = sorted({name for part in parts for name in part.unknown})
    if mixed:
        found.append(f"columns are numbers in some files and text in others, and are compared as text: {_few(mixed)}")
    if unknown:
        found.append(
            f"columns that the log does not know are not read (those of a table begin with {FEATURE}): {_few(unknown)}"
        )
    return tuple(found)


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def late_labels(table: Any) -> list[tuple[str, str, datetime]]:
    """(sample id, label, when it was logged) of one file; what has no label is left out."""
    once(table.column_names)
    ids = texts("sample_id", _decoded(table, "sample_id").to_pylist(), required=True, blank=True)
    labels = texts("label", _decoded(table, "label").to_pylist(), blank=True)
    at = stamps("logged_at", table.column("logged_at"), required=True).tolist()
    found = zip(ids, labels, at, strict=True)
    return [(str(one), label, moment.replace(tzinfo=UTC)) for one, label, moment in found if label is not None]
