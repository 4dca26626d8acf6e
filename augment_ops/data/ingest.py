"""From a source to an immutable snapshot, in one pass and with bounded memory."""

from __future__ import annotations

import hashlib
import heapq
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from augment_ops.content import canonical_json, from_json
from augment_ops.data.payload import chunks
from augment_ops.data.sample_index import content_digest, index_table
from augment_ops.data.shards import Shard, as_png, write_encoded, write_pixels
from augment_ops.data.snapshot import (
    SPLITS,
    Keep,
    Reading,
    Snapshot,
    SnapshotManifest,
    document_name,
)
from augment_ops.data.sources import RawSample, open_source
from augment_ops.data.sources.snapshot import SnapshotSource, is_snapshot
from augment_ops.data.split import Member, assign
from augment_ops.data.spool import Spool
from augment_ops.data.store import Store
from augment_ops.errors import DataError, StoreError
from augment_ops.modalities.image.decode import Decoding, Defect, Pixels, with_channels
from augment_ops.names import LONGEST_DATASET, dataset_fault

if TYPE_CHECKING:
    import pyarrow as pa

Shape = tuple[int, int, int]
Progress = Callable[[int], None]
Channels = Literal["auto", "1", "3", "as-is"]

_ASKED: Mapping[Channels, int | None] = {"auto": None, "1": 1, "3": 3, "as-is": None}

_LONGEST_NAME = LONGEST_DATASET + len(
    "-traffic"
)  # what production sent is a data set beside the one that was trained on
_MIN_CLASSES = 2  # nothing can be learnt, or tested, with one
_SHOWN = 5
_REPORT_EVERY = 1000


@dataclass(slots=True, kw_only=True)
class _Row:
    """One sample, decoded once; its pixels, or its file, are `size` bytes in the spool at `place`."""

    raw: RawSample  # its `data` is dropped once it is in the spool
    shape: Shape | None
    pixel_sha256: bytes | None
    defect: str | None
    place: int
    size: int
    converted: bool = False


def ingest(
    uri: str,
    store: Store,
    *,
    name: str | None = None,
    image_size: tuple[int, int] | None = None,
    max_samples: int | None = None,
    channels: Channels = "auto",
    allow_outside: bool = False,
    keep: Keep = "pixels",
    progress: Progress | None = None,
) -> SnapshotManifest:
    """Read a data set into the store; the manifest of its snapshot.

    The same samples give the same digest, whatever the container and the order of files in it, and what the store
    holds already is not written again. A file that cannot be read becomes a row with a defect. Safe to run twice at
    once and to kill at any moment: the manifest is written last.

    Args:
        uri: see `augment_ops.data.sources.open_source`; or `snapshot:…` of this store (see `data.sources.snapshot`).
        store: where the snapshot goes; `store.scratch` needs room for all samples, as they are kept, as well.
        name: kebab-case name of the data set; by default from the URI.
        image_size: (height, width) that every image is resized to; by default none is.
        max_samples: at most so many samples, drawn evenly by a hash of their ids; by default all.
        channels: `1` reads everything as grey and `3` as colour; `auto` brings the rarer kind to the more frequent one
            (to colour where both are as frequent); `as-is` leaves the rarer ones out as samples of another shape.
        allow_outside: whether links and index entries may lead outside the data set's folder.
        keep: `pixels` for reading that costs nothing; `encoded` keeps the source's files as they are, and a PNG of what
            is no file of its own (arrays, boxes of a picture), for whoever reads to decode. The digest is the same, and
            a snapshot that is there already stays as it is kept.
        progress: called with the number of samples read so far, now and then.

    Raises:
        DataError: the source is missing, empty, unreadable as a whole, has one class only, or cannot be split.
        StoreError: the store cannot be written (disk full, say); nothing is left half-written.
    """
    _refuse_arguments(name, image_size, max_samples)
    source = SnapshotSource(uri, store) if is_snapshot(uri) else open_source(uri, allow_outside=allow_outside)
    dataset = name or source.name
    store.sweep()
    with Spool(store.scratch) as spool:
        kept = _Kept(spool, keep, Decoding(image_size, _ASKED[channels]))
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
        if channels == "auto":
            _convert(rows, kept)
        left = source.leftovers
        converted = sum(row.converted for row in rows)
        reading = Reading(left.found(), left.empty, converted, channels, allow_outside)
        return _write(uri, dataset, rows, reading, kept, store)


