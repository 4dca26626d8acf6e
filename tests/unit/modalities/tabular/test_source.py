from __future__ import annotations

import io
import pickle
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.split import UNUSED
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.modalities import modality
from augment_ops.modalities.source import Defect
from augment_ops.modalities.tabular.apart import apart
from augment_ops.modalities.tabular.roles import ColumnRoles
from augment_ops.modalities.tabular.schema import UNKNOWN, TableSchema
from augment_ops.quality.data_checks import check_snapshot
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT, CheckedSamples
from support.places import POLICIES
from support.tables import transactions

CODEC = modality("tabular").codec
ROLES = "label=fraud,subject=customer,time=moment,id=transaction"
TABLE = transactions(300)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def written(folder: Path, table: pd.DataFrame, name: str = "payments.csv") -> str:
    path = folder / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return str(path)


def opened(uri: str, columns: str = ROLES, schema=None):
    return CODEC.open(uri, {"columns": columns}, schema=schema)


def rows_of(source) -> np.ndarray:
    return np.array([sample.data for sample in source.samples()])


def test_a_row_is_numbers_codes_and_roles(tmp_path):
    source = opened(written(tmp_path, TABLE))
    samples = list(source.samples())
    schema = TableSchema.of(source.schema)
    assert schema.names == ("amount", "hour", "past_week", "kind")
    assert [c.kind for c in schema.columns] == ["number", "number", "number", "category"]
    assert [c.whole for c in schema.columns] == [False, True, True, False]
    assert schema.columns[3].categories == ("card", "cash", "transfer")
    first, row = samples[0], TABLE.iloc[0]
    assert (first.id, first.label, first.subject) == (row["transaction"], row["fraud"], row["customer"])
    assert first.time == row["moment"].timestamp() and first.source == "line 2"
    expected = [row["amount"], row["hour"], row["past_week"], ["card", "cash", "transfer"].index(row["kind"])]
    assert first.data.dtype == np.float64 and first.data.tolist() == expected


def test_csv_and_parquet_give_the_same_samples(tmp_path):
    table = TABLE.copy()
    table.loc[3, "amount"], table.loc[4, "kind"], table.loc[5, "past_week"] = np.nan, None, np.nan
    columns = "label=fraud,time=moment,ignore=transaction;customer"
    one, other = (opened(written(tmp_path, table, f"payments.{form}"), columns) for form in ("csv", "parquet"))
    for a, b in zip(one.samples(), other.samples(), strict=True):
        assert (a.id, a.label, a.time) == (b.id, b.label, b.time) and a.data.tobytes() == b.data.tobytes()
    assert one.schema == other.schema


def test_rows_without_an_id_are_named_by_what_they_hold(tmp_path):
    table = pd.concat([TABLE, TABLE.iloc[[7, 7]]])
    columns = "label=fraud,subject=customer,time=moment,ignore=transaction"
    ids = [sample.id for sample in opened(written(tmp_path, table), columns).samples()]
    assert len(set(ids)) == len(ids) == 302 and ids[300:] == [f"{ids[7]}-2", f"{ids[7]}-3"]
    shuffled = TABLE.sample(frac=1, random_state=1)
    again = {s.id: s.data.tobytes() for s in opened(written(tmp_path, shuffled, "again.csv"), columns).samples()}
    assert set(again) == set(ids[:300])


def test_minus_zero_is_zero(tmp_path):
    table = TABLE.head(2).copy()
    table.loc[0, "past_week"], table.loc[1, "past_week"] = 0, 0
    one = rows_of(opened(written(tmp_path, table)))
    other = rows_of(opened(written(tmp_path, table.assign(past_week=-0.0), "minus.csv")))
    assert one.tobytes() == other.tobytes()


def test_parts_of_a_file_are_one_table(tmp_path, monkeypatch):
    whole = rows_of(opened(written(tmp_path, TABLE)))
    for form in ("csv", "parquet"):
        monkeypatch.setattr("augment_ops.data.sources.parts.ROWS_AT_ONCE", 7)
        source = opened(written(tmp_path, TABLE, f"payments.{form}"))
        samples = list(source.samples())
        assert np.array_equal(np.array([s.data for s in samples]), whole)
        assert [s.source for s in samples][-1] == "line 301"


