"""From a source to an immutable snapshot, in one pass and with bounded memory."""

from __future__ import annotations

import hashlib
import heapq
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from augment_ops.content import canonical_json, from_json
from augment_ops.data.manifest import SnapshotManifest, document_name, format_of
from augment_ops.data.payload import chunks
from augment_ops.data.sample_index import Digested, index_table
from augment_ops.data.shards import Shard, write_encoded, write_raw
from augment_ops.data.snapshot import SPLITS, Snapshot
from augment_ops.data.sources.snapshot import open_source
from augment_ops.data.split import Member, assign
from augment_ops.data.spool import Spool
from augment_ops.data.store import Store
from augment_ops.errors import DataError, InputError, StoreError
from augment_ops.modalities import UNNAMED, asked_of
from augment_ops.modalities import modality as modality_of
from augment_ops.modalities.codec import Codec, Decoder, One, Reading, Shape
from augment_ops.modalities.source import OUT_OF_SCOPE, Defect, RawSample, Schema
from augment_ops.names import LONGEST_DATASET, dataset_fault

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int], None]

_LONGEST_NAME = LONGEST_DATASET + len(
    "-traffic"
)  # what production sent is a data set beside the one that was trained on
_MIN_CLASSES = 2  # nothing can be learnt, or tested, with one
_SHOWN = 5
_REPORT_EVERY = 1000


@dataclass(slots=True, kw_only=True)
class _Row:
    """One sample, decoded once; it, or its file, is `size` bytes in the spool at `place`."""

    raw: RawSample  # its `data` is dropped once it is in the spool
    shape: Shape | None
    content: bytes | None  # sha256
    defect: str | None
    place: int
    size: int
    converted: bool = False


