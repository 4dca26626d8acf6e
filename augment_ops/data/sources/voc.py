"""Images with boxes, as Pascal VOC lays them out: each box becomes a sample, and its image the subject.

    Annotations/NAME.xml   JPEGImages/NAME.jpg (or .png, .bmp)   ImageSets/Main/{train,val,test}.txt (optional)

A sample is the square around its box, inside the image: objects keep their proportions when all are brought to one
size. Boxes of one image are alike in stain, light and focus, so they share a subject and never part between splits.

Source: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge"; coordinates count from 1, inclusive.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import PurePosixPath
from xml.etree import ElementTree

from augment_ops.data.decode import Defect, Pixels, decode
from augment_ops.data.sources.base import SPLIT_NAMES, RawSample
from augment_ops.data.sources.folder import is_image
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.tar import members
from augment_ops.errors import DataError, Fault

_ANNOTATIONS, _IMAGES, _SPLITS = "Annotations", "JPEGImages", "ImageSets/Main"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error, LZMAError)


@dataclass(frozen=True)
class _Box:
    label: str
    corners: tuple[int, int, int, int]  # x0, y0, x1, y1: from 0, half-open
    truncated: bool
    difficult: bool


class VocSource:
    """A folder or a tar of images, annotations and lists; a tar is read twice, because images may come first."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a box, uint8 (side, side, C), ids `NAME/000` …; see `Source`."""
        boxes, splits = self._annotations()
        missing = set(boxes)
        for path, data in self._read(lambda path: _is_in(_IMAGES, path) and is_image(path)):
            name = PurePosixPath(path).stem
            if name not in missing:
                continue  # an image that nobody annotated
            missing.remove(name)
            image = data if isinstance(data, Defect) else decode(data)
            for number, box in enumerate(boxes[name]):
                yield _sample(name, number, box, splits.get(name), path, image)
        for name in sorted(missing):
            for number, box in enumerate(boxes[name]):
                yield _sample(
                    name, number, box, splits.get(name), f"{_IMAGES}/{name}", Defect("unreadable: no such image")
                )

    def _annotations(self) -> tuple[dict[str, list[_Box]], dict[str, str]]:
        """Boxes and split by name of the image.

        Raises:
            DataError: an annotation that cannot be understood; all of them at once.
        """
        boxes: dict[str, list[_Box]] = {}
        splits: dict[str, str] = {}
        faults: list[Fault] = []
        for path, data in self._read(_describes):
            pure = PurePosixPath(path)
            text = b"" if isinstance(data, Defect) else data
            if pure.suffix == ".txt":
                for line in text.decode("utf-8", "replace").splitlines():
                    if line.strip():
                        splits[line.split()[0]] = SPLIT_NAMES[pure.stem]
                continue
            found = _boxes(text)
            if isinstance(found, str):
                faults.append(Fault(path, found, "a Pascal VOC annotation", "correct or remove the file"))
            elif pure.stem in boxes:
                faults.append(Fault(path, "a second annotation of that name", "one", "give one data set at a time"))
            else:
                boxes[pure.stem] = found
        if faults:
            raise DataError.of(self._place.uri, faults)
        unlisted = sorted(set(boxes) - set(splits))
        if splits and unlisted:
            found = f"{unlisted[0]} in none of train.txt, val.txt and test.txt ({len(unlisted)} such images)"
            raise DataError(f"{self._place.uri}: {_SPLITS}", found, "every image in one", "add it, or remove the lists")
        return boxes, splits

    def _read(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Defect]]:
        if self._place.is_folder:
            files = [file for file in self._place.files() if wanted(file)]
            contents = self._place.read_many([f"{self._place.path}/{file}" for file in files])
            for path, content in zip(files, contents, strict=True):
                yield (
                    path,
                    Defect(f"unreadable: {type(content).__name__}") if isinstance(content, Exception) else content,
                )
            return
        with self._place.open() as file:
            try:
                for path, data in members(file, wanted):
                    if data is not None:
                        yield path, data
            except _DAMAGED as error:
                found = f"a damaged archive ({type(error).__name__}: {error})"
                raise DataError(self._place.uri, found, "a whole tar", "fetch or pack it again") from error


def has_annotations(place: Place) -> bool:
    """Whether a folder or tar is laid out like this; reads names as far as the first image."""
    if place.is_folder:
        return any(_describes(file) and file.endswith(".xml") for file in place.files())
    with place.open() as file:
        try:
            for path, _ in members(file, lambda _: False):
                if is_image(path) or path.endswith(".xml"):
                    return _is_in(_IMAGES, path) or _is_in(_ANNOTATIONS, path)
        except _DAMAGED:
            return False  # whoever reads it says what is wrong
    return False


def _describes(path: str) -> bool:
    pure = PurePosixPath(path)
    listed = pure.suffix == ".txt" and pure.stem in SPLIT_NAMES and path.endswith(f"{_SPLITS}/{pure.name}")
    return listed or (pure.suffix == ".xml" and _is_in(_ANNOTATIONS, path) and not pure.name.startswith("."))


def _is_in(folder: str, path: str) -> bool:
    return PurePosixPath(path).parent.name == folder


def _boxes(data: bytes) -> list[_Box] | str:
    """The boxes of an annotation, or what is wrong with it."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return "a document type of its own"  # entities could grow without bound
    try:
        return [_box(element) for element in ElementTree.fromstring(data).iter("object")]
    except (ElementTree.ParseError, ValueError) as error:
        return f"{error}"[:200] or "no XML"


def _box(element: ElementTree.Element) -> _Box:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise ValueError("an object without a name")
    corners = []
    for corner in _CORNERS:
        text = element.findtext(f"bndbox/{corner}")
        if text is None:
            raise ValueError(f"an object {label} without {corner}")
        corners.append(round(float(text)))
    x0, y0, x1, y1 = corners
    flags = (element.findtext(flag, "0").strip() == "1" for flag in ("truncated", "difficult"))
    return _Box(label, (x0 - 1, y0 - 1, x1, y1), *flags)


def _sample(name: str, number: int, box: _Box, split: str | None, path: str, image: Pixels | Defect) -> RawSample:
    x0, y0, x1, y1 = box.corners
    extra: Mapping[str, int | bool] = {
        "box_width": x1 - x0,
        "box_height": y1 - y0,
        "truncated": box.truncated,
        "difficult": box.difficult,
    }
    pixels = image if isinstance(image, Defect) else _square(image, box.corners)
    place = f"{path}#{x0},{y0},{x1},{y1}"
    return RawSample(f"{name}/{number:03d}", box.label, split, name, None, place, pixels, extra)


def _square(image: Pixels, corners: tuple[int, int, int, int]) -> Pixels | Defect:
    """The square around a box, as far as the image has room for it."""
    height, width = image.shape[:2]
    x0, x1 = (min(max(x, 0), width) for x in corners[::2])
    y0, y1 = (min(max(y, 0), height) for y in corners[1::2])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return Defect("shape: a box without area")
    side = min(max(x1 - x0, y1 - y0), height, width)
    left = min(max((x0 + x1 - side) // 2, 0), width - side)
    top = min(max((y0 + y1 - side) // 2, 0), height - side)
    return image[top : top + side, left : left + side].copy()
