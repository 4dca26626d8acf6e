"""An immutable data set in the store: a manifest, an index of its samples, and their pixels.

What is where: the document `snapshots/<digest>.json` holds the manifest, which names the index (Parquet) and the shards
(`data.shards`), whose samples follow each other in the order of the index's `row`. In format 1 one object held all
pixels. The document is written last, so a snapshot either exists whole or does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from augment_ops.content import LATER, from_json
from augment_ops.data.leftovers import LeftOut
from augment_ops.data.payload import FilePayload, Part
from augment_ops.data.sample_index import COLUMNS, ROWS_PER_HASH, digest_of_parts, digested, frame
from augment_ops.data.shards import Shard, ShardedPayload, seal
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, DataError, StoreError
from augment_ops.modalities.base import Payload
from augment_ops.modalities.image.decode import Decoding

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

Keep = Literal["pixels", "encoded"]

SPLITS = ("train", "validation", "test")
_PLACE = {name: place for place, name in enumerate(SPLITS)}

_MOST_GROUPS = 20  # of a column that slices are made by


@dataclass(frozen=True)
class Reading:
    """How a data set was read the last time; no part of what it is.

    Attributes:
        left_out: files in class folders that are not read, and folders that were not entered.
        empty_classes: class folders without a sample.
        converted: samples that were brought to the channels of the others.
        channels: what was asked for: `auto`, `1`, `3` or `as-is`.
        allow_outside: whether links and index entries might lead outside the data set's folder.
    """

    left_out: tuple[LeftOut, ...] = ()
    empty_classes: tuple[str, ...] = ()
    converted: int = 0
    channels: str = "auto"
    allow_outside: bool = False

    def notes(self, shape: tuple[int, int, int]) -> list[str]:
        """What a reader has to know of it, one sentence each; `shape` is that of the images."""
        notes = [f"class folder {name} has no sample" for name in self.empty_classes]
        notes += [one.text for one in self.left_out]
        if self.converted:
            kinds = ("colour", "grey") if shape[2] == 1 else ("grey", "colour")
            notes.append(f"{self.converted} {kinds[0]} images are read as {kinds[1]} (--channels {self.channels})")
        if self.allow_outside:
            notes.append("files outside the data set's folder were allowed (--allow-outside)")
        return notes


@dataclass(frozen=True, kw_only=True)
class SnapshotManifest:
    """What a snapshot is, and where its parts are.

    Attributes:
        digest: sha256 over what the samples are (see `sample_index.content_digest`), independent of how their
            files were laid out.
        dataset: kebab-case name.
        uri: where it was first ingested from.
        classes: sorted, by number where all of them are integers; a label is an index into them.
        modality: what its samples are.
        image_shape: (height, width, channels) of every sample with pixels: the most frequent one of the source.
        schema: what they have in common beside it, the modality's own; None where the shape says all.
        split_rule: how train, validation and test came about, in words.
        counts: split to class name to number of usable samples (with pixels and a label).
        samples: all samples, defective ones too.
        defective: samples that cannot be used; the index's `defect` says why.
        index: digest of the Parquet object.
        images: of format 1, digest of the pixel object, uint8 (N, H, W, C) in C order without a header; else empty.
        reading: how it was read, and what was left out.
        format: 1 or 2.
        shards: of format 2, the objects that hold the samples.
        decoding: how the files in the shards become pixels; None where the shards hold pixels.
    """

    NEWEST_FORMAT: ClassVar[int] = 2

    digest: str
    dataset: str
    uri: str
    classes: tuple[str, ...]
    modality: str = field(default="image", metadata=LATER)
    image_shape: tuple[int, int, int]
    schema: dict[str, Any] | None = field(default=None, metadata=LATER)
    split_rule: str
    counts: dict[str, dict[str, int]]
    samples: int
    defective: int
    index: str
    images: str = field(default="", metadata=LATER)
    reading: Reading = Reading()
    format: int = field(default=1, metadata=LATER)
    shards: tuple[Shard, ...] = field(default=(), metadata=LATER)
    decoding: Decoding | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        if bool(self.images) == bool(self.shards) or (self.format == 1) != bool(self.images):
            raise ValueError(f"format {self.format} with {len(self.shards)} shards and pixels {self.images!r:.20}")
        to = self.decoding
        if to and (to.size not in (None, self.image_shape[:2]) or to.converted not in (None, self.image_shape[2])):
            raise ValueError(f"images of {self.image_shape} that are decoded to {to.size}, {to.converted} channels")

    @property
    def objects(self) -> tuple[str, ...]:
        """Digests of all objects that hold samples."""
        return (self.images,) if self.images else tuple(shard.object for shard in self.shards)

    @property
    def kept(self) -> Keep:
        """As what the samples are kept."""
        return "pixels" if self.decoding is None else "encoded"


@dataclass(frozen=True, eq=False)
class Split:
    """The usable samples of one split, in the order of their ids.

    Attributes:
        name: `train`, `validation` or `test`.
        ids: N sample ids.
        labels: int64 (N,), indices into the manifest's classes.
        payload: their N images, read when they are asked for.
    """

    name: str
    ids: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    payload: Payload

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Images of the split: uint8 (n, H, W, C), a copy that belongs to the caller.

        Args:
            rows: n positions in the split.

        Raises:
            IndexError: a row beyond the last.
            StoreError: the pixels are missing or altered.
        """
        return self.payload.take(np.asarray(rows, np.int64))