def ingest(
    uri: str,
    store: Store,
    *,
    modality: str = UNNAMED,
    name: str | None = None,
    max_samples: int | None = None,
    allow_outside: bool = False,
    schema: Schema | None = None,
    progress: Progress | None = None,
    snapshots: Store | None = None,
    **asked: Any,
) -> SnapshotManifest:
    """Read a data set into the store; the manifest of its snapshot.

    The same samples give the same digest, whatever the container and the order of files in it, and what the store
    holds already is not written again. A file that cannot be read becomes a row with a defect. Safe to run twice at
    once and to kill at any moment: the manifest is written last.

    Args:
        uri: as the modality's codec opens it; or `snapshot:…` of this store (see `data.sources.snapshot`).
        store: where the snapshot goes; `store.scratch` needs room for all samples, as they are kept, as well.
        modality: what its samples are.
        name: kebab-case name of the data set; by default from the URI.
        max_samples: at most so many samples, drawn evenly by a hash of their ids; by default all.
        allow_outside: whether links and index entries may lead outside the data set's folder.
        schema: of a snapshot that the samples are to be compared with, see `Codec.open`.
        progress: called with the number of samples read so far, now and then.
        snapshots: the store of a snapshot that `uri` names; by default `store`.
        asked: the modality's own parameters of a run; the others have their defaults. However samples are kept, the
            digest is the same, and a snapshot that is there already stays as it is kept.

    Raises:
        InputError: there is no such modality, or it has no such parameter.
        DataError: the source is missing, empty, unreadable as a whole, has one class only, or cannot be split; or a
            snapshot of another modality.
        StoreError: the store cannot be written (disk full, say); nothing is left half-written.
    """
    _refuse_arguments(name, max_samples)
    every, codec = asked_of(modality, asked), modality_of(modality).codec
    source = open_source(uri, snapshots or store, modality, every, allow_outside=allow_outside, schema=schema)
    decoder = codec.decoder(every)
    store.sweep()
    with Spool(store.scratch) as spool:
        kept = _Kept(spool, codec, decoder)
        rows: list[_Row] = []
        sampler = _Sampler(max_samples)
        for raw in source.samples():
            if sampler.admits(raw.id):
                rows.append(_decode(raw, kept))
            if progress is not None and sampler.seen % _REPORT_EVERY == 0:
                progress(sampler.seen)
        rows = sorted((row for row in rows if sampler.keeps(row.raw.id)), key=lambda row: row.raw.id)
        if progress is not None:
            progress(sampler.seen)
        kept = _bring_to_one_form(rows, kept)
        left = source.leftovers
        converted = sum(row.converted for row in rows)
        read = _Read(
            uri=uri,
            dataset=name or source.name,
            modality=modality,
            schema=source.schema,
            reading=codec.reading(every, Reading(left.found(), left.empty, converted, allow_outside)),
        )
        return _write(read, rows, kept, store)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What is known of a source beside its samples, once it was read."""

    uri: str
    dataset: str
    modality: str
    schema: Schema | None
    reading: Reading


@dataclass(frozen=True)
class _Kept:
    """Where the samples wait, and as what."""

    spool: Spool
    codec: Codec
    decoder: Decoder
    shapes: dict[Shape, Shape] = field(default_factory=dict)

    def sample(self, row: _Row) -> One:
        """One that was decoded before."""
        data = self.spool.read(row.place, row.size)
        if not self.decoder.encoded:
            assert row.shape is not None
            return np.frombuffer(data, self.codec.dtype).reshape(row.shape)
        found = self.decoder.decode(data)
        assert not isinstance(found, Defect)
        return found

    def one_object(self, shape: Shape) -> Shape:
        """The same shape, as one object however many samples have it."""
        return self.shapes.setdefault(shape, shape)

    def write(self, rows: Sequence[_Row], store: Store) -> tuple[Shard, ...]:
        """The samples to the store, in that order; what they took in the spool is freed on the way."""
        sizes = np.array([row.size for row in rows], np.int64)
        pieces = self.spool.drain([row.place for row in rows], sizes.tolist())
        if not self.decoder.encoded:
            return write_raw(store, sizes, pieces)
        return write_encoded(store, sizes, [(row.content or b"").hex() for row in rows], pieces)


def _decode(raw: RawSample, kept: _Kept) -> _Row:
    sample = raw.data if isinstance(raw.data, Defect) else kept.decoder.decode(raw.data)
    known = raw.label is not None and raw.split != OUT_OF_SCOPE  # whatever that is called, it is no class
    label = sys.intern(str(raw.label)) if known else None  # one object a class, however many samples
    source = raw.id if raw.source == raw.id else raw.source  # likewise: in a folder they are equal
    light = RawSample(
        id=raw.id,
        label=label,
        split=raw.split,
        subject=raw.subject,
        time=raw.time,
        source=source,
        data=b"",
        extra=raw.extra,
    )
    if isinstance(sample, Defect):
        return _Row(raw=light, shape=None, content=None, defect=sample.text, place=-1, size=0)
    data = kept.decoder.file(raw.data, sample) if kept.decoder.encoded else sample.data
    return _Row(
        raw=light,
        shape=kept.one_object(sample.shape),
        content=hashlib.sha256(sample.data).digest(),
        defect=None if known or raw.split == OUT_OF_SCOPE else "label missing",
        place=kept.spool.append(data),
        size=memoryview(data).nbytes,
    )


def _bring_to_one_form(rows: Sequence[_Row], kept: _Kept) -> _Kept:
    """Convert what the modality wants converted now that all shapes are known; by what is decoded from here on."""
    settled = kept.decoder.settled(Counter(row.shape for row in rows if row.shape is not None))
    for row in rows:
        if row.shape is not None and settled.converts(row.shape):
            sample = settled.convert(kept.sample(row))
            row.shape, row.converted = kept.one_object(sample.shape), True
            row.content = hashlib.sha256(sample.data).digest()
            if not settled.encoded:  # a file stays as it is: whoever reads it converts it
                row.place, row.size = kept.spool.append(sample.data), sample.nbytes
    return replace(kept, decoder=settled)


def _write(read: _Read, rows: Sequence[_Row], kept: _Kept, store: Store) -> SnapshotManifest:
    uri, codec = read.uri, kept.codec
    _refuse_repeated(uri, rows)
    shape = _most_frequent_shape(uri, rows)
    for row in rows:
        if row.shape is not None and row.shape != shape:
            row.defect = f"shape {_text(row.shape)} instead of {_text(shape)}"
    classes = _classes(uri, rows, codec)
    splits, rule = assign([_member(row) for row in rows], uri, time_decides=codec.time_decides)
    columns = _columns(rows, shape, classes, splits, codec)
    table = index_table(columns, codec)
    stands_for = Digested(dataset=read.dataset, classes=classes, shape=shape, schema=read.schema, codec=codec)
    digest = stands_for.digest(table.column_names, table.to_batches())
    known = _existing(store, digest, sum(row.shape == shape for row in rows))
    if known is not None:
        if known.reading != read.reading:
            known = replace(known, reading=read.reading)
            store.put_document(document_name(digest), canonical_json(known))
        return known
    shards = kept.write([row for row in rows if row.shape == shape], store)
    manifest = SnapshotManifest(
        digest=digest,
        dataset=read.dataset,
        uri=uri,
        classes=classes,
        modality=read.modality,
        image_shape=shape,
        schema=None if read.schema is None else dict(read.schema),
        split_rule=rule,
        counts=_counts(rows, splits, shape, classes),
        samples=len(rows),
        defective=sum(row.defect is not None for row in rows),
        index=store.put(_parquet(table)),
        reading=read.reading,
        format=format_of(read.modality, read.schema),
        shards=shards,
        decoding=dict(kept.decoder.stored(shape)) if kept.decoder.encoded else None,
    )
    store.put_document(document_name(digest), canonical_json(manifest))
    return manifest


class _Sampler:
    """Keeps the samples with the smallest hashes: an even draw that no order of reading changes."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._largest: list[int] = []  # a heap of negated hashes, at most `limit`
        self.seen = 0

    def admits(self, sample_id: str) -> bool:
        """Whether the sample is among the smallest so far; every sample is asked about once."""
        self.seen += 1
        if self._limit is None:
            return True
        if len(self._largest) < self._limit:
            heapq.heappush(self._largest, -_hash(sample_id))
            return True
        return -heapq.heappushpop(self._largest, -_hash(sample_id)) != _hash(sample_id)

    def keeps(self, sample_id: str) -> bool:
        """Whether it still is, once all are seen."""
        return self._limit is None or _hash(sample_id) <= -self._largest[0]


