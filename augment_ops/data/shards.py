"""Shards: objects of a bounded size in which a snapshot keeps its samples, raw or as encoded files.

A raw shard is (n, *shape) of the modality's dtype in C order and nothing else. A shard of encoded files begins with
n + 1 int64, the places of the files from the shard's first byte on (the last is its size), and n sha256 of what they
are decoded to, 32 bytes each; then come the files. Integers are little-endian.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.blobs import store_error
from augment_ops.data.store import Store
from augment_ops.errors import StoreError
from augment_ops.modalities.codec import Decoder, One, Shape
from augment_ops.modalities.source import Defect, Samples

# The whole of Fashion-MNIST (55 MB) is one; small enough that whoever wants one sample of a remote store waits for no
# more than that, and that a machine verifies it in some 0.1 s; a million images of 224x224x3 are 2,300.
SHARD_BYTES = 64 << 20
# What is mapped counts as memory of the process, so a larger snapshot is read by calls, 1 us a sample more. CIFAR-10
# (184 MB) is mapped.
_MAPPED_BYTES = 256 << 20
_MOST_OPEN = 256  # shards at once, 16 GB; each has a descriptor, of which a process usually has 1,024
_OTHERS = "other samples than those of the index, or in another order"
_PLACE, _SHA = np.dtype("<i8"), 32  # of the head of a shard of encoded files


@dataclass(frozen=True)
class Shard:
    """Consecutive samples, in one object.

    Attributes:
        object: its sha256.
        samples: how many.
        bytes: its size; more than `SHARD_BYTES` only where one sample alone is larger, or by the head of encoded ones.
    """

    object: str
    samples: int
    bytes: int

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= self.bytes:
            raise ValueError(f"a shard of {self.samples} samples in {self.bytes} bytes")


def write_raw(store: Store, sizes: NDArray[np.int64], pieces: Iterator[bytes]) -> tuple[Shard, ...]:
    """Write samples as raw shards, holding one sample at a time.

    Args:
        sizes: int64 (N,), bytes of each sample.
        pieces: the samples' bytes, read once.
    """
    shards = []
    for first, last in _groups(sizes):
        size = int(sizes[first:last].sum())
        shards.append(Shard(store.put_chunks(islice(pieces, last - first), size), last - first, size))
    return tuple(shards)


def write_encoded(
    store: Store, sizes: NDArray[np.int64], contents: Sequence[str], pieces: Iterator[bytes]
) -> tuple[Shard, ...]:
    """Write samples as shards of encoded files, holding one file at a time.

    Args:
        sizes: int64 (N,), bytes of each file.
        contents: N hex sha256 of what they are decoded to.
        pieces: the files, read once.
    """
    shards = []
    for first, last in _groups(sizes):
        head = _head(sizes[first:last], contents[first:last])
        size = len(head) + int(sizes[first:last].sum())
        files = islice(pieces, last - first)
        shards.append(Shard(store.put_chunks(_after(head, files), size), last - first, size))
    return tuple(shards)


def seal(contents: Sequence[str], *, encoded: bool) -> bytes:
    """What the samples of a shard are known by: that they are those of the index, in its order.

    The manifest says which object is which shard, and no digest stands for what it says. Of a raw one it is the first
    and the last sample: to hash every one of them would take as long again as to verify the shard. Of encoded files,
    which are held against the sha256 in their shard's head, it is the whole of those.

    Args:
        contents: hex sha256 of all samples of one shard.
        encoded: whether it holds encoded files.
    """
    held = contents if encoded else (contents[0], contents[-1])
    return hashlib.sha256(b"".join(map(bytes.fromhex, held))).digest()


class ShardedPayload:
    """The samples of all shards, one shard after another; see `Payload`.

    A shard is opened, and its sha256 verified once a process, when a sample of it is first asked for. Encoded files are
    decoded by whoever asks, and what comes of each is held against its sha256 the first time.

    Args:
        store: holds the shards.
        shards: at least one.
        seals: of each shard, as `seal` makes them.
        shape, dtype: of every sample.
        decoder: of encoded files; None where samples are kept raw.
        name: says which sample a row is, for an error; travels to worker processes.
    """

    def __init__(
        self,
        store: Store,
        shards: tuple[Shard, ...],
        seals: tuple[bytes, ...],
        shape: Shape,
        dtype: np.dtype[Any],
        decoder: Decoder | None,
        name: Callable[[int], str],
    ) -> None:
        self._given = (store, shards, seals, shape, dtype, decoder, name)
        self._store, self._shards, self._seals, self._shape, self._dtype, self._decoder = self._given[:-1]
        self._ends = np.cumsum([shard.samples for shard in shards])
        self._place = _Place(name, self._ends)
        self._starts = self._ends - [shard.samples for shard in shards]
        self._maps = decoder is None and sum(shard.bytes for shard in shards) <= _MAPPED_BYTES
        self._open: dict[int, _Reader] = {}

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def shape(self) -> Shape:
        """Of every sample."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        return self._dtype

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """See `Payload`."""
        if len(rows) == 0:
            return np.empty((0, *self._shape), self._dtype)
        if len(self._shards) == 1 and isinstance(one := self._reader(0, int(rows[0])), _MappedShard):
            return np.take(one.samples, rows, axis=0)  # most data sets of small samples: twice as quick as the below
        if rows.min() < 0 or rows.max() >= len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)} samples")
        found = np.empty((len(rows), *self._shape), self._dtype)
        owner = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(owner).tolist():
            places = np.flatnonzero(owner == number)
            mine = rows[places]
            reader = self._reader(number, int(mine[0]))
            try:
                reader.into(found, places, mine - self._starts[number])
            except OSError as error:  # the disk, or the network that it lies behind
                raise store_error(self._where(number, int(mine[0])), error) from error
        return found

    def __reduce__(self) -> tuple[type[ShardedPayload], tuple[object, ...]]:
        return ShardedPayload, self._given

    def _reader(self, number: int, row: int) -> _Reader:
        """Of a shard; `row` is of a sample for which it is wanted."""
        found = self._open.get(number)
        if found is not None:
            return found
        with _OPENING.lock:  # one thread verifies a shard, and the others wait for it
            found = self._open.get(number)
            if found is None:
                while len(self._open) >= _MOST_OPEN:
                    self._open.pop(next(iter(self._open)))  # the oldest; whoever reads it at this moment holds it
                found = self._open[number] = self._opened(number, row)
        return found

    def _opened(self, number: int, row: int) -> _Reader:
        shard = self._shards[number]
        try:
            path = self._store.verified(shard.object)
            return self._reader_of(path, number)
        except StoreError as error:
            fault = error.faults[0]
            raise StoreError(f"{fault.where} ({self._place(row)})", fault.found, fault.expected, fault.fix) from error
        except OSError as error:
            raise store_error(self._where(number, row), error) from error
        except ValueError as error:
            raise StoreError(
                self._where(number, row),
                str(error)[:200],
                f"a shard of {shard.bytes:,} bytes with {shard.samples:,} samples, those of the snapshot's index",
                "remove the snapshot's document from the store and ingest the data set again",
            ) from error

    def _reader_of(self, path: Path, number: int) -> _Reader:
        """Raises ValueError where the file is not that shard."""
        shard, sealed, place = self._shards[number], self._seals[number], self._place.after(int(self._starts[number]))
        size = path.stat().st_size
        if size != shard.bytes:
            raise ValueError(f"{size:,} bytes")
        if self._decoder is not None:
            return _EncodedShard(path, shard.samples, sealed, self._shape, self._decoder, place)
        one = int(np.prod(self._shape)) * self._dtype.itemsize
        if size != shard.samples * one:
            raise ValueError(f"{size:,} bytes for {shard.samples:,} samples of {self._shape}")
        shape = (shard.samples, *self._shape)
        reader = _MappedShard(path, shape, self._dtype) if self._maps else _RawShard(path, one, place)
        ends = np.empty((2, *self._shape), self._dtype)
        reader.into(ends, np.arange(2), np.array([0, shard.samples - 1]))
        if seal([hashlib.sha256(sample.data).hexdigest() for sample in ends], encoded=False) != sealed:
            raise ValueError(_OTHERS)
        return reader

    def _where(self, number: int, row: int) -> str:
        return f"{self._store.uri}: object {self._shards[number].object[:12]} ({self._place(row)})"


