"""Images in `{split}/{class}/` or `{class}/`, in a folder or in a tar of one."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import PurePosixPath

from augment_ops.data.decode import Defect
from augment_ops.data.sources.base import SPLIT_NAMES, RawSample
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.tar import members
from augment_ops.errors import DataError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})
_LAYOUT = "{split}/{class}/*.png (train, validation, test) or {class}/*.png; also .jpg, .jpeg, .bmp"
_MIN_PARTS = 2  # class folder and file
_OTHERS_SHOWN = 3


class FolderSource:
    """Image files below a folder."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a file, by path; see `Source`."""
        layout = Layout(self._place.uri)
        files = self._place.files()
        images = [file for file in files if is_image(file)]
        if not images:
            raise _no_images(self._place.uri, files)
        contents = self._place.read_many([f"{self._place.path}/{file}" for file in images])
        for file, content in zip(images, contents, strict=True):
            if isinstance(content, Exception):
                yield layout.sample(file, Defect(f"unreadable: {type(content).__name__}"))
            else:
                yield layout.sample(file, content)


class TarSource:
    """Image files in a tar, plain or compressed, read in one pass without unpacking."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a member, in the archive's order; see `Source`."""
        layout = Layout(self._place.uri)
        others: list[str] = []
        read = 0
        with self._place.open() as file:
            try:
                for path, data in members(file, is_image):
                    if data is not None:
                        read += 1
                        yield layout.sample(path, data)
                    elif len(others) < _OTHERS_SHOWN:
                        others.append(path)
            except (tarfile.TarError, EOFError, OSError, zlib.error, LZMAError) as error:
                raise DataError(
                    self._place.uri,
                    f"a damaged archive after {read:,} images ({type(error).__name__}: {error})",
                    "a whole .tar, .tar.gz, .tar.bz2 or .tar.xz file",
                    "fetch or pack it again; `tar tf` shows whether it is whole",
                ) from error
        if not read:
            raise _no_images(self._place.uri, others)


class Layout:
    """Reads split and class off paths, and insists that all of them are of one layout below one common prefix."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._prefix: tuple[str, ...] | None = None
        self._first = ""

    def sample(self, path: str, data: bytes | Defect) -> RawSample:
        """The sample of that file.

        Args:
            path: relative, with '/'.
            data: its bytes, or why they could not be read.

        Raises:
            DataError: no class folder, or another prefix than the files before.
        """
        parts = tuple(part for part in PurePosixPath(path).parts if part not in (".", "/"))
        if len(parts) < _MIN_PARTS:
            raise self._fault(f"an image outside any class folder: {path}")
        has_split = len(parts) > _MIN_PARTS and parts[-3].lower() in SPLIT_NAMES
        depth = 3 if has_split else _MIN_PARTS
        if not has_split and parts[-2].lower() in SPLIT_NAMES:
            raise self._fault(f"an image directly in {parts[-2]}/, without a class folder: {path}")
        prefix = parts[:-depth]
        if self._prefix is None:
            self._prefix, self._first = prefix, path
        if prefix != self._prefix:
            raise self._fault(f"two layouts in one data set: {self._first} and {path}")
        split = SPLIT_NAMES[parts[-3].lower()] if has_split else None
        return RawSample("/".join(parts[-depth:]), parts[-2], split, None, None, path, data)

    def _fault(self, found: str) -> DataError:
        return DataError(
            self._uri,
            found,
            _LAYOUT,
            "point at the folder that holds the splits or classes, or list the images in a .csv index (path,label)",
        )


def is_image(path: str) -> bool:
    """Whether the name is that of an image to read; not what macOS leaves beside each file, and nothing hidden."""
    pure = PurePosixPath(path)
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in pure.parts)
    return pure.suffix.lower() in IMAGE_SUFFIXES and not hidden


def _no_images(uri: str, others: list[str]) -> DataError:
    shown = ", ".join(others[:_OTHERS_SHOWN]) if others else "nothing"
    archives = [name for name in others if name.lower().endswith((".tar", ".tgz", ".tar.gz", ".npz", ".csv"))]
    fix = f"give {uri.rstrip('/')}/{archives[0]} itself" if archives else "point at the folder that holds the images"
    return DataError(uri, f"no image file in it, but {shown}" if others else "an empty data set", _LAYOUT, fix)