def _hash(sample_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(sample_id.encode(), digest_size=8, key=b"augment-ops sample 1").digest())


def _member(row: _Row) -> Member:
    raw = row.raw
    return Member(raw.id, raw.label, raw.split, raw.subject, raw.time, row.content)


def _columns(
    rows: Sequence[_Row], shape: Shape, classes: Sequence[str], splits: Sequence[str], codec: Codec
) -> Iterator[tuple[str, Sequence[object]]]:
    """Name and values of each column of the index, one after another."""
    label_of = {name: label for label, name in enumerate(classes)}
    numbers = iter(range(len(rows)))
    yield "sample_id", [row.raw.id for row in rows]
    yield "label", [-1 if row.raw.label is None else label_of[row.raw.label] for row in rows]
    yield "class_name", [row.raw.label for row in rows]
    yield "split", splits
    yield "subject", [row.raw.subject for row in rows]
    yield "time", [row.raw.time for row in rows]
    yield "source", [row.raw.source for row in rows]
    yield codec.content, [None if row.content is None else row.content.hex() for row in rows]
    for place, name in enumerate(codec.measures):
        yield name, [0 if row.shape is None else row.shape[place] for row in rows]
    yield "defect", [row.defect for row in rows]
    yield "row", [next(numbers) if row.shape == shape else -1 for row in rows]
    for key in rows[0].raw.extra:
        yield key, [row.raw.extra[key] for row in rows]


