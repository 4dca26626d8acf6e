"""What every source yields, and the words that all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from augment_ops.data.leftovers import Leftovers
from augment_ops.modalities.image.decode import Defect, Pixels

Scalar = str | int | float | bool | None
_NOTHING: Mapping[str, Scalar] = MappingProxyType({})

SPLIT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "val": "validation",
        "valid": "validation",
        "validation": "validation",
        "test": "test",
        "testing": "test",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSample:
    """One sample as its source has it, before decoding.

    Attributes:
        id: unique in the source, and the same however the source is packed.
        label: class name; None where the source has none for this sample.
        split: `train`, `validation`, `test`, or None where the source does not say.
        subject: the person or object that the sample belongs to, where the source knows.
        time: seconds since 1970 UTC, or a number whose order is the order of time.
        source: where its bytes lie, relative to the source.
        data: an image file's bytes, uint8 (H, W[, C]), or why neither could be had.
        extra: the source's other columns; the same keys in every sample of a source.
    """

    id: str
    label: str | None
    split: str | None
    subject: str | None
    time: float | None
    source: str
    data: bytes | Pixels | Defect
    extra: Mapping[str, Scalar] = field(default_factory=lambda: _NOTHING)


class Source(Protocol):
    """A data set that can be read once from start to end, in any order.

    Attributes:
        name: kebab-case.
        leftovers: what lies in it and is not read; complete after the last sample.
    """

    name: str
    leftovers: Leftovers

    def samples(self) -> Iterator[RawSample]:
        """Every sample once. Memory is bounded by a batch of files, or by one array of an array file.

        Raises:
            DataError: the source cannot be read, or is not of the form it seemed to be. One unreadable image is not
                that: it comes as a `Defect`.
        """

    def contents(self) -> Iterator[tuple[str, ...]]:
        """All that samples and leftovers follow from, nothing decoded: names, and the sha256 of what would be read.

        A source that gives the same contents under the same name gives the same samples. Memory is bounded by a piece
        of a file, and the names.

        Raises:
            DataError: what is read first (the archive, the folder, the index) cannot be read.
        """
