"""A snapshot of the store as a source, with labelled production samples added to it.

`snapshot:<digest>` or `snapshot:<digest>+<digest of labelled samples>`. The samples of the snapshot keep their splits,
so that nothing which a model has learnt from is ever used to test it; those of production are spread over the splits by
a keyed hash of their ids, so that the next model is tested on what production looks like now.

Where time decides the split, a hash would have the next model learn of rows that are later than those it is tested on,
and production is later than the whole snapshot: with samples of production added, all are split anew by time. What a
model has learnt from is the oldest part of more, and stays in train.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from itertools import chain

import numpy as np

from augment_ops.data.snapshot import Snapshot
from augment_ops.data.split import SHARES
from augment_ops.data.store import Store
from augment_ops.errors import DataError
from augment_ops.modalities import modality as modality_of
from augment_ops.modalities.codec import Asked
from augment_ops.modalities.source import Defect, Leftovers, RawSample, Scalar, Schema, Source

_URI = re.compile(r"snapshot:(?P<base>[0-9a-f]{64})(\+(?P<labelled>[0-9a-f]{64}))?")
_ROWS_AT_ONCE = 1000  # of the index, as Python's objects
LABELLED_COLUMNS = ("sample_id", "label", "time", "image")


class SnapshotSource:
    """Samples of a snapshot, then labelled ones of production: Parquet with the columns `LABELLED_COLUMNS`."""

    def __init__(self, uri: str, store: Store) -> None:
        match = _URI.fullmatch(uri)
        if match is None:
            raise DataError(
                "data set", uri[:200], "snapshot:<64 hex digits>, perhaps +<64 hex digits>", "correct the digests"
            )
        self._snapshot = Snapshot.open(store, match["base"])
        self._labelled, self._store, self._uri = match["labelled"], store, uri
        self.name, self.schema = self._snapshot.manifest.dataset, self._snapshot.manifest.schema
        self.modality = self._snapshot.manifest.modality
        self.leftovers = Leftovers()

    def samples(self) -> Iterator[RawSample]:
        """See `Source`."""
        index, payload = self._snapshot.index, self._snapshot.payload
        own = [name for name in index.columns if name not in self._snapshot.columns]
        anew = self._labelled is not None and self._snapshot.codec.time_decides and bool(index["time"].notna().any())
        records = (index.iloc[at : at + _ROWS_AT_ONCE].to_dict("records") for at in range(0, len(index), _ROWS_AT_ONCE))
        for row in chain.from_iterable(records):
            place = int(row["row"])
            data = (
                Defect(str(row["defect"] or "unreadable: not in the snapshot"))
                if place < 0
                else payload.take(np.array([place]))[0]
            )
            time = None if row["time"] != row["time"] else float(row["time"])
            extra: dict[str, Scalar] = {name: _plain(row[name]) for name in own}
            yield RawSample(
                id=row["sample_id"],
                label=row["class_name"],
                split=None if anew else row["split"],
                subject=row["subject"],
                time=time,
                source=row["source"],
                data=data,
                extra=extra,
            )
        if self._labelled is not None:
            yield from self._production(self._labelled, dict.fromkeys(own), anew=anew)

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The digests, which name the content; see `Source`."""
        yield "snapshot", self._uri

    def _production(self, digest: str, extra: Mapping[str, Scalar], *, anew: bool) -> Iterator[RawSample]:
        import pyarrow.parquet as pq

        arrays: dict[str, np.ndarray] = {}
        for row in pq.read_table(io.BytesIO(self._store.get(digest))).to_pylist():
            packed, _, number = str(row["image"]).partition("#")
            if packed not in arrays:
                arrays[packed] = np.load(io.BytesIO(self._store.get(packed)), allow_pickle=False)
            sample = arrays[packed][int(number)]
            yield RawSample(
                id=row["sample_id"],
                label=row["label"],
                split=None if anew else split_of(row["sample_id"]),
                subject=None,
                time=row["time"],
                source=row["image"],
                data=sample,
                extra=extra,
            )


def open_source(
    uri: str,
    store: Store,
    modality: str,
    asked: Asked,
    *,
    allow_outside: bool = False,
    schema: Schema | None = None,
) -> Source:
    """Open a snapshot of the store, or whatever the modality opens; see `Codec.open`.

    Raises:
        DataError: see there; or a snapshot of another modality.
    """
    if not is_snapshot(uri):
        return modality_of(modality).codec.open(uri, asked, allow_outside=allow_outside, schema=schema)
    source = SnapshotSource(uri, store)
    if source.modality != modality:
        raise DataError(
            uri, f"a snapshot of the modality {source.modality}", modality, f"read it with --modality {source.modality}"
        )
    return source


def is_snapshot(uri: str) -> bool:
    """Whether `uri` is for this source."""
    return uri.startswith("snapshot:")


def split_of(sample_id: str) -> str:
    """`train`, `validation` or `test`, in the shares of every split, always the same for an id."""
    draw = hashlib.blake2b(sample_id.encode(), digest_size=8, key=b"augment-ops split 1").digest()
    point, reached = int.from_bytes(draw) / 2**64, 0.0
    for name, share in SHARES.items():
        reached += share
        if point < reached:
            return name
    return "train"


def _plain(value: object) -> Scalar:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[return-value]