def _classes(uri: str, rows: Sequence[_Row], codec: Codec) -> tuple[str, ...]:
    names = {row.raw.label for row in rows if row.raw.label is not None}
    if len(names) < _MIN_CLASSES:
        raise DataError(
            uri,
            f"one class, {next(iter(names))!r}" if names else "no label in any sample",
            "at least two classes",
            codec.how_labelled,
        )
    return in_order(names)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Classes in the order of their labels: whole numbers by size, other names by their letters."""
    given = list(names)
    whole = all(re.fullmatch(r"-?\d+", name) for name in given)
    return tuple(sorted(given, key=lambda name: (int(name), name)) if whole else sorted(given))


def _most_frequent_shape(uri: str, rows: Sequence[_Row]) -> Shape:
    counts = Counter(row.shape for row in rows if row.shape is not None)
    if not counts:
        first = rows[0] if rows else None
        found = f"no readable sample among {len(rows)}; {first.raw.id} is {first.defect}" if first else "no samples"
        raise DataError(uri, found, "samples that can be read", "check the files; fetch or export them again")
    return max(counts, key=lambda shape: (counts[shape], shape))


def _counts(
    rows: Sequence[_Row], splits: Sequence[str], shape: Shape, classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    pairs = zip(splits, rows, strict=True)
    found = Counter((split, row.raw.label) for split, row in pairs if row.shape == shape)
    return {split: {name: found[split, name] for name in classes} for split in SPLITS}


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _existing(store: Store, digest: str, readable: int) -> SnapshotManifest | None:
    """The snapshot of that digest when all its parts are there, and are what it stands for; else it is written (again).

    Args:
        readable: how many of its samples are in its shards.
    """
    data = store.get_document(document_name(digest))
    if data is None:
        return None
    try:
        manifest = from_json(SnapshotManifest, data)
    except (StoreError, InputError):  # InputError: of a modality that nobody knows
        return None
    there = all(map(store.has, (manifest.index, *manifest.objects)))
    return manifest if there and manifest.digest == digest and _holds_its_samples(store, manifest, readable) else None


def _holds_its_samples(store: Store, manifest: SnapshotManifest, readable: int) -> bool:
    """Whether each sample is what the digest stands for.

    The manifest is a document: whoever can write to the store can have it name the objects of another snapshot.
    """
    try:
        snapshot = Snapshot(store, manifest)
        kept = snapshot.index[snapshot.index["row"] >= 0]
        expected = iter(kept[snapshot.codec.content])
        parts = (part for _, part in chunks(snapshot.payload, kept["row"].to_numpy(np.int64)))
        same = all(hashlib.sha256(sample.data).hexdigest() == next(expected) for part in parts for sample in part)
    except (StoreError, IndexError):
        return False
    return same and len(kept) == readable


def _refuse_repeated(uri: str, rows: Sequence[_Row]) -> None:
    repeated = [row.raw.id for row, after in pairwise(rows) if row.raw.id == after.raw.id]
    if repeated:
        raise DataError(
            uri,
            f"{len(repeated)} sample ids more than once: {', '.join(repeated[:_SHOWN])}",
            "every file listed once",
            "remove the repeated entries; for several labels a sample choose one",
        )


def _refuse_arguments(name: str | None, max_samples: int | None) -> None:
    fault = None if name is None else dataset_fault("data set name", name, _LONGEST_NAME)
    if fault is not None:
        raise DataError(fault.where, fault.found, fault.expected, fault.fix)
    if max_samples is not None and max_samples < 1:
        raise DataError("max samples", str(max_samples), "a number of at least 1", "leave it out to take all samples")


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
