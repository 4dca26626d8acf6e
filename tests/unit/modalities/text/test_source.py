from __future__ import annotations

import json
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
from augment_ops.modalities.source import Defect
from augment_ops.modalities.text.drift_features import PROPERTIES
from augment_ops.modalities.text.texts import read
from augment_ops.quality.data_checks import check_snapshot
from augment_ops.quality.rules import QualityRules
from support.places import POLICIES
from support.questions import INTENTS, questions

CODEC = modality("text").codec
ROLES = "text=question,label=intent"
TABLE = questions(60)
STRANGE = [
    "👍🏽 merci",
    "أين بطاقتي؟",
    "שלום, 5₪",
    'he said "no", twice',
    "two\nlines",
    "naïve ﬁsh",
    "\u202eevil",
    "NA",
]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "store"))


def written(folder: Path, table: pd.DataFrame, name: str) -> str:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n\n" for row in table.to_dict("records")))
    return str(path)


def opened(uri: str, columns: str = ROLES, schema=None):
    return CODEC.open(uri, {"text_columns": columns, "text_bytes": 128}, schema=schema)


@pytest.mark.parametrize("name", ["questions.csv", "questions.parquet", "questions.jsonl"])
def test_every_format_gives_the_same_samples_and_texts_unharmed(tmp_path, name, monkeypatch):
    table = pd.concat([TABLE, pd.DataFrame({"question": STRANGE, "intent": "lost", "country": "LT"})])
    monkeypatch.setattr("augment_ops.data.sources.parts.ROWS_AT_ONCE", 7)
    samples = list(opened(written(tmp_path, table, name)).samples())
    assert [one.data for one in samples] == table["question"].tolist()
    assert [one.label for one in samples] == table["intent"].tolist()
    assert samples[7].extra == {"country": table["country"].iloc[7]} and samples[0].source == "row 1"
    assert len({one.id for one in samples}) == len(samples)
    reference = opened(written(tmp_path, table, "again.csv")).samples()
    assert [one.id for one in samples] == [one.id for one in reference]
    decoder = CODEC.decoder({"text_bytes": 128})
    assert read(np.stack([decoder.decode(text) for text in STRANGE])) == STRANGE


def test_an_id_follows_from_the_content_and_repetitions_are_numbered(tmp_path):
    twice = pd.concat([TABLE[:3], TABLE[:1]])
    ids = [one.id for one in opened(written(tmp_path, twice, "a.csv")).samples()]
    again = [one.id for one in opened(written(tmp_path, twice[::-1], "b.csv")).samples()]
    assert set(ids) == set(again) and ids[3] == f"{ids[0]}-2"


def test_a_folder_of_splits_is_one_data_set_and_the_rest_is_said_to_be_left_out(tmp_path):
    folder = tmp_path / "banking"
    written(folder, TABLE[:40], "train.csv")
    written(folder, TABLE[40:], "test.csv")
    (folder / "categories.json").write_text("[]")
    (folder / "validation.pkl").write_bytes(pickle.dumps(TABLE))  # could run code, and is never read
    source = opened(str(folder))
    samples = list(source.samples())
    assert source.name == "banking" and [one.split for one in samples] == ["test"] * 20 + ["train"] * 40
    assert samples[0].source == "test.csv, row 1"
    left_out = {one.example: one.files for one in source.leftovers.found()}
    assert (list(left_out), sum(left_out.values())) == (["categories.json"], 2)
    before = list(opened(str(folder)).contents())
    (folder / "notes.txt").write_text("")
    with_notes = list(opened(str(folder)).contents())
    written(folder, TABLE[39:], "test.csv")
    assert len({str(before), str(with_notes), str(list(opened(str(folder)).contents()))}) == 3
    with pytest.raises(DataError, match="no table of texts"):
        list(opened(str(tmp_path / "banking" / "..")).samples())


@pytest.mark.parametrize(
    ("table", "columns", "found"),
    [
        (TABLE, "", r"no column 'text'"),
        (TABLE, "text=questions,label=intent", "Did you mean question"),
        (TABLE, "text=question,label=question", "two roles"),
        (TABLE, "text=question,labl=intent", "Did you mean label"),
        (TABLE.assign(question=None), ROLES, "no text in any row"),
        (TABLE.assign(question="  "), ROLES, "no text in any row"),
        (TABLE.assign(question=7), ROLES, "int such as 7"),
        (TABLE.assign(part="dev"), ROLES + ",split=part", "'dev' in row 1"),
        (TABLE.assign(key=None), ROLES + ",id=key", "nothing in row 1"),
        (TABLE[:0], ROLES, "no text in any row"),
    ],
)
def test_a_table_that_cannot_be_what_it_is_taken_for(tmp_path, table, columns, found):
    with pytest.raises(DataError, match=found):
        list(opened(written(tmp_path, table, "questions.parquet"), columns).samples())