@dataclass(frozen=True)
class _Kept:
    """Where the samples wait, and as what."""

    spool: Spool
    keep: Keep
    decoding: Decoding

    def pixels(self, row: _Row) -> Pixels:
        """Of a sample that was decoded before."""
        data = self.spool.read(row.place, row.size)
        if self.keep == "pixels":
            assert row.shape is not None
            return np.frombuffer(data, np.uint8).reshape(row.shape)
        found = self.decoding.decode(data)
        assert not isinstance(found, Defect)
        return found

    def write(self, rows: Sequence[_Row], store: Store) -> tuple[Shard, ...]:
        """The samples to the store, in that order; what they took in the spool is freed on the way."""
        sizes = np.array([row.size for row in rows], np.int64)
        pieces = self.spool.drain([row.place for row in rows], sizes.tolist())
        if self.keep == "pixels":
            return write_pixels(store, sizes, pieces)
        return write_encoded(store, sizes, [(row.pixel_sha256 or b"").hex() for row in rows], pieces)


def _decode(raw: RawSample, kept: _Kept) -> _Row:
    pixels = raw.data if isinstance(raw.data, Defect) else kept.decoding.decode(raw.data)
    label = None if raw.label is None else sys.intern(raw.label)  # one object a class, however many samples
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
    if isinstance(pixels, Defect):
        return _Row(raw=light, shape=None, pixel_sha256=None, defect=pixels.text, place=-1, size=0)
    shape = _one_object(pixels.shape)
    sha = hashlib.sha256(pixels.data).digest()
    defect = None if raw.label is not None else "label missing"
    if kept.keep == "pixels":
        data: bytes | memoryview = pixels.data
    else:
        data = raw.data if isinstance(raw.data, bytes) else as_png(pixels)
    return _Row(
        raw=light,
        shape=shape,
        pixel_sha256=sha,
        defect=defect,
        place=kept.spool.append(data),
        size=memoryview(data).nbytes,
    )


@lru_cache
def _one_object(shape: Shape) -> Shape:
    """The same shape, as one object however many samples have it."""
    height, width, channels = shape
    return height, width, channels


def _convert(rows: Sequence[_Row], kept: _Kept) -> None:
    """Grey among colour, or colour among grey, to what most of the samples are."""
    counts = Counter(row.shape[2] for row in rows if row.shape is not None)
    if len(counts) < 2:
        return
    channels = max(counts, key=lambda kind: (counts[kind], kind))
    for row in rows:
        if row.shape is not None and row.shape[2] != channels:
            pixels = np.ascontiguousarray(with_channels(kept.pixels(row), channels))
            row.shape = _one_object((row.shape[0], row.shape[1], channels))
            row.pixel_sha256, row.converted = hashlib.sha256(pixels.data).digest(), True
            if kept.keep == "pixels":  # a file stays as it is: whoever reads it converts it
                row.place, row.size = kept.spool.append(pixels.data), pixels.nbytes


