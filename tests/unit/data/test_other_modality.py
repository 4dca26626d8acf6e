"""The data room knows no modality: what it does for images it does for samples of another kind, shape and dtype."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import numpy as np
import pytest

from augment_ops import modalities
from augment_ops.content import canonical_json, from_json
from augment_ops.data.fingerprint import fingerprint
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest, document_name
from augment_ops.data.payload import Joined, chunks
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.sources.locate import locate
from augment_ops.data.store import Store
from augment_ops.errors import DataError, InputError, StoreError
from augment_ops.modalities.codec import Reading
from augment_ops.modalities.source import Defect, Leftovers, RawSample
from augment_ops.parameter import DATA, About


@dataclass(frozen=True, kw_only=True)
class SeriesParameters:
    unit: Annotated[str, About(title="Unit", section=DATA, help="Of the values.", after="dataset_name")] = "mm"


class SeriesSource:
    """Two numbers a line of JSON; the first line names them."""

    def __init__(self, uri: str, unit: str, schema: Mapping[str, Any] | None) -> None:
        self.place, self.unit, self.given = locate(uri, "a file of lines"), unit, schema
        self.name, self.leftovers, self.schema = "series", Leftovers(), None

    def samples(self) -> Iterator[RawSample]:
        first, *lines = Path(self.place.path).read_text().splitlines()
        self.schema = dict(self.given or {"names": json.loads(first), "unit": self.unit})
        for line in lines:
            name, label, values = json.loads(line)
            yield RawSample(
                id=name,
                label=label,
                split=None,
                subject=None,
                time=None,
                source=name,
                data=values,
                extra={"site": label},
            )

    def contents(self) -> Iterator[tuple[str, ...]]:
        yield "file", self.place.sha256()


@dataclass(frozen=True)
class SeriesDecoder:
    encoded: bool = False

    def decode(self, data: Any) -> Any:
        try:
            return np.array(data, np.float64)
        except (TypeError, ValueError):
            return Defect("unreadable: no numbers")

    def settled(self, shapes: Mapping[tuple[int, ...], int]) -> SeriesDecoder:
        return self

    def converts(self, shape: tuple[int, ...]) -> bool:
        return False


class SeriesCodec:
    dtype, content, measures = np.dtype(np.float64), "content_sha256", ()
    how_labelled, reading_type = "write a label into every line", Reading
    time_decides = False

    def reading(self, asked: Mapping[str, Any], read: Reading) -> Reading:
        return read

    def licence(self, uri: str) -> str:
        return ""

    def is_local(self, uri: str) -> bool:
        return locate(uri, "a file of lines").is_local

    def open(self, uri: str, asked: Mapping[str, Any], *, allow_outside: bool = False, schema: Any = None) -> Any:
        return SeriesSource(uri, asked["unit"], schema)

    def decoder(self, asked: Mapping[str, Any]) -> SeriesDecoder:
        return SeriesDecoder()


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    parts = {
        "modality": {"MODALITY": SimpleNamespace(name="series", codec=SeriesCodec())},
        "run_parameters": {"DECLARED": SeriesParameters},
    }
    for part, names in parts.items():
        module = ModuleType(part)
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, f"augment_ops.modalities.series.{part}", module)
    monkeypatch.setitem(sys.modules, "augment_ops.modalities.series", ModuleType("series"))
    monkeypatch.setattr(modalities, "NAMES", ("image", "series"))
    yield
    modalities.modality.cache_clear()
    modalities.run_parameters.cache_clear()


VALUES = np.arange(120, dtype=np.float64).reshape(60, 2) / 7
VALUES[3, 1] = np.nan


def written(path: Path, names: tuple[str, ...] = ("depth", "force"), classes: str = "ab", more: str = "") -> str:
    labels = [classes[i % len(classes)] for i in range(len(VALUES))]
    lines = [json.dumps([f"{i:03d}", labels[i], values.tolist()]) for i, values in enumerate(VALUES)]
    path.write_text("\n".join([json.dumps(names), *lines]) + more)
    return str(path)


@pytest.mark.usefixtures("series")
def test_samples_of_another_shape_and_dtype_are_kept_bit_for_bit(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = '\n["060", "a", "nothing"]\n["061", "b", [1.0]]'
    manifest = ingest(written(tmp_path / "a", more=more), store, modality="series")
    assert (manifest.format, manifest.modality, manifest.sample_shape, manifest.defective) == (3, "series", (2,), 2)
    assert manifest.schema == {"names": ["depth", "force"], "unit": "mm"}
    snapshot = Snapshot.open(store, manifest.digest)
    assert snapshot.manifest == manifest
    assert tuple(snapshot.index.columns) == (*snapshot.columns, "site")
    assert {"content_sha256"} == set(snapshot.columns) - {
        "sample_id", "label", "class_name", "split", "subject", "time", "source", "defect", "row",
    }  # fmt: skip
    assert snapshot.index.set_index("sample_id")["defect"].dropna().to_dict() == {
        "060": "unreadable: no numbers",
        "061": "shape 1 instead of 2",
    }
    found = Joined([snapshot.payload, snapshot.payload])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found.take(np.array([3, 60 + 59])), VALUES[[3, 59]])
    monkeypatch.setattr("augment_ops.data.payload._CHUNK_BYTES", 160)  # ten samples of two float64
    parts = [part for _, part in chunks(snapshot.payload)]
    assert [len(part) for part in parts] == [10] * 6
    np.testing.assert_array_equal(np.concatenate(parts), VALUES)
    assert set(snapshot.group_columns(["000"])) == {"site"}


@pytest.mark.usefixtures("series")
def test_large_snapshots_are_read_by_calls(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.data.shards._MAPPED_BYTES", 0)
    monkeypatch.setattr("augment_ops.data.shards.SHARD_BYTES", 160)  # ten samples
    manifest = ingest(written(tmp_path / "a"), store, modality="series")
    assert [shard.samples for shard in manifest.shards] == [10] * 6
    rows = np.array([59, 3, 0, 3])
    np.testing.assert_array_equal(Snapshot.open(store, manifest.digest).payload.take(rows), VALUES[rows])


@pytest.mark.usefixtures("series")
def test_the_schema_is_part_of_the_digest_and_of_what_a_model_takes(tmp_path: Path, store: Store) -> None:
    mine = ingest(written(tmp_path / "a"), store, modality="series")
    other = ingest(written(tmp_path / "b", names=("depth", "speed")), store, modality="series")
    assert mine.digest != other.digest and mine.interface != other.interface
    assert mine.index == other.index and mine.shards == other.shards
    read_as_mine = ingest(str(tmp_path / "b"), store, modality="series", schema=mine.schema)
    assert (read_as_mine.digest, read_as_mine.interface) == (mine.digest, mine.interface)
    forged = replace(mine, schema={"names": ["depth", "speed"], "unit": "mm"})
    with pytest.raises(StoreError, match="schema with another digest"):
        Snapshot(store, forged).index  # noqa: B018


@pytest.mark.usefixtures("series")
def test_a_manifest_that_was_changed_to_another_modality_reads_no_samples(tmp_path: Path, store: Store) -> None:
    manifest = ingest(written(tmp_path / "a"), store, modality="series")
    with pytest.raises(StoreError, match="an index without the column pixel_sha256"):
        Snapshot(store, replace(manifest, modality="image")).split("train")


@pytest.mark.usefixtures("series")
def test_its_parameters_are_its_own(tmp_path: Path, store: Store) -> None:
    uri = written(tmp_path / "a")
    assert (ingest(uri, store, modality="series", unit="inch").schema or {})["unit"] == "inch"
    with pytest.raises(InputError, match=r"(?s)keep: found 'encoded'; expected a parameter .* series \(unit\)"):
        ingest(uri, store, modality="series", keep="encoded")
    assert fingerprint(uri, store, modality="series") is not None
    with pytest.raises(DataError, match="write a label into every line"):
        ingest(written(tmp_path / "one", classes="a"), store, modality="series")


@pytest.mark.usefixtures("series")
def test_a_snapshot_is_a_source_of_its_own_modality_alone(tmp_path: Path, store: Store) -> None:
    manifest = ingest(written(tmp_path / "a"), store, modality="series")
    again = ingest(f"snapshot:{manifest.digest}", store, modality="series")
    assert (again.digest, again.schema) == (manifest.digest, manifest.schema)
    with pytest.raises(DataError, match="found a snapshot of the modality series; expected image"):
        ingest(f"snapshot:{manifest.digest}", store)


def test_a_manifest_of_an_unknown_modality_is_one_clear_error(images: Path, store: Store) -> None:
    manifest = ingest(str(images), store)
    document = json.loads(canonical_json(manifest)) | {"modality": "smell", "format": 3}
    store.put_document(document_name(manifest.digest), json.dumps(document).encode())
    with pytest.raises(InputError, match=r"modality: found 'smell'; expected image"):
        Snapshot.open(store, manifest.digest)
    document.pop("reading")
    with pytest.raises(InputError, match="found 'smell'"):
        from_json(SnapshotManifest, json.dumps(document).encode())
    assert ingest(str(images), store) == manifest, "it is written again"


@pytest.mark.parametrize("forged", [{"format": 3}, {"format": 2, "schema": {}}, {"modality": "smell"}])
def test_a_format_that_a_program_of_before_would_misread_is_refused(
    images: Path, store: Store, forged: dict[str, Any]
) -> None:
    document = json.loads(canonical_json(ingest(str(images), store))) | forged
    with pytest.raises((StoreError, InputError)):
        from_json(SnapshotManifest, json.dumps(document).encode())
