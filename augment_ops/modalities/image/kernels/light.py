"""Pixelwise light and colour of whole batches, and layers that are laid over images."""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.types import F32, U8
from augment_ops.modalities.image.kernels.tables import apply_table


@inner
def _level(value: float) -> int:
    return np.uint8(min(max(value + np.float32(0.5), np.float32(0)), np.float32(255)))


@inner
def _spread(layer: F32, colour: F32, out: F32) -> None:
    """A line of a layer (W,) in a colour (C,), into out (W · C), as a line of an image lies."""
    channels = len(colour)
    if channels == 3:  # written out, LLVM computes 8 or 16 pixels at once
        red, green, blue = colour[0], colour[1], colour[2]
        for x in range(len(layer)):
            out[3 * x], out[3 * x + 1], out[3 * x + 2] = layer[x] * red, layer[x] * green, layer[x] * blue
        return
    for c in range(channels):
        for x in range(len(layer)):
            out[x * channels + c] = layer[x] * colour[c]


@entry
def look_up(images: U8, tables: U8, out: U8) -> None:
    """Every value through the table of its image and channel.

    Args:
        images, out: uint8 (N, M, C).
        tables: uint8 (N, C, 256).
    """
    for n in range(len(images)):
        source, goal = images[n].reshape(-1), out[n].reshape(-1)
        for i in range(len(source)):  # as `goal[:] = source` it takes twenty times as long
            goal[i] = source[i]
        apply_table(out[n], tables[n])


@entry
def raise_value(images: U8, added: float, out: U8) -> None:
    """Add to V of HSV, which keeps hue and saturation: every channel grows in the proportion in which the largest does.

    Args:
        images, out: uint8 (N, M, 3).
        added: in levels.
    """
    factors = np.ones(256, np.float32)
    for v in range(1, 256):
        factors[v] = np.float32(min(v + added, 255.0) / v)
    black = _level(np.float32(added))
    for n in range(images.shape[0]):
        for i in range(images.shape[1]):
            r, g, b = images[n, i, 0], images[n, i, 1], images[n, i, 2]
            value = max(r, g, b)
            if value == 0:
                out[n, i, 0], out[n, i, 1], out[n, i, 2] = black, black, black
            else:
                factor = factors[value]
                out[n, i, 0] = _level(np.float32(r) * factor)
                out[n, i, 1] = _level(np.float32(g) * factor)
                out[n, i, 2] = _level(np.float32(b) * factor)


@entry
def change_saturation(images: U8, factor: float, added: float, out: U8) -> None:
    """S of HSV times a factor and something added, within 0 … 1; hue and V stay. Grey, which has no hue, counts as red.

    Args:
        images, out: uint8 (N, M, 3).
    """
    zero, one, share = np.float32(0), np.float32(1), np.float32(added)
    for n in range(images.shape[0]):
        for i in range(images.shape[1]):
            value = np.float32(max(images[n, i, 0], images[n, i, 1], images[n, i, 2]))
            spread = value - np.float32(min(images[n, i, 0], images[n, i, 1], images[n, i, 2]))
            if spread == zero:
                grey = _level(value * (one - min(max(share, zero), one)))
                out[n, i, 0] = np.uint8(value)
                out[n, i, 1], out[n, i, 2] = grey, grey
                continue
            saturation = spread / value
            ratio = min(max(saturation * np.float32(factor) + share, zero), one) / saturation
            for c in range(3):
                out[n, i, c] = _level(value - (value - np.float32(images[n, i, c])) * ratio)


