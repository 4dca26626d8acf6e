"""Bytes or arrays of one sample to uint8 (H, W, C). A file that cannot be read is a value, not an exception."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]

_FORMATS = ("PNG", "JPEG", "BMP")
_MAX_PIXELS = 89_478_485  # Pillow's own warning limit (a quarter of a GiB of RGB): more is a bomb, not a sample
_WORDS_OF_TRUNCATION = ("truncated", "broken data stream", "not enough image data", "unexpected end of file")
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


@dataclass(frozen=True)
class Defect:
    """Why a sample has no pixels; begins with `unreadable:`, `truncated:` or `shape:` (of a size that is no image)."""

    text: str


def decode(data: bytes | Pixels, size: tuple[int, int] | None = None) -> Pixels | Defect:
    """Pixels of one sample: grey as one channel, everything else as RGB.

    Palettes become RGB, 16 bits become 8, transparency is dropped, and a photo is turned the way its EXIF orientation
    says.

    Args:
        data: a PNG, JPEG or BMP file, or uint8 (H, W) or (H, W, 1 | 3).
        size: (height, width) to resize to, bilinear over the whole footprint of a pixel (no aliasing).

    Returns:
        uint8 (H, W, 1) or (H, W, 3), C-contiguous; or the defect.
    """
    if isinstance(data, bytes):
        try:
            image = _read(data)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            return _defect(data, error)
        if size is not None:
            image = _resize(image, size)
        pixels = np.asarray(image, np.uint8)
    else:
        pixels = data
        if size is not None and pixels.shape[:2] != size:
            grey = pixels.ndim == 2 or pixels.shape[2] == 1
            pixels = np.asarray(_resize(Image.fromarray(pixels.reshape(pixels.shape[:2]) if grey else pixels), size))
    return np.ascontiguousarray(pixels[:, :, None] if pixels.ndim == 2 else pixels)


def _read(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels; at most {_MAX_PIXELS:,} are read")
        image.load()
        _expect_end(image.format, data)
        upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
        return _plain(upright)


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("1", "LA"):
        return image.convert("L")
    if image.mode in _SIXTEEN_BIT:
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))  # 65535 / 257 = 255, to the nearest
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _expect_end(kind: str | None, data: bytes) -> None:
    # Pillow accepts a file that lacks only its end marker; the rest of the pixels may then be missing as well.
    end = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}.get(kind or "")
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
        return Defect("unreadable: not a PNG, JPEG or BMP file")
    if isinstance(error, EOFError) or any(words in text.lower() for words in _WORDS_OF_TRUNCATION):
        return Defect(f"truncated: {len(data):,} bytes are there, the image goes on")
    return Defect(f"unreadable: {text}")
