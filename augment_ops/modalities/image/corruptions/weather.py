"""Weather: snow, frost, fog, and spatter of water or mud on the lens.

Snow, fog and spatter are those of Hendrycks & Dietterich 2019, arXiv:1903.12261, by the authors' code. Their frost lays
crops of six photographs over an image; this one makes the ice from a key (plasma), because no photograph with a licence
to ship came with theirs. Its levels are those of crops of the photographs: on average 162 of 255, bluish, with a
standard deviation of 40 between pictures and of 20 between the pixels of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.image.corruptions.base import Corruption, Image, Keys, StrengthRange, Strengths, table
from augment_ops.modalities.image.corruptions.blur import smeared
from augment_ops.modalities.image.corruptions.noise import normal
from augment_ops.modalities.image.kernels.fields import from_quantiles, plasma
from augment_ops.modalities.image.kernels.light import blend, lay_over, scaled, snow_over, veil

Field = NDArray[np.float32]  # (N, H, W)

_LUMA = (0.299, 0.587, 0.114)
_ICE = (0.86 * 255, 255, 1.08 * 255)  # the hue of the photographs, whose mean colour is (146, 167, 179)
_GRAIN = np.array([0.15, 1, 0.15]) / 1.3
_WATER = (175, 238, 238)  # pale turquoise
_MUD = (63, 42, 20)


def _snow(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Flakes are what stands out of an enlarged field of noise, smeared downwards; the scene whitens."""
    mean, std, zoom, threshold, radius, sigma, kept = strengths
    field = mean + std * zoomed_normals(keys, images.shape[1:3], zoom)
    field[field < threshold] = 0
    flakes = (255 * np.clip(field, 0, 1)).astype(np.uint8)
    angles = -math.pi / 4 - math.pi / 2 * philox.uniforms(keys, 0, philox.PARAMETERS, 1)[:, 0]
    out = np.empty_like(images)
    snow_over(images, smeared(flakes[..., None], radius, sigma, angles)[..., 0], kept, out)
    return out


def _fog(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """A plasma fractal is added, and the whole scaled back to where its brightest value was."""
    strength, decay = strengths
    out = np.empty_like(images)
    veil(images, clouds(keys, images.shape[1:3], decay), strength, out)
    return out


def _frost(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Ice in front of a darkened image."""
    kept, added = strengths
    out = np.empty_like(images)
    lay_over(images, np.float32(added) * ice(keys, images.shape[1:3]), tinted(_ICE, images.shape[3]), kept, out)
    return out


def ice(keys: Keys, size: tuple[int, ...]) -> Field:
    """Levels of ice from 0 to 1: grains of all sizes, about a brightness and of a roughness of each picture's own.

    Measured on the authors' photographs at their own scale: brightness, spread, correlation at 1 to 16 pixels.
    """
    drawn = philox.uniforms(keys, 0, philox.PARAMETERS, 2)
    out = clouds(keys, size, 1.0)
    for row, field in enumerate(out):
        grains = cv2.sepFilter2D(field, -1, _GRAIN, _GRAIN)
        level, spread = 0.38 + 0.545 * drawn[row, 0], 0.045 * 3 ** drawn[row, 1]
        grains -= grains.mean()
        deviation = np.sqrt((grains * grains).mean())  # as `std` computes it, which takes the mean away again
        scaled(grains, spread / deviation, level, field)
    return out


def _spatter(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Drops are what stands out of a smoothed field: of water, lit at their rims, or of mud, opaque."""
    mean, std, sigma, threshold, amount, muddy = strengths
    field = mean + std * zoomed_normals(keys, images.shape[1:3], 1)
    layer = np.empty_like(field)
    for row, one in enumerate(field):
        liquid = _soft(one, sigma)
        liquid[liquid < threshold] = 0
        layer[row] = _mud(liquid, threshold, amount) if muddy else _water(liquid, amount)
    out = np.empty_like(images)
    if muddy:
        blend(images, layer, tinted(_MUD, images.shape[3]), out)
    else:
        lay_over(images, layer, tinted(_WATER, images.shape[3]), 1.0, out)
    return out


def _water(liquid: Field, amount: float) -> Field:
    """How much light drops add: most near the rims, from one side."""
    levels = (255 * liquid).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(levels, 50, 150), cv2.DIST_L2, 5)
    rims = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    relief = cv2.filter2D(rims, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32))
    light = levels * cv2.blur(relief, (3, 3)).astype(np.float32)
    return np.asarray(light * np.float32(amount / max(float(light.max()), 1.0)), np.float32)


def _mud(liquid: Field, threshold: float, sigma: float) -> Field:
    opaque = _soft((liquid > threshold).astype(np.float32), sigma)
    opaque[opaque < 0.8] = 0
    return opaque


