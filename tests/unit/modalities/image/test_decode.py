"""Every kind of image file to grey or RGB, and every kind of damage to a defect."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augment_ops.modalities.image.decode import decode
from augment_ops.modalities.source import Defect

GREY = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8
RGB = np.stack([GREY, GREY[::-1], GREY // 2], axis=-1)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes, **options: Any) -> np.ndarray:
    result = decode(data, **options)
    assert not isinstance(result, Defect), result
    assert result.dtype == np.uint8 and result.ndim == 3 and result.flags.c_contiguous
    return result


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_grey_stays_one_channel_and_colour_three(kind: str) -> None:
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(GREY), kind))[:, :, 0], GREY)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(RGB), kind)), RGB)


def test_a_palette_becomes_rgb_with_or_without_transparency() -> None:
    image = Image.fromarray(GREY).convert("P")
    image.putpalette([channel for value in range(256) for channel in (value, 255 - value, 7)])
    expected = np.stack([GREY, 255 - GREY, np.full_like(GREY, 7)], axis=-1)
    np.testing.assert_array_equal(pixels(encoded(image)), expected)
    np.testing.assert_array_equal(pixels(encoded(image, transparency=bytes([0, 9, 99]))), expected)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    wide = np.array([[0, 128, 129, 257], [32768, 65278, 65407, 65535]], np.uint16)
    expected = np.rint(wide / 257).astype(np.uint8)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(wide)))[:, :, 0], expected)


def test_transparency_is_dropped() -> None:
    alpha = Image.fromarray(np.full((5, 6), 3, np.uint8))
    colour, grey = Image.fromarray(RGB), Image.fromarray(GREY)
    colour.putalpha(alpha)
    grey.putalpha(alpha)
    np.testing.assert_array_equal(pixels(encoded(colour)), RGB)
    np.testing.assert_array_equal(pixels(encoded(grey))[:, :, 0], GREY)


def test_black_and_white_uses_the_whole_range() -> None:
    assert set(np.unique(pixels(encoded(Image.fromarray(GREY > 99))))) == {0, 255}


def test_a_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: the top of the scene is at the right of the file
    data = encoded(Image.new("L", (8, 4)), "JPEG", exif=exif.tobytes())
    assert pixels(data).shape == (8, 4, 1)


def test_resizing_takes_height_first_and_averages() -> None:
    checks = np.indices((32, 32)).sum(axis=0) % 2 * 255
    small = pixels(encoded(Image.fromarray(checks.astype(np.uint8))), size=(4, 8))
    assert small.shape == (4, 8, 1)
    assert small.min() > 110 and small.max() < 145, "a chequerboard was sampled, not averaged"
    array = decode(checks.astype(np.uint8)[:, :, None], size=(4, 8))
    np.testing.assert_array_equal(array, small)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_no_cut_file_is_taken_for_a_whole_one(kind: str) -> None:
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)), kind)
    end = len(data) - (4 if kind == "PNG" else 0)  # the last four bytes of a PNG are the checksum of nothing
    for length in range(end):
        assert isinstance(decode(data[:length]), Defect), f"{length} of {len(data)} bytes"
    half = decode(data[: len(data) * 3 // 4])
    assert isinstance(half, Defect) and half.text.startswith("truncated:")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "unreadable: an empty file"),
        (b"not an image at all", "unreadable: not a PNG, JPEG, BMP, WebP, TIFF, GIF or PPM file"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "unreadable:"),
    ],
)
def test_what_is_no_image_is_a_defect(data: bytes, text: str) -> None:
    result = decode(data)
    assert isinstance(result, Defect) and result.text.startswith(text)


@pytest.mark.parametrize("side", [9_600, 60_000])  # beyond Pillow's limit for a warning, and for an error
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_not_unpacked(side: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    result = decode(bomb)
    assert isinstance(result, Defect) and result.text.startswith("unreadable:") and "pixels" in result.text
