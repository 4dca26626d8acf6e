"""NumPy archives: `x_train, y_train, x_test, y_test`, `train_images, …`, or `images, labels`."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from augment_ops.data.bounds import unpacked_limit
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.zip import refuse_large_directory
from augment_ops.errors import DataError
from augment_ops.modalities.image.decode import Pixels
from augment_ops.modalities.source import Leftovers, RawSample

_PAIRS: dict[str | None, tuple[tuple[str, str], ...]] = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
    "validation": (("x_val", "y_val"), ("x_valid", "y_valid"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
    None: (("images", "labels"), ("x", "y"), ("data", "labels")),
}
_DAMAGED = (
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    KeyError,
    RuntimeError,
    OverflowError,
    SyntaxError,
    struct.error,
    TypeError,
    MemoryError,
)
_SHOWN = 300
_NPY = b"\x93NUMPY"
_NAMES = "x_train, y_train, x_test, y_test; train_images, train_labels, …; or images, labels"


class NpzSource:
    """One `.npz` file. Pickled objects in it are never loaded."""

    schema = None

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place = place

    def samples(self) -> Iterator[RawSample]:
        """Samples with ids `train/000000` …, or `000000` … without splits; one split in memory at a time."""
        with self._place.open() as file:
            self._limit = unpacked_limit(self._place.bytes_of(file))
            if file.read(len(_NPY)) == _NPY:  # numpy would read it whole
                raise self._fault(
                    "file", "not an npz archive, but a single array", "save images and labels with numpy.savez"
                )
            try:
                refuse_large_directory(file, self._place.bytes_of(file))
                archive = np.load(file, allow_pickle=False)
            except _DAMAGED as error:
                raise self._fault("file", f"not an npz archive ({error})", "save it with numpy.savez") from error
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise self._fault(
                    "file", "not an npz archive, but a single array", "save images and labels with numpy.savez"
                )
            with archive:
                for split, images, labels in self._pairs(archive.files):
                    yield from self._split(archive, split, images, labels)

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The file; see `Source`."""
        yield "file", self._place.sha256()

    def _pairs(self, names: list[str]) -> list[tuple[str | None, str, str]]:
        """(split, name of the images, name of the labels) of what is there; labels and images always both."""
        found = [
            (split, images, labels)
            for split, candidates in _PAIRS.items()
            for images, labels in candidates
            if images in names and labels in names
        ]
        given = [pair for pair in found if pair[0] is not None]
        pairs = given or found[:1]
        if not pairs or len({pair[0] for pair in pairs}) < len(pairs):
            raise self._fault("arrays", ", ".join(sorted(names)[:12]) or "none", f"name them {_NAMES}")
        return pairs

    def _split(self, archive: Any, split: str | None, images_name: str, labels_name: str) -> Iterator[RawSample]:
        images = self._images(self._array(archive, images_name), images_name)
        labels = self._labels(self._array(archive, labels_name), labels_name)
        if len(images) != len(labels):
            raise self._fault(labels_name, f"{len(labels)} labels for {len(images)} images", "save one label an image")
        prefix = f"{split}/" if split else ""
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            name = f"{prefix}{number:06d}"
            yield RawSample(
                id=name,
                label=str(label),
                split=split,
                subject=None,
                time=None,
                source=f"{images_name}[{number}]",
                data=image,
            )

    def _array(self, archive: Any, name: str) -> npt.NDArray[Any]:
        try:
            self._refuse_bomb(archive, name)
            return np.asarray(archive[name])
        except ValueError as error:
            found = f"Python objects, which are not unpickled, or no array ({error})"
            raise self._fault(name, found[:_SHOWN], "save it as an array of integers") from error
        except _DAMAGED as error:
            raise self._fault(name, f"damaged data ({error})"[:_SHOWN], "save or fetch the file again") from error

    def _refuse_bomb(self, archive: Any, name: str) -> None:
        """NumPy makes room for what the header says before it reads: hold that against the size of the file."""
        member = archive.zip.getinfo(f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._fault(name, "packed in a way that is not read", "save it with numpy.savez_compressed")
        with archive.zip.open(member) as file:
            version = np.lib.format.read_magic(file)
            known = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = known(file)
        size = math.prod(shape) * dtype.itemsize
        if size > min(self._limit, member.file_size):
            found = f"an array of shape {shape}, {size:,} bytes, where {member.file_size:,} are packed"
            raise self._fault(name, found[:_SHOWN], f"save it again; at most {self._limit:,} bytes are unpacked")

    def _images(self, images: npt.NDArray[Any], name: str) -> Pixels:
        whole = images.dtype.kind in "iu" and (images.dtype == np.uint8 or _in_byte_range(images))
        if not whole:
            found = f"{images.dtype} pixels"
            raise self._fault(name, found, "scale the images to 0..255 and save them as uint8")
        shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3, 4))
        if not shaped or 0 in images.shape[1:]:
            fix = "reshape the images to (N, H, W) or (N, H, W, C) with 1, 3 or 4 channels last"
            raise self._fault(name, f"an array of shape {images.shape}", fix)
        images = images.astype(np.uint8, copy=False)
        return images[..., :3] if images.ndim == 4 else images  # the fourth channel is alpha

    def _labels(self, labels: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            found = f"{labels.dtype} labels of shape {labels.shape}"
            raise self._fault(name, found, "save one integer class number an image")
        return labels

    def _fault(self, part: str, found: str, fix: str) -> DataError:
        return DataError(f"{self._place.uri}: {part}", found, f"uint8 images and integer labels named {_NAMES}", fix)


def _in_byte_range(values: npt.NDArray[Any]) -> bool:
    return values.size == 0 or (int(values.min()) >= 0 and int(values.max()) <= 255)