@entry
def veil(images: U8, layer: F32, strength: float, out: U8) -> None:
    """Fog: add a layer, and scale back so that what was the brightest value is so again.

    Args:
        images, out: uint8 (N, H, W, C).
        layer: float32 (N, H, W) from 0 to 1.
        strength: of the layer, as a share of the value range.
    """
    many, height, width, channels = images.shape
    white = np.full(channels, np.float32(255 * strength), np.float32)
    line = width * channels
    light = np.empty(line, np.float32)
    for n in range(many):
        image, veiled = images[n].reshape(-1), out[n].reshape(-1)
        high = np.uint8(0)
        for value in image:
            high = max(high, value)
        most = np.float32(high) / np.float32(255)
        scale = most / (most + np.float32(strength))
        for y in range(height):
            row, goal = image[y * line : (y + 1) * line], veiled[y * line : (y + 1) * line]
            _spread(layer[n, y], white, light)
            for i in range(line):
                goal[i] = _level((np.float32(row[i]) + light[i]) * scale)


@entry
def snow_over(images: U8, flakes: U8, kept: float, out: U8) -> None:
    """Whiten an image and lay snow over it, once as it is and once turned by 180°.

    Args:
        images, out: uint8 (N, H, W, C).
        flakes: uint8 (N, H, W).
        kept: share of the image as it was; the rest is max(image, 1.5 · luma + 0.5).
    """
    many, height, width, channels = images.shape
    share, rest = np.float32(kept), np.float32(1 - kept)
    line = width * channels
    whites, snow = np.empty(line, np.float32), np.empty(line, np.float32)
    for n in range(many):
        image, goal = images[n].reshape(-1), out[n].reshape(-1)
        for y in range(height):
            row, white = image[y * line : (y + 1) * line], goal[y * line : (y + 1) * line]
            front, back = flakes[n, y], flakes[n, height - 1 - y]
            for x in range(width):
                if channels == 3:
                    luma = np.float32(0.299) * np.float32(row[3 * x])
                    luma += np.float32(0.587) * np.float32(row[3 * x + 1])
                    luma += np.float32(0.114) * np.float32(row[3 * x + 2])
                else:
                    luma = np.float32(0)
                    for c in range(channels):
                        luma += np.float32(row[x * channels + c]) / np.float32(channels)
                bright = luma * np.float32(1.5) + np.float32(127.5)
                laid = np.float32(front[x]) + np.float32(back[width - 1 - x])
                for c in range(channels):
                    whites[x * channels + c] = bright
                    snow[x * channels + c] = laid
            for i in range(line):
                value = np.float32(row[i])
                white[i] = _level(share * value + rest * max(value, whites[i]) + snow[i])


@entry
def lay_over(images: U8, layer: F32, colour: F32, kept: float, out: U8) -> None:
    """`kept` of an image plus a layer in a colour.

    Args:
        images, out: uint8 (N, H, W, C).
        layer: float32 (N, H, W).
        colour: float32 (C,) in levels.
    """
    many, height, width, channels = images.shape
    line = width * channels
    share, light = np.float32(kept), np.empty(line, np.float32)
    for n in range(many):
        image, covered = images[n].reshape(-1), out[n].reshape(-1)
        for y in range(height):
            row, goal = image[y * line : (y + 1) * line], covered[y * line : (y + 1) * line]
            _spread(layer[n, y], colour, light)
            for i in range(line):
                goal[i] = _level(share * np.float32(row[i]) + light[i])


@entry
def scaled(layer: F32, factor: float, added: float, out: F32) -> None:
    """A layer (H, W) times a factor and something added, in float64, within 0 … 1."""
    for y in range(layer.shape[0]):
        line, goal = layer[y], out[y]
        for x in range(len(line)):
            goal[x] = min(max(np.float64(line[x]) * factor + added, 0.0), 1.0)


@entry
def blend(images: U8, layer: F32, colour: F32, out: U8) -> None:
    """Images with a colour over them, as opaque as the layer says.

    Args:
        images, out: uint8 (N, H, W, C).
        layer: float32 (N, H, W) from 0 (the image) to 1 (the colour).
        colour: float32 (C,) in levels.
    """
    many, height, width, channels = images.shape
    for n in range(many):
        for y in range(height):
            for x in range(width):
                weight = layer[n, y, x]
                for c in range(channels):
                    value = np.float32(images[n, y, x, c])
                    out[n, y, x, c] = _level(value + weight * (colour[c] - value))
