"""What a record may hold: taken in one form, or refused with its column, row and value; nothing in between."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_ops.data.store import Store
from augment_ops.errors import DataError, InputError
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.records import feature, is_missing, moments, texts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(str(tmp_path / "log"), "digits", Store(str(tmp_path / "store")))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("1", "1"),
        (1, "1"),
        (1.0, "1"),
        (np.int64(1), "1"),
        (np.float32(1), "1"),
        (np.uint8(1), "1"),
        (Decimal("1.0"), "1"),
        (np.str_("1"), "1"),
        (-3, "-3"),
        (2**70, str(2**70)),
        (True, "True"),
        (np.bool_(False), "False"),
        ("T-shirt", "T-shirt"),
        ("ß", "ß"),
        (" a ", " a "),
        ("a\nb", "a\nb"),
        (UUID(int=1), str(UUID(int=1))),
        (None, None),
        (math.nan, None),
        (np.float64("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
    ],
)
def test_one_name_has_one_form(value: Any, name: str | None) -> None:
    assert texts("prediction", [value]) == [name]


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        math.inf,
        float(2**54),
        Decimal("1.5"),
        Decimal("Infinity"),
        b"cat",
        ["cat"],
        ("cat",),
        {"a": 1},
        {"cat"},
        "",
        "\ud800",
        date(2026, 1, 1),
        ...,
        1j,
        np.array(["cat"]),
    ],
    ids=repr,
)
def test_what_is_no_name_is_refused_with_its_column_and_row(value: Any) -> None:
    with pytest.raises(DataError, match=r"column .prediction., row 1: found .*; expected text, whole numbers"):
        texts("prediction", ["cat", value])


@pytest.mark.parametrize("value", [None, math.nan, pd.NA], ids=str)
def test_an_id_is_required(value: Any) -> None:
    with pytest.raises(DataError, match="column 'sample_id', row 0: found nothing"):
        texts("sample_id", [value], required=True)


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=-11))),
        pd.Timestamp(NOON),
        pd.Timestamp("2026-03-01T13:00:00+01:00"),
        pd.Timestamp("2026-03-01T12:00:00.000000999Z"),
    ],
    ids=str,
)
def test_a_moment_in_any_zone_is_one_in_utc(value: Any) -> None:
    assert moments("time", [value]) == [NOON]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (NOON.replace(tzinfo=None), "2026-03-01T12:00:00, without a time zone"),
        (pd.Timestamp("2026-03-01"), "without a time zone"),
        (None, "nothing"),
        (pd.NaT, "nothing"),
        (math.nan, "nothing"),
        (np.datetime64("NaT"), "nothing"),
        (1_772_366_400, "int 1772366400"),
        (1_772_366_400_000, "int"),
        (1.7e9, "float"),
        ("2026-03-01T12:00:00Z", "str"),
        (np.datetime64("2026-03-01"), "datetime64"),
        (date(2026, 3, 1), "date"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-11))), "9999"),
    ],
    ids=str,
)
def test_what_is_no_moment_is_refused(value: Any, found: str) -> None:
    with pytest.raises(DataError, match=rf"column .time., row 1: found .*{found}"):
        moments("time", [NOON, value])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 3], [1.0, math.nan, 3.0]),
        ([1, pd.NA], [1.0, math.nan]),
        ([1.5, math.nan, math.inf], [1.5, math.nan, math.inf]),
        ([True, None], [1.0, math.nan]),
        ([True, 2], [1.0, 2.0]),
        (np.array([1, 2], np.float16), [1.0, 2.0]),
        (np.array([1, None], object), [1.0, math.nan]),
        ([Decimal("1.5"), None], [1.5, math.nan]),
        ([1, Decimal("1.5")], [1.0, 1.5]),
        ([2**63 - 1], [float(2**63)]),
        (pd.Series([1, None], dtype="Int64"), [1.0, math.nan]),
        ([None, None], [math.nan] * 2),
        ([datetime(1970, 1, 1, 0, 0, 1), None], [1.0, math.nan]),
        ([datetime(1970, 1, 1, 1, tzinfo=timezone(HOUR))], [0.0]),
        ([date(1970, 1, 2), datetime(1970, 1, 1, 0, 0, 1)], [86_400.0, 1.0]),
        (np.array(["1970-01-02"], "M8[D]"), [86_400.0]),
        (np.ma.array([1.0, 2.0], mask=[False, True]), [1.0, math.nan]),
        (np.array([3], "m8[s]"), [3.0]),
        (["x", None, math.nan], ["x", None, None]),
        (["x", 3, 3.0, True], ["x", "3", "3", "1"]),
        (pd.Categorical(["x", None]), ["x", None]),
        (pd.Categorical([2, 1]), [2.0, 1.0]),
        (np.array(["x", "y"]), ["x", "y"]),
        ([], []),
    ],
    ids=repr,
)
def test_a_column_is_numbers_or_text(values: Any, expected: list[Any]) -> None:
    found = feature("f", values)
    assert found.dtype.kind in "fO"
    assert [None if is_missing(v) else v for v in found.tolist()] == [None if is_missing(v) else v for v in expected]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([2**63], "'f'.*9223372036854775808; expected integers of at most 63 bits"),
        ([1, -(2**64)], "row 1"),
        ([2**70, "x"], "row 0"),
        (np.array([1, 2**63], np.uint64), "row 1: found 9223372036854775808"),
        ([[1], [2]], "row 0: found list"),
        ([[1], "x"], "row 0: found list"),
        ([{"a": 1}], "row 0: found dict"),
        ([b"x"], "row 0: found bytes"),
        (np.array([b"x"]), "binary"),
        (np.zeros((2, 2)), r"shape \(2, 2\)"),
        ([1, 1j], "row 1: found complex"),
        ([1, ...], "row 1: found ellipsis"),
        (["x", "\ud800"], "row 1: found str"),
        ([1, {2}], "row 1: found set"),
        ([timedelta(1), 1], "row 0: found timedelta"),
        ([date(2026, 1, 1), 1], "dates beside numbers"),
        ([1, 1.5, "x", date(2026, 1, 1)], "dates beside numbers, text"),
    ],
    ids=repr,
)
def test_what_is_neither_is_refused_with_its_column(values: Any, found: str) -> None:
    with pytest.raises(DataError, match=f"(?s)column 'f'.*{found}" if "'f'" not in found else found):
        feature("f", values)


def write(log: PredictionLog, ids: list[Any], **more: Any) -> None:
    log.write(ids, [NOON] * len(ids), **{"model_version": "3", "logged_at": NOON, **more})


def test_services_that_write_numbers_and_those_that_write_text_agree(log: PredictionLog) -> None:
    write(log, [1, 2.0], predictions=np.array([7, 1]), labels=[7.0, None], model_version=3)
    write(log, ["3"], predictions=["7"], labels=["7"])
    log.label({2: np.int64(1), "3": 9.0}, logged_at=NOON)
    window = read_window(log, NOON, NOON + HOUR)
    assert window.rows["sample_id"].tolist() == ["1", "2", "3"]
    assert window.rows["prediction"].tolist() == ["7", "1", "7"]
    assert window.rows["label"].tolist() == ["7", "1", "9"]
    assert set(window.rows["model_version"]) == {"3"}


SCORES = np.array([[0.5, 0.5]])
BATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "scores without classes": ({"scores": SCORES}, "'scores': found 2 a record for 0 classes"),
    "other classes": ({"scores": SCORES, "classes": ["a"]}, "2 a record for 1 classes"),
    "a NaN among scores": ({"scores": [[0.5, math.nan]], "classes": ["a", "b"]}, "'scores', row 0"),
    "infinite": ({"scores": [[math.inf, 0]], "classes": ["a", "b"]}, "'scores', row 0"),
    "logits": ({"scores": [[7.5, -2]], "classes": ["a", "b"]}, "'scores', row 0"),
    "ragged": ({"scores": [[0.5]], "classes": ["a", "b"]}, "1 a record for 2 classes"),
    "text": ({"scores": [["much", "little"]], "classes": ["a", "b"]}, "'scores'"),
    "a class twice": ({"scores": SCORES, "classes": ["a", "a"]}, "column 'a': found 2 columns"),
    "float pictures": ({"samples": np.zeros((1, 8, 8, 1))}, "'samples': found float64"),
    "a picture without channels": ({"samples": np.zeros((1, 8, 8), np.uint8)}, "'samples': found uint8 of shape"),
    "list cells": ({"features": {"amount": [[1, 2]]}}, "'amount'"),
    "a number as a name": ({"features": {7: [1]}}, "a column called 7"),
    "no version": ({"model_version": None}, "'model_version'"),
    "naive": ({"logged_at": NOON.replace(tzinfo=None)}, "'logged_at'.*without a time zone"),
    "no id": ({"ids": [None]}, "'sample_id', row 0"),
}


@pytest.mark.parametrize(("batch", "found"), BATCHES.values(), ids=BATCHES.keys())
def test_a_batch_with_a_fault_is_refused_whole(log: PredictionLog, batch: dict[str, Any], found: str) -> None:
    with pytest.raises(DataError, match=found):
        write(log, **{"ids": ["x"], **batch})
    assert log.blobs.names("") == []


def test_all_faults_of_a_batch_are_said_at_once(log: PredictionLog) -> None:
    with pytest.raises(DataError) as refused:
        write(log, [None], predictions=[1.5], labels=[b"x"], features={"a": [[1]], "b": [2**64], "c": [1]})
    assert [fault.where.split(",")[0] for fault in refused.value.faults] == [
        f"column '{name}'" for name in ("sample_id", "prediction", "label", "a", "b")
    ]


def test_a_record_without_scores_is_one_without_confidence(log: PredictionLog) -> None:
    scores = np.array([[0.9, 0.1], [math.nan, math.nan]])
    write(log, ["a", "b"], scores=scores, classes=[0, 1])
    window = read_window(log, NOON, NOON + HOUR)
    assert window.sample.confidence is not None
    assert window.sample.confidence.tolist() == pytest.approx([0.9, math.nan], nan_ok=True)
    assert window.faults == ()


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({1: "cat", "1": "dog"}, "1 samples with two labels"),
        ({"a": None}, "'label', row 0: found nothing"),
        ({None: "x"}, "'sample_id'"),
    ],
)
def test_labels_with_a_fault_are_refused(log: PredictionLog, labels: dict[Any, Any], found: str) -> None:
    with pytest.raises(DataError, match=found):
        log.label(labels)
    assert log.blobs.names("") == []


@pytest.mark.parametrize("name", ["../digits", "/etc", "a/b", "", "Digits", "x" * 101])
def test_a_log_has_the_name_of_a_data_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"prediction log: found .* expected kebab-case"):
        PredictionLog(str(tmp_path / "log"), name)


_VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(),
    st.binary(max_size=4),
    st.decimals(),
    st.dates(),
    st.datetimes(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


@given(st.lists(_VALUES, min_size=1, max_size=4))
def test_whatever_comes_is_taken_in_one_form_or_refused(values: list[Any]) -> None:
    for take in (lambda: texts("c", values), lambda: feature("c", values).tolist()):
        try:
            found = take()
        except DataError as refused:
            assert "'c'" in str(refused)
            continue
        assert len(found) == len(values)
        assert all(is_missing(one) or isinstance(one, (str, float)) for one in found)
        # What is there stays there; nothing that is missing gets a value.
        assert [is_missing(one) for one in found] == [is_missing(one) for one in values]
