"""Bytes or arrays of one sample to uint8 (H, W, C). A file that cannot be read is a value, not an exception."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from augment_ops.modalities.image.jpeg import Markers, with_more_data
from augment_ops.modalities.source import Defect

Pixels = npt.NDArray[np.uint8]

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
_NAMES = "PNG, JPEG, BMP, WebP, TIFF, GIF or PPM"
MAX_PIXELS = 89_478_485  # Pillow's own warning limit (a quarter of a GiB of RGB): more is a bomb, not a sample
_MAX_SCANS = (
    100  # of a JPEG: encoders write 1 to 12, optimisers some 30; every scan passes over the whole picture again
)
_MAX_SCANNED = 1_000_000_000  # pixels times scans: twelve scans of the largest picture, some seconds of work
_CORNER = 4  # pixels a side: where data ended early a JPEG ends in one colour
_SIXTEEN_BIT_MAX = 65_535
_WORDS_OF_TRUNCATION = ("truncated", "broken data stream", "not enough image data", "unexpected end of file")
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


@dataclass(frozen=True)
class Decoding:
    """How the files of a data set become pixels of one shape.

    Attributes:
        size: (height, width) that every image is resized to; None where none is.
        channels: 1 or 3, to which a file is brought when it is read; None for as it is.
        converted: 1 or 3, to which it is brought after resizing; None where it has what it should.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    converted: int | None = None

    def decode(self, data: bytes | Pixels) -> Pixels | Defect:
        """See `decode`."""
        pixels = decode(data, self.size, channels=self.channels)
        return pixels if isinstance(pixels, Defect) else np.ascontiguousarray(with_channels(pixels, self.converted))


def decode(
    data: bytes | Pixels,
    size: tuple[int, int] | None = None,
    *,
    channels: int | None = None,
    stored: tuple[int, int] | None = None,
) -> Pixels | Defect:
    """Pixels of one sample: grey as one channel, everything else as RGB.

    Palettes become RGB, 16 bits become 8, transparency is dropped, and a photo is turned the way its EXIF orientation
    says. Of several frames or pages the first is taken.

    Args:
        data: a PNG, JPEG, BMP, WebP, TIFF, GIF, PPM, PGM or PBM file, or uint8 (H, W) or (H, W, 1 | 3).
        size: (height, width) to resize to, bilinear over the whole footprint of a pixel (no aliasing).
        channels: 1 for grey (luma of ITU-R BT.601), 3 for colour; by default as the file has it.
        stored: (height, width) in which somebody has drawn on the picture: a picture that has this size only as it is
            stored is not turned.

    Returns:
        uint8 (H, W, 1) or (H, W, 3), C-contiguous; or the defect.
    """
    if isinstance(data, bytes):
        try:
            image = _of_channels(_read(data, stored), channels)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            return _defect(data, error)
        if size is not None:
            image = _resize(image, size)
        pixels = np.asarray(image, np.uint8)
    else:
        pixels = with_channels(data, channels)
        if size is not None and pixels.shape[:2] != size:
            grey = pixels.ndim == 2 or pixels.shape[2] == 1
            pixels = np.asarray(_resize(Image.fromarray(pixels.reshape(pixels.shape[:2]) if grey else pixels), size))
    return np.ascontiguousarray(pixels[:, :, None] if pixels.ndim == 2 else pixels)


def with_channels(pixels: Pixels, channels: int | None) -> Pixels:
    """Grey repeated three times, or colour brought to its luma; uint8 (H, W, channels), or as it was for None."""
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    if channels is None or channels == (1 if grey else 3):
        return pixels
    image = Image.fromarray(pixels.reshape(pixels.shape[:2]) if grey else pixels)
    converted = np.asarray(_of_channels(image, channels), np.uint8)
    return converted[:, :, None] if converted.ndim == 2 else converted


def _of_channels(image: Image.Image, channels: int | None) -> Image.Image:
    mode = {None: image.mode, 1: "L", 3: "RGB"}[channels]
    return image if image.mode == mode else image.convert(mode)


def _read(data: bytes, stored: tuple[int, int] | None) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read")
        jpeg = Markers(data) if image.format in ("JPEG", "MPO") else None
        if jpeg is not None and (jpeg.scans > _MAX_SCANS or jpeg.scans * pixels > _MAX_SCANNED):
            raise ValueError(f"{jpeg.scans:,} scans of {pixels:,} pixels; at most {_MAX_SCANS} are read")
        image.load()
        _expect_end(image.format, data)
        if jpeg is not None:
            _expect_data(image, jpeg, data)
        return _plain(_upright(image, stored))


def _upright(image: Image.Image, stored: tuple[int, int] | None) -> Image.Image:
    if "exif" not in image.info:
        return image
    turned = ImageOps.exif_transpose(image)
    as_stored, as_turned = (image.height, image.width), (turned.height, turned.width)
    return image if stored == as_stored and stored != as_turned else turned


def _expect_data(image: Image.Image, jpeg: Markers, data: bytes) -> None:
    # Coded data that end too early before an end marker are no error to the library: it makes up the rest, in one
    # colour where the file is not progressive. So a picture that does not end in one colour needs no second look.
    corner = np.asarray(image)[-_CORNER:, -_CORNER:]
    if jpeg.end < 0 or not (jpeg.progressive or (corner == corner[-1, -1]).all()):
        return
    with Image.open(io.BytesIO(with_more_data(data, jpeg.end)), formats=("JPEG",)) as again:
        if not np.array_equal(np.asarray(image), np.asarray(again)):
            raise OSError("truncated: coded data are missing before the end marker")


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("1", "LA"):
        return image.convert("L")
    if image.mode == "F":
        raise ValueError("pixels in floating point, whose range nobody knows; save it with 8 or 16 bits")
    if image.mode in _SIXTEEN_BIT:
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > _SIXTEEN_BIT_MAX:
            raise ValueError(f"pixels from {wide.min()} to {wide.max()}; save it with 8 or 16 bits")
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))  # 65535 / 257 = 255, to the nearest
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _expect_end(kind: str | None, data: bytes) -> None:
    # Pillow accepts a file that lacks only its end marker; the rest of the pixels may then be missing as well.
    end = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "GIF": b";"}.get(kind or "")
    if end is not None and data.rfind(end) < 0:
        raise OSError("truncated: the end marker is missing")


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _defect(data: bytes, error: Exception) -> Defect:
    if not data:
        return Defect("unreadable: an empty file")
    text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        return Defect(f"unreadable: not a {_NAMES} file")
    if isinstance(error, EOFError) or any(words in text.lower() for words in _WORDS_OF_TRUNCATION):
        return Defect(f"truncated: {len(data):,} bytes are there, the image goes on")
    return Defect(f"unreadable: {text}")
