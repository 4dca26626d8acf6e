"""Images with boxes, as Pascal VOC lays them out: each box becomes a sample, and its image the subject.

    Annotations/NAME.xml   JPEGImages/NAME.jpg (or .png, …)   ImageSets/Main/{train,val,test}.txt (optional)

A sample is the square around its box, inside the image: objects keep their proportions when all are brought to one
size. Boxes of one image are alike in stain, light and focus, so they share a subject and never part between splits.

Source: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge"; coordinates count from 1, inclusive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

from augment_ops.data.bounds import FILE_BYTES, TEXT_BYTES
from augment_ops.data.sources.locate import Place, why_unreadable
from augment_ops.errors import DataError, Fault
from augment_ops.modalities.image.decode import Pixels, decode
from augment_ops.modalities.image.sources.folder import archive_members, is_image
from augment_ops.modalities.source import SPLIT_NAMES, Defect, Leftovers, RawSample, readable

_ANNOTATIONS, _IMAGES, _SPLITS = "Annotations", "JPEGImages", "ImageSets/Main"
_BOXES = 10_000  # in one image; each becomes a sample of up to the image's size
_COORDINATE = 1_000_000  # pixels from the corner; no picture is so wide
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class _Box:
    label: str
    corners: tuple[int, int, int, int]  # x0, y0, x1, y1: from 0, half-open
    truncated: bool
    difficult: bool


@dataclass(frozen=True)
class _Annotation:
    boxes: list[_Box]
    size: tuple[int, int] | None  # height, width of the picture that the boxes were drawn on, where it says so


class VocSource:
    """A folder or a tar of images, annotations and lists; a tar is read twice, because images may come first."""

    schema = None

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """One sample a box, uint8 (side, side, C), ids `NAME/000` …; see `Source`."""
        annotations, splits = self._annotations()
        missing = set(annotations)
        for path, data in self._read(_is_picture, FILE_BYTES):
            name = readable(PurePosixPath(path).stem)
            if name not in missing:
                self.leftovers.add(_IMAGES, PurePosixPath(path).name, "images without an annotation")
                continue
            missing.remove(name)
            found = annotations[name]
            image = data if isinstance(data, Defect) else decode(data, stored=found.size)
            for number, box in enumerate(found.boxes):
                yield _sample(name, number, box, splits.get(name), readable(path), image)
        for name in sorted(missing):
            for number, box in enumerate(annotations[name].boxes):
                yield _sample(
                    name, number, box, splits.get(name), f"{_IMAGES}/{name}", Defect("unreadable: no such image")
                )

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The archive, or every image, annotation and list; see `Source`."""
        if not self._place.is_folder:
            yield "file", self._place.sha256()
            return
        files = [file for file in self._place.files() if _is_picture(file) or _describes(file)]
        digests = self._place.sha256_each([f"{self._place.path}/{file}" for file in files])
        yield from zip(files, digests, strict=True)

    def _annotations(self) -> tuple[dict[str, _Annotation], dict[str, str]]:
        """Annotation and split by name of the image.

        Raises:
            DataError: an annotation that cannot be understood; all of them at once.
        """
        found: dict[str, _Annotation] = {}
        lists: dict[str, list[str]] = {}
        faults: list[Fault] = []
        for path, data in self._read(_describes, TEXT_BYTES):
            pure = PurePosixPath(readable(path))
            if pure.suffix.lower() == ".txt":
                text = b"" if isinstance(data, Defect) else data
                lists[pure.stem.lower()] = text.decode("utf-8", "surrogateescape").splitlines()
                continue
            annotation = data.text if isinstance(data, Defect) else _annotation(data)
            if isinstance(annotation, str):
                faults.append(Fault(str(pure), annotation, "a Pascal VOC annotation", "correct or remove the file"))
            elif pure.stem in found:
                faults.append(
                    Fault(str(pure), "a second annotation of that name", "one", "give one data set at a time")
                )
            else:
                found[pure.stem] = annotation
        if faults:
            raise DataError.of(self._place.uri, faults)
        splits = {
            _listed(readable(line), found): SPLIT_NAMES[name]
            for name, lines in lists.items()
            for line in lines
            if line.strip()
        }
        unlisted = sorted(set(found) - set(splits))
        if splits and unlisted:
            said = f"{unlisted[0]} in none of train.txt, val.txt and test.txt ({len(unlisted)} such images)"
            raise DataError(f"{self._place.uri}: {_SPLITS}", said, "every image in one", "add it, or remove the lists")
        return found, splits

    def _read(self, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes | Defect]]:
        if self._place.is_folder:
            files = [file for file in self._place.files() if wanted(file)]
            contents = self._place.read_many([f"{self._place.path}/{file}" for file in files], limit)
            for path, content in zip(files, contents, strict=True):
                yield path, why_unreadable(content) if isinstance(content, Exception) else content
            return
        for path, data in archive_members(self._place, wanted):
            if data is not None:
                large = isinstance(data, bytes) and len(data) > limit
                yield path, Defect(f"unreadable: more than {limit:,} bytes") if large else data


