"""A stretch of the prediction log as a sample: cut by time, labels joined, and everything odd counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import digest_of
from augment_ops.modalities import modality
from augment_ops.monitoring.drift.log_hours import HOUR, days_of, hour_of, names_of
from augment_ops.monitoring.drift.log_records import SHOWN, joined, late_labels, notes, read_parts, records_of, why_odd
from augment_ops.monitoring.drift.logged_samples import load_samples
from augment_ops.monitoring.drift.prediction_log import CLOCK_AHEAD, CLOCKS_APART, FEATURE, PredictionLog
from augment_ops.monitoring.drift.records import is_missing, number_text
from augment_ops.monitoring.drift.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

_MAX_ROWS = 200_000  # more are thinned evenly by id: 200,000 show a PSI of 0.001, and fit into memory with 100 columns
# A sample is tried again within this: a service repeats for minutes, and files of the log are of an hour each.
RETRIED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class LogWindow:
    """What the log holds from `start` to `end` (excluded).

    Attributes:
        sample: its records; samples of another shape than most are left out of `payload` and counted in `sizes`.
        rows: one row a record, in the order of `sample`: sample_id, time, logged_at, model_version, image, prediction,
            label.
        payload_rows: int64 (M,), which rows `sample.payload` belongs to.
        corrupt: files that could not be read, with the reason where it lies in them (`OddFile`).
        repeated: records whose id was logged before, in this window or just beside it; skewed: with a time in the
            future; late: logged after `judged_at`; late_names: some of them, with how late they are.
        elsewhere: records with a time in this window that count before it, when they were logged.
        lost_samples: references that lead nowhere.
        notes: what is odd about records that count all the same.
    """

    start: datetime
    end: datetime
    sample: Sample
    rows: pd.DataFrame
    payload_rows: NDArray[np.int64]
    corrupt: tuple[str, ...]
    repeated: int
    skewed: int
    late: int
    late_names: str
    elsewhere: int
    lost_samples: int
    thinned_from: int
    notes: tuple[str, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether the window cannot be judged for reasons that lie in the log and not in production."""
        return bool(self.corrupt) or self.silent or self.lost_samples > 0

    @property
    def silent(self) -> bool:
        """Whether nothing was logged of this time. Records that count elsewhere show that the service was up."""
        return not (self.sample.size or self.corrupt or self.elsewhere)

    @property
    def labelled(self) -> int:
        """Records whose label has arrived."""
        return int(self.rows["label"].notna().sum())

    @property
    def faults(self) -> tuple[str, ...]:
        """What is odd, one sentence each."""
        found = []
        if self.elsewhere and not self.sample.size:
            found.append(
                f"no record counts in this window: {self.elsewhere} have a time in it and were logged before it, when "
                "they count; the clocks of service and log differ"
            )
        elif not self.sample.size:
            time = f"from {self.start:%Y-%m-%dT%H:%M} to {self.end:%Y-%m-%dT%H:%M} (UTC)"
            found.append(f"no record at all {time}: is the service, or its log, down?")
        if self.corrupt:
            shown = "; ".join(f"{name} ({why_odd(name)})" for name in self.corrupt[:SHOWN])
            found.append(f"{len(self.corrupt)} files of the log cannot be read, their records are missing: {shown}")
        counts = {
            "records repeat an id that was logged before; the first one counts": self.repeated,
            "records have a time in the future; they count when they were logged": self.skewed,
            f"records came after the time to judge the window ({self.late_names}); they stay in the log": self.late,
            f"{self.sample.kind.shown_as} are not in the store": self.lost_samples,
        }
        found += [f"{count} {text}" for text, count in counts.items() if count]
        found += self.notes
        if self.thinned_from:
            found.append(f"thinned evenly from {self.thinned_from} records")
        return tuple(found)


