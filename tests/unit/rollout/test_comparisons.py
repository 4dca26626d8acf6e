"""Comparisons are read as they were written; what another maker wrote is refused, and nothing is half there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment_ops.errors import DataError, InputError, StoreError
from augment_ops.rollout.comparisons import Arm, Comparison, ComparisonLog

AT = datetime(2026, 11, 29, 12, 0, 0, 250_000, tzinfo=UTC)


def arm(*predictions: str, seconds: float = 0.01) -> Arm:
    confidences = np.linspace(0.5, 1, len(predictions), dtype=np.float32)
    return Arm(predictions=predictions, confidences=confidences, seconds=seconds)


FAILED = Arm(predictions=None, confidences=None, seconds=1.0)
SHADOW = Comparison(
    step=0,
    request="r1",
    subject="s1",
    ids=("a", "b"),
    at=AT,
    arm="shadow",
    champion=arm("cat", "dog"),
    challenger=arm("cat", "cat", seconds=0.03),
)
CANARY = replace(SHADOW, step=1, request="r2", ids=("c",), arm="challenger", champion=arm("dog"), challenger=FAILED)


@pytest.fixture
def log(tmp_path: Path) -> ComparisonLog:
    return ComparisonLog(str(tmp_path), "digits", "42")


def test_what_is_written_is_read(log: ComparisonLog, tmp_path: Path) -> None:
    log.write([SHADOW, CANARY])
    log.write([])
    (name,) = log.files()
    assert (tmp_path / "digits" / "rollouts" / "42" / name).is_file()
    rows = log.read(name).to_pylist()
    assert [row["sample_id"] for row in rows] == ["a", "b", "c"]
    assert [row["first"] for row in rows] == [True, False, True]
    assert [row["challenger_prediction"] for row in rows] == ["cat", "cat", None]
    assert [row["champion_confidence"] for row in rows] == [0.5, 1.0, 0.5]
    assert [row["challenger_seconds"] for row in rows] == [0.03, 0.03, 1.0]
    assert {row["time"] for row in rows} == {AT}
    assert (rows[2]["arm"], rows[2]["step"], rows[2]["subject"], rows[2]["request"]) == ("challenger", 1, "s1", "r2")


def test_files_of_another_rollout_are_not_its_own(log: ComparisonLog, tmp_path: Path) -> None:
    other = ComparisonLog(str(tmp_path), "digits", "421")
    other.write([SHADOW])
    assert log.files() == []
    log.write([SHADOW])
    with pytest.raises(DataError, match="nothing of that name"):
        log.read(f"../421/{other.files()[0]}")


def test_files_are_listed_in_the_order_in_which_they_were_written(log: ComparisonLog) -> None:
    for step in range(4):
        log.write([replace(SHADOW, step=step)])
    assert [log.read(name)["step"][0].as_py() for name in log.files()] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"ids": ()}, "no sample"),
        ({"at": AT.replace(tzinfo=None)}, "without a zone"),
        ({"challenger": None}, "no challenger where shadow answered"),
        ({"champion": arm("cat")}, "champion: 1 predictions of 2 samples"),
        ({"challenger": replace(FAILED, confidences=np.zeros(2, np.float32))}, "predictions without confidences"),
        ({"challenger": arm("a", "b", seconds=float("nan"))}, "nan seconds"),
        ({"champion": replace(arm("a", "b"), confidences=np.array([0.5, np.nan], np.float32))}, "no probabilities"),
    ],
)
def test_what_cannot_be_counted_is_not_written(log: ComparisonLog, changed: dict[str, object], found: str) -> None:
    with pytest.raises(DataError, match=found):
        log.write([CANARY, replace(SHADOW, **changed)])
    assert log.files() == []


def test_a_write_that_fails_leaves_nothing(log: ComparisonLog, tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "rollouts").write_text("no folder")
    with pytest.raises(StoreError):
        log.write([SHADOW])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["rollouts"]


def test_a_rollout_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="number of a rollout"):
        ComparisonLog(str(tmp_path), "digits", "../../labels")


def put(column: str, value: object, kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        values = pa.array([value] * table.num_rows, kind or table.schema.field(place).type)
        return table.set_column(place, column, values)

    return changed


@pytest.mark.parametrize(
    ("altered", "found"),
    [
        (put("arm", "both"), "arm has other values"),
        (put("step", -1), "step has values"),
        (put("step", 50), "step has values"),
        (put("step", None), "step has rows without a value"),
        (put("step", 1, pa.float64()), "step is double"),
        (put("champion_confidence", float("nan")), "champion_confidence has values"),
        (put("challenger_seconds", float("inf")), "challenger_seconds has values"),
        (put("challenger_seconds", None), "shadow answered, and challenger_seconds has no value"),
        (put("challenger_prediction", None), "predictions without confidences"),
        (
            lambda table: put("arm", "champion")(put("challenger_seconds", None)(table)),
            "challenger has predictions and no seconds",
        ),
        (lambda table: table.drop_columns(["subject"]), "0 columns called subject"),
        (lambda table: table.append_column("arm", table["arm"]), "2 columns called arm"),
        (lambda table: table.replace_schema_metadata({"format": "2"}), "format '2'"),
        (lambda table: table.replace_schema_metadata(None), "format ''"),
    ],
)
def test_what_another_maker_wrote_is_refused_with_the_reason(
    log: ComparisonLog, tmp_path: Path, altered: Callable[[pa.Table], pa.Table], found: str
) -> None:
    log.write([SHADOW])
    (name,) = log.files()
    path = tmp_path / "digits" / "rollouts" / "42" / name
    pq.write_table(altered(pq.read_table(path)), path)
    with pytest.raises(DataError, match=found):
        log.read(name)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1"])
def test_what_is_no_parquet_is_refused(log: ComparisonLog, tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "digits" / "rollouts" / "42"
    folder.mkdir(parents=True)
    (folder / "x.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"Parquet|Arrow"):
        log.read("x.parquet")


def test_columns_of_a_later_version_are_left_out(log: ComparisonLog, tmp_path: Path) -> None:
    log.write([SHADOW])
    (name,) = log.files()
    path = tmp_path / "digits" / "rollouts" / "42" / name
    table = pq.read_table(path)
    pq.write_table(table.append_column("mood", pa.array(["good"] * 2)), path)
    assert log.read(name).column_names == table.column_names
