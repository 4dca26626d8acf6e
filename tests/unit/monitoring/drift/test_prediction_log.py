"""The prediction log: what is written is read once, whole, in the window it belongs to, whatever happens beside it."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment_ops.data.store import Store
from augment_ops.errors import DataError, InputError
from augment_ops.monitoring.drift.log_hours import LogHours
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog, datasets

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(str(tmp_path / "log"), "digits", Store(str(tmp_path / "store")))


def write(log: PredictionLog, ids: list[str], at: datetime = NOON, **more) -> list[str]:
    more = {"logged_at": at, **more}
    return log.write(ids, [at] * len(ids), model_version="3", **more)


def test_what_is_written_is_read_back(log: PredictionLog) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    features = {"amount": [1.5, np.nan, np.inf], "kind": ["x", None, "y"]}
    write(
        log,
        ["c", "a", "b"],
        predictions=["cat", "dog", None],
        scores=scores,
        classes=["cat", "dog"],
        samples=images,
        features=features,
        labels=["cat", None, None],
    )
    window = read_window(log, NOON, NOON + HOUR)
    sample = window.sample
    assert window.rows["sample_id"].tolist() == ["a", "b", "c"]
    assert sample.predictions is not None and sample.predictions.tolist() == ["dog", None, "cat"]
    assert sample.confidence is not None and sample.confidence.tolist() == pytest.approx([0.8, 0.5, 0.9])
    assert sample.labels is not None and sample.labels.tolist() == [None, None, "cat"]
    assert sample.payload is not None and (sample.payload.take(np.arange(3)) == images[[1, 2, 0]]).all()
    assert np.isnan(sample.columns["amount"][0]) and sample.columns["amount"].tolist()[1:] == [np.inf, 1.5]
    assert sample.columns["kind"].tolist() == [None, "y", "x"]
    assert (window.faults, window.blind) == ((), False)


def test_windows_are_cut_by_time_to_the_microsecond(log: PredictionLog) -> None:
    for name, at in (("before", NOON - timedelta(microseconds=1)), ("first", NOON), ("last", NOON + HOUR)):
        write(log, [name], at)
    assert read_window(log, NOON, NOON + HOUR).rows["sample_id"].tolist() == ["first"]
    assert read_window(log, NOON - HOUR, NOON + 2 * HOUR).sample.size == 3
    half = read_window(log, NOON - timedelta(minutes=30), NOON + timedelta(minutes=30))
    assert half.rows["sample_id"].tolist() == ["before", "first"]
    assert LogHours(log).first() == NOON - HOUR


def test_times_in_another_zone_are_the_same_moments(log: PredictionLog) -> None:
    from datetime import timezone

    there = NOON.astimezone(timezone(timedelta(hours=-11)))
    write(log, ["a"], there)
    assert read_window(log, NOON, NOON + HOUR).sample.size == 1


def test_labels_that_come_late_are_joined_and_the_last_one_counts(log: PredictionLog) -> None:
    write(log, ["a", "b", "c"], labels=["cat", None, None])
    log.label({"a": "dog", "b": "cat", "unknown": "dog"}, logged_at=NOON + DAY)
    log.label({"b": "dog"}, logged_at=NOON + 40 * DAY)
    log.label({"b": "cow"}, logged_at=NOON + 20 * DAY)
    labels = read_window(log, NOON, NOON + HOUR).sample.labels
    assert labels is not None and labels.tolist() == ["dog", "dog", None]
    assert read_window(log, NOON, NOON + HOUR).rows["label"].tolist() == ["dog", "dog", None]


def test_a_label_changes_the_digest_of_the_window(log: PredictionLog) -> None:
    write(log, ["a"])
    before = read_window(log, NOON, NOON + HOUR).sample.digest
    assert read_window(log, NOON, NOON + HOUR).sample.digest == before
    log.label({"a": "cat"}, logged_at=NOON)
    assert read_window(log, NOON, NOON + HOUR).sample.digest != before


def test_repeated_ids_count_once_the_first_that_was_logged(log: PredictionLog) -> None:
    write(log, ["a", "b"], predictions=["second", "x"], logged_at=NOON + HOUR)
    write(log, ["a"], predictions=["first"], logged_at=NOON)
    window = read_window(log, NOON, NOON + HOUR)
    assert window.sample.predictions is not None and window.sample.predictions.tolist() == ["first", "x"]
    assert window.repeated == 1
    assert any("repeat" in fault for fault in window.faults)


@pytest.mark.parametrize("first", ["before", "after"])
def test_a_retry_over_midnight_counts_once_where_it_was_logged_first(log: PredictionLog, first: str) -> None:
    """Neither window takes anything else of the other: here not its column."""
    midnight = NOON.replace(hour=0)
    minute = timedelta(minutes=1)
    logged = {"before": midnight + 2 * minute, "after": midnight + 3 * minute}
    logged[first] = midnight + minute
    write(log, ["retried"], midnight - minute, features={"old": [1.0]}, logged_at=logged["before"])
    write(log, ["retried", "b"], midnight + minute, features={"new": [1.0, 2.0]}, logged_at=logged["after"])
    days = [read_window(log, midnight - DAY, midnight), read_window(log, midnight, midnight + DAY)]
    assert [day.rows["sample_id"].tolist() for day in days] == (
        [["retried"], ["b"]] if first == "before" else [[], ["b", "retried"]]
    )
    assert [day.repeated for day in days] == ([0, 1] if first == "before" else [1, 0])
    assert list(days[1].sample.columns) == ["new"]


def test_a_corrupt_file_just_beside_a_window_is_not_its_fault(log: PredictionLog) -> None:
    (name,) = write(log, ["a"], NOON - timedelta(minutes=1))
    write(log, ["b"], NOON)
    (Path(log.uri) / name).write_bytes(b"PAR1 nothing")
    assert not read_window(log, NOON, NOON + HOUR).blind


def test_a_clock_far_ahead_is_not_believed_and_a_little_is(log: PredictionLog) -> None:
    log.write(["ahead"], [NOON + 400 * DAY], model_version="3", logged_at=NOON)
    log.write(["a little"], [NOON + timedelta(minutes=4)], model_version="3", logged_at=NOON)
    window = read_window(log, NOON, NOON + HOUR)
    assert window.rows["sample_id"].tolist() == ["a little", "ahead"]
    assert window.skewed == 1
    assert read_window(log, NOON + 399 * DAY, NOON + 401 * DAY).sample.size == 0


def test_late_records_are_in_their_window_and_counted(log: PredictionLog) -> None:
    write(log, ["in time"])
    log.write(["late"], [NOON], model_version="3", logged_at=NOON + 3 * DAY)
    window = read_window(log, NOON, NOON + HOUR, judged_at=NOON + 2 * HOUR)
    assert (window.sample.size, window.late, window.blind) == (2, 1, False)


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing", None])
def test_a_corrupt_file_loses_only_its_own_records_and_is_named(log: PredictionLog, damage: bytes | None) -> None:
    (name,) = write(log, ["a"])
    write(log, ["b"])
    path = Path(log.uri) / name
    path.write_bytes(path.read_bytes()[:-7] if damage is None else damage)
    window = read_window(log, NOON, NOON + HOUR)
    assert (window.rows["sample_id"].tolist(), window.corrupt, window.blind) == (["b"], (name,), True)


def test_an_empty_window_is_blindness_and_not_an_error(log: PredictionLog) -> None:
    window = read_window(log, NOON, NOON + HOUR)
    assert (window.sample.size, window.blind) == (0, True)
    assert "no record at all" in window.faults[0]
    assert LogHours(log).first() is None


def test_pictures_that_are_gone_or_of_another_shape_are_counted(log: PredictionLog) -> None:
    write(log, ["a", "b"], samples=np.zeros((2, 8, 8, 1), np.uint8))
    write(log, ["c"], samples=np.ones((1, 4, 4, 1), np.uint8))
    write(log, ["d"], samples=np.full((1, 8, 8, 1), 7, np.uint8))
    window = read_window(log, NOON, NOON + HOUR)
    assert window.sample.payload is not None and (len(window.sample.payload), window.sample.payload.shape) == (
        3,
        (8, 8, 1),
    )
    assert window.payload_rows.tolist() == [0, 1, 3]
    assert window.sample.sizes is not None and window.sample.sizes.tolist() == [64, 64, 16, 64]
    assert log.store is not None
    log.store.remove(str(window.rows["image"][3]).split("#", maxsplit=1)[0])
    again = read_window(log, NOON, NOON + HOUR)
    assert (again.lost_samples, again.blind, again.sample.size) == (1, True, 4)


def test_columns_that_come_go_and_change_their_type(log: PredictionLog) -> None:
    write(log, ["a"], features={"amount": [1.0], "gone": [2.0], "code": [3.0]})
    write(log, ["b"], features={"amount": [4.0], "new": ["x"], "code": ["three"]})
    columns = read_window(log, NOON, NOON + HOUR).sample.columns
    assert columns["amount"].tolist() == [1.0, 4.0]
    assert columns["gone"][0] == 2.0 and np.isnan(columns["gone"][1])
    assert columns["new"].tolist() == [None, "x"]
    assert columns["code"].tolist() == ["3", "three"]


def test_the_log_is_read_while_it_is_written(log: PredictionLog) -> None:
    """Each batch is there whole or not at all, and in the end none is lost."""
    failures: list[BaseException] = []

    def writer(number: int) -> None:
        try:
            for batch in range(6):
                write(log, [f"{number}-{batch}-{i}" for i in range(10)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        window = read_window(log, NOON, NOON + HOUR)
        assert window.sample.size % 10 == 0
        assert window.corrupt == ()
    assert failures == []
    assert read_window(log, NOON, NOON + HOUR).sample.size == 180


def test_a_log_that_outgrows_memory_is_thinned_evenly_and_says_so(
    log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augment_ops.monitoring.drift.log_reader._MAX_ROWS", 100)
    write(log, [str(i) for i in range(1000)], features={"x": np.arange(1000.0)})
    window = read_window(log, NOON, NOON + HOUR)
    assert (window.sample.size, window.thinned_from) == (100, 1000)
    assert 400 < window.sample.columns["x"].mean() < 600
    assert read_window(log, NOON, NOON + HOUR).sample.digest == window.sample.digest


def test_parts_of_other_lengths_and_pictures_without_a_store_are_refused(tmp_path: Path, log: PredictionLog) -> None:
    with pytest.raises(DataError, match="predictions has 1"):
        write(log, ["a", "b"], predictions=["x"])
    bare = PredictionLog(str(tmp_path / "bare"), "digits")
    with pytest.raises(InputError, match="store"):
        write(bare, ["a"], samples=np.zeros((1, 8, 8, 1), np.uint8))
    assert datasets(bare.uri) == []


def test_a_log_behind_an_object_store(tmp_path: Path) -> None:
    log = PredictionLog("memory://drift-log", "table")
    write(log, ["a"], features={"x": [1.0]})
    log.label({"a": "fraud"}, logged_at=NOON)
    sample = read_window(log, NOON, NOON + HOUR).sample
    assert sample.labels is not None and sample.labels.tolist() == ["fraud"]
    assert datasets("memory://drift-log") == ["table"]
    assert (LogHours(log).first(), LogHours(log).next(NOON + HOUR)) == (NOON, None)


def odd_file(log: PredictionLog, name: str, **columns: object) -> str:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    metadata = columns.pop("metadata", None)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), buffer)
    log.blobs.write(name, buffer.getvalue())
    return name


RECORD = {
    "sample_id": ["x"],
    "time": [NOON],
    "logged_at": [NOON],
    "model_version": ["3"],
    "prediction": ["cat"],
    "scores": [[0.5, 0.5]],
    "image": [None],
    "label": ["cat"],
}
ODD = {
    "no column": {"sample_id": ["x"]},
    "text for a time": {**RECORD, "time": ["noon"]},
    "a number for scores": {**RECORD, "scores": [0.5]},
    "no id": {**RECORD, "sample_id": [None]},
    "never logged": {**RECORD, "logged_at": [None]},
    "classes that are no JSON": {**RECORD, "metadata": {"classes": "[cat"}},
    "classes that are a number": {**RECORD, "metadata": {"classes": "7"}},
    "structures for names": {**RECORD, "prediction": [{"a": 1}]},
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD.keys())
def test_one_odd_file_is_named_and_the_others_count(log: PredictionLog, columns: dict[str, object]) -> None:
    write(log, ["a"], predictions=["cat"], labels=["cat"])
    name = odd_file(log, "digits/predictions/date=2026-03-01/hour=12/odd.parquet", **columns)
    window = read_window(log, NOON, NOON + HOUR)
    assert window.rows["sample_id"].tolist() == ["a"]
    assert window.corrupt == (name,)
    assert window.blind
    assert name in window.faults[0]


def test_odd_labels_and_odd_places_are_named(log: PredictionLog) -> None:
    write(log, ["a"], predictions=["cat"])
    odd = [
        odd_file(log, "digits/labels/date=2026-03-01/odd.parquet", sample_id=["a"], label=[{"x": 1}], logged_at=[NOON]),
        odd_file(log, "digits/predictions/date=2026-03-01/hour=noon/b.parquet", **RECORD),
        odd_file(log, "digits/predictions/date=2026-03-01/c.parquet", **RECORD),
    ]
    window = read_window(log, NOON, NOON + HOUR)
    assert window.rows["sample_id"].tolist() == ["a"]
    assert sorted(window.corrupt) == sorted(odd)
    assert LogHours(log).first() == NOON


def test_a_pipe_and_text_that_is_not_utf8_are_named(log: PredictionLog, tmp_path: Path) -> None:
    (name,) = write(log, ["a", "b"], predictions=["x", "y"])
    folder = (tmp_path / "log" / name).parent
    whole = pq.read_table(tmp_path / "log" / name)
    text = pa.array([b"\xe9"] * len(whole)).view(pa.string())
    place = whole.column_names.index("prediction")
    pq.write_table(whole.set_column(place, "prediction", text), folder / "z0.parquet")
    pq.write_table(whole.replace_schema_metadata({"classes": "[" * 100_000}), folder / "z1.parquet")
    os.mkfifo(folder / "zz.parquet")
    window = read_window(log, NOON, NOON + HOUR)
    assert [one.rpartition("/")[2] for one in sorted(window.corrupt)] == ["z0.parquet", "z1.parquet", "zz.parquet"]
    assert window.sample.size == 2


def test_a_file_that_unpacks_to_too_much_is_named(log: PredictionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = write(log, [str(n) for n in range(3000)], predictions=["x" * 1000] * 3000)
    monkeypatch.setattr("augment_ops.monitoring.drift.log_files._MAX_BYTES", 1 << 20)
    assert read_window(log, NOON, NOON + HOUR).corrupt == (name,)