@pytest.mark.parametrize("kind", ["text", "tabular"])
def test_no_column_is_lost_under_the_name_of_another(tmp_path, kind):
    table = TABLE.assign(row=1, meta_row=2, amount=3.5)
    uri = written(tmp_path, table, "questions.csv")
    asked = {"text_columns": ROLES, "text_bytes": 128, "columns": "label=intent,ignore=row;meta_row;question"}
    with pytest.raises(DataError, match="columns 'row' and 'meta_row', and the snapshot keeps the first"):
        list(modality(kind).codec.open(uri, asked).samples())


def test_a_pickle_is_refused_whatever_it_is_called(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    for name in ("questions.pkl", "questions.csv", "questions.jsonl", "questions.parquet"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(DataError, match=r"a pickle,? (which )?can run code"):
            list(opened(str(tmp_path / name)).samples())
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("line", ["[1, 2]", '{"question": {"a": 1}}', '{"question": ', '"text"'])
def test_a_line_of_json_that_is_no_row(tmp_path, line):
    (tmp_path / "questions.jsonl").write_text('{"question": "where", "intent": "lost"}\n' + line + "\n")
    with pytest.raises(DataError, match="table"):
        list(opened(str(tmp_path / "questions.jsonl")).samples())


@pytest.mark.parametrize("text", ["a" * 129, "half \ud83d", "zero \0 within"])
def test_a_text_that_cannot_be_kept_is_a_defect_and_never_cut(text):
    found = CODEC.decoder({"text_bytes": 128}).decode(text)
    assert isinstance(found, Defect) and found.text.startswith("unreadable: ")


def test_texts_of_no_class_are_in_no_split_and_what_they_are_called_is_no_class(tmp_path, store: Store):
    strange = pd.DataFrame(
        {
            "question": ["Who won the quidditch match?", "And who lost it?"],
            "intent": ["sports", None],
            "part": "Out-of-Scope",
        }
    )
    plain = ingest(written(tmp_path, TABLE, "plain.csv"), store, modality="text", text_columns=ROLES, text_bytes=96)
    uri = written(tmp_path, pd.concat([TABLE, strange]), "questions.csv")
    manifest = ingest(uri, store, modality="text", text_columns=f"{ROLES},split=part", text_bytes=96)
    assert (manifest.classes, manifest.defective, manifest.counts) == (plain.classes, 0, plain.counts)
    assert "quidditch" not in manifest.schema["words"] and manifest.digest != plain.digest
    assert manifest.split_rule == f"{plain.split_rule}; 2 samples out of scope, as the source says"
    snapshot = Snapshot.open(store, manifest.digest)
    ids, texts = snapshot.out_of_scope()
    assert len(ids) == 2 and sorted(read(texts.take(np.arange(2)))) == sorted(strange["question"])
    asked, test = snapshot.measured_on(), snapshot.split("test").payload
    both = read(test.take(np.arange(len(test)))) + strange["question"].tolist()
    assert sorted(read(asked.take(np.arange(len(asked))))) == sorted(both)
    own = snapshot.index.set_index("sample_id").loc[list(ids)]
    assert own["class_name"].isna().all() and (own["label"] == -1).all() and own["defect"].isna().all()
    assert not set(ids) & {one for name in ("train", "validation", "test") for one in snapshot.split(name).ids}
    assert Snapshot.open(store, plain.digest).out_of_scope()[0] == ()
    rules = QualityRules.load(POLICIES / "quality" / "intents.yaml")
    found = {check.name: check for check in check_snapshot(snapshot, rules, manifest.reading).checks}
    assert found["label-range"].measured == 0


def test_a_snapshot_holds_texts_words_and_their_labels(tmp_path, store: Store):
    table = pd.concat([TABLE, pd.DataFrame({"question": [""], "intent": ["lost"], "country": ["LT"]})])
    uri = written(tmp_path, table, "questions.csv")
    manifest = ingest(uri, store, modality="text", text_columns=ROLES, text_bytes=96)
    snapshot = Snapshot.open(store, manifest.digest)
    assert manifest.sample_shape == (96,) and manifest.classes == tuple(sorted(INTENTS)) and manifest.defective == 1
    texts = read(snapshot.payload.take(np.arange(len(TABLE))))
    assert sorted(texts) == sorted(TABLE["question"])
    words = set(manifest.schema["words"])
    assert {"card", "refund"} < words and "20" not in words
    window = pd.DataFrame({"question": ["wo ist meine karte"] * 3})  # what production sends has no label yet
    source = opened(written(tmp_path, window, "window.csv"), "text=question", manifest.schema)
    assert [one.label for one in source.samples()] == [None] * 3 and source.schema == manifest.schema
    features = modality("text").features(snapshot.payload.take(np.arange(5)), manifest.schema)
    assert tuple(features) == PROPERTIES and not features["unknown_words"].any()
    foreign = np.stack([CODEC.decoder({"text_bytes": 96}).decode("Wo ist meine KARTE, 5?")])
    found = {name: values[0] for name, values in modality("text").features(foreign, manifest.schema).items()}
    assert found["unknown_words"] == 1 and found["words"] == 5 and found["capitals"] == 6 / 22
    assert np.isnan(modality("text").features(foreign)["unknown_words"][0])
