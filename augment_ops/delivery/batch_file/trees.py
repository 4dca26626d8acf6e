"""A folder or archive of files written again, with augmented copies beside each file and an index of them all."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Protocol, Self, cast

import numpy as np

from augment_ops.delivery.batch_file.manifest import COPY, ID, SOURCE_ID, copy_id
from augment_ops.delivery.batch_file.population import Account, is_copied
from augment_ops.delivery.batch_file.request import BatchFileRequest
from augment_ops.delivery.batch_file.tables import same
from augment_ops.errors import DataError
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.codec import Decoder, One, Shape
from augment_ops.modalities.source import RawSample, Source
from augment_ops.progress import Advance

INDEX = "index.csv"
# A copy is of the same subject as its original: whoever splits the output keeps both on one side.
COLUMNS = ("path", "label", "subject", "split", ID, SOURCE_ID, COPY)
_WAITING_BYTES = 32 << 20  # of samples that are augmented at once, which bounds the memory; any number gives the same
_FAST = 1  # of gzip's nine levels: pictures do not shrink


class FileTree(Protocol):
    """Takes files by their path."""

    def write(self, path: str, data: bytes) -> None:
        """Another file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FolderTree:
    """Files below a new folder."""

    def __init__(self, path: Path) -> None:
        self._root = path
        path.mkdir()

    def write(self, path: str, data: bytes) -> None:
        """Another file."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""


class TarTree:
    """A .tar.gz without times, owners or names of this machine: the same files give the same bytes."""

    def __init__(self, path: Path) -> None:
        self._opened = ExitStack()
        file = self._opened.enter_context(path.open("xb"))
        packed = self._opened.enter_context(
            gzip.GzipFile(filename="", mode="wb", compresslevel=_FAST, fileobj=file, mtime=0)
        )
        tar = tarfile.TarFile(fileobj=cast("IO[bytes]", packed), mode="w")
        self._tar = self._opened.enter_context(tar)

    def write(self, path: str, data: bytes) -> None:
        """Another file."""
        member = tarfile.TarInfo(path)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))
        self._tar.members = []  # type: ignore[attr-defined]  # it would keep every header in memory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)


@dataclass(frozen=True, kw_only=True)
class TreeCopies:
    """Writes the files of a source, and copies of them, as they are read: memory holds a few MB of them."""

    request: BatchFileRequest
    source: Source
    decoder: Decoder
    augmenter: BatchAugmenter
    account: Account

    def write(self, tree: FileTree, advance: Advance) -> int:
        """Write all files and the index; how many copies are what they were made of.

        Raises:
            DataError: files that cannot be used, one class, samples that are no files, or two files of one name.
        """
        index = io.StringIO()
        rows = csv.writer(index, lineterminator="\n")
        rows.writerow(COLUMNS)
        unchanged = 0
        for batch in self._batches():
            made, same_as_before = self._multiplied(batch)
            unchanged += same_as_before
            for (raw, _), copies in zip(batch, made, strict=True):
                for copy, data in enumerate((raw.data, *copies)):
                    path = _path(raw, copy)
                    tree.write(path, data)
                    named = copy_id(raw.id, copy, self.request.policy.digest, self.request.seed)
                    rows.writerow((path, raw.label, raw.id, raw.split, named, raw.id, copy))
            advance(self.account.seen, None, "")
        self.account.close()
        tree.write(INDEX, index.getvalue().encode())
        return unchanged

    def _batches(self) -> Iterator[list[tuple[RawSample, One]]]:
        """The samples that can be used, as many at once as memory is for."""
        names: set[str] = set()
        waiting: list[tuple[RawSample, One]] = []
        size = 0
        for raw in self.source.samples():
            sample = self.account.sample(raw)
            if sample is None:
                continue
            self._check(raw, names)
            waiting.append((raw, sample))
            size += sample.nbytes
            if size >= _WAITING_BYTES:
                yield waiting
                waiting, size = [], 0
        if waiting:
            yield waiting

    def _check(self, raw: RawSample, names: set[str]) -> None:
        """See that a sample is a file that can be written below the output, beside all others."""
        if not isinstance(raw.data, bytes) or raw.extra or raw.subject is not None or raw.time is not None:
            fix = "give a folder of files in folders of classes, or an archive of one"
            found = "samples that are no files of their own, or of which a table says more"
            raise DataError(self.request.input, found, "a file a sample, and nothing beside it", fix)
        steps = PurePosixPath(raw.id).parts
        if len(steps) < 2 or ".." in steps or raw.id.startswith("/"):
            raise DataError(self.request.input, f"a file at {raw.id!r}", "files in folders of it", "move it there")
        for copy in range(self.request.factor if is_copied(raw) else 1):
            path = _path(raw, copy)
            if path in names:
                raise DataError(self.request.input, f"two files called {path!r}", "one", "rename one of them")
            names.add(path)

    def _multiplied(self, batch: list[tuple[RawSample, One]]) -> tuple[list[list[bytes]], int]:
        """The files of each sample's copies, and how many are as before; samples of one shape go together."""
        made: list[list[bytes]] = [[] for _ in batch]
        unchanged = 0
        shapes: dict[Shape, list[int]] = {}
        for place, (raw, sample) in enumerate(batch):
            if is_copied(raw):
                shapes.setdefault(sample.shape, []).append(place)
        for places in shapes.values():
            before = np.stack([batch[place][1] for place in places])
            ids = [batch[place][0].id for place in places]
            for copy in range(1, self.request.factor):
                after = self.augmenter(before, ids, copy)
                unchanged += int(same(before, after).sum())
                for place, sample in zip(places, after, strict=True):
                    made[place].append(self.decoder.file(sample, sample))
        return made, unchanged


def _path(raw: RawSample, copy: int) -> str:
    """Of a file, or of one of its copies, which lies beside it; `Decoder.file` makes a PNG of what is no file yet."""
    return f"{raw.id}~{copy}.png" if copy else raw.id