def _soft(field: Field, sigma: float) -> Field:
    size = 2 * int(4 * sigma + 0.5) + 1
    return np.asarray(cv2.GaussianBlur(field, (size, size), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def zoomed_normals(keys: Keys, size: tuple[int, ...], zoom: float) -> Field:
    """Standard normal noise, independent for every key, of which only the middle is seen, enlarged `zoom` times."""
    height, width = size
    rows, columns = math.ceil(height / zoom), math.ceil(width / zoom)
    values = np.empty((len(keys), rows * columns), np.float32)
    from_quantiles(keys, 1, _normal_quantiles(), values)
    field = values.reshape(-1, rows, columns)
    if zoom == 1:
        return field
    # Corner on corner, as the authors' zoom has it: a flake is a little wider than `zoom` where there are few.
    tall, wide = max(height, round(rows * zoom)), max(width, round(columns * zoom))
    y, x = (rows - 1) / max(tall - 1, 1), (columns - 1) / max(wide - 1, 1)
    matrix = np.array([[x, 0, x * ((wide - width) // 2)], [0, y, y * ((tall - height) // 2)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = np.empty((len(keys), height, width), np.float32)
    for row, one in enumerate(field):
        out[row] = cv2.warpAffine(one, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return out


def clouds(keys: Keys, size: tuple[int, ...], decay: float) -> Field:
    """Plasma fractals from 0 to 1."""
    out = np.empty((len(keys), *size), np.float32)
    plasma(keys, 2, decay, 1 << max(max(size) - 1, 1).bit_length(), out)
    return out


def tinted(colour: tuple[float, ...], channels: int) -> NDArray[np.float32]:
    """A colour in levels, float32 (C,); its luma unless there are three channels."""
    grey = sum(level * share for level, share in zip(colour, _LUMA, strict=True))
    return np.array(colour if channels == 3 else [grey] * channels, np.float32)


@cache
def _normal_quantiles() -> NDArray[np.float32]:
    return normal((np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.float32)


_SHARE = "share of the value range"
CORRUPTIONS: Mapping[str, Corruption] = {
    "snow": Corruption(
        parameters={
            "mean": StrengthRange(f"of the noise, {_SHARE}", 1, -1),
            "std": StrengthRange(f"of the noise, {_SHARE}", 1, 0.01),
            "zoom": StrengthRange("factor by which flakes are enlarged", 10, 1),
            "threshold": StrengthRange("of flakes in the noise", 2),
            "radius_px": StrengthRange("reach of their fall in pixels", 100, 0.1, is_length=True),
            "sigma_px": StrengthRange("sigma of it in pixels", 100, 0.1, is_length=True),
            "kept_share": StrengthRange("of the image as it was", 1),
        },
        corrupt=_snow,
        small=table(
            [
                (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
                (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
                (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
                (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
                (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
            ]
        ),
        large=table(
            [
                (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
                (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
                (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
                (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
                (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
            ]
        ),
        smallest=8,
    ),
    "frost": Corruption(
        parameters={
            "kept_share": StrengthRange("of the image", 1),
            "added_share": StrengthRange("of the ice", 1, 0.01),
        },
        corrupt=_frost,
        small=table([(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)]),
        large=table([(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)]),
        smallest=8,
    ),
    "fog": Corruption(
        parameters={
            "strength": StrengthRange("of the fog, in shares of the value range", 10, 0.01),
            "decay": StrengthRange("of the detail, a step", 10, 1),
        },
        corrupt=_fog,
        small=table([(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)]),
        large=table([(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)]),
        smallest=8,
    ),
    "spatter": Corruption(
        parameters={
            "mean": StrengthRange(f"of the noise, {_SHARE}", 1),
            "std": StrengthRange(f"of the noise, {_SHARE}", 1, 0.01),
            "sigma": StrengthRange("that smooths it, in pixels", 20, 0.1),
            "threshold": StrengthRange("of drops in the smoothed noise", 1),
            "amount": StrengthRange("of light that water adds; sigma of the rim of mud in pixels", 5, 0.1),
            "muddy": StrengthRange("0 water, 1 mud", 1),
        },
        corrupt=_spatter,
        small=table(
            [
                (0.62, 0.1, 0.7, 0.7, 0.5, 0),
                (0.65, 0.1, 0.8, 0.7, 0.5, 0),
                (0.65, 0.3, 1, 0.69, 0.5, 0),
                (0.65, 0.1, 0.7, 0.69, 0.6, 1),
                (0.65, 0.1, 0.5, 0.68, 0.6, 1),
            ]
        ),
        large=table(
            [
                (0.65, 0.3, 4, 0.69, 0.6, 0),
                (0.65, 0.3, 3, 0.68, 0.6, 0),
                (0.65, 0.3, 2, 0.68, 0.5, 0),
                (0.65, 0.3, 1, 0.65, 1.5, 1),
                (0.67, 0.4, 1, 0.65, 1.5, 1),
            ]
        ),
        smallest=8,
    ),
}