def _write(
    uri: str, dataset: str, rows: Sequence[_Row], reading: Reading, kept: _Kept, store: Store
) -> SnapshotManifest:
    _refuse_repeated(uri, rows)
    shape = _most_frequent_shape(uri, rows)
    for row in rows:
        if row.shape is not None and row.shape != shape:
            row.defect = f"shape {_text(row.shape)} instead of {_text(shape)}"
    classes = _classes(uri, rows)
    splits, rule = assign([_member(row) for row in rows], uri)
    table = index_table(_columns(rows, shape, classes, splits))
    digest = content_digest(dataset, classes, shape, table)
    known = _existing(store, digest, sum(row.shape == shape for row in rows))
    if known is not None:
        if known.reading != reading:
            known = replace(known, reading=reading)
            store.put_document(document_name(digest), canonical_json(known))
        return known
    shards = kept.write([row for row in rows if row.shape == shape], store)
    manifest = SnapshotManifest(
        digest=digest,
        dataset=dataset,
        uri=uri,
        classes=classes,
        image_shape=shape,
        split_rule=rule,
        counts=_counts(rows, splits, shape, classes),
        samples=len(rows),
        defective=sum(row.defect is not None for row in rows),
        index=store.put(_parquet(table)),
        reading=reading,
        format=2,
        shards=shards,
        decoding=None if kept.keep == "pixels" else replace(kept.decoding, converted=shape[2]),
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
    return Member(raw.id, raw.label, raw.split, raw.subject, raw.time, row.pixel_sha256)


def _columns(
    rows: Sequence[_Row], shape: Shape, classes: Sequence[str], splits: Sequence[str]
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
    yield "pixel_sha256", [None if row.pixel_sha256 is None else row.pixel_sha256.hex() for row in rows]
    for place, name in enumerate(("height", "width", "channels")):
        yield name, [0 if row.shape is None else row.shape[place] for row in rows]
    yield "defect", [row.defect for row in rows]
    yield "row", [next(numbers) if row.shape == shape else -1 for row in rows]
    for key in rows[0].raw.extra:
        yield key, [row.raw.extra[key] for row in rows]


def _classes(uri: str, rows: Sequence[_Row]) -> tuple[str, ...]:
    names = {row.raw.label for row in rows if row.raw.label is not None}
    if len(names) < _MIN_CLASSES:
        raise DataError(
            uri,
            f"one class, {next(iter(names))!r}" if names else "no label in any sample",
            "at least two classes",
            "point at the folder that holds one folder a class, or give an index with columns path,label",
        )
    whole = all(re.fullmatch(r"-?\d+", name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name)) if whole else sorted(names))


def _most_frequent_shape(uri: str, rows: Sequence[_Row]) -> Shape:
    counts = Counter(row.shape for row in rows if row.shape is not None)
    if not counts:
        first = rows[0] if rows else None
        found = f"no readable image among {len(rows)}; {first.raw.id} is {first.defect}" if first else "no samples"
        raise DataError(uri, found, "images that can be read", "check the files; fetch or export them again")
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


def _existing(store: Store, digest: str, images: int) -> SnapshotManifest | None:
    """The snapshot of that digest when all its parts are there, and are what it stands for; else it is written (again).

    Args:
        images: how many of its samples have pixels.
    """
    data = store.get_document(document_name(digest))
    if data is None:
        return None
    try:
        manifest = from_json(SnapshotManifest, data)
    except StoreError:
        return None
    there = all(map(store.has, (manifest.index, *manifest.objects)))
    return manifest if there and manifest.digest == digest and _holds_its_pixels(store, manifest, images) else None


def _holds_its_pixels(store: Store, manifest: SnapshotManifest, images: int) -> bool:
    """Whether each sample has the pixels that the digest stands for.

    The manifest is a document: whoever can write to the store can have it name the objects of another snapshot.
    """
    try:
        snapshot = Snapshot(store, manifest)
        kept = snapshot.index[snapshot.index["row"] >= 0]
        expected = iter(kept["pixel_sha256"])
        parts = (part for _, part in chunks(snapshot.payload, kept["row"].to_numpy(np.int64)))
        same = all(hashlib.sha256(image.data).hexdigest() == next(expected) for part in parts for image in part)
    except (StoreError, IndexError):
        return False
    return same and len(kept) == images


def _refuse_repeated(uri: str, rows: Sequence[_Row]) -> None:
    repeated = [row.raw.id for row, after in pairwise(rows) if row.raw.id == after.raw.id]
    if repeated:
        raise DataError(
            uri,
            f"{len(repeated)} sample ids more than once: {', '.join(repeated[:_SHOWN])}",
            "every file listed once",
            "remove the repeated entries; for several labels an image choose one",
        )


def _refuse_arguments(name: str | None, image_size: tuple[int, int] | None, max_samples: int | None) -> None:
    fault = None if name is None else dataset_fault("data set name", name, _LONGEST_NAME)
    if fault is not None:
        raise DataError(fault.where, fault.found, fault.expected, fault.fix)
    if image_size is not None and min(image_size) < 1:
        raise DataError("image size", str(image_size), "height and width of at least 1 pixel", "give HEIGHT,WIDTH")
    if max_samples is not None and max_samples < 1:
        raise DataError("max samples", str(max_samples), "a number of at least 1", "leave it out to take all samples")


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
