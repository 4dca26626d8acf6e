"""Counter-based randomness on a key: the only source of randomness in augmentation (law 1).

A sample's 128-bit key is a function of (policy digest, seed, epoch or copy, sample id): BLAKE2b over the first three
keys Philox, whose counter is BLAKE2b over the sample id. Sample ids are hashed once a data set (`SampleIds`), so a key
costs nanoseconds. It keys Philox4x64-10 in turn (`philox.py` has the layout): every transform of every sample has a
stream of its own, and no stream depends on how many numbers another one drew.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox); RFC 7693 (BLAKE2).
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError

Key = tuple[int, int]
Ids = Sequence[str] | Sequence[int] | NDArray[np.integer] | NDArray[np.str_]

_TRANSFORM_WORD = 2  # the word of the counter that holds the transform index; word 0 counts draws
# These separate the hashes from any other use of BLAKE2b (16 bytes at most).
_PERSON, _ID_PERSON = b"augment-ops/key1", b"augment-ops/id1"


def sample_key(*parts: str | int) -> Key:
    """Two uint64 words that identify `parts`; the same parts give the same words on every machine.

    Integers count as their decimal text, so the ids 7 and "7" are one sample. Parts are length-prefixed:
    ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.blake2b(digest_size=16, person=_PERSON)
    for part in parts:
        encoded = str(part).encode("utf-8", "surrogatepass")  # file names need not be valid Unicode
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    raw = digest.digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


@dataclass(frozen=True, eq=False)
class SampleIds:
    """Sample ids and their hashes: made once for a data set, cheap to take batches from.

    Attributes:
        names: the ids as text.
        words: uint64 (N, 2).
    """

    names: NDArray[np.object_]
    words: NDArray[np.uint64]

    @classmethod
    def of(cls, ids: Ids) -> SampleIds:
        """Hash ids: integers or strings, distinct; 7 and "7" are the same id.

        Raises:
            TransformError: an id of another type, or one that repeats.
        """
        given = list(ids)  # what can be read once only (a generator) would give no names
        for i in given:
            if isinstance(i, bool) or not isinstance(i, (str, int, np.integer)):
                raise TransformError(
                    "ids", f"{i!r:.80} ({type(i).__name__})", "integers or strings", "convert them: 7.0 is not the id 7"
                )
        names = [str(i) for i in given]
        digests = b"".join(
            hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16, person=_ID_PERSON).digest()
            for name in names
        )
        words = np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 2)
        return cls(np.array(names, object), words)._distinct()

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, rows: NDArray[np.integer]) -> SampleIds:
        """The ids of some rows, each at most once."""
        ordered = np.sort(rows)  # np.unique takes five times as long
        if (ordered[1:] == ordered[:-1]).any():
            raise TransformError(
                "rows", "a row more than once", "distinct rows", "take every sample at most once a batch"
            )
        return SampleIds(self.names[rows], self.words.take(rows, axis=0))

    def repeated(self, times: int) -> SampleIds:
        """All of them, so many times one after the other: for as many epochs in one batch."""
        return SampleIds(np.tile(self.names, times), np.tile(self.words, (times, 1)))

    def _distinct(self) -> SampleIds:
        if len(set(self.words[:, 0].tolist())) != len(self.words):  # 64 bits differ where ids do, but for 1 in 10^10
            repeated, times = Counter(self.names.tolist()).most_common(1)[0]
            if times > 1:
                raise TransformError(
                    "ids",
                    f"{repeated!r} more than once",
                    "distinct ids",
                    "give every sample of a batch an id of its own",
                )
        return self


def generator(key: Key, transform: int = 0) -> np.random.Generator:
    """A fresh NumPy generator at the first draw of `transform`'s stream under `key`."""
    stream = KeyedStream()
    stream.seat(key, transform)
    return stream.numpy


class KeyedStream:
    """A NumPy generator and a `random.Random` that read one Philox stream and can be re-seated in microseconds.

    Not thread-safe: one per thread.

    Attributes:
        numpy: for NumPy draws.
        python: for code that wants the standard library's interface; it draws from the same stream.
    """

    def __init__(self) -> None:
        self._bits = np.random.Philox(key=0)
        self._state: Any = dict(self._bits.state)
        self.numpy = np.random.Generator(self._bits)
        self.python = _StreamRandom(self.numpy)

    def seat(self, key: Key, transform: int = 0) -> None:
        """Move to the first draw of `transform`'s stream under `key`."""
        counter = np.zeros(4, np.uint64)
        counter[_TRANSFORM_WORD] = transform
        state = self._state
        state["state"] = {"counter": counter, "key": np.array(key, np.uint64)}
        state["buffer_pos"] = 4  # nothing buffered
        state["has_uint32"] = 0
        state["uinteger"] = 0
        self._bits.state = state
        self.python.gauss_next = None  # `random.gauss` makes two values and would keep one for the next sample


class _StreamRandom(random.Random):
    """`random.Random` whose bits come from a NumPy generator; seeding it does nothing, because the key seats it."""

    gauss_next: float | None  # of the base class, which typeshed does not show

    def __init__(self, source: np.random.Generator) -> None:
        self._source = source
        super().__init__()

    def seed(self, *args: object, **kwargs: object) -> None:
        """Ignored: the stream is seated by its key."""

    def random(self) -> float:
        return float(self._source.random())

    def getrandbits(self, k: int, /) -> int:
        return int.from_bytes(self._source.bytes((k + 7) // 8), "little") >> (-k % 8)
