"""Indexes as other programs save them: read as what they say, or refused with column and row."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment_ops.errors import DataError
from augment_ops.modalities.image.sources import open_source
from augment_ops.modalities.source import RawSample

PATHS = ["a.png", "b.png"]


def samples(path: Path) -> list[RawSample]:
    return list(open_source(str(path)).samples())


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table({"path": PATHS, "label": ["x", "y"], **columns}), folder / "index.parquet")
    return folder / "index.parquet"


CSV: dict[str, bytes] = {
    "plain": b"path,label\na.png,x\nb.png,y\n",
    "a byte order mark": b"\xef\xbb\xbfpath,label\na.png,x\nb.png,y\n",
    "a byte order mark and quotes": b'\xef\xbb\xbf"path","label"\n"a.png","x"\nb.png,y\n',
    "Windows": b"path,label\r\na.png,x\r\nb.png,y\r\n",
    "blanks around names": b"path , label\na.png,x\nb.png,y\n",
    "no end of line": b"path,label\na.png,x\nb.png,y",
}


@pytest.mark.parametrize("data", CSV.values(), ids=CSV.keys())
def test_csv_is_read_however_it_was_saved(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "index.csv").write_bytes(data)
    assert [(one.id, one.label) for one in samples(tmp_path / "index.csv")] == [("a.png", "x"), ("b.png", "y")]


def test_column_names_with_line_breaks_and_names_of_ours_are_kept(tmp_path: Path) -> None:
    names = ["si\nze", "predictions", "class-mix", "__index__", "row", "defect"]
    table = pd.DataFrame({"path": PATHS, "label": ["x", "y"], **{name: [1, 2] for name in names}})
    table.to_csv(tmp_path / "index.csv", index=False)
    kept = {"si\nze", "predictions", "class-mix", "__index__", "meta_row", "meta_defect"}
    assert set(samples(tmp_path / "index.csv")[0].extra) == kept


REFUSED: dict[str, tuple[bytes, str]] = {
    "labels twice": (b"path,label,label\na.png,x,y\n", "2 columns called 'label'"),
    "labels twice but for blanks": (b"path,label, label\na.png,x,y\n", "2 columns called 'label'"),
    "more cells than names": (b"path,label\na.png,x,\nb.png,y,\n", "more cells than the 2 names"),
    "semicolons": (b"path;label\na.png;x\n", "one column, 'path;label'.*with commas"),
    "tabs": (b"path\tlabel\na.png\tx\n", "one column.*with commas"),
    "UTF-16 with a mark": ("path,label\na.png,x\n".encode("utf-16"), "a zero byte.* UTF-16.*CSV in UTF-8"),
    "UTF-16 without a mark": ("path,label\na.png,x\n".encode("utf-16-le"), "a zero byte.* UTF-16.*CSV in UTF-8"),
    "an empty file": (b"", "No columns"),
    "a header alone": (b"path,label\n", "no rows"),
    "beyond 63 bits": (b"path,label,id\na.png,x,9223372036854775808\n", "'id'; integers have at most 63 bits"),
    "beyond 64 bits": (b"path,label,id\na.png,x,99999999999999999999\n", r"column 'id': found int .*\(line 2\)"),
    "one name for two": (b"path,label,row,meta_row\na.png,x,1,2\n", "'row' and 'meta_row'"),
}


@pytest.mark.parametrize(("data", "found"), REFUSED.values(), ids=REFUSED.keys())
def test_csv_that_says_two_things_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    (tmp_path / "index.csv").write_bytes(data)
    with pytest.raises(DataError, match=f"(?s)index.csv.*{found}"):
        samples(tmp_path / "index.csv")


CELLS: dict[str, tuple[dict[str, Any], str]] = {
    "lists": ({"tags": [["a"], ["b"]]}, r"column 'tags': found ndarray .*\(line 2\)"),
    "a list for a label": ({"label": [["x"], ["y"]]}, r"column 'label': found ndarray"),
    "structures": ({"where": [None, {"a": 1}]}, r"column 'where': found dict .* in 1 rows \(line 3\)"),
    "bytes": ({"label": [b"x", b"y"]}, "column 'label': found bytes b'x'"),
    "beyond 63 bits": ({"id": pa.array([2**63, None], pa.uint64())}, "9223372036854775808 in column 'id'"),
}


@pytest.mark.parametrize(("columns", "found"), CELLS.values(), ids=CELLS.keys())
def test_a_cell_that_is_not_one_value_is_named(tmp_path: Path, columns: dict[str, Any], found: str) -> None:
    with pytest.raises(DataError, match=found):
        samples(parquet(tmp_path, **columns))


def test_a_parquet_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([PATHS, ["x", "y"], ["y", "x"]], names=["path", "label", "label"])
    pq.write_table(table, tmp_path / "index.parquet")
    with pytest.raises(DataError, match="2 columns called 'label'"):
        samples(tmp_path / "index.parquet")


LABELS: dict[str, Any] = {
    "numbers": [1, 2],
    "numbers with a gap": [1, None],
    "floats": [1.0, 2.0],
    "decimals": [Decimal(1), Decimal(2)],
    "a dictionary": pa.array(["1", "2"]).dictionary_encode(),
    "large text": pa.array(["1", "2"], pa.large_string()),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_any_type_are_the_same_classes(tmp_path: Path, labels: Any) -> None:
    found = [one.label for one in samples(parquet(tmp_path, label=labels))]
    assert found in (["1", "2"], ["1", None])


def test_an_id_of_17_digits_beside_a_gap_is_whole(tmp_path: Path) -> None:
    assert samples(parquet(tmp_path, label=[2**53 + 1, None]))[0].label == str(2**53 + 1)


def test_a_path_that_pandas_wrote_as_names_of_the_rows_is_a_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": PATHS, "label": ["x", "y"]})
    table.set_index("path").to_parquet(tmp_path / "named.parquet")
    table[::-1].to_parquet(tmp_path / "unnamed.parquet")
    assert [one.id for one in samples(tmp_path / "named.parquet")] == PATHS
    assert [(one.id, dict(one.extra)) for one in samples(tmp_path / "unnamed.parquet")] == [
        ("b.png", {}),
        ("a.png", {}),
    ]
