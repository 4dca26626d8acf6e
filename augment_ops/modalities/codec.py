"""The seam of reading: how a modality's samples come from a source, and back from what a snapshot keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.source import Defect, LeftOut, Samples, Schema, Source

if TYPE_CHECKING:
    import pyarrow as pa

Shape = tuple[int, ...]
One = NDArray[Any]  # one sample, of the shape that it has
Asked = Mapping[str, Any]  # a modality's own parameters of a run, all of them, by name


@dataclass(frozen=True)
class Reading:
    """How a data set was read the last time; no part of what it is. A modality may add fields of its own.

    Attributes:
        left_out: files in class folders that are not read, and folders that were not entered.
        empty_classes: class folders without a sample.
        converted: samples that were brought to the form of the others.
        allow_outside: whether links and index entries might lead outside the data set's folder.
    """

    left_out: tuple[LeftOut, ...] = ()
    empty_classes: tuple[str, ...] = ()
    converted: int = 0
    allow_outside: bool = False

    def notes(self, shape: Shape) -> list[str]:
        """What a reader has to know of it, one sentence each; `shape` is that of the samples."""
        notes = [f"class folder {name} has no sample" for name in self.empty_classes]
        notes += [one.text for one in self.left_out]
        notes += self.conversions(shape)
        if self.allow_outside:
            notes.append("files outside the data set's folder were allowed (--allow-outside)")
        return notes

    def conversions(self, shape: Shape) -> list[str]:
        """Of the notes, those about samples that were brought to the form of the others."""
        return [f"{self.converted} samples were brought to {shape}"] if self.converted else []


class Decoder(Protocol):
    """How the samples of one data set come from what its source gives, and from what the store keeps.

    A value: equal to another one that does the same, and small in a pickle, because worker processes decode.
    """

    @property
    def encoded(self) -> bool:
        """Whether a sample's file is kept and decoded by whoever reads it; else the sample itself is, raw."""
        ...

    def decode(self, data: Any) -> One | Defect:
        """The sample that `RawSample.data`, or a file that was kept, stands for; in C order, of the codec's dtype."""
        ...

    def file(self, data: Any, sample: One) -> bytes:
        """What is kept of a sample where `encoded`: `decode` of it gives the sample back, bit for bit.

        Args:
            data: as the source gave it; sample: what it was decoded to.
        """
        ...

    def settled(self, shapes: Mapping[Shape, int]) -> Decoder:
        """What also brings every sample to one form, as far as that is asked for; known once all are decoded.

        Args:
            shapes: of the samples that could be decoded, with how many have each; perhaps empty.
        """
        ...

    def converts(self, shape: Shape) -> bool:
        """Whether a decoded sample of that shape is brought to another form."""
        ...

    def convert(self, sample: One) -> One:
        """A sample whose shape `converts`, in that form, in C order."""
        ...

    def stored(self, shape: Shape) -> Mapping[str, Any]:
        """What the manifest holds of it where `encoded`: JSON, lists and no tuples.

        Args:
            shape: of its samples in the end.
        """
        ...


class RawDecoder:
    """What decoders share whose samples all have one form already and are kept as they are; see `Decoder`."""

    encoded: bool = False

    def file(self, data: Any, sample: One) -> bytes:
        """The sample's bytes; nothing is kept as a file."""
        return sample.tobytes()

    def settled(self, shapes: Mapping[Shape, int]) -> Self:
        """They have it whatever the others are."""
        return self

    def converts(self, shape: Shape) -> bool:
        """None is."""
        return False

    def convert(self, sample: One) -> One:
        """As it is."""
        return sample

    def stored(self, shape: Shape) -> Mapping[str, Any]:
        """Nothing: see `file`."""
        return {}


class Requests(Protocol):
    """How samples of one data set come from what a service is asked: to the bytes that its snapshot would hold."""

    @property
    def media(self) -> tuple[str, ...]:
        """Media types of files that are one sample each, such as `image/png`; empty where no file is."""
        ...

    @property
    def form(self) -> str:
        """What one sample is in JSON, for whoever wrote another thing."""
        ...

    def of_file(self, data: bytes) -> One | Defect:
        """The sample in a file of one of `media`, whatever its size within the bounds of reading."""
        ...

    def of_json(self, value: object) -> One | Defect:
        """The sample that a JSON value stands for."""
        ...

    def in_json(self, sample: One) -> Any:
        """The JSON value that a sample is shown as: `of_json` of it gives the sample back."""
        ...


