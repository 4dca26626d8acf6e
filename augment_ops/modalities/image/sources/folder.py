"""Images in `{split}/{class}/` or `{class}/`, in a folder or in a tar or zip of one."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from augment_ops.data.sources.locate import Place, why_unreadable
from augment_ops.data.sources.tar import DAMAGED, members
from augment_ops.data.sources.zip import zip_members
from augment_ops.errors import DataError
from augment_ops.modalities.source import SPLIT_NAMES, Defect, Leftovers, RawSample, is_clutter, readable

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"}
)
_LAYOUT = "{split}/{class}/*.png (train, validation, test) or {class}/*.png; also jpg, bmp, webp, tiff, gif, ppm, pgm"
_MIN_PARTS = 2  # class folder and file
_OTHERS_SHOWN = 3


class FolderSource:
    """Image files below a folder."""

    schema = None

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a file, by path; see `Source`."""
        layout = FolderLayout(self._place.uri, self.leftovers)
        tree = self._place.tree()
        images = [file for file in tree.files if is_image(file)]
        if not images:
            raise _no_images(self._place.uri, tree.files)
        contents = self._place.read_many([f"{self._place.path}/{file}" for file in images])
        for file, content in zip(images, contents, strict=True):
            yield layout.sample(file, why_unreadable(content) if isinstance(content, Exception) else content)
        for path in tree.files:
            if not is_image(path):
                layout.beside(path)
        for path in tree.folders:
            layout.folder(path)
        for path, why in tree.not_entered:
            layout.folder(path, why)
        layout.close()

    def contents(self) -> Iterator[tuple[str, ...]]:
        """Every image, and the names of what is told of beside them; see `Source`."""
        tree = self._place.tree()
        read: dict[bool, list[str]] = {True: [], False: []}
        for file in tree.files:
            read[is_image(file)].append(file)
        digests = self._place.sha256_each([f"{self._place.path}/{file}" for file in read[True]])
        yield from (("image", *pair) for pair in zip(read[True], digests, strict=True))
        yield from (("beside", path) for path in read[False] if _is_told(path))
        yield from (("folder", path) for path in tree.folders if not _is_hidden(PurePosixPath(path)))
        yield from (("not entered", *pair) for pair in tree.not_entered if not _is_hidden(PurePosixPath(pair[0])))


class ArchiveSource:
    """Image files in a tar, plain or compressed, read in one pass without unpacking; or in a zip."""

    schema = None

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a member, in the archive's order; see `Source`."""
        layout = FolderLayout(self._place.uri, self.leftovers)
        others: list[str] = []
        for path, data in archive_members(self._place, is_image):
            if data is not None:
                yield layout.sample(path, data)
            elif path.endswith("/"):
                layout.folder(path.rstrip("/"))
            else:
                others = others if len(others) >= _OTHERS_SHOWN else [*others, path]
                layout.beside(path)
        if not layout.samples:
            raise _no_images(self._place.uri, others)
        layout.close()

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The archive; see `Source`."""
        yield "file", self._place.sha256()


def archive_members(place: Place, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Defect | None]]:
    """What `members` gives, of a tar or a zip.

    Raises:
        DataError: the archive is damaged, not whole, or beyond `augment_ops.data.bounds`.
    """
    read = zip_members if place.path.lower().endswith(".zip") else members
    count = 0
    with place.open() as file:
        try:
            for path, data in read(file, wanted):
                count += 1
                yield path, data
        except (*DAMAGED, zipfile.BadZipFile) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                place.uri,
                f"a damaged archive after {count:,} members ({type(error).__name__}: {str(error)[:200]})",
                "a whole .tar, .tar.gz, .tar.bz2, .tar.xz or .zip file, within the bounds of docs/your-own-data.md",
                "fetch or pack it again; `tar tf` or `unzip -t` shows whether it is whole",
            ) from error


class FolderLayout:
    """Reads split and class off paths, and insists that all of them are of one layout below one common prefix.

    It also keeps account of what lies in the folders of classes beside the samples.
    """

    def __init__(self, uri: str, leftovers: Leftovers) -> None:
        self._uri = uri
        self._leftovers = leftovers
        self._prefix: tuple[str, ...] | None = None
        self._first = ""
        self._split_folders = False
        self._folders: set[str] = set()
        self._classes: set[str] = set()
        self.samples = 0

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
        self._split_folders |= has_split
        self._classes.add(parts[-2])
        self.samples += 1
        if prefix != self._prefix:
            raise self._fault(f"two layouts in one data set: {self._first} and {path}")
        split = SPLIT_NAMES[parts[-3].lower()] if has_split else None
        name, label = readable("/".join(parts[-depth:])), readable(parts[-2])
        return RawSample(id=name, label=label, split=split, subject=None, time=None, source=readable(path), data=data)

    def beside(self, path: str) -> None:
        """A file that is no image to read."""
        pure = PurePosixPath(path)
        if _is_told(path):
            why = f"{pure.suffix.lower()} files are not read" if pure.suffix else "files without a suffix are not read"
            self._leftovers.add(str(pure.parent), pure.name, why)
            self._folders.add(str(pure.parent))

    def folder(self, path: str, why: str = "") -> None:
        """A folder; `why` where it was not entered."""
        pure = PurePosixPath(path)
        if _is_hidden(pure):
            return
        self._folders.add(str(pure))
        if why:
            self._leftovers.add(str(pure), "", why)

    def close(self) -> None:
        """All has been seen: say which classes have no samples."""
        classes = {folder: name for folder in self._folders if (name := self._class_of(folder)) is not None}
        self._leftovers.keep_only(classes)
        self._leftovers.empty = tuple(sorted(map(readable, set(classes.values()) - self._classes)))

    def _class_of(self, folder: str) -> str | None:
        """The class whose folder it is, or None."""
        parts = tuple(part for part in PurePosixPath(folder).parts if part not in (".", "/"))
        head = self._prefix or ()
        below = parts[len(head) :]
        if parts[: len(head)] != head or len(below) != (2 if self._split_folders else 1):
            return None
        if self._split_folders:
            return below[1] if below[0].lower() in SPLIT_NAMES else None
        return None if below[0].lower() in SPLIT_NAMES else below[0]

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
    return pure.suffix.lower() in IMAGE_SUFFIXES and not _is_hidden(pure)


def _is_told(path: str) -> bool:
    """Whether a file that is no image is told of where it lies in the folder of a class."""
    pure = PurePosixPath(path)
    return not is_clutter(pure.name) and not _is_hidden(pure)


def _is_hidden(path: PurePosixPath) -> bool:
    return any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in path.parts)


def _no_images(uri: str, others: list[str]) -> DataError:
    others = [readable(name) for name in others]
    shown = ", ".join(others[:_OTHERS_SHOWN]) if others else "nothing"
    archives = [name for name in others if name.lower().endswith((".tar", ".tgz", ".tar.gz", ".zip", ".npz", ".csv"))]
    fix = f"give {uri.rstrip('/')}/{archives[0]} itself" if archives else "point at the folder that holds the images"
    return DataError(uri, f"no image file in it, but {shown}" if others else "an empty data set", _LAYOUT, fix)
