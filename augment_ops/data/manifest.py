"""The manifest of a snapshot: what it is, and where its parts are. A format of before is read as it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, TypeAdapter, ValidationInfo

from augment_ops.content import LATER, digest_of
from augment_ops.data.sample_index import Digested
from augment_ops.data.shards import Shard
from augment_ops.modalities import UNNAMED, modality
from augment_ops.modalities.codec import Reading, Shape
from augment_ops.modalities.source import Schema

Kept = Literal["raw", "encoded"]

_AS_READ = Reading()  # whole, and nothing converted


def _reading_of_modality(value: object, info: ValidationInfo) -> object:
    """What a document has of how its data set was read, as the type that its modality knows."""
    if not isinstance(value, dict) or "modality" not in info.data:
        return value
    known = modality(info.data["modality"]).codec.reading_type
    return _adapter(known).validate_python(value)  # type: ignore[arg-type]  # a class is hashable


@cache
def _adapter(known: type[Reading]) -> TypeAdapter[Reading]:
    return TypeAdapter(known)  # 3 ms, and lists read a manifest a run


@dataclass(frozen=True, kw_only=True)
class SnapshotManifest:
    """What a snapshot is, and where its parts are.

    Attributes:
        digest: sha256 over what the samples are (see `sample_index.Digested`), independent of how their
            files were laid out.
        dataset: kebab-case name.
        uri: where it was first ingested from.
        classes: sorted, by number where all of them are integers; a label is an index into them.
        modality: what its samples are.
        image_shape: of every sample that could be read, whatever the modality: the most frequent one of the source.
        schema: what they have in common beside it, the modality's own; None where the shape says all.
        split_rule: how train, validation and test came about, in words.
        counts: split to class name to number of usable samples (those in a shard, with a label).
        samples: all samples, defective ones too.
        defective: samples that cannot be used; the index's `defect` says why.
        index: digest of the Parquet object.
        images: of format 1, digest of the one object, (N, *shape) in C order without a header; else empty.
        reading: how it was read, and what was left out.
        format: 1, 2 or 3.
        shards: from format 2 on, the objects that hold the samples.
        decoding: how the files in the shards become samples, the modality's own; None where they hold raw samples.
    """

    NEWEST_FORMAT: ClassVar[int] = 3

    digest: str
    dataset: str
    uri: str
    classes: tuple[str, ...]
    modality: str = field(default=UNNAMED, metadata=LATER)
    image_shape: Shape
    schema: dict[str, Any] | None = field(default=None, metadata=LATER)
    split_rule: str
    counts: dict[str, dict[str, int]]
    samples: int
    defective: int
    index: str
    images: str = field(default="", metadata=LATER)
    reading: Annotated[Reading, BeforeValidator(_reading_of_modality)] = _AS_READ
    format: int = field(default=1, metadata=LATER)
    shards: tuple[Shard, ...] = field(default=(), metadata=LATER)
    decoding: dict[str, Any] | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        if bool(self.images) == bool(self.shards) or (self.format == 1) != bool(self.images):
            raise ValueError(f"format {self.format} with {len(self.shards)} shards and one object {self.images!r:.20}")
        if (self.format == 3) != (format_of(self.modality, self.schema) == 3):
            raise ValueError(f"format {self.format} of the modality {self.modality[:40]}")
        if self.reading is _AS_READ:  # a document from before that was told
            object.__setattr__(self, "reading", modality(self.modality).codec.reading_type())
        if self.decoding is not None:  # whatever is read by it takes the memory that it says
            modality(self.modality).codec.stored_decoder(self.decoding, self.image_shape)

    @property
    def sample_shape(self) -> Shape:
        """Of every sample that could be read."""
        return self.image_shape

    @property
    def interface(self) -> str:
        """Digest of what a model that learns from it takes and answers."""
        said = [self.classes, self.sample_shape]
        return digest_of(said if self.schema is None else [*said, self.schema])

    @property
    def objects(self) -> tuple[str, ...]:
        """Digests of all objects that hold samples."""
        return (self.images,) if self.images else tuple(shard.object for shard in self.shards)

    @property
    def kept(self) -> Kept:
        """As what the samples are kept."""
        return "raw" if self.decoding is None else "encoded"

    def digested(self) -> Digested:
        """What its digest stands for, beside the samples."""
        return Digested(
            dataset=self.dataset,
            classes=self.classes,
            shape=self.sample_shape,
            schema=self.schema,
            codec=modality(self.modality).codec,
        )


def format_of(modality_name: str, schema: Schema | None) -> int:
    """Format of a snapshot that is written now: a program of before must not take another modality for images."""
    return 2 if modality_name == UNNAMED and schema is None else 3


def document_name(digest: str) -> str:
    """Name of the document that holds the manifest of that snapshot."""
    return f"snapshots/{digest}.json"
