"""PSI over files equals PSI in memory, whatever the batches, and its memory does not grow with the rows."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment_ops.errors import DataError
from augment_ops.monitoring.drift.detectors.psi import Psi
from augment_ops.monitoring.drift.table import psi_of_tables

ROOT = Path(__file__).resolve().parents[4]


def write(path: Path, **columns) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=700)
    return path


@pytest.fixture
def sides(tmp_path: Path) -> tuple[dict, dict]:
    generator = np.random.default_rng(0)
    reference = {
        "amount": generator.gamma(2.0, size=5000),
        "whole": generator.integers(0, 5, 5000),
        "flag": generator.uniform(size=5000) < 0.3,
        "kind": generator.choice(list("abc"), 5000).astype(object),
    }
    window = {
        "amount": np.append(generator.gamma(2.0, size=1999) * 1.8, 1e6),
        "whole": generator.integers(1, 6, 2000),
        "flag": generator.uniform(size=2000) < 0.3,
        "kind": generator.choice(list("abz"), 2000).astype(object),
    }
    for side in (reference, window):
        side["amount"][:100] = np.nan
        side["kind"][:50] = None
    return reference, window


def test_it_is_the_psi_of_the_values_in_memory(tmp_path: Path, sides: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.monitoring.drift.table._BATCH", 333)
    reference, window = sides
    half = {name: values[:900] for name, values in window.items()}, {n: v[900:] for n, v in window.items()}
    paths = [write(tmp_path / f"w{i}.parquet", **part) for i, part in enumerate(half)]
    found = psi_of_tables([write(tmp_path / "r.parquet", **reference)], paths)
    for name in ("amount", "whole", "flag", "kind"):
        expected = Psi().measure(reference[name], window[name])
        assert found[name].effect == pytest.approx(expected.effect, rel=1e-2), name
        assert (found[name].n_reference, found[name].n_window) == (5000, 2000)
    assert found["amount"].effect > 0.25
    assert found["flag"].effect < 0.1


def test_edges_from_a_part_of_the_reference_change_little(
    tmp_path: Path, sides: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augment_ops.monitoring.drift.table._EDGE_VALUES", 500)
    paths = [write(tmp_path / f"{i}.parquet", amount=side["amount"]) for i, side in enumerate(sides)]
    expected = Psi().measure(*(side["amount"] for side in sides)).effect
    assert psi_of_tables(paths[:1], paths[1:])["amount"].effect == pytest.approx(expected, rel=0.1)


def test_a_renamed_column_is_missing_and_a_damaged_file_an_error(tmp_path: Path, sides: tuple) -> None:
    reference = write(tmp_path / "r.parquet", amount=sides[0]["amount"])
    renamed = write(tmp_path / "w.parquet", sum=sides[1]["amount"])
    assert psi_of_tables([reference], [renamed])["amount"].bins[-1].window_share == 1.0
    with pytest.raises(DataError, match="no column price"):
        psi_of_tables([reference], [renamed], ["price"])
    renamed.write_bytes(renamed.read_bytes()[:-9])
    with pytest.raises(DataError, match="whole Parquet file"):
        psi_of_tables([reference], [renamed])


_PEAK = """
import json, re, sys
from pathlib import Path
from augment_ops.monitoring.drift.table import psi_of_tables
psi_of_tables([Path(sys.argv[1])] * int(sys.argv[3]), [Path(sys.argv[2])] * int(sys.argv[3]))
print(json.dumps(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(4, 200_000))
    path = write(tmp_path / "r.parquet", **{f"c{i}": column for i, column in enumerate(values)})

    def peak(times: int) -> float:
        command = [sys.executable, "-c", _PEAK, str(path), str(path), str(times)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=300).stdout)

    assert peak(20) < peak(1) + 60


@pytest.mark.parametrize(
    ("columns", "names", "found"),
    [
        ([pa.array([[1], [2]])], ["f"], "'f': found list<"),
        ([pa.array([{"a": 1}] * 2)], ["f"], "'f': found struct<"),
        ([pa.array([b"\xff"] * 2)], ["f"], "'f': found binary"),
        ([pa.array([1, 2**63], pa.uint64())], ["f"], "'f', row 1: found 9223372036854775808"),
        ([pa.array([1, 2]), pa.array(["x", "y"])], ["f", "f"], "'f': found 2 columns of that name"),
    ],
)
def test_a_column_that_is_neither_numbers_nor_text_is_named_with_its_file(
    tmp_path: Path, columns: list[pa.Array], names: list[str], found: str
) -> None:
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table(columns, names=names), path)
    with pytest.raises(DataError, match=f"(?s)odd.parquet: 1 fault.*{found}"):
        psi_of_tables([path], [path])
    with pytest.raises(DataError, match="tables: found no file"):
        psi_of_tables([path], [])


def test_decimals_and_moments_are_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=2000).round(3)
    write(tmp_path / "n.parquet", amount=numbers, at=numbers)
    at = pa.array(np.rint(numbers * 1e6).astype(np.int64), pa.timestamp("us"))
    pq.write_table(pa.table({"amount": [Decimal(str(one)) for one in numbers], "at": at}), tmp_path / "d.parquet")
    found = psi_of_tables([tmp_path / "n.parquet"], [tmp_path / "d.parquet"])
    assert [found[name].effect for name in ("amount", "at")] == [0.0, 0.0]
