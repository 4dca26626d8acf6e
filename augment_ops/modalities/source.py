"""What a source of samples is, whatever the modality: what it yields, and the account of what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from numpy.typing import NDArray

Scalar = str | int | float | bool | None
Samples = NDArray[Any]  # (N, *shape)
Schema = Mapping[str, Any]  # of a data set beside its arrays: a JSON object whose form is the modality's own

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
UNUSED = "unused"  # neither learnt from nor tested on, because whoever keeps the source says so
OUT_OF_SCOPE = "out-of-scope"  # of no class: a model is asked about it, and should not be sure
# Of a column that says it of each sample. A folder called `unused` is a class like any other.
COLUMN_SPLITS: Mapping[str, str] = MappingProxyType({**SPLIT_NAMES, UNUSED: UNUSED, OUT_OF_SCOPE: OUT_OF_SCOPE})
_NOTHING: Mapping[str, Scalar] = MappingProxyType({})
_CLUTTER = frozenset({"thumbs.db", "desktop.ini"})  # what systems leave in every folder of files


@dataclass(frozen=True)
class Defect:
    """Why a sample cannot be used; begins with `unreadable:`, `truncated:` or `shape:` (of a size that is none)."""

    text: str


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
        data: what the modality's decoder takes (a file's bytes, an array), or why it could not be had.
        extra: the source's other columns; the same keys in every sample of a source.
    """

    id: str
    label: str | None
    split: str | None
    subject: str | None
    time: float | None
    source: str
    data: Any
    extra: Mapping[str, Scalar] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True)
class LeftOut:
    """Files of one class folder that are not read.

    Attributes:
        folder: relative to the data set.
        files: how many; 0 for a folder that is empty, or is not entered.
        example: the name of one of them; empty without any.
        why: in words.
    """

    folder: str
    files: int
    example: str
    why: str

    @property
    def text(self) -> str:
        """One phrase for a person."""
        if not self.files:
            return f"{self.folder} was not read: {self.why}"
        files = f"{self.files} file{'s' if self.files > 1 else ''}"
        return f"{files} in {self.folder}/ not read, such as {self.example}: {self.why}"


class Leftovers:
    """Collects while a source is read; complete once its last sample was yielded."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], LeftOut] = {}
        self.empty: tuple[str, ...] = ()  # class folders without a sample

    def add(self, folder: str, example: str, why: str) -> None:
        """One more file, or a folder that is not entered (no example)."""
        key = (readable(folder), why)
        before = self._found.get(key)
        name = before.example if before else readable(example)
        self._found[key] = LeftOut(key[0], (before.files if before else 0) + bool(example), name, why)

    def keep_only(self, folders: Iterable[str]) -> None:
        """Forget what lies elsewhere than in these folders; a folder that was not entered stays."""
        wanted = set(map(readable, folders))
        self._found = {key: one for key, one in self._found.items() if not one.files or one.folder in wanted}

    def found(self) -> tuple[LeftOut, ...]:
        """What was left out, sorted."""
        return tuple(sorted(self._found.values(), key=lambda one: (one.folder, one.why)))


def readable(name: str) -> str:
    r"""A file's name as text: bytes that are not UTF-8 as `\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_clutter(name: str) -> bool:
    """Whether a file is one of those that nobody put there."""
    return name.startswith(".") or name.lower() in _CLUTTER


class Source(Protocol):
    """A data set that can be read once from start to end, in any order.

    Attributes:
        name: kebab-case.
        leftovers: what lies in it and is not read; complete after the last sample.
        schema: what its samples have in common beside their shape, as the manifest of the snapshot will hold it;
            complete after the last sample, None where the shape says all.
    """

    name: str
    leftovers: Leftovers

    @property
    def schema(self) -> Schema | None:
        """See the attributes."""
        ...

    def samples(self) -> Iterator[RawSample]:
        """Every sample once. Memory is bounded by a batch of files, or by one array of an array file.

        Raises:
            DataError: the source cannot be read, or is not of the form it seemed to be. One unreadable sample is not
                that: it comes as a `Defect`.
        """

    def contents(self) -> Iterator[tuple[str, ...]]:
        """All that samples and leftovers follow from, nothing decoded: names, and the sha256 of what would be read.

        A source that gives the same contents under the same name gives the same samples. Memory is bounded by a piece
        of a file, and the names.

        Raises:
            DataError: what is read first (the archive, the folder, the index) cannot be read.
        """
