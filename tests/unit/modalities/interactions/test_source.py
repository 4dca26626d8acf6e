from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.modalities import modality
from augment_ops.modalities.interactions import items
from augment_ops.modalities.interactions.histories import AGE, ITEM, in_order, lengths
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.source import Defect
from support.interactions import interactions

CODEC = modality("interactions").codec
TABLE = interactions()


def written(folder: Path, table: pd.DataFrame, name: str = "clicks.csv") -> str:
    path = folder / name
    table.to_parquet(path, index=False) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return str(path)


def opened(uri: str, columns: str = "", split: str = "time", room: int = 8, schema=None):
    asked = {"interaction_columns": columns, "interaction_history": room, "interaction_split": split}
    return CODEC.open(uri, asked, schema=schema)


def of(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user", "item", "time"])


def test_a_sample_is_what_its_user_did_before_and_the_order_of_the_file_changes_nothing(tmp_path):
    table = of([("a", "x", 10), ("b", "x", 11), ("a", "y", 40), ("a", "z", 20)])
    source = opened(written(tmp_path, table))
    found = {one.id: one for one in source.samples()}
    assert source.schema == {"items": ["x", "y", "z"]}
    last = found["a:y:1"]
    assert (last.label, last.subject, last.time, last.source) == ("y", "a", 40.0, "row 3")
    assert last.data[-2:].tolist() == [[1, 30], [3, 20]] and not last.data[:-2].any()
    assert last.extra == {"known_interactions": "1 to 4"}
    assert not found["a:x:1"].data.any() and found["a:x:1"].extra == {"known_interactions": "none"}
    again = {one.id: one for one in opened(written(tmp_path, table[::-1], "again.csv")).samples()}
    assert again.keys() == found.keys() and all((again[key].data == found[key].data).all() for key in found)


def test_what_is_done_at_one_moment_is_not_known_before_it(tmp_path):
    samples = list(opened(written(tmp_path, of([("a", "x", 1), ("a", "y", 5), ("a", "z", 5)]))).samples())
    assert [one.data[:, ITEM].tolist() for one in samples[1:]] == [[0] * 7 + [1]] * 2


def test_the_newest_items_have_room_and_the_age_of_a_lifetime_fits(tmp_path):
    table = of([("a", f"i{place}", place) for place in range(12)] + [("a", "late", 1e11)])
    last = list(opened(written(tmp_path, table), room=4).samples())[-1]
    assert last.data[:, ITEM].tolist() == [Items.of({*table["item"]}).code(f"i{place}") for place in (8, 9, 10, 11)]
    assert (last.data[:, AGE] == 2**31 - 1).all()


def test_dates_are_times_and_rows_without_one_are_unreadable(tmp_path):
    rows = [("a", "x", "2020-01-01"), ("a", "y", "2020-01-02T00:00:00Z"), ("a", "z", "soon"), (None, "x", "2020-01-01")]
    samples = list(opened(written(tmp_path, of([*rows, ("b", None, "2020-01-01")]))).samples())
    defects = {one.id: one.data.text for one in samples if isinstance(one.data, Defect)}
    wanted = {"row-3": "unreadable: no time", "row-4": "unreadable: no user", "row-5": "unreadable: no item"}
    assert defects == wanted
    assert {one.id: one.data for one in samples if one.id == "a:y:1"}["a:y:1"][-1].tolist() == [1, 86_400]


def test_by_default_nothing_is_learnt_from_after_the_first_moment_that_is_tested(tmp_path):
    store = Store(str(tmp_path / "store"))
    manifest = ingest(written(tmp_path, TABLE), store, modality="interactions", interaction_history=8)
    index = Snapshot(store, manifest).index
    assert manifest.split_rule == "by time alone" and manifest.classes == tuple(sorted(set(TABLE["item"])))
    first = index.loc[index["split"] == "test", "time"].min()
    assert (index.loc[index["split"] != "test", "time"] < first).all()
    histories = Snapshot(store, manifest).split("test").payload.take(np.arange(20))
    assert in_order(histories).all()


def test_the_last_moment_of_each_user_is_held_out_where_that_is_asked(tmp_path):
    rows = [
        ("a", "x", 1),
        ("a", "y", 2),
        ("a", "z", 3),
        ("a", "w", 3),
        ("once", "x", 1),
        ("twice", "x", 1),
        ("twice", "y", 2),
    ]
    splits = {one.id: one.split for one in opened(written(tmp_path, of(rows)), split="last").samples()}
    assert [splits[f"a:{item}:1"] for item in "xyzw"] == ["train", "validation", "test", "test"]
    assert splits["once:x:1"] == "train" and splits["twice:x:1"] == "train" and splits["twice:y:1"] == "test"


def test_items_that_a_data_set_does_not_know_are_left_out_of_histories(tmp_path):
    schema = {"items": ["x", "z"]}
    table = of([("a", "x", 1), ("a", "new", 2), ("a", "z", 3)])
    source = opened(written(tmp_path, table), schema=schema)
    last = list(source.samples())[-1]
    assert last.data[-2:].tolist() == [[0, 0], [1, 2]] and source.schema == schema


def test_no_two_samples_have_one_id_whatever_names_hold(tmp_path):
    names = ["a", "a:b", "a%3Ab", "a:", "x:1", "x"]
    rows = [(user, item, 1) for user in names for item in (*names, "b:x", ":x")]
    ids = [one.id for one in opened(written(tmp_path, of(rows))).samples()]
    assert len(set(ids)) == len(rows)


def test_a_repetition_is_a_sample_of_its_own(tmp_path):
    samples = list(opened(written(tmp_path, of([("a", "x", 1), ("a", "x", 1), ("b", "y", 1)]))).samples())
    assert [one.id for one in samples] == ["a:x:1", "a:x:2", "b:y:1"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("user=users", r"columns: user: found no column 'users'.* Did you mean user"),
        ("item=user", "'user' with two roles"),
        ("rating=rating", "found 'rating=rating'; expected role=column with a role of user, item, time"),
        ("time=rating", r"expected one of user, item, time"),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path, columns, told):
    with pytest.raises(DataError, match=told):
        list(opened(written(tmp_path, of([("a", "x", 1)])), columns).samples())


def test_a_table_of_no_interaction_or_too_many_items_is_refused_and_so_is_a_pickle(tmp_path, monkeypatch):
    of_none = [("a", None, 1), ("a", "x", "soon"), ("b", "y", "later")]
    with pytest.raises(DataError, match=r"(?s)no interaction in 3 rows: no time in 2, no item in 1; .*time=time\)"):
        list(opened(written(tmp_path, of(of_none))).samples())
    monkeypatch.setattr(items, "MOST_ITEMS", 5)
    with pytest.raises(DataError, match="36 different items; expected at most 5"):
        list(opened(written(tmp_path, TABLE)).samples())
    (tmp_path / "clicks.pkl").write_bytes(pickle.dumps(TABLE))
    with pytest.raises(DataError, match="a pickle, which can run code and is never read"):
        opened(str(tmp_path / "clicks.pkl"))


def test_a_whole_table_is_read_and_nothing_of_it_is_lost(tmp_path):
    samples = list(opened(written(tmp_path, TABLE, "clicks.parquet")).samples())
    assert len(samples) == len(TABLE) and {one.extra["rating"] for one in samples} == {"1", "2", "3", "4", "5"}
    histories = np.stack([one.data for one in samples])
    assert histories.dtype == np.int32 and sorted(lengths(histories))[-1] == 8