class SampleCells(Protocol):
    """How samples that were changed go back into the columns of the table that they came from."""

    def look(self, part: pa.Table) -> None:
        """Take in a part of the table, in the order of the file; every part, before anything is written."""
        ...

    def typed(self, part: pa.Table) -> pa.Table:
        """Rows of a file whose cells are all text, with the types that their columns have.

        Raises:
            DataError: a value that the type of its column cannot hold.
        """
        ...

    def copied(self, part: pa.Table, before: Samples, after: Samples) -> pa.Table:
        """The rows with what was changed in its place; every other cell is the original one, and so is each type.

        Args:
            part: n rows of the table.
            before: (n, *shape), the samples of those rows.
            after: (n, *shape), what they became.

        Raises:
            DataError: a value that the type of its column cannot hold.
        """
        ...


class Codec(Protocol):
    """What data sets of a modality are read by."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        ...

    @property
    def content(self) -> str:
        """The index's column of each sample's sha256, over its bytes in C order: equal for equal samples."""
        ...

    @property
    def measures(self) -> tuple[str, ...]:
        """The index's columns for the dimensions of each sample's shape, in their order; none where all have one."""
        ...

    @property
    def time_decides(self) -> bool:
        """Whether, in a data set with times, a split by time tears subjects apart."""
        ...

    @property
    def how_labelled(self) -> str:
        """The next thing to do for who gave a data set without labels, or with one class."""
        ...

    @property
    def reading_type(self) -> type[Reading]:
        """What `reading` gives."""
        ...

    def reading(self, asked: Asked, read: Reading) -> Reading:
        """What is told of a reading with those parameters: `read`, and what only this modality has to say."""
        ...

    def licence(self, uri: str) -> str:
        """Terms of a data set that comes with this program; empty of any other, whose terms are not known here."""
        ...

    def is_local(self, uri: str) -> bool:
        """Whether all that a source is read from lies on this machine.

        Raises:
            DataError: nothing is there.
        """
        ...

    def open(self, uri: str, asked: Asked, *, allow_outside: bool = False, schema: Schema | None = None) -> Source:
        """Find out what `uri` is and open it; no sample is read yet.

        Args:
            uri: a path or fsspec URI, or a word that the modality knows.
            asked: the modality's parameters.
            allow_outside: whether links and index entries may lead outside the data set's folder, on this machine.
            schema: of a snapshot that the samples are to be compared with, which they are read by; by default the
                source's own.

        Raises:
            DataError: nothing is there, its form is not known, or a parameter is not one.
        """
        ...

    def decoder(self, asked: Asked) -> Decoder:
        """By which a source's samples are read, with those parameters.

        Raises:
            DataError: a parameter is not one.
        """
        ...

    def stored_decoder(self, stored: Mapping[str, Any], shape: Shape) -> Decoder:
        """The decoder that `Decoder.stored` described.

        Args:
            shape: of every sample of the snapshot.

        Raises:
            ValueError: the description is of another form, or of samples of another shape.
        """
        ...

    def like(self, shape: Shape) -> Asked:
        """The parameters, as far as they matter, by which the samples of another source come to have that shape."""
        ...

    def requests(self, asked: Asked, shape: Shape, schema: Schema | None) -> Requests:
        """How a service reads what it is asked, so that a sample is what training had of it.

        Args:
            asked: the parameters by which the data set of the model was read.
            shape: of its samples; schema: of it, where the modality has one.
        """
        ...

    def cells(self, asked: Asked, source: Source) -> SampleCells | None:
        """How samples are written into a table again; None where each sample is a file of its own.

        Args:
            asked: the modality's parameters.
            source: what `open` gave with them; not read yet.

        Raises:
            DataError: no file has one of these samples a row.
        """
        ...
