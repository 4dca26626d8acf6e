"""Labelled production data of the last days, as what the next snapshot adds to the present one."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from augment_ops.data.snapshot import Snapshot
from augment_ops.data.sources.snapshot import LABELLED_COLUMNS
from augment_ops.data.store import Store
from augment_ops.modalities import modality
from augment_ops.modalities.base import Payload
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog


@dataclass(frozen=True, kw_only=True)
class LabelledSamples:
    """What was gathered.

    Attributes:
        digest: of the Parquet object, empty where nothing was gathered.
        samples: how many; known: those that the snapshot has already; unlabelled: whose label has not arrived;
            foreign: with a class that the champion does not know; lost: whose sample was not kept, or of another shape.
        shown: what one of them is called where it is looked at.
    """

    digest: str
    samples: int
    known: int
    unlabelled: int
    foreign: int
    lost: int
    shown: str

    @property
    def message(self) -> str:
        """What was gathered and what was not, for a person."""
        left = {
            "in the snapshot already": self.known,
            "without a label": self.unlabelled,
            "of unknown classes": self.foreign,
            f"without a usable {self.shown}": self.lost,
        }
        out = ", ".join(f"{count} {why}" for why, count in left.items() if count)
        return f"{self.samples} labelled production samples" + (f" (left out: {out})" if out else "")


def gather(log: PredictionLog, store: Store, base: Snapshot, end: datetime, days: float) -> LabelledSamples:
    """Gather the labelled samples of the log from `days` before `end` to `end`.

    A sample that the base has already, bit for bit, is left out: it may be in another of its splits, and one of
    several equal ones is enough. Near copies are found by the same checks that every snapshot passes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    window = read_window(log, end - timedelta(days=days), end)
    seen = set(base.index[base.codec.content])
    classes = set(base.manifest.classes)
    payload = window.sample.payload
    counts = {"known": 0, "unlabelled": 0, "foreign": 0, "lost": 0}
    columns: dict[str, list[Any]] = {name: [] for name in LABELLED_COLUMNS}
    place = {int(row): number for number, row in enumerate(window.payload_rows)}
    for row, record in enumerate(window.rows.to_dict("records")):
        number = place.get(row)
        if record["label"] is None:
            counts["unlabelled"] += 1
        elif record["label"] not in classes:
            counts["foreign"] += 1
        elif payload is None or number is None:
            counts["lost"] += 1
        elif (content := _digest_of(payload, number)) in seen:
            counts["known"] += 1
        else:
            seen.add(content)
            values = (f"production/{record['sample_id']}", record["label"], record["time"].timestamp(), record["image"])
            for name, value in zip(LABELLED_COLUMNS, values, strict=True):
                columns[name].append(value)
    samples, shown = len(columns["sample_id"]), modality(base.manifest.modality).shown_as.removesuffix("s")
    if not samples:
        return LabelledSamples(digest="", samples=0, **counts, shown=shown)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return LabelledSamples(digest=store.put(buffer.getvalue()), samples=samples, **counts, shown=shown)


def _digest_of(payload: Payload, number: int) -> str:
    return hashlib.sha256(payload.take(np.array([number])).tobytes()).hexdigest()
