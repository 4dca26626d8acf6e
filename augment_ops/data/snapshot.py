"""An immutable data set in the store: a manifest, an index of its samples, and the samples.

What is where: the document `snapshots/<digest>.json` holds the manifest, which names the index (Parquet) and the shards
(`data.shards`), whose samples follow each other in the order of the index's `row`. In format 1 one object held all
samples. Format 3 is format 2 of another modality than images, or with a schema. The document is written last, so a
snapshot either exists whole or does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest, document_name
from augment_ops.data.payload import FilePayload, Part
from augment_ops.data.sample_index import ROWS_PER_HASH, frame, index_columns
from augment_ops.data.shards import ShardedPayload, seal
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, DataError, StoreError
from augment_ops.modalities import modality
from augment_ops.modalities.base import Payload
from augment_ops.modalities.codec import Codec
from augment_ops.modalities.source import OUT_OF_SCOPE, Samples, Schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

SPLITS = ("train", "validation", "test")
_PLACE = {name: place for place, name in enumerate(SPLITS)}

_MOST_GROUPS = 20  # of a column that slices are made by


@dataclass(frozen=True, eq=False)
class Split:
    """The usable samples of one split, in the order of their ids.

    Attributes:
        name: `train`, `validation` or `test`.
        ids: N sample ids.
        labels: int64 (N,), indices into the manifest's classes.
        payload: the N samples, read when they are asked for.
        classes: of the manifest.
        schema: of the data set, where its modality has one.
    """

    name: str
    ids: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    payload: Payload
    classes: tuple[str, ...]
    schema: Schema | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.ArrayLike) -> Samples:
        """Samples of the split: (n, *shape), a copy that belongs to the caller.

        Args:
            rows: n positions in the split.

        Raises:
            IndexError: a row beyond the last.
            StoreError: the samples are missing or altered.
        """
        return self.payload.take(np.asarray(rows, np.int64))


class Snapshot:
    """A snapshot opened for reading. Index and samples are read, and verified, when they are first asked for.

    Attributes:
        codec: of its modality.
    """

    def __init__(self, store: Store, manifest: SnapshotManifest) -> None:
        self.manifest = manifest
        self.codec: Codec = modality(manifest.modality).codec
        self._store = store
        self._verified = False

    @classmethod
    def open(cls, store: Store, digest: str) -> Snapshot:
        """Open the snapshot of that digest.

        Raises:
            DataError: there is no snapshot of that digest.
            InputError: its modality is one that is not known here.
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
        UTC, or the source's own numbers; NaN without one), source, those that the modality names (`codec.content`: hex
        sha256; `codec.measures`: int64, 0 where the file could not be read), defect, row (int64; the row in `payload`,
        -1 where it holds none), then the source's own columns. Text is None where there is none. `defect` is None or
        begins with `unreadable:`, `truncated:`, `shape` or `label`.

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
            digested, names = self.manifest.digested(), file.schema_arrow.names
            missing = [name for name in digested.columns(names) if name not in names]
            if missing:  # a manifest that was changed to another modality's
                raise _damaged(self.manifest.digest, f"an index without the column {missing[0]}")
            parts = file.iter_batches(ROWS_PER_HASH, columns=digested.columns(names))
            if digested.digest(names, parts) != self.manifest.digest:
                raise _damaged(self.manifest.digest, "an index, class list, shape or schema with another digest")
            self._verified = True
        return file

    @cached_property
    def payload(self) -> Payload:
        """All samples of the snapshot; the index's `row` says which is whose.

        Raises:
            StoreError: they are missing or altered; those of a shard when one of its samples is asked for.
        """
        manifest, dtype = self.manifest, self.codec.dtype
        shape, stored = manifest.sample_shape, manifest.decoding
        if manifest.shards:
            decoder = None if stored is None else self.codec.stored_decoder(stored, shape)
            name, seals = _SampleNames(self._store, manifest.digest), self._seals(manifest)
            return ShardedPayload(self._store, manifest.shards, seals, shape, dtype, decoder, name)
        path = self._store.verified(manifest.images)
        size, one = path.stat().st_size, int(np.prod(shape)) * dtype.itemsize
        if size == 0 or size % one:
            raise _damaged(self.manifest.digest, f"a file of {size} bytes for samples of {one}")
        return FilePayload(path, size // one, shape, dtype)

    def _seals(self, manifest: SnapshotManifest) -> tuple[bytes, ...]:
        """What each shard is known by (see `augment_ops.data.shards.seal`)."""
        index = self.read_index(["row", self.codec.content])  # all of it would stay in memory
        rows = index["row"].to_numpy()
        order = np.argsort(rows, kind="stable")[np.count_nonzero(rows < 0) :]
        counts = [shard.samples for shard in manifest.shards]
        if sum(counts) != len(order) or not np.array_equal(rows[order], np.arange(len(order))):
            raise _damaged(manifest.digest, f"shards of {sum(counts):,} samples for {len(order):,} rows of the index")
        digests, ends = index[self.codec.content].to_numpy()[order], np.cumsum([0, *counts])
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
            classes=self.manifest.classes,
            schema=self.manifest.schema,
        )

    def out_of_scope(self) -> tuple[tuple[str, ...], Payload]:
        """Ids and samples that the source says are of no class, in the order of their ids."""
        index = self.read_index(["sample_id", "split", "row"])
        here = index[(index["split"] == OUT_OF_SCOPE) & (index["row"] >= 0)]
        return tuple(here["sample_id"]), Part(self.payload, here["row"].to_numpy(np.int64))

    def measured_on(self) -> Payload:
        """What no model may have learnt before it is judged: test and what is out of scope, in the order of the ids."""
        index = self.read_index(["split", "label", "row"])
        asked = ((index["split"] == "test") & (index["label"] >= 0)) | (index["split"] == OUT_OF_SCOPE)
        return Part(self.payload, index.loc[asked & (index["row"] >= 0), "row"].to_numpy(np.int64))

    @cached_property
    def _usable(self) -> _Usable:
        """Of the samples that splits are made of, what a split has; some 100 bytes each, a sixth of the whole index."""
        parts = self._index_file.iter_batches(ROWS_PER_HASH, columns=["sample_id", "split", "label", "row"])
        return _Usable.joined([_Usable.of(part) for part in parts])

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the index's own columns: the others are the source's."""
        return index_columns(self.codec.content, self.codec.measures)

    def group_columns(self, ids: Sequence[str]) -> dict[str, list[str | None]]:
        """The source's own columns that form groups → the group of each sample, None where it has none.

        Text, whole numbers and truth values of 2 to 20 different values: a site, a device, a group of subjects. More
        are names rather than groups, and too few samples each.

        Args:
            ids: of samples of this snapshot, in the order of the answer.
        """
        own, found = self.columns, {}
        names = [name for name in self._index_file.schema_arrow.names if name not in own]
        if not names:
            return {}
        index = self.read_index(["sample_id", *names]).set_index("sample_id")
        for name in names:
            if index[name].dtype.kind != "f" and 2 <= index[name].nunique(dropna=True) <= _MOST_GROUPS:
                found[name] = [_group(value) for value in index[name].loc[list(ids)]]
        return found


@dataclass(frozen=True, eq=False)
class _Usable:
    """Samples in a shard and with a label, in the order of the index.

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
        "the manifest, index and samples that were ingested",
        f"delete documents/{document_name(digest[:80])} from the store and ingest the data set again",
    )
