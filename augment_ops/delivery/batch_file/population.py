"""The samples of a table, read once before anything is written: refused whole where one cannot be used."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.ingest import in_order
from augment_ops.data.payload import FilePayload, Part
from augment_ops.delivery.batch_file.manifest import Counts
from augment_ops.engine.key import SampleIds
from augment_ops.errors import DataError
from augment_ops.modalities.base import Payload
from augment_ops.modalities.codec import Codec, Decoder, One
from augment_ops.modalities.source import Defect, RawSample, Schema, Source
from augment_ops.progress import Advance

_REPORT_EVERY = 10_000
_MIN_CLASSES = 2  # labels of one class are mostly the wrong column, and nothing can be learnt with them


class Account:
    """What is seen of samples while they are read: classes, which of them are copied, and what cannot be used.

    Args:
        uri: of the input.
        codec: of the modality.
        decoder: of its samples.
    """

    def __init__(self, uri: str, codec: Codec, decoder: Decoder) -> None:
        self._uri, self._codec, self._decoder = uri, codec, decoder
        self._defective, self._example = 0, ""
        self._copied: Counter[str] = Counter()
        self.seen = 0
        self.classes: Counter[str] = Counter()

    def sample(self, raw: RawSample) -> One | None:
        """The sample, counted; None where it cannot be used, which `close` tells of."""
        self.seen += 1
        sample = raw.data if isinstance(raw.data, Defect) else self._decoder.decode(raw.data)
        if raw.label is None or isinstance(sample, Defect):
            self._defective += 1
            why = sample.text if isinstance(sample, Defect) else "no label"
            self._example = self._example or f"{raw.source}: {why}"
            return None
        self.classes[raw.label] += 1
        self._copied[raw.label] += is_copied(raw)
        return sample

    def close(self) -> None:
        """Everything has been read.

        Raises:
            DataError: samples that cannot be used, fewer than two classes, or nothing to copy.
        """
        if self._defective:
            found = f"{self._defective:,} of {self.seen:,} samples that cannot be used, such as {self._example}"
            fix = "mend them, or take them out: a factor counts every sample"
            raise DataError(self._uri, found, "samples that can be read, each with a label", fix)
        if len(self.classes) < _MIN_CLASSES:
            found = f"one class, {next(iter(self.classes))!r}" if self.classes else "no samples"
            raise DataError(self._uri, found, "at least two classes", self._codec.how_labelled)
        if not self._copied.total():
            fix = "call what is to be augmented train, or give no split"
            raise DataError(self._uri, "no sample of train", "samples that copies may be made of", fix)

    def counts(self, factor: int, unchanged: int) -> Counts:
        """What there was, and what was made of it."""
        augmented = self._copied.total()
        copies = augmented * (factor - 1)
        return Counts(
            input=self.seen,
            augmented=augmented,
            passed=self.seen - augmented,
            copies=copies,
            unchanged=unchanged,
            output=self.seen + copies,
        )

    def in_output(self, factor: int) -> dict[str, int]:
        """Class → how many samples of the output have it."""
        return {name: self.classes[name] + self._copied[name] * (factor - 1) for name in in_order(self.classes)}


def is_copied(raw: RawSample) -> bool:
    """Whether copies may be made of a sample: of what a model is validated or tested on, none may."""
    return raw.split in (None, "train")


@dataclass(frozen=True, kw_only=True)
class ReadTable:
    """The N samples of a table, in the order of its rows.

    Attributes:
        payload: all of them, on disk.
        ids: N.
        labels: int64 (N,), places in `classes`.
        classes: their names.
        is_train: bool (N,), which may have copies: all of them where the table has no splits.
        schema: of the table, where the modality has one.
    """

    payload: Payload
    ids: SampleIds
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    is_train: NDArray[np.bool_]
    schema: Schema | None

    @cached_property
    def population(self) -> TrainPart:
        """What transforms may look at."""
        rows = np.flatnonzero(self.is_train)
        names = tuple(self.ids.names[rows].tolist())
        return TrainPart(Part(self.payload, rows), self.labels[rows], names, self.classes, self.schema)


@dataclass(frozen=True)
class TrainPart:
    """See `augment_ops.modalities.base.Population`."""

    payload: Payload
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    schema: Schema | None


def read_table(source: Source, account: Account, folder: Path, advance: Advance) -> ReadTable:
    """Read every sample into a file below `folder`.

    Memory: an id, a label and a split a sample, and one sample.

    Raises:
        DataError: a table that cannot be read, samples that cannot be used, one class, or no row to make copies of.
        TransformError: two rows of one id.
    """
    path, one = folder / "samples", None
    ids, labels, copied = list[str](), list[str](), list[bool]()
    with path.open("xb") as file:
        for raw in source.samples():
            if account.seen % _REPORT_EVERY == 0:
                advance(account.seen, None, "reading")
            sample = account.sample(raw)
            if sample is not None:
                one = sample
                file.write(sample.data)
                ids.append(raw.id)
                labels.append(sys.intern(str(raw.label)))  # one object a class, however many rows
                copied.append(is_copied(raw))
    account.close()
    assert one is not None  # there are two classes
    number = {name: place for place, name in enumerate(in_order(account.classes))}
    return ReadTable(
        payload=FilePayload(path, len(ids), one.shape, one.dtype),
        ids=SampleIds.of(ids),
        classes=tuple(number),
        labels=np.array([number[label] for label in labels], np.int64),
        is_train=np.array(copied, np.bool_),
        schema=source.schema,
    )