def has_annotations(place: Place) -> bool:
    """Whether a folder or tar is laid out like this; reads names as far as the first image."""
    if place.is_folder:
        return any(_describes(file) and file.lower().endswith(".xml") for file in place.files())
    try:
        for path, _ in archive_members(place, lambda _: False):
            if is_image(path) or path.lower().endswith(".xml"):
                return _is_in(_IMAGES, path) or _is_in(_ANNOTATIONS, path)
    except DataError:
        return False  # whoever reads it says what is wrong
    return False


def _describes(path: str) -> bool:
    pure = PurePosixPath(path)
    suffix = pure.suffix.lower()
    listed = suffix == ".txt" and pure.stem.lower() in SPLIT_NAMES and path.endswith(f"{_SPLITS}/{pure.name}")
    return listed or (suffix == ".xml" and _is_in(_ANNOTATIONS, path) and not pure.name.startswith("."))


def _is_picture(path: str) -> bool:
    return _is_in(_IMAGES, path) and is_image(path)


def _is_in(folder: str, path: str) -> bool:
    return PurePosixPath(path).parent.name == folder


def _listed(line: str, known: Mapping[str, object]) -> str:
    """The image that a line of a list names: the whole line, or what stands before VOC's flag (-1, 0 or 1)."""
    whole = line.strip()
    return whole if whole in known else whole.rsplit(maxsplit=1)[0]


class _NoDoctype(ElementTree.TreeBuilder):
    """Told of a document type before any entity is declared, whatever the encoding: entities grow without bound."""

    def doctype(self, *_: str | None) -> None:
        raise ValueError("a document type of its own")


def _annotation(data: bytes) -> _Annotation | str:
    """The boxes of an annotation, or what is wrong with it."""
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_NoDoctype()))
        objects = list(root.iter("object"))
        if len(objects) > _BOXES:
            return f"{len(objects):,} objects; at most {_BOXES:,} are read"
        return _Annotation([_box(element) for element in objects], _size(root))
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that nobody knows
        return f"{error}"[:200] or "no XML"


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    height, width = (root.findtext(f"size/{side}") or "" for side in ("height", "width"))
    if not (height.strip() and width.strip()):
        return None
    size = _number("height", height), _number("width", width)
    return size if min(size) > 0 else None  # some tools write 0 where they do not know


def _number(what: str, text: str) -> int:
    """Pixels.

    Raises:
        ValueError: no finite number, or further out than any picture reaches.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _COORDINATE:
        raise ValueError(f"{what} {text.strip()[:40]!r}, which is no number within ±{_COORDINATE:,}")
    return round(value)


def _box(element: ElementTree.Element) -> _Box:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise ValueError("an object without a name")
    corners = []
    for corner in _CORNERS:
        text = element.findtext(f"bndbox/{corner}")
        if text is None:
            raise ValueError(f"an object {label} without {corner}")
        corners.append(_number(corner, text))
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
    return RawSample(
        id=f"{name}/{number:03d}",
        label=box.label,
        split=split,
        subject=name,
        time=None,
        source=place,
        data=pixels,
        extra=extra,
    )


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
