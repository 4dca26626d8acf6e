"""A URI to a file system and a path that exists, with errors that say what is missing."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from augment_ops.data.bounds import FILE_BYTES
from augment_ops.data.sources.tree import Tree, walk
from augment_ops.errors import DataError, nearest
from augment_ops.files import NotReadableError, open_regular, read_regular
from augment_ops.modalities.source import Defect
from augment_ops.names import LONGEST_DATASET, REFUSED, told_apart

_EXTENSIONS = re.compile(r"(\.(tar|gz|tgz|bz2|xz|zip|npz|csv|parquet))+$", re.IGNORECASE)
_NAMELESS = frozenset({"data", "dataset", "images", "index"})  # stems of files, such as index.csv and data.npz
_BATCH = 128  # files of an object store fetched at once, to hide its latency …
_HASHED = 1 << 16  # bytes of a file hashed at once
_PIECE = 1 << 20  # … and of each so many bytes at first: 128 MiB in flight. The rest of larger ones comes one by one


@dataclass(frozen=True)
class Place:
    """A file or folder that was there a moment ago.

    Attributes:
        uri: as the user wrote it, for messages.
        filesystem: fsspec file system.
        path: absolute path in it, without a slash at the end.
        is_folder: whether it is one.
        allow_outside: whether files of this machine may lie outside the data set's folder.
    """

    uri: str
    filesystem: Any
    path: str
    is_folder: bool
    allow_outside: bool = False

    @property
    def name(self) -> str:
        """Kebab-case name of the data set: the last part of the path without its extensions.

        A file whose name says nothing is named after its folder: runs, models and champions go by this name, and the
        `index.csv` of one data set must not compete with that of another.
        """
        folder, name = posixpath.split(self.path)
        stem = _EXTENSIONS.sub("", name)
        if not self.is_folder and stem.lower() in _NAMELESS and posixpath.basename(folder):
            return kebab(posixpath.basename(folder))
        return kebab(stem)

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine's disk."""
        return bool(getattr(self.filesystem, "local_file", False))

    @property
    def folder(self) -> str:
        """The folder that the data set's files lie in: itself, or the one around a file."""
        return self.path if self.is_folder else posixpath.dirname(self.path)

    @property
    def inside(self) -> str | None:
        """Where files have to lie; None where they may lie anywhere."""
        return None if self.allow_outside else self.folder

    @contextlib.contextmanager
    def open(self, path: str | None = None) -> Iterator[IO[bytes]]:
        """Read `path`, by default the place itself (which may be a link to anywhere: the user named it)."""
        with self.faults():
            if self.is_local:
                opened = open_regular(path, self.inside) if path else open_regular(self.path)
            else:
                opened = self.filesystem.open(path or self.path, "rb")
            with opened as file:
                yield file

    def bytes_of(self, file: IO[bytes]) -> int:
        """The size of an open file."""
        with self.faults():
            size = file.seek(0, 2)
            file.seek(0)
            return size

    def files(self) -> list[str]:
        """Every file below a folder, sorted, relative to it."""
        return self.tree().files

    def tree(self) -> Tree:
        """Files and folders below a folder; on this machine through links to folders inside it as well."""
        with self.faults():
            if self.is_local:
                return walk(self.path, self.inside)
            return Tree(sorted(posixpath.relpath(path, self.path) for path in self.filesystem.find(self.path)), [], [])

    def read_many(self, paths: list[str], limit: int = FILE_BYTES) -> Iterator[bytes | Exception]:
        """Bytes of each file in turn, or why it could not be read; paths in the file system.

        Args:
            limit: bytes of one file; of a larger one the answer is the exception that says so.
        """
        if self.is_local:  # one by one: the disk has no latency to hide, and memory holds one file
            for path in paths:
                try:
                    yield read_regular(path, inside=self.inside, limit=limit)
                except (OSError, ValueError) as error:  # ValueError: a NUL in a path
                    yield error
            return
        for start in range(0, len(paths), _BATCH):
            part = paths[start : start + _BATCH]
            with self.faults():
                # Not cat(): it reads file names as patterns, and img[1].png would give the bytes of img1.png.
                pieces = self.filesystem.cat_ranges(part, 0, _PIECE, on_error="return")
            for path, piece in zip(part, pieces, strict=True):
                short = isinstance(piece, bytes) and len(piece) < _PIECE
                yield piece if short or isinstance(piece, FileNotFoundError) else self._whole(path, limit)

    def sha256(self, path: str | None = None) -> str:
        """Hex sha256 of `path`, by default of the file that the place is, read in pieces."""
        with self.open(path) as file:
            return _sha256(file)

    def sha256_each(self, paths: list[str]) -> Iterator[str]:
        """Hex sha256 of each file of this machine, read in pieces; or why it cannot be read, as its sample would say.

        Args:
            paths: absolute.
        """
        for path in paths:
            try:
                with open_regular(path, self.inside) as file:
                    yield _sha256(file)
            except (OSError, ValueError) as error:
                yield why_unreadable(error).text

    def _whole(self, path: str, limit: int) -> bytes | Exception:
        try:
            size = int(self.filesystem.size(path) or 0)
            if size > limit:
                return NotReadableError(f"{size:,} bytes; at most {limit:,} are read")
            return bytes(self.filesystem.cat_file(path))
        except Exception as error:  # client libraries have exceptions of their own
            return error

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Name the data set in whatever its file system raises (client libraries have exceptions of their own)."""
        try:
            yield
        except (DataError, MemoryError):
            raise
        except Exception as error:
            raise _unreachable(self.uri, error) from error


def _sha256(file: IO[bytes]) -> str:
    sha = hashlib.sha256()
    for piece in iter(lambda: file.read(_HASHED), b""):
        sha.update(piece)
    return sha.hexdigest()


def why_unreadable(error: Exception) -> Defect:
    """What `read_many` gave instead of bytes, as a defect of the sample."""
    if isinstance(error, FileNotFoundError):
        return Defect("unreadable: no such file")
    return Defect(f"unreadable: {error if isinstance(error, NotReadableError) else type(error).__name__}")


def locate(uri: str, forms: str, *, allow_outside: bool = False) -> Place:
    """Resolve a path or fsspec URI.

    Args:
        forms: what may lie there, in words, for who gave a place where nothing is.

    Raises:
        DataError: the scheme is unknown, its client is not installed, it does not answer, or nothing is there.
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise DataError(
            uri,
            str(error).splitlines()[0][:200],
            "a path, or a URI that fsspec can open here",
            'check the scheme, or install its client: pip install "augment-ops[s3]" for s3://',
        ) from error
    path = str(path).rstrip("/") or "/"
    place = Place(uri, filesystem, path, is_folder=False)
    with place.faults():
        if not filesystem.exists(path):
            raise _missing(place, forms)
        return Place(uri, filesystem, path, bool(filesystem.isdir(path)), allow_outside)