def test_an_unreadable_value_is_a_defect_of_its_row(tmp_path):
    table = TABLE.astype({"amount": object, "moment": object})
    table.loc[3, "amount"], table.loc[8, "amount"], table.loc[9, "moment"] = "n/a", "inf", "yesterday"
    table.loc[12, "amount"] = "-1e308"
    samples = list(opened(written(tmp_path, table)).samples())
    defects = {place: sample.data.text for place, sample in enumerate(samples) if isinstance(sample.data, Defect)}
    assert defects == {
        3: "unreadable: amount is 'n/a', which is no number up to 1e+100",
        8: "unreadable: amount is 'inf', which is no number up to 1e+100",
        12: "unreadable: amount is '-1e308', which is no number up to 1e+100",
        9: "unreadable: moment is 'yesterday', which is no time",
    }


def test_a_later_file_is_read_by_the_schema_of_the_first(tmp_path):
    schema = opened(written(tmp_path, TABLE)).schema
    later = TABLE.head(4).copy()
    later["kind"] = ["cash", "cheque", None, "card"]
    later["new"] = 1
    later["amount"] = later["amount"].astype(object)
    later.loc[3, "amount"] = "free"
    source = opened(written(tmp_path, later, "later.csv"), schema=schema)
    samples = list(source.samples())
    assert source.schema == schema
    assert [s.data[3] for s in samples[:2]] == [1, UNKNOWN] and np.isnan(samples[2].data[3])
    assert isinstance(samples[3].data, Defect)
    with pytest.raises(DataError, match="no column 'hour'"):
        list(opened(written(tmp_path, later.drop(columns="hour"), "less.csv"), schema=schema).samples())


def test_numbers_are_categories_where_the_run_says_so(tmp_path):
    source = opened(written(tmp_path, TABLE), ROLES + ",category=hour")
    list(source.samples())
    hour = TableSchema.of(source.schema).columns[1]
    assert hour.kind == "category" and set(hour.categories) == set(map(str, TABLE["hour"].unique()))


def test_ignored_columns_stay_beside_the_rows(tmp_path):
    table = TABLE.assign(scenario=np.arange(300) % 3, split=["train"] * 200 + ["test"] * 100)
    samples = list(opened(written(tmp_path, table), ROLES + ",ignore=scenario;split").samples())
    assert samples[1].extra == {"scenario": "1", "meta_split": "train"} and len(samples[1].data) == 4
    given = list(opened(written(tmp_path, table), ROLES + ",split=split,ignore=scenario").samples())
    assert {s.split for s in given} == {"train", "test"} and samples[0].split is None


def test_contents_follow_the_file_its_roles_and_the_schema(tmp_path):
    uri = written(tmp_path, TABLE)
    schema = opened(uri).schema
    found = {
        tuple(opened(uri).contents()),
        tuple(opened(uri, "label=kind").contents()),
        tuple(opened(uri, schema=schema).contents()),
        tuple(opened(written(tmp_path, TABLE.head(299), "less.csv")).contents()),
    }
    assert len(found) == 4


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("label=fraud,subjct=customer", "Did you mean subject"),
        ("fraud", "role=column"),
        ("label=fraud,label=kind", "label twice"),
        ("label=fraud;kind", "one column"),
        ("label=", "one column"),
        ("label=fraud,ignore=fraud", "'fraud' with two roles"),
        ("label=fraud,category=fraud", "'fraud' with two roles"),
        ("label=fraud,apart=customer", "apart without time"),
        ("label=fraud,apart=customer,subject=card,time=moment", "apart and subject"),
        ("label=fraud,apart=customer,split=part,time=moment", "apart and split"),
    ],
)
def test_roles_that_cannot_be_meant_are_refused(columns, found):
    with pytest.raises(DataError, match=found):
        ColumnRoles.parse(columns)


