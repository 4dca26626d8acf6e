"""Files that another service wrote to the prediction log: read in one form, or set aside with the reason."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment_ops.data.store import Store
from augment_ops.monitoring.drift.log_reader import LogWindow, read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
UTC_US = pa.timestamp("us", tz="UTC")
PLACE = "digits/predictions/date=2026-03-01/hour=12"
RECORD: dict[str, Any] = {
    "sample_id": ["x"],
    "time": pa.array([NOON], UTC_US),
    "logged_at": pa.array([NOON], UTC_US),
    "model_version": ["3"],
    "prediction": ["cat"],
    "scores": pa.array([[0.5, 0.5]], pa.list_(pa.float32())),
    "image": pa.array([None], pa.string()),
    "label": ["cat"],
}


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(str(tmp_path / "log"), "digits", Store(str(tmp_path / "store")))


def put(log: PredictionLog, table: pa.Table, name: str = f"{PLACE}/other.parquet") -> str:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    log.blobs.write(name, buffer.getvalue())
    return name


def other(classes: str = '["cat", "dog"]', **columns: Any) -> pa.Table:
    return pa.table({**RECORD, **columns}).replace_schema_metadata({"classes": classes})


def read(log: PredictionLog) -> LogWindow:
    return read_window(log, NOON, NOON + HOUR)


TEXT_AS: dict[str, Any] = {
    "whole numbers": pa.array([1]),
    "doubles": pa.array([1.0]),
    "decimals": pa.array([Decimal("1.0")]),
    "a dictionary": pa.array(["1"]).dictionary_encode(),
    "a dictionary of numbers": pa.array([1]).dictionary_encode(),
    "large text": pa.array(["1"], pa.large_string()),
    "bytes of UTF-8": pa.array([b"1"]),
    "uint64": pa.array([1], pa.uint64()),
}


@pytest.mark.parametrize("column", ["sample_id", "prediction", "label", "model_version"])
@pytest.mark.parametrize("values", TEXT_AS.values(), ids=TEXT_AS.keys())
def test_names_are_read_in_one_form(log: PredictionLog, column: str, values: pa.Array) -> None:
    put(log, other(**{column: values}))
    window = read(log)
    assert (window.corrupt, window.faults) == ((), ())
    assert window.rows[column].tolist() == ["1"]


TIMES: dict[str, Any] = {
    "another zone": pa.array([NOON], pa.timestamp("us", tz="Asia/Tokyo")),
    "seconds": pa.array([NOON], pa.timestamp("s", tz="UTC")),
    "nanoseconds": pa.array([int(NOON.timestamp()) * 10**9 + 1], pa.timestamp("ns", tz="UTC")),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES.keys())
def test_moments_are_read_in_one_form(log: PredictionLog, times: pa.Array) -> None:
    put(log, other(time=times))
    assert read(log).rows["time"].tolist() == [NOON]


def test_a_record_without_a_time_counts_when_it_was_logged_and_it_is_said(log: PredictionLog) -> None:
    for number, times in enumerate((pa.array([None], UTC_US), pa.nulls(1))):
        put(log, other(sample_id=[str(number)], time=times), f"{PLACE}/{number}.parquet")
    window = read(log)
    assert window.rows["time"].tolist() == [NOON, NOON]
    assert not window.blind
    assert window.faults == ("2 records have no time; they count when they were logged",)


FEATURES: dict[str, tuple[pa.Array, Any]] = {
    "int64": (pa.array([3]), 3.0),
    "truth": (pa.array([True]), 1.0),
    "decimal": (pa.array([Decimal("1.5")]), 1.5),
    "float16": (pa.array([1.5], pa.float16()), 1.5),
    "a date": (pa.array([86_400], pa.timestamp("s")).cast(pa.date32()), 86_400.0),
    "a moment": (pa.array([1], pa.timestamp("s", tz="UTC")), 1.0),
    "a dictionary": (pa.array(["x"]).dictionary_encode(), "x"),
    "2**53 + 1": (pa.array([2**53 + 1]), 2.0**53),
    "nothing": (pa.nulls(1), None),
    "null": (pa.array([None], pa.int64()), None),
    "infinite": (pa.array([math.inf]), math.inf),
    "bytes of UTF-8": (pa.array([b"x"]), "x"),
}


@pytest.mark.parametrize(("values", "expected"), FEATURES.values(), ids=FEATURES.keys())
def test_columns_of_a_table_are_numbers_or_text(log: PredictionLog, values: pa.Array, expected: Any) -> None:
    put(log, other(**{"feature.f": values}))
    (found,) = read(log).sample.columns["f"].tolist()
    assert (found is None or found != found) if expected is None else found == expected  # noqa: PLR0124


def twice(name: str) -> pa.Table:
    table = other(**{"feature.f": [1.0]})
    return table.append_column(name, table.column(name))


ODD: dict[str, tuple[pa.Table, str]] = {
    "naive times": (
        other(time=pa.array([NOON.replace(tzinfo=None)])),
        "'time': found timestamp[us], without a time zone",
    ),
    "milliseconds": (other(time=[1_772_366_400_000]), "'time': found int64, such as int 1772366400000"),
    "text for a time": (other(time=["2026-03-01T12:00:00Z"]), "'time': found string"),
    "a day": (other(time=pa.array([NOON.date()])), "'time': found date32"),
    "a year beyond": (other(time=pa.array([2**62], pa.timestamp("ms", tz="UTC"))), "'time': found"),
    "never logged": (other(logged_at=pa.array([None], UTC_US)), "'logged_at', row 0: found nothing"),
    "no id": (other(sample_id=pa.array([None], pa.string())), "'sample_id', row 0: found nothing"),
    "half a class": (other(prediction=[1.5]), "'prediction', row 0: found float 1.5"),
    "lists for names": (other(label=[["cat"]]), "'label', row 0: found list ['cat']"),
    "structures for names": (other(label=[{"a": 1}]), "'label', row 0: found dict"),
    "bytes that are no text": (other(label=[b"\xff"]), "'label': found"),
    "no label": (other().drop_columns(["label"]), "'label': found none of that name"),
    "scores of text": (other(scores=[["0.5"]]), "'scores': found list<"),
    "a number for scores": (other(scores=[0.5]), "'scores': found double"),
    "list cells": (other(**{"feature.f": [[1]]}), "'feature.f': found list<"),
    "structures": (other(**{"feature.f": [{"a": 1}]}), "'feature.f': found struct<"),
    "beyond 63 bits": (
        other(**{"feature.f": pa.array([2**63], pa.uint64())}),
        "'feature.f', row 0: found 9223372036854775808",
    ),
    "bytes": (other(**{"feature.f": [b"\xff"]}), "'feature.f': found"),
    "a time of day": (other(**{"feature.f": pa.array([1], pa.time32("s"))}), "'feature.f': found time32"),
    "a column twice": (twice("feature.f"), "'feature.f': found 2 columns of that name"),
    "labels twice": (twice("label"), "'label': found 2 columns of that name"),
    "classes that are no JSON": (other("[cat"), "JSONDecodeError"),
}


@pytest.mark.parametrize(("table", "why"), ODD.values(), ids=ODD.keys())
def test_an_odd_file_is_set_aside_with_the_reason_and_the_others_count(
    log: PredictionLog, table: pa.Table, why: str
) -> None:
    log.write(["a"], [NOON], model_version="3", logged_at=NOON)
    name = put(log, table)
    window = read(log)
    assert window.rows["sample_id"].tolist() == ["a"]
    assert (window.corrupt, window.blind) == ((name,), True)
    assert f"{name} (" in window.faults[0]
    assert why in window.faults[0]


SCORES: dict[str, Any] = {
    "too few": [[0.5]],
    "NaN": [[math.nan, 0.5]],
    "infinite": [[math.inf, 0.0]],
    "logits": [[7.0, -2.0]],
    "a gap": [[None, 0.5]],
}


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES.keys())
def test_scores_that_are_no_probabilities_are_no_confidence_and_it_is_said(log: PredictionLog, scores: Any) -> None:
    put(log, other(scores=pa.array(scores, pa.list_(pa.float64()))))
    window = read(log)
    assert window.sample.confidence is None
    assert len(window.faults) == 1
    assert window.faults[0].startswith("1 records have scores that are no probabilities")


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 2), pa.large_list(pa.float32())], ids=str
)
def test_scores_may_be_lists_of_any_kind(log: PredictionLog, kind: pa.DataType) -> None:
    put(log, other(scores=pa.array([[0.25, 0.75]], kind)))
    window = read(log)
    assert window.sample.confidence is not None
    assert (window.sample.confidence.tolist(), window.faults) == ([0.75], ())


def test_what_the_log_does_not_know_and_columns_of_two_kinds_are_said(log: PredictionLog) -> None:
    put(log, other(**{"feature.code": [3], "amount": [1.0]}))
    put(log, other(**{"sample_id": ["y"], "feature.code": ["three"]}), f"{PLACE}/second.parquet")
    window = read(log)
    assert window.sample.columns["code"].tolist() == ["3", "three"]
    assert not window.blind
    assert [fault.rpartition(": ")[2] for fault in window.faults] == ["code", "amount"]


@pytest.mark.parametrize("folder", ["date=2026-03-02/", "2026-03-02/", ""])
def test_labels_lie_below_a_date_or_not(log: PredictionLog, folder: str) -> None:
    put(log, other())
    labels = pa.table({"sample_id": ["x"], "label": [7], "logged_at": pa.array([NOON + HOUR], UTC_US)})
    put(log, labels, f"digits/labels/{folder}a.parquet")
    assert read(log).rows["label"].tolist() == ["7"]


def test_naive_labels_are_set_aside(log: PredictionLog) -> None:
    put(log, other())
    naive = pa.table({"sample_id": ["x"], "label": ["dog"], "logged_at": pa.array([NOON.replace(tzinfo=None)])})
    put(log, naive, "digits/labels/date=2026-03-02/a.parquet")
    window = read(log)
    assert window.rows["label"].tolist() == ["cat"]
    assert "'logged_at': found timestamp[us], without a time zone" in window.faults[0]


def test_what_earlier_versions_took_is_still_read(log: PredictionLog) -> None:
    """They refused no text of no characters; a table that no model answers has such a version still."""
    log.write(["a"], [NOON], model_version="", logged_at=NOON)
    put(log, other(sample_id=[""], prediction=[""], label=[""], model_version=[""]))
    window = read(log)
    assert (window.faults, window.rows["sample_id"].tolist()) == ((), ["", "a"])
    assert window.rows["prediction"].tolist() == ["", None]
