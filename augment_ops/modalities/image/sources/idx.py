"""IDX files, the format of MNIST: `train-images-idx3-ubyte.gz` beside `train-labels-idx1-ubyte.gz`, and `t10k-…`.

The format: two zero bytes, a type code, the number of dimensions, the dimensions as big-endian uint32, the values.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
"""

from __future__ import annotations

import gzip
import posixpath
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO, cast

import numpy as np

from augment_ops.data.bounds import unpacked_limit
from augment_ops.data.sources.locate import Place
from augment_ops.errors import DataError
from augment_ops.modalities.image.decode import MAX_PIXELS, Pixels
from augment_ops.modalities.source import Leftovers, RawSample

_IMAGES = re.compile(r"(?P<stem>.*?)(?P<part>train|t10k|test)[-_.]images[-_.]idx3[-_]ubyte(\.gz)?")
_READ = re.compile(r".*(images[-_.]idx3|labels[-_.]idx1)[-_]ubyte(\.gz)?")  # `_IMAGES`, and the labels beside them
_SPLITS = {"train": "train", "t10k": "test", "test": "test"}
_INTEGERS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
_UBYTE, _IMAGE_DIMENSIONS = 0x08, 3
_BLOCK_BYTES = 32 << 20  # of images read at once
_MAX_LABELS = 50_000_000  # a thousand times MNIST


class IdxSource:
    """A folder with one pair of IDX files for each of train and test."""

    schema = None

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """Samples with ids `train/000000` …; see `Source`."""
        files = {posixpath.basename(file): file for file in self._place.files()}
        found = [match for name in sorted(files) if (match := _IMAGES.fullmatch(name))]
        stems = sorted({match["stem"] for match in found})
        splits = [_SPLITS[match["part"]] for match in found]
        if len(stems) > 1 or len(set(splits)) < len(splits):
            raise DataError(
                self._place.uri,
                f"several data sets in one folder: {', '.join(match[0] for match in found)}",
                "one pair of images and labels for each of train and t10k",
                "move the other files elsewhere",
            )
        for match, split in zip(found, splits, strict=True):
            labels_file = _labels_beside(match[0], files)
            if labels_file is None:
                raise self._fault(match[0], "no labels file beside it", "put the idx1 labels file into the same folder")
            labels = self._labels(files[labels_file])
            yield from self._pairs(files[match[0]], split, labels)

    def contents(self) -> Iterator[tuple[str, ...]]:
        """Every IDX file; see `Source`."""
        files = [file for file in self._place.files() if _READ.fullmatch(posixpath.basename(file))]
        digests = self._place.sha256_each([f"{self._place.path}/{file}" for file in files])
        yield from zip(files, digests, strict=True)

    def _pairs(self, file: str, split: str, labels: list[int]) -> Iterator[RawSample]:
        number = 0
        for block in self._images(file, len(labels)):
            for image in block:
                name = f"{split}/{number:06d}"
                yield RawSample(
                    id=name,
                    label=str(labels[number]),
                    split=split,
                    subject=None,
                    time=None,
                    source=f"{file}#{number}",
                    data=image,
                )
                number += 1

    def _images(self, file: str, expected: int) -> Iterator[Pixels]:
        with self._place.open(f"{self._place.path}/{file}") as raw:
            stream = _plain(raw, file)
            code, shape = self._header(stream, file)
            if code != _UBYTE or len(shape) != _IMAGE_DIMENSIONS or 0 in shape[1:]:
                raise self._fault(file, f"type {code:#04x} with dimensions {shape}", "give unsigned bytes, N×H×W")
            count, height, width = shape
            if count != expected:
                raise self._fault(file, f"{count} images, but {expected} labels", "fetch both files again")
            if height * width > MAX_PIXELS:
                raise self._fault(file, f"images of {height}x{width}", f"give images of at most {MAX_PIXELS:,} pixels")
            self._refuse_bomb(file, raw, count * height * width)
            block = max(1, _BLOCK_BYTES // (height * width))
            for start in range(0, count, block):
                rows = min(block, count - start)
                data = self._exactly(stream, rows * height * width, file)
                yield np.frombuffer(data, np.uint8).reshape(rows, height, width)

    def _labels(self, file: str) -> list[int]:
        with self._place.open(f"{self._place.path}/{file}") as raw:
            stream = _plain(raw, file)
            code, shape = self._header(stream, file)
            if code not in _INTEGERS or len(shape) != 1:
                found = f"labels of type {code:#04x} with {len(shape)} dimensions"
                raise self._fault(file, found, "write the labels as one row of integers (type 0x08)")
            if shape[0] > _MAX_LABELS:
                raise self._fault(
                    file, f"{shape[0]:,} labels; at most {_MAX_LABELS:,} are read", "fetch the file again"
                )
            kind = np.dtype(_INTEGERS[code])
            data = self._exactly(stream, shape[0] * kind.itemsize, file)
            return cast("list[int]", np.frombuffer(data, kind).tolist())

    def _refuse_bomb(self, file: str, raw: IO[bytes], size: int) -> None:
        place = raw.tell()
        limit = unpacked_limit(self._place.bytes_of(raw))
        raw.seek(place)
        if size > limit:
            raise self._fault(file, f"{size:,} bytes of images; at most {limit:,} are unpacked", "fetch the file again")

    def _header(self, stream: IO[bytes], file: str) -> tuple[int, tuple[int, ...]]:
        zeros, code, dimensions = struct.unpack(">HBB", self._exactly(stream, 4, file))
        if zeros or not dimensions:
            raise self._fault(file, "no IDX header", "fetch the file again")
        return code, struct.unpack(f">{dimensions}I", self._exactly(stream, 4 * dimensions, file))

    def _exactly(self, stream: IO[bytes], size: int, file: str) -> bytes:
        try:
            data = stream.read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise self._fault(file, f"damaged data ({type(error).__name__}: {error})", "fetch it again") from error
        if len(data) < size:
            raise self._fault(file, f"the end {size - len(data)} bytes too early", "fetch the file again")
        return data

    def _fault(self, file: str, found: str, fix: str) -> DataError:
        return DataError(f"{self._place.uri}/{file}", found, "an IDX file as MNIST has them, integer labels", fix)


def has_idx_files(place: Place) -> bool:
    """Whether IDX images lie directly in the folder."""
    with place.faults():
        names = place.filesystem.ls(place.path, detail=False)
    return any(_IMAGES.fullmatch(posixpath.basename(str(name))) for name in names)


def _labels_beside(images: str, files: dict[str, str]) -> str | None:
    plain = images.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    return next((name for name in (plain, f"{plain}.gz") if name in files), None)


def _plain(raw: IO[bytes], file: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if file.endswith(".gz") else raw