def kebab(text: str) -> str:
    """Lower case letters and digits joined by single hyphens; with part of a hash where others were lost, or many.

    What is ours (`augment_ops.names.REFUSED`) has one as well.
    """
    text = unicodedata.normalize("NFC", text)  # some file systems take letters apart from their accents
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    # Letters of other scripts, symbols, and bytes that are no letter tell data sets apart as well as ours do: models
    # and champions hang on the name. Blanks and punctuation (categories Z and P) do not.
    lost = kept in ("", REFUSED) or any(not one.isascii() and unicodedata.category(one)[0] not in "ZP" for one in text)
    return told_apart(kept or "data", text, LONGEST_DATASET) if lost or len(kept) > LONGEST_DATASET else kept


def _missing(place: Place, forms: str) -> DataError:
    folder, name = posixpath.split(place.path)
    siblings: list[str] = []
    with contextlib.suppress(Exception):  # the hint is a courtesy; the fault is that nothing is there
        siblings = [posixpath.basename(str(p).rstrip("/")) for p in place.filesystem.ls(folder, detail=False)]
    return DataError(
        place.uri,
        f"nothing at {place.path}",
        forms,
        f"check the path.{nearest(name, siblings)}",
    )


def _unreachable(uri: str, error: Exception) -> DataError:
    text = str(error).splitlines()[0][:200] if str(error) else ""
    return DataError(
        uri,
        f"{type(error).__name__}: {text}",
        "a data set that can be read from here",
        "check the path, its permissions, and for a remote store its address and credentials",
    )
