"""Files written again with augmented copies: factor means factor, labels and originals stay, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from augment_ops.content import from_json
from augment_ops.data.sources import parts
from augment_ops.delivery.batch_file import trees
from augment_ops.delivery.batch_file.manifest import COPY, ID, SOURCE_ID, BatchFileManifest, manifest_path
from augment_ops.delivery.batch_file.multiply import multiply
from augment_ops.delivery.batch_file.request import BatchFileRequest, factor_of
from augment_ops.errors import AugmentOpsError, DataError, InputError, TransformError
from augment_ops.modalities import asked_of, modality
from augment_ops.modalities.text.texts import read, written
from augment_ops.policy.library import load
from augment_ops.policy.spec import Policy
from support.places import POLICIES
from support.policies import HEAD
from support.questions import questions
from support.tables import transactions

JITTER = "Jitter: {std_range: [0.05, 0.1], p: 1.0}"
SMOTE = "Smote: {k_neighbors: 3, p: 1.0}"
COLUMNS = "label=fraud,subject=customer,time=moment,id=transaction"
OURS = [ID, SOURCE_ID, COPY]
FRAME = transactions(60)
QUESTIONS = questions(40)
READ: dict[str, Callable[[Path], pd.DataFrame]] = {
    "csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    "jsonl": lambda path: pd.read_json(path, lines=True, dtype=False, convert_dates=False),
    "parquet": pd.read_parquet,
}


def policy_of(kind: str, *steps: str, at: str = "16") -> Policy:
    domain = {"tabular": "tabular", "text": "text", "image": "general"}[kind]
    head = HEAD.replace("image", kind).replace("general", domain).replace("8, 8, 1", at)
    return Policy.from_text(head + "".join(f"  - {step}\n" for step in steps))


def rows_request(path: Path, output: Path, *steps: str, columns: str = COLUMNS, factor: int = 3) -> BatchFileRequest:
    return BatchFileRequest(
        input=str(path),
        output=output,
        policy=policy_of("tabular", *(steps or (JITTER, SMOTE))),
        factor=factor,
        seed=7,
        asked=asked_of("tabular", {"columns": columns}),
    )


def texts_request(
    path: Path, output: Path, columns: str = "text=question,label=intent", factor: int = 3
) -> BatchFileRequest:
    asked = asked_of("text", {"text_columns": columns})
    policy = load(POLICIES, "intents-robust")
    return BatchFileRequest(input=str(path), output=output, policy=policy, factor=factor, seed=7, asked=asked)


def images_request(path: Path, output: Path, factor: int = 3) -> BatchFileRequest:
    step = "Affine: {rotate: [-20, 20], p: 1.0}"
    policy = policy_of("image", step, at="8, 8, 1")
    return BatchFileRequest(
        input=str(path), output=output, policy=policy, factor=factor, seed=7, asked=asked_of("image", {"keep": "raw"})
    )


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True, date_format="iso")
    elif path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_factor_means_factor_and_originals_stay(tmp_path: Path, ending: str) -> None:
    table = transactions(300)
    given_ = write(table, tmp_path / f"in.{ending}")
    output = tmp_path / f"out.{ending}"
    made = multiply(rows_request(given_, output))
    before, found = READ[ending](given_), READ[ending](output)
    assert list(found.columns) == [*before.columns, *OURS]
    assert len(found) == 900 == made.counts.output
    assert found[SOURCE_ID].tolist() == [name for name in before["transaction"] for _ in range(3)]
    assert found[COPY].astype(int).tolist() == [0, 1, 2] * 300
    originals = found[found[COPY].astype(int) == 0].drop(columns=OURS).reset_index(drop=True)
    pd.testing.assert_frame_equal(originals, before)
    for copy in (1, 2):  # whom it is of, when it was, what it is: of these nothing is changed
        copies = found[found[COPY].astype(int) == copy].reset_index(drop=True)
        for name in ("fraud", "customer", "moment", "transaction"):
            assert copies[name].tolist() == before[name].tolist(), name
        moved = copies["amount"].astype(float) != before["amount"].astype(float)
        assert moved.mean() > 0.9  # all of them, but where less than a cent was added to a small amount
        assert set(copies["kind"]) <= set(before["kind"])
    key = f"{made.policy_digest[:16]}~7"
    assert found[ID].tolist()[:3] == ["tx-000000", f"tx-000000~1~{key}", f"tx-000000~2~{key}"]
    assert found[ID].is_unique


def test_a_copy_is_what_the_augmenter_makes_under_its_number(tmp_path: Path) -> None:
    table = QUESTIONS.assign(name=[f"q{n}" for n in range(len(QUESTIONS))])
    request = texts_request(
        write(table, tmp_path / "in.csv"), tmp_path / "out.csv", "text=question,label=intent,id=name"
    )
    made = multiply(request)
    found = pd.read_csv(request.output)
    augmenter = modality("text").augmenter(request.policy, 7)
    for copy in (1, 2):
        expected = read(augmenter(written(table["question"].tolist(), 512), table["name"].tolist(), copy))
        assert found[found[COPY] == copy]["question"].tolist() == expected
    assert made.engine == augmenter.engine


@settings(max_examples=8, deadline=None)
@given(size=st.integers(1, 60), order=st.randoms(use_true_random=False))
def test_bytes_depend_on_the_key_and_not_on_how_many_rows_go_at_once(
    size: int, order, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("batches")
    ending = order.choice(["csv", "parquet", "jsonl"])
    table = transactions(50).assign(kind=lambda frame: frame["kind"].astype("category"))
    given_ = write(table, folder / "in.parquet")
    whole, other = folder / f"a.{ending}", folder / f"b.{ending}"
    multiply(rows_request(given_, whole))
    multiply(rows_request(given_, other), rows_at_once=size)
    assert whole.read_bytes() == other.read_bytes()


def test_what_is_held_out_is_written_without_copies_and_looked_at_by_none(tmp_path: Path) -> None:
    table = transactions(300).assign(part=["train"] * 200 + ["validation"] * 40 + ["test"] * 60)
    columns = f"{COLUMNS},split=part"
    made = multiply(rows_request(write(table, tmp_path / "in.parquet"), tmp_path / "a.parquet", SMOTE, columns=columns))
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert found.groupby("part").size().to_dict() == {"train": 600, "validation": 40, "test": 60}
    assert (made.counts.augmented, made.counts.passed, made.counts.copies, made.counts.output) == (200, 100, 400, 700)
    assert sum(made.classes.values()) == 700
    # What the held-out rows hold decides nothing of the copies: a row of train has no neighbour among them.
    table.loc[200:, "amount"] *= 1000
    multiply(rows_request(write(table, tmp_path / "in2.parquet"), tmp_path / "b.parquet", SMOTE, columns=columns))
    other = pd.read_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(found[found["part"] == "train"], other[other["part"] == "train"])


def test_every_column_keeps_its_type_and_holds_what_fits_it(tmp_path: Path) -> None:
    n = 60
    draw = np.random.default_rng(0)
    source = pa.table(
        {
            "small": pa.array(draw.integers(100, 128, n), pa.int8()),
            "single": pa.array(draw.random(n) * 10, pa.float32()),
            "exact": pa.array([Decimal(f"{value:.2f}") for value in draw.random(n) * 50], pa.decimal128(8, 2)),
            "written": pa.array([f"{value:.3f}" for value in draw.random(n)]),
            "flag": pa.array(draw.integers(0, 2, n).astype(bool)),
            "code": pa.array(draw.choice([" a", "b", "c "], n)).dictionary_encode(),
            "note": pa.array([None, "x"] * (n // 2), pa.large_string()),
            "day": pa.array(range(n), pa.date32()),
            "label": pa.array([0, 1] * (n // 2), pa.uint8()),
        }
    )
    pq.write_table(source, tmp_path / "in.parquet")
    columns = "label=label,ignore=note;day"
    steps = ("Jitter: {std_range: [0.2, 0.2], p: 1.0, columns: [small, single, exact, written]}", SMOTE)
    multiply(rows_request(tmp_path / "in.parquet", tmp_path / "out.parquet", *steps, columns=columns))
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.types[:9] == source.schema.types
    originals = found.filter(pa.compute.equal(found[COPY], 0)).select(source.schema.names)
    assert originals.to_pylist() == source.to_pylist()
    copies = found.filter(pa.compute.greater(found[COPY], 0)).to_pydict()
    assert max(copies["small"]) == 127  # and no overflow
    assert set(copies["code"]) == {" a", "b", "c "}  # as they are written
    assert all(value.as_tuple().exponent == -2 for value in copies["exact"])
    assert all(float(value) for value in copies["written"])
    assert copies["day"] == [day for day in source["day"].to_pylist() for _ in range(2)]


def test_a_csv_becomes_a_table_with_types(tmp_path: Path) -> None:
    table = transactions(100).assign(amount=lambda frame: frame["amount"].where(frame.index % 7 > 0))
    given_ = write(table, tmp_path / "in.csv")
    multiply(rows_request(given_, tmp_path / "out.parquet"))
    kinds = {one.name: str(one.type) for one in pq.read_schema(tmp_path / "out.parquet")}
    assert (kinds["amount"], kinds["hour"], kinds["kind"], kinds["fraud"]) == ("double", "int64", "string", "string")
    assert pd.read_parquet(tmp_path / "out.parquet")["amount"].isna().sum() >= 15


def test_whole_numbers_that_no_float_holds_stay_text(tmp_path: Path) -> None:
    given_ = write(transactions(40).assign(hour=2**53 + 1), tmp_path / "in.csv")
    with pytest.raises(DataError, match="whole number of 2"):
        multiply(rows_request(given_, tmp_path / "out.parquet", JITTER))
    multiply(rows_request(given_, tmp_path / "out.csv", JITTER))
    assert set(pd.read_csv(tmp_path / "out.csv")["hour"]) == {2**53 + 1}


TEXTS = [
    "How do I activate my card?",
    "🚀🚀 where is my money 😡?",
    "أين بطاقتي الجديدة من فضلك",
    'a "quoted", text; with\ncommas and a line',
    "  blanks around it  ",
]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_texts_of_every_script_keep_what_they_are(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"n": range(40), "question": TEXTS * 8, "intent": ["a", "b", "a", "b", "c"] * 8})
    given_ = write(table, tmp_path / f"in.{ending}")
    made = multiply(texts_request(given_, tmp_path / f"out.{ending}"))
    found, before = READ[ending](tmp_path / f"out.{ending}"), READ[ending](given_)
    copy = found[COPY].astype(int)
    pd.testing.assert_frame_equal(found[copy == 0].drop(columns=OURS).reset_index(drop=True), before)
    for number in (1, 2):
        copies = found[copy == number].reset_index(drop=True)
        assert copies["intent"].tolist() == before["intent"].tolist()
        assert copies["n"].tolist() == before["n"].tolist()
        changed = copies["question"] != before["question"]
        assert 0 < changed.sum() < len(copies)  # the policy is drawn, and leaves some
    assert found[ID].is_unique  # also of rows that say the same
    unchanged = sum((found[copy == number]["question"].tolist() == np.array(TEXTS * 8)).sum() for number in (1, 2))
    assert made.counts.unchanged == unchanged


def images(folder: Path) -> Path:
    """Six PNGs in two classes and two splits, of two sizes."""
    draw = np.random.default_rng(3)
    for number in range(6):
        split, size = ("test" if number > 3 else "train"), (8, 8) if number % 2 else (8, 12)
        path = folder / split / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, size).astype(np.uint8)).save(path)
    return folder


def tar_of(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=".")
    return path


def test_a_folder_of_images_keeps_its_files_and_gets_copies_beside_them(tmp_path: Path) -> None:
    given_ = images(tmp_path / "photos")
    made = multiply(images_request(given_, tmp_path / "more"))
    index = pd.read_csv(tmp_path / "more" / "index.csv")
    files = sorted(str(path.relative_to(tmp_path / "more")) for path in (tmp_path / "more").rglob("*.png"))
    assert files == sorted(index["path"])
    assert len(files) == 4 * 3 + 2 == made.counts.output
    for _, row in index.iterrows():
        data = (tmp_path / "more" / row["path"]).read_bytes()
        original = (given_ / row[SOURCE_ID]).read_bytes()
        assert row["label"] == Path(row["path"]).parent.name
        assert row["subject"] == row[SOURCE_ID]
        assert (data == original) is (row[COPY] == 0)
        assert Image.open(io.BytesIO(data)).size == Image.open(io.BytesIO(original)).size
    assert set(index[index["split"] == "test"][COPY]) == {0}
    # What was written is a data set: whoever splits it by subject keeps copies with their originals.
    samples = list(modality("image").codec.open(str(tmp_path / "more" / "index.csv"), {}).samples())
    assert {(one.id, one.subject) for one in samples} == set(zip(index["path"], index[SOURCE_ID], strict=True))


def test_an_archive_has_the_same_copies_and_the_same_bytes_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tar_of(images(tmp_path / "photos"), tmp_path / "photos.tar.gz")
    multiply(images_request(archive, tmp_path / "a.tar.gz"))
    monkeypatch.setattr(trees, "_WAITING_BYTES", 1)  # one after the other
    multiply(images_request(archive, tmp_path / "b.tar.gz"))
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    multiply(images_request(tmp_path / "photos", tmp_path / "c"))
    with tarfile.open(tmp_path / "a.tar.gz") as packed:
        for member in packed.getmembers():
            opened = packed.extractfile(member)
            assert opened is not None
            if member.name != "index.csv":
                assert opened.read() == (tmp_path / "c" / member.name).read_bytes(), member.name


def test_the_manifest_says_what_was_made_of_what(tmp_path: Path) -> None:
    given_ = write(questions(40), tmp_path / "in.csv")
    request = texts_request(given_, tmp_path / "out.csv")
    made = multiply(request)
    told = from_json(BatchFileManifest, manifest_path(request.output).read_bytes())
    assert told == made
    assert told.input_sha256 == hashlib.sha256(given_.read_bytes()).hexdigest()
    assert told.output_sha256 == hashlib.sha256(request.output.read_bytes()).hexdigest()
    assert (told.policy_digest, told.seed, told.factor) == (request.policy.digest, 7, 3)
    assert [name for name, _ in told.columns] == ["question", "intent", "country", *OURS]
    folder = multiply(images_request(images(tmp_path / "photos"), tmp_path / "more"))
    names = sorted(path.relative_to(tmp_path / "more").as_posix() for path in (tmp_path / "more").rglob("*.*"))
    digests = [hashlib.sha256((tmp_path / "more" / name).read_bytes()).hexdigest() for name in names]
    lines = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    assert folder.output_sha256 == hashlib.sha256(lines.encode()).hexdigest()


SINGLE = FRAME.assign(fraud="genuine")
BAD_ROWS: dict[str, tuple[pd.DataFrame, str, str]] = {
    "a column that is not there": (FRAME, "label=frod,time=moment", "no column 'frod'"),
    "one class": (SINGLE, COLUMNS, "one class, 'genuine'"),
    "a column without a value": (FRAME.assign(empty=None), COLUMNS, "no value in any row"),
    "numbers and texts": (FRAME.assign(odd=["x", "1"] * 30), COLUMNS, "numbers and"),
    "many categories": (transactions(300).assign(name=[f"n{i}" for i in range(300)]), COLUMNS, "255"),
    "a row without a label": (FRAME.assign(fraud=["fraud", None] * 30), COLUMNS, "no label"),
    "a time that is none": (FRAME.assign(moment="soon"), COLUMNS, "no time"),
    "two rows of one id": (FRAME.assign(transaction="tx"), COLUMNS, "more than once"),
    "a column of ours": (FRAME.assign(augment_ops_copy=0), COLUMNS, "a file that this command wrote"),
    "a rare class of few": (
        FRAME.assign(fraud=np.where(np.arange(60) < 3, "fraud", "genuine")),
        COLUMNS,
        "3, and 3 rows of class 'fraud' in the training part",
    ),
    "no row of train": (FRAME.assign(part="test"), f"{COLUMNS},split=part", "no sample of train"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_used_are_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    table, columns, said = BAD_ROWS[case]
    given_ = write(table, tmp_path / "in.csv")
    with pytest.raises((DataError, TransformError), match=said):
        multiply(rows_request(given_, tmp_path / "out.parquet", columns=columns))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["", *TEXTS[1:]], "no text"),
        (["x" * 600, *TEXTS[1:]], "--text-bytes"),
        (["half \udce9", *TEXTS[1:]], "UTF-8|half"),
    ],
)
def test_texts_that_cannot_be_used_are_refused_and_nothing_is_written(
    tmp_path: Path, texts: list[str], said: str
) -> None:
    rows = [{"question": text, "intent": name} for text, name in zip(texts, "ababa", strict=True)]
    given_ = tmp_path / "in.jsonl"
    given_.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=said):
        multiply(texts_request(given_, tmp_path / "out.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_objects_of_json_have_one_type_a_column(tmp_path: Path) -> None:
    given_ = tmp_path / "in.jsonl"
    given_.write_text('{"question": "a b", "intent": "x", "n": 1}\n{"question": "c d", "intent": "y", "n": "one"}\n')
    with pytest.raises(DataError, match="column 'n'"):
        multiply(texts_request(given_, tmp_path / "out.jsonl"))
    given_.write_text('{"question": "a b", "intent": "x", "n": 1}\n{"question": "c d", "intent": "y"}\n')
    multiply(texts_request(given_, tmp_path / "out.jsonl"))
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["n"] for row in found] == [1, 1, 1, None, None, None]


def test_later_objects_of_json_may_lack_a_key_and_bring_no_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS_AT_ONCE", 2)
    lines = [{"question": f"where is card {n}", "intent": "ab"[n % 2], "n": n} for n in range(6)]
    del lines[4]["n"]
    del lines[5]["n"]
    given_ = tmp_path / "in.jsonl"
    given_.write_text("".join(json.dumps(line) + "\n" for line in lines))
    multiply(texts_request(given_, tmp_path / "out.jsonl", factor=1))
    found = [json.loads(line)["n"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == [0, 1, 2, 3, None, None]
    lines[5]["late"] = 1
    given_.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match="'late', which none of the first 2 lines has"):
        multiply(texts_request(given_, tmp_path / "other.jsonl"))


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "ran",))

    for name in ("in.pkl", "in.parquet", "in.csv", "in.jsonl"):
        given_ = tmp_path / name
        given_.write_bytes(pickle.dumps(Bomb()))
        for request in (rows_request, texts_request):
            with pytest.raises(DataError):
                multiply(request(given_, tmp_path / "out.csv"))
        given_.unlink()
    assert list(tmp_path.iterdir()) == []


def test_images_that_cannot_be_used_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = images(tmp_path / "photos")
    (folder / "train" / "cat" / "broken.png").write_bytes(b"\x89PNG none")
    with pytest.raises(DataError, match=r"1 of 7 samples that cannot be used, such as train/cat/broken\.png"):
        multiply(images_request(folder, tmp_path / "more"))
    (folder / "train" / "cat" / "broken.png").unlink()
    (folder / "train" / "cat" / "0.png~1.png").write_bytes((folder / "train" / "cat" / "0.png").read_bytes())
    with pytest.raises(DataError, match=r"two files called 'train/cat/0\.png~1\.png'"):
        multiply(images_request(folder, tmp_path / "more"))
    with pytest.raises(DataError, match="no files of their own"):
        multiply(images_request(write_arrays(tmp_path / "arrays.npz"), tmp_path / "more"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays.npz", "photos"]


def write_arrays(path: Path) -> Path:
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8), labels=np.array([0, 1, 0, 1]))
    return path


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "three", "", "1e3", "²"])
def test_a_factor_is_a_whole_number(text: str) -> None:
    with pytest.raises(InputError, match="whole number"):
        factor_of(text)


def test_a_factor_of_one_marks_the_originals(tmp_path: Path) -> None:
    multiply(texts_request(write(QUESTIONS, tmp_path / "in.csv"), tmp_path / "out.csv", factor=factor_of("1")))
    found = pd.read_csv(tmp_path / "out.csv")
    pd.testing.assert_frame_equal(found.drop(columns=OURS), QUESTIONS.astype(found[["question"]].dtypes.iloc[0]))
    assert set(found[COPY]) == {0}


def test_outputs_that_would_destroy_something_are_refused(tmp_path: Path) -> None:
    given_ = write(QUESTIONS, tmp_path / "in.csv")
    photos = images(tmp_path / "photos")
    (tmp_path / "link.csv").symlink_to(given_)
    for request, said in (
        (texts_request(given_, given_), "the input itself"),
        (texts_request(given_, tmp_path / "link.csv"), "the input itself"),
        (images_request(photos, photos / "more"), "one of both inside the other"),
        (images_request(photos / "train", photos), "one of both inside the other"),
        (texts_request(given_, tmp_path / "out.xlsx"), "the ending '.xlsx'"),
        (images_request(photos, tmp_path / "out.csv"), "the ending '.csv'"),
        (texts_request(given_, tmp_path / "none" / "out.csv"), "no folder"),
        (texts_request(given_, Path("s3://bucket/out.csv")), "a URI"),
        (mixing(images_request(photos, tmp_path / "more")), "mixes labels"),
    ):
        with pytest.raises(InputError, match=said):
            multiply(request)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "link.csv", "photos"]


def test_an_output_is_replaced_only_where_that_is_asked(tmp_path: Path) -> None:
    given_ = write(QUESTIONS, tmp_path / "in.csv")
    request = texts_request(given_, tmp_path / "out.csv")
    request.output.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        multiply(request)
    assert request.output.read_text() == "mine"
    multiply(forced(request))
    assert len(pd.read_csv(request.output)) == 120
    folder = images_request(images(tmp_path / "photos"), tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="without a manifest"):
        multiply(forced(folder))
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"
    other = images_request(tmp_path / "photos", tmp_path / "more")
    multiply(other)
    (tmp_path / "more" / "stray.png").write_bytes(b"")
    multiply(forced(other))
    assert not (tmp_path / "more" / "stray.png").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def mixing(request: BatchFileRequest) -> BatchFileRequest:
    return replace(
        request, policy=Policy.from_text(HEAD.replace("transforms:", "mixing: {kind: mixup}\ntransforms: []"))
    )


def forced(request: BatchFileRequest) -> BatchFileRequest:
    return replace(request, force=True)


@pytest.mark.parametrize(
    ("phase", "becomes"),
    [("", QUESTIONS.assign(country="XX")), ("reading", questions(80)), ("reading", questions(20))],
    ids=["after it was read", "longer while it is read", "shorter while it is read"],
)
def test_an_input_that_changes_meanwhile_gives_no_output(tmp_path: Path, phase: str, becomes: pd.DataFrame) -> None:
    given_ = write(QUESTIONS, tmp_path / "in.csv")

    def changing(done: int, total: int | None, then: str) -> None:
        if then == phase:
            write(becomes, given_)
        elif not then:  # as it was, by the time that it is hashed again
            write(QUESTIONS, given_)

    with pytest.raises(DataError, match="another content"):
        multiply(texts_request(given_, tmp_path / "out.csv"), advance=changing)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    given_ = write(QUESTIONS, tmp_path / "in.csv")
    request = texts_request(given_, tmp_path / "out.csv")
    multiply(request)
    before = request.output.read_bytes(), manifest_path(request.output).read_bytes()

    def failing(done: int, total: int | None, then: str) -> None:
        if total is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        multiply(forced(request), advance=failing)
    assert (request.output.read_bytes(), manifest_path(request.output).read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 3


def test_a_kill_leaves_no_half_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    given_ = write(QUESTIONS, tmp_path / "in.csv")
    request = texts_request(given_, tmp_path / "out.csv")
    (tmp_path / "request").write_bytes(pickle.dumps(request))
    program = (
        "import os, pickle, signal, sys\n"
        "from augment_ops.delivery.batch_file.multiply import multiply\n"
        "def die(done, total, then):\n"
        "    if total is not None:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "multiply(pickle.load(open(sys.argv[1], 'rb')), rows_at_once=10, advance=die)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "request")], check=False)
    assert ended.returncode == -signal.SIGKILL
    left = [path.name for path in tmp_path.iterdir() if path.name not in ("in.csv", "request")]
    assert len(left) == 1 and left[0].startswith(".out.csv.unfinished-")
    multiply(request)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv", "out.csv.manifest.json", "request"]


def test_errors_have_their_four_parts(tmp_path: Path) -> None:
    with pytest.raises(AugmentOpsError) as refused:
        multiply(texts_request(tmp_path / "none.csv", tmp_path / "out.csv"))
    (fault,) = refused.value.faults
    assert all((fault.where, fault.found, fault.expected, fault.fix))
    assert refused.value.exit_code == 2