def test_roles_are_read_with_blanks_around_them():
    assert ColumnRoles.parse(" label = a b , ignore = c ; d ") == ColumnRoles(label="a b", ignore=("c", "d"))
    assert ColumnRoles.parse("") == ColumnRoles()


@pytest.mark.parametrize(
    ("change", "columns", "found"),
    [
        (lambda t: t, "label=fruad", "no column 'fruad'.*Did you mean fraud"),
        (lambda t: t, "", "no column 'label'"),
        (lambda t: t, "label=fraud,subject=nobody,time=nowhen", "2 faults"),
        (lambda t: t, "label=fraud,ignore=transaction;customer", "column 'moment'.* more than 255 different texts"),
        (lambda t: t.assign(kind=["3", "4", "five"] * 100), ROLES, "200 numbers and 100 texts, such as 'five'"),
        (lambda t: t.assign(empty=None), ROLES, "column 'empty'.*no value in any row"),
        (lambda t: t[["transaction", "customer", "moment", "fraud"]], ROLES, "no column beside the roles'"),
        (lambda t: t.head(0), ROLES, "no rows"),
        (lambda t: t.assign(part="somewhere"), ROLES + ",split=part", "'somewhere' in line 2"),
        (lambda t: t.assign(transaction=None), ROLES, "nothing in line 2"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, change, columns, found):
    with pytest.raises(DataError) as caught:
        list(opened(written(tmp_path, change(TABLE)), columns).samples())
    assert re.search(found, str(caught.value)), str(caught.value)


def test_dates_are_no_features(tmp_path):
    with pytest.raises(DataError, match="column 'moment': found dates"):
        list(opened(written(tmp_path, TABLE, "payments.parquet"), "label=fraud,ignore=transaction;customer").samples())


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("x.csv", b"", "table with a header row"),
        ("x.csv", b"a;b;label\n1;2;x\n", "one column, 'a;b;label'"),
        ("x.csv", b"a,a,label\n1,2,x\n", "2 columns called 'a'"),
        ("x.csv", b"a,label\n1,x,3\n", "table with a header row"),
        ("x.csv", b"a,label\n\xff\xfe,x\n", "table with a header row"),
        ("x.parquet", b"PAR1 nothing", "table with a header row"),
        ("x.png", b"\x89PNG", "a file of an unknown format"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, found):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=found):
        list(opened(str(tmp_path / name), "").samples())


class Runs:
    """Its pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["x.pkl", "x.PICKLE", "x.joblib", "x.csv", "x.parquet"])
def test_a_pickle_offered_as_data_is_refused_and_never_read(tmp_path, store, name):
    (tmp_path / name).write_bytes(pickle.dumps(Runs(tmp_path / "it ran")))
    with pytest.raises(DataError, match="a pickle, which can run code and is never read"):
        ingest(str(tmp_path / name), store, modality="tabular", columns=ROLES)
    assert not (tmp_path / "it ran").exists() and store.documents("snapshots") == []


def test_cells_of_several_values_are_refused(tmp_path):
    table = written(tmp_path, TABLE.assign(pair=[[1, 2]] * len(TABLE)), "payments.parquet")
    with pytest.raises(DataError, match="column 'pair' holds list"):
        list(opened(table).samples())


def test_years_before_1970_and_far_beyond_are_times(tmp_path):
    moments = [
        ("0001-05-04T10:00:00", "+00:00"),
        ("1931-05-04T10:00:00.500", "+00:00"),
        ("9999-12-30T23:59:59", "+02:00"),
    ]
    table = TABLE.head(3).assign(moment=[moment + zone for moment, zone in moments])
    times = [sample.time for sample in opened(written(tmp_path, table)).samples()]
    assert times == [(datetime.fromisoformat(moment + zone) - EPOCH).total_seconds() for moment, zone in moments]


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="a folder"):
        opened(str(tmp_path))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_table_becomes_a_snapshot_and_is_read_back(tmp_path, store):
    manifest = ingest(written(tmp_path, TABLE), store, modality="tabular", columns=ROLES)
    snapshot = Snapshot.open(store, manifest.digest)
    assert manifest.modality == "tabular" and manifest.sample_shape == (4,) and manifest.schema is not None
    expected = {s.id: s.data for s in opened(written(tmp_path, TABLE)).samples()}
    train = snapshot.split("train")
    assert train.schema == manifest.schema
    taken = train.take(range(len(train)))
    assert taken.dtype == np.float64
    assert all(np.array_equal(row, expected[i]) for row, i in zip(taken, train.ids, strict=True))
    shuffled = written(tmp_path, TABLE.sample(frac=1, random_state=2), "payments.parquet")
    again = ingest(shuffled, store, modality="tabular", columns=ROLES)
    assert again.digest == manifest.digest


def test_time_decides_the_split_though_subjects_are_torn_apart(tmp_path, store):
    manifest = ingest(written(tmp_path, TABLE), store, modality="tabular", columns=ROLES)
    index = Snapshot.open(store, manifest.digest).index
    times = index.groupby("split")["time"].agg(["min", "max"])
    assert times.loc["train", "max"] < times.loc["validation", "min"]
    assert times.loc["validation", "max"] < times.loc["test", "min"]
    assert index.groupby("subject")["split"].nunique().max() > 1 and manifest.split_rule == "by time alone"
    shares = index["split"].value_counts(normalize=True)
    assert abs(shares["test"] - 0.25) < 0.02 and abs(shares["validation"] - 0.10) < 0.02


APART = "label=fraud,apart=customer,time=moment,id=transaction"


def test_subjects_and_time_are_both_kept_apart_where_asked(tmp_path, store):
    table = transactions(3_000, days=60)
    manifest = ingest(written(tmp_path, table), store, modality="tabular", columns=APART)
    index = Snapshot.open(store, manifest.digest).index
    parts = index[index["split"] != UNUSED]
    assert parts.groupby("subject")["split"].nunique().max() == 1, "no subject of test in train"
    times = parts.groupby("split")["time"].agg(["min", "max"])
    assert times.loc["train", "max"] < times.loc["validation", "min"]
    assert times.loc["validation", "max"] < times.loc["test", "min"]
    shares = index["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.65**2, abs=0.05) and shares["test"] == pytest.approx(0.25**2, abs=0.03)
    rules = QualityRules.load(POLICIES / "quality" / "transactions.yaml")
    found = {check.name: check for check in check_snapshot(Snapshot.open(store, manifest.digest), rules).checks}
    assert found["subjects-seen-before"].measured == found["time-order"].measured == 0
    left = int((index["split"] == UNUSED).sum())
    assert f"{left} of 3000 rows are in no split" in found["subjects-seen-before"].message
    shuffled = written(tmp_path, table.sample(frac=1, random_state=1), "payments.parquet")
    assert ingest(shuffled, store, modality="tabular", columns=APART).digest == manifest.digest


def test_a_table_of_too_few_subjects_to_be_kept_apart_is_refused(tmp_path, store):
    table = TABLE.assign(customer="one", moment=TABLE["moment"])
    with pytest.raises(DataError, match=r"columns: apart: found no row for .*: 1 subjects"):
        ingest(written(tmp_path, table), store, modality="tabular", columns=APART)


def test_rows_that_are_only_compared_are_not_kept_apart(tmp_path):
    schema = CODEC.open(written(tmp_path, TABLE), {"columns": ROLES}).schema
    later = opened(written(tmp_path, TABLE.head(20)), APART, schema)
    assert {sample.split for sample in later.samples()} == {None}
    assert {sample.subject for sample in later.samples()} == set(TABLE.head(20)["customer"])


def test_rows_of_one_moment_stay_together_and_one_without_a_subject_is_a_subject_of_its_own():
    times = np.repeat(np.arange(40.0), 100)
    found = np.array(apart(times, [None] * 4000))
    assert all(len(set(found[times == moment].tolist()) - {UNUSED}) == 1 for moment in range(40))
    assert {name: set(times[found == name]) for name in ("train", "validation", "test")} == {
        "train": set(range(26)),
        "validation": set(range(26, 30)),
        "test": set(range(30, 40)),
    }
    assert set(apart(np.full(5, np.nan), ["a"] * 5)) == {UNUSED}


def test_of_a_train_part_that_is_given_the_newest_are_validation(tmp_path, store):
    table = TABLE.assign(part=["train"] * 200 + ["test"] * 100)
    manifest = ingest(written(tmp_path, table), store, modality="tabular", columns=ROLES + ",split=part")
    index = Snapshot.open(store, manifest.digest).index
    times = index.groupby("split")["time"].agg(["min", "max"])
    assert (index["split"] == "test").sum() == 100
    assert times.loc["train", "max"] < times.loc["validation", "min"]


def test_one_class_and_no_label_are_refused(tmp_path, store):
    for change, found in ((TABLE.assign(fraud="no"), "one class, 'no'"), (TABLE.assign(fraud=None), "no label in any")):
        with pytest.raises(DataError, match=found):
            ingest(written(tmp_path, change), store, modality="tabular", columns=ROLES)


def test_another_modality_reads_no_rows(tmp_path, store):
    with pytest.raises(DataError, match="path"):
        ingest(written(tmp_path, TABLE), store)


def test_labelled_rows_of_production_are_split_by_time_with_the_rows_before_them(tmp_path, store):
    base = ingest(written(tmp_path, TABLE), store, modality="tabular", columns=ROLES)
    snapshot = Snapshot.open(store, base.digest)
    rows, buffer = snapshot.payload.take(np.arange(60)) + 0.5, io.BytesIO()
    np.save(buffer, rows)
    packed, last = store.put(buffer.getvalue()), snapshot.index["time"].max()
    columns = {
        "sample_id": [f"production/{i}" for i in range(60)],
        "label": ["fraud", "genuine"] * 30,
        "time": [last + 60.0 * i for i in range(60)],
        "image": [f"{packed}#{i}" for i in range(60)],
    }
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, index=False)
    uri = f"snapshot:{base.digest}+{store.put(buffer.getvalue())}"
    index = Snapshot.open(store, ingest(uri, store, modality="tabular").digest).index
    times = index.groupby("split")["time"].agg(["min", "max"])
    assert len(index) == 360 and times.loc["train", "max"] < times.loc["test", "min"]
    learnt = index[index["sample_id"].isin(snapshot.split("train").ids)]
    assert set(learnt["split"]) == {"train"}  # of what a model has learnt nothing tests the next one
    alone = Snapshot.open(store, ingest(f"snapshot:{base.digest}", store, modality="tabular").digest).index
    assert alone["split"].tolist() == snapshot.index["split"].tolist()


def test_a_row_that_the_table_calls_unused_is_in_no_split_and_is_compared_with_nothing(tmp_path):
    months = np.where(TABLE["moment"] < TABLE["moment"].median(), "train", "test")
    held_out = (
        (months == "train")
        & (TABLE["fraud"] == TABLE["fraud"].value_counts().idxmin())
        & (np.arange(len(TABLE)) % 2 == 0)
    )
    assert held_out.any()
    table = TABLE.assign(part=np.where(held_out, "Unused", months))
    store = Store(str(tmp_path / "store"))
    manifest = ingest(written(tmp_path, table), store, modality="tabular", columns=f"{ROLES},split=part")
    assert f"; {held_out.sum()} samples unused, as the source says" in manifest.split_rule
    snapshot = Snapshot.open(store, manifest.digest)
    used = [set(snapshot.split(name).ids) for name in ("train", "validation", "test")]
    assert sum(map(len, used)) == len(TABLE) - held_out.sum() == sum(sum(c.values()) for c in manifest.counts.values())
    assert not set(TABLE["transaction"][held_out]) & set().union(*used)
    index = snapshot.index.rename(columns={snapshot.codec.content: CONTENT})
    checked = CheckedSamples(
        index=index,
        payload=snapshot.payload,
        classes=manifest.classes,
        reading=manifest.reading,
        modality=modality("tabular"),
    )
    assert set(checked.usable["split"]) == {"train", "validation", "test"}