class Snapshot:
    """A snapshot opened for reading. Index and pixels are read, and verified, when they are first asked for."""

    def __init__(self, store: Store, manifest: SnapshotManifest) -> None:
        self.manifest = manifest
        self._store = store
        self._verified = False

    @classmethod
    def open(cls, store: Store, digest: str) -> Snapshot:
        """Open the snapshot of that digest.

        Raises:
            DataError: there is no snapshot of that digest.
            StoreError: its manifest is damaged.
        """
        data = store.get_document(document_name(digest))
        if data is None:
            raise DataError(
                f"{store.uri}: snapshot {digest[:80]}",
                "no such snapshot",
                "the digest of a data set that was ingested into this store",
                "ingest the data set (augment-ops run --dataset …), or check AUGMENT_OPS_STORE",
            )
        manifest = from_json(SnapshotManifest, data)
        if manifest.digest != digest:
            raise _damaged(digest, f"the manifest of snapshot {manifest.digest}")
        return cls(store, manifest)

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row a sample, sorted by `sample_id`; do not modify.

        Columns: sample_id, label (int64; -1 without one), class_name, split, subject, time (float64: seconds since 1970
        UTC, or the source's own numbers; NaN without one), source, pixel_sha256, height, width, channels (0 where the
        file could not be read), defect, row (int64; the row in `payload`, -1 without pixels), then the source's own
        columns. Text is None where there is none. `defect` is None or begins with `unreadable:`, `truncated:`, `shape`
        or `label`.

        Raises:
            StoreError: the index is missing, altered, or not what the manifest's digest stands for.
        """
        return self.read_index()

    def read_index(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Some columns of the index, or all, read now and not kept: less memory than `index` where a few will do.

        Args:
            columns: names of columns that the index has; by default all.

        Raises:
            StoreError: see `index`.
        """
        return frame(self._index_file.read(None if columns is None else list(columns)))

    @property
    def _index_file(self) -> pq.ParquetFile:
        """The index's object, whose content is verified once; a part of it is in memory at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(pa.BufferReader(self._store.get(self.manifest.index)))
        if not self._verified:
            manifest, names = self.manifest, file.schema_arrow.names
            parts = file.iter_batches(ROWS_PER_HASH, columns=digested(names))
            found = digest_of_parts(manifest.dataset, manifest.classes, manifest.image_shape, names, parts)
            if found != manifest.digest:
                raise _damaged(manifest.digest, "an index, class list or image shape with another digest")
            self._verified = True
        return file

    @cached_property
    def payload(self) -> Payload:
        """All images of the snapshot; the index's `row` says which is whose.

        Raises:
            StoreError: the pixels are missing or altered; those of a shard when one of its samples is asked for.
        """
        manifest = self.manifest
        height, width, channels = manifest.image_shape
        if manifest.shards:
            name = _SampleNames(self._store, manifest.digest)
            seals = self._seals(manifest)
            return ShardedPayload(self._store, manifest.shards, seals, manifest.image_shape, manifest.decoding, name)
        path = self._store.verified(manifest.images)
        size = path.stat().st_size
        if size == 0 or size % (height * width * channels):
            raise _damaged(self.manifest.digest, f"a pixel file of {size} bytes")
        return FilePayload(path, size // (height * width * channels), (height, width, channels))

    def _seals(self, manifest: SnapshotManifest) -> tuple[bytes, ...]:
        """What each shard is known by (see `augment_ops.data.shards.seal`)."""
        index = self.read_index(["row", "pixel_sha256"])  # all of it would stay in memory
        rows = index["row"].to_numpy()
        order = np.argsort(rows, kind="stable")[np.count_nonzero(rows < 0) :]
        counts = [shard.samples for shard in manifest.shards]
        if sum(counts) != len(order) or not np.array_equal(rows[order], np.arange(len(order))):
            raise _damaged(manifest.digest, f"shards of {sum(counts):,} samples for {len(order):,} rows of the index")
        digests, ends = index["pixel_sha256"].to_numpy()[order], np.cumsum([0, *counts])
        encoded = manifest.decoding is not None
        return tuple(seal(digests[first:last], encoded=encoded) for first, last in pairwise(ends))

    def split(self, name: str) -> Split:
        """The usable samples of `train`, `validation` or `test`; none where the split is empty.

        Raises:
            DataError: another name.
        """
        if name not in SPLITS:
            raise DataError("split", repr(name), " | ".join(SPLITS), "pass one of these names")
        usable = self._usable
        here = usable.splits == _PLACE[name]
        return Split(
            name=name,
            ids=tuple(usable.ids[here]),
            labels=usable.labels[here],
            payload=Part(self.payload, usable.rows[here]),
        )

    @cached_property
    def _usable(self) -> _Usable:
        """Of the samples that splits are made of, what a split has; some 100 bytes each, a sixth of the whole index."""
        parts = self._index_file.iter_batches(ROWS_PER_HASH, columns=["sample_id", "split", "label", "row"])
        return _Usable.joined([_Usable.of(part) for part in parts])

    def group_columns(self, ids: Sequence[str]) -> dict[str, list[str | None]]:
        """The source's own columns that form groups → the group of each sample, None where it has none.

        Text, whole numbers and truth values of 2 to 20 different values: a site, a device, a group of subjects. More
        are names rather than groups, and too few samples each.

        Args:
            ids: of samples of this snapshot, in the order of the answer.
        """
        index, found = self.index.set_index("sample_id"), {}
        for name in index.columns:
            if name in COLUMNS or index[name].dtype.kind == "f":
                continue
            if 2 <= index[name].nunique(dropna=True) <= _MOST_GROUPS:
                found[str(name)] = [_group(value) for value in index[name].loc[list(ids)]]
        return found


@dataclass(frozen=True, eq=False)
class _Usable:
    """Samples with pixels and a label, in the order of the index.

    Attributes:
        ids: object (N,) of text; splits: int8 (N,), places in `SPLITS`, -1 for a split of another name.
        labels, rows: int64 (N,), as in the index.
    """

    ids: npt.NDArray[np.object_]
    splits: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, part: pa.RecordBatch) -> _Usable:
        """Those of some rows of the index."""
        rows, labels = (part.column(name).to_numpy() for name in ("row", "label"))
        usable = (rows >= 0) & (labels >= 0)
        ids = np.array(part.column("sample_id").to_pylist(), object)
        splits = np.array([_PLACE.get(name, -1) for name in part.column("split").to_pylist()], np.int8)
        return cls(ids[usable], splits[usable], labels[usable], rows[usable])

    @classmethod
    def joined(cls, parts: Sequence[_Usable]) -> _Usable:
        """All of them, in that order; at least one."""
        columns: Any = zip(*((part.ids, part.splits, part.labels, part.rows) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


def document_name(digest: str) -> str:
    """Name of the document that holds the manifest of that snapshot."""
    return f"snapshots/{digest}.json"


class _SampleNames:
    """Says which sample a row of the payload is, also in a worker process; for errors, so it reads the index then."""

    def __init__(self, store: Store, digest: str) -> None:
        self._store, self._digest = store, digest

    def __call__(self, row: int) -> str:
        try:
            index = Snapshot.open(self._store, self._digest).index
            found = index.loc[index["row"] == row, "sample_id"].tolist()
        except AugmentOpsError:  # there is another error to tell of
            found = []
        sample = f"sample {found[0]!r}" if found else "a sample"
        return f"{sample} in row {row} of snapshot {self._digest[:12]}"


def _group(value: object) -> str | None:
    import pandas as pd

    return None if value is None or pd.isna(value) else str(value)


def _damaged(digest: str, found: str) -> StoreError:
    return StoreError(
        f"snapshot {digest[:80]}",
        found,
        "the manifest, index and pixels that were ingested",
        f"delete documents/{document_name(digest[:80])} from the store and ingest the data set again",
    )
