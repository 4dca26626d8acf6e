"""Counter-based randomness on a key: the only source of randomness in augmentation (law 1).

A sample's 128-bit key is BLAKE2b over (policy digest, seed, epoch or copy, sample id). It keys Philox4x64-10, whose
256-bit counter is laid out as (draw index, 0, transform index, 0): every transform of every sample has a stream of its
own, and no stream depends on how many numbers another one drew.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox); RFC 7693 (BLAKE2).
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np

Key = tuple[int, int]

_TRANSFORM_WORD = 2  # the word of the counter that holds the transform index; word 0 counts draws
_PERSON = b"augment-ops/key1"  # separates these hashes from any other use of BLAKE2b (16 bytes at most)


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