class _Place:
    """Says where a sample lies, for an error. Apart from the payload: a shard that knew that would outlive it."""

    def __init__(self, name: Callable[[int], str], ends: NDArray[np.int64], first: int = 0) -> None:
        self._name, self._ends, self._first = name, ends, first

    def __call__(self, number: int) -> str:
        row = self._first + number
        shard = int(np.searchsorted(self._ends, row, side="right"))
        return f"shard {shard + 1} of {len(self._ends)}, for {self._name(row)}"

    def after(self, first: int) -> _Place:
        """Of the samples from `first` on."""
        return _Place(self._name, self._ends, first)


class _Reader(Protocol):
    """Samples of one shard, that several threads may ask for."""

    def into(self, found: Samples, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Put the samples at `rows` of the shard to `places` of `found`."""
        ...


class _MappedShard:
    """Raw samples (n, *shape) as an array over their file: quickest where they are small."""

    def __init__(self, path: Path, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.samples = np.memmap(path, dtype, mode="r", shape=shape).view(np.ndarray)

    def into(self, found: Samples, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        found[places] = np.take(self.samples, rows, axis=0)


class _RawShard:
    """Raw samples of so many bytes, read from their file one at a time: nothing of it counts as the process's."""

    def __init__(self, path: Path, size: int, place: _Place) -> None:
        self._file, self._bytes = _opened(self, path), size
        self._path, self._place = path, place

    def into(self, found: Samples, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        memory, size = found.data.cast("B"), self._bytes
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            here = memory[place * size : (place + 1) * size]
            if os.preadv(self._file, (here,), row * size) < size:
                raise StoreError(
                    f"{self._path} ({self._place(row)})",
                    "a file that was cut while it was read",
                    "the shard as it was verified",
                    "delete that object, and ingest the data set again",
                )


class _EncodedShard:
    """Encoded files of one object, decoded when they are asked for; safe for several threads.

    Args:
        path: the object, verified.
        count: how many samples it has.
        sealed: see `seal`.
        shape: of every sample; decoder: of every file.
        place: says which sample of the shard a number is.

    Raises:
        ValueError: its head is not that of `count` files, or of others.
    """

    def __init__(
        self,
        path: Path,
        count: int,
        sealed: bytes,
        shape: Shape,
        decoder: Decoder,
        place: _Place,
    ) -> None:
        self._file = _opened(self, path)
        self._path, self._shape, self._decoder, self._place = path, shape, decoder, place
        size = os.fstat(self._file).st_size
        if size < _head_bytes(count):
            raise ValueError(f"{size:,} bytes, too few for the places of {count:,} files")
        head = os.pread(self._file, _head_bytes(count), 0)
        self._places = np.frombuffer(head, _PLACE, count + 1)
        self._sha = np.frombuffer(head, np.uint8, offset=self._places.nbytes).reshape(count, _SHA)
        ends = (self._places[0], self._places[-1])
        if ends != (len(head), size) or (self._places[1:] < self._places[:-1]).any():  # a difference can overflow
            raise ValueError("places of files that are none")
        if hashlib.sha256(self._sha.data).digest() != sealed:
            raise ValueError(_OTHERS)
        self._known = np.zeros(count, bool)  # which samples were held against their sha256 by this process

    def into(self, found: Samples, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            found[place] = self._sample(row)

    def _sample(self, row: int) -> One:
        start, end = int(self._places[row]), int(self._places[row + 1])
        sample = self._decoder.decode(os.pread(self._file, end - start, start))
        if isinstance(sample, Defect):
            raise self._fault(row, sample.text)
        if sample.shape != self._shape:
            raise self._fault(row, f"a sample of {sample.shape} instead of {self._shape}")
        if not self._known[row]:
            if hashlib.sha256(sample.data).digest() != self._sha[row].tobytes():
                raise self._fault(row, "a file that is decoded to something else")
            self._known[row] = True
        return sample

    def _fault(self, row: int, found: str) -> StoreError:
        return StoreError(
            f"{self._path} ({self._place(row)})",
            found,
            "the sample that its file was decoded to when it was ingested",
            "install the versions of constraints.txt (a library decodes), or remove the snapshot's document from the "
            "store and ingest the data set again",
        )


class _Opening:
    """A lock that a forked worker finds open: the thread that held it is not in it."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = threading.Lock()


_OPENING = _Opening()


def _opened(owner: object, path: Path) -> int:
    """A descriptor of the file, closed with its owner."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    weakref.finalize(owner, os.close, descriptor)
    return descriptor


def _groups(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last (beyond) sample of each shard: as many as fit, one at least."""
    ends, first = np.cumsum(sizes), 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + SHARD_BYTES, side="right")))
        yield first, last
        first = last


def _head_bytes(count: int) -> int:
    return (count + 1) * _PLACE.itemsize + count * _SHA


def _head(sizes: NDArray[np.int64], contents: Sequence[str]) -> bytes:
    places = np.cumsum([_head_bytes(len(sizes)), *sizes.tolist()]).astype(_PLACE)
    return places.tobytes() + b"".join(map(bytes.fromhex, contents))


def _after(head: bytes, files: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from files