def read_window(
    log: PredictionLog,
    start: datetime,
    end: datetime,
    judged_at: datetime | None = None,
    *,
    samples: bool = True,
    ids: Collection[str] | None = None,
) -> LogWindow:
    """Read the records whose time lies in [start, end).

    Args:
        judged_at: what was logged later is counted as late; None counts nothing.
        samples: whether the samples themselves are found, and not their records alone.
        ids: of the records that are wanted, all of which are read; by default all are, thinned where they are many.
    """
    name = log.modality
    corrupt: list[str] = []
    names = list(_prediction_files(log, start, end, corrupt))
    parts = read_parts(log, names, records_of, corrupt)
    frame = joined(parts)
    if ids is not None:
        frame = frame[frame["sample_id"].isin(ids)]
    inside = (frame["believed"] >= start) & (frame["believed"] < end)
    beside = _beside(log, start, end, names, frame[~inside])
    elsewhere = int(((beside["time"] >= start) & (beside["time"] < end) & (beside["believed"] < start)).sum())
    kept, repeated = _once(frame[inside], beside)
    total = len(kept)
    thins = ids is None and total > _MAX_ROWS
    if thins:
        order = np.argsort([hash_of(one) for one in kept["sample_id"]], kind="stable")[:_MAX_ROWS]
        kept = kept.iloc[np.sort(order)].reset_index(drop=True)
    kept = _with_labels(kept, log, start, corrupt)
    payload, rows_of, sizes, lost = load_samples(log.store, kept["image"].tolist() if samples else [], modality(name))
    columns = {name.removeprefix(FEATURE): _column(kept[name]) for name in kept if name.startswith(FEATURE)}
    size = len(kept)
    digest = digest_of(
        [log.dataset, start.isoformat(), end.isoformat(), kept["sample_id"].tolist(), kept["label"].tolist()]
    )
    sample = Sample(
        digest=digest,
        size=size,
        columns=columns,
        payload=payload,
        sizes=sizes,
        predictions=_objects(kept["prediction"]) if size and kept["prediction"].notna().any() else None,
        labels=_objects(kept["label"]) if size and kept["label"].notna().any() else None,
        confidence=kept["confidence"].to_numpy(np.float64) if size and kept["confidence"].notna().any() else None,
        modality=name,
    )
    skewed = int((kept["time"] > kept["logged_at"] + CLOCK_AHEAD).sum())
    late = kept[kept["logged_at"] > judged_at] if judged_at is not None else kept[:0]
    rows = kept[["sample_id", "time", "logged_at", "model_version", "image", "prediction", "label"]]
    return LogWindow(
        start=start,
        end=end,
        sample=sample,
        rows=rows,
        payload_rows=rows_of,
        corrupt=tuple(corrupt),
        repeated=repeated,
        skewed=skewed,
        late=len(late),
        late_names=_late_names(late),
        elsewhere=elsewhere,
        lost_samples=lost,
        thinned_from=total if thins else 0,
        notes=notes(parts, kept),
    )


def _beside(log: PredictionLog, start: datetime, end: datetime, own: list[str], outside: pd.DataFrame) -> pd.DataFrame:
    """Ids and times just before and after the window; files that cannot be read are named where they belong."""
    import pandas as pd

    wider = _prediction_files(log, start - RETRIED_WITHIN, end + RETRIED_WITHIN, [])
    frame = joined(read_parts(log, (name for name in wider if name not in set(own)), records_of, []))
    found = pd.concat([part[["sample_id", "time", "logged_at", "believed"]] for part in (frame, outside)])
    near = (found["believed"] >= start - RETRIED_WITHIN) & (found["believed"] <= end + RETRIED_WITHIN)
    return found[near & ((found["believed"] < start) | (found["believed"] >= end))]


def _once(inside: pd.DataFrame, beside: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The records of a window by id, each once: the one that was logged first counts, in whichever window it lies."""
    order = ["logged_at", "believed"]
    ordered = inside.sort_values([*order, "sample_id"], kind="stable")
    kept = ordered.drop_duplicates("sample_id")
    duplicates = beside[beside["sample_id"].isin(kept["sample_id"])].sort_values(order).drop_duplicates("sample_id")
    if len(duplicates):
        both = kept[["sample_id", *order]].merge(
            duplicates[["sample_id", *order]], on="sample_id", suffixes=("", "_beside")
        )
        first = (both["logged_at_beside"] < both["logged_at"]) | (
            (both["logged_at_beside"] == both["logged_at"]) & (both["believed_beside"] < both["believed"])
        )
        kept = kept[~kept["sample_id"].isin(both.loc[first, "sample_id"])]
    return kept.sort_values("sample_id", ignore_index=True), len(ordered) - len(kept)


def _late_names(late: pd.DataFrame) -> str:
    if late.empty:
        return ""
    after = (late["logged_at"] - late["time"]).max()
    names = ", ".join(late["sample_id"][:SHOWN]) + (", …" if len(late) > SHOWN else "")
    hours = after / HOUR
    return f"{names}: up to {hours / 24:,.0f} days late" if hours >= 48 else f"{names}: up to {hours:.1f} hours late"


def hash_of(sample_id: str) -> str:
    """Orders ids evenly and always in the same way."""
    return digest_of(["prediction log 1", sample_id])


def _prediction_files(log: PredictionLog, start: datetime, end: datetime, odd: list[str]) -> Iterator[str]:
    first, last = start.astimezone(UTC), end.astimezone(UTC)
    # Of the days that there are: from a clock that was reset to 1970 to the next record lie 20,000 that are not.
    for day in days_of(log):
        if first.date() <= day and datetime(day.year, day.month, day.day, tzinfo=UTC) < last:
            for name in names_of(log, day):
                hour = hour_of(name)
                if hour is None:
                    odd.append(name)
                elif hour < last and hour + HOUR > first:
                    yield name


def _with_labels(frame: pd.DataFrame, log: PredictionLog, start: datetime, corrupt: list[str]) -> pd.DataFrame:
    """`frame` with the labels that have arrived since: of several the one that was logged last."""
    import pandas as pd

    wanted = set(frame["sample_id"])
    found: dict[str, tuple[datetime, str]] = {}
    # Labels of a moment are not logged before it, but for clocks.
    since = f"date={start - CLOCKS_APART:%Y-%m-%d}"
    everything = log.blobs.names(f"{log.dataset}/labels/")
    names = (name for name in everything if name.split("/")[2] >= since or not name.split("/")[2].startswith("date="))
    for labels in read_parts(log, names if wanted else (), late_labels, corrupt):
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
