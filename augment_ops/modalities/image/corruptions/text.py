"""What befalls writing: a page seen from aside, pens and printers of other width, a shadow on the page.

Strengths are relative, and chosen so that a person still reads the text at severity 5; there is no model for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from augment_ops.engine import philox
from augment_ops.modalities.image.corruptions.base import (
    Corruption,
    Image,
    Keys,
    StrengthRange,
    Strengths,
    each,
    for_all_sizes,
    relative,
)
from augment_ops.modalities.image.corruptions.geometry import border_median, warped
from augment_ops.modalities.image.kernels.light import blend

_DISTANCE = 2.0  # of the camera from the page, in sides of it: a phone held over a letter
_EDGE = 0.03  # width of a shadow's edge, share of the side: a hand's, from a lamp above


def _tilt(image: Image, angle_deg: float, draw: np.random.Generator) -> Image:
    """The page leans away from the camera, about an axis of any direction in it; the camera looks at its centre."""
    height, width = image.shape[:2]
    side, axis, lean = min(height, width), 2 * math.pi * draw.random(), math.radians(angle_deg)
    along, across = np.array([math.cos(axis), math.sin(axis)]), np.array([-math.sin(axis), math.cos(axis)])
    # A point u of the page goes to (along·u) along + cos(lean) (across·u) across, over 1 + sin(lean) (across·u) / d.
    plane = np.outer(along, along) + math.cos(lean) * np.outer(across, across)
    over = math.sin(lean) * across / (_DISTANCE * side)
    # The same of points x, y of the image, u = (x, y) - centre: sums written out, for a library's product of matrices
    # adds in an order that depends on the processor.
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    seen = np.eye(3)
    seen[:2, :2] = plane + np.outer(centre, over)
    seen[:2, 2] = centre - np.sum(seen[:2, :2] * centre, axis=1)
    seen[2] = *over, 1 - np.sum(over * centre)
    return warped(image, seen)


def _thin_strokes(image: Image, share: float, draw: np.random.Generator) -> Image:
    return _strokes(image, share, grow=False)


def _thick_strokes(image: Image, share: float, draw: np.random.Generator) -> Image:
    return _strokes(image, share, grow=True)


def _strokes(image: Image, share: float, *, grow: bool) -> Image:
    """Grow or shrink the ink, in fractions of a pixel too. Ink is brighter than the border where the image is."""
    paper = np.mean(border_median(image))
    change = cv2.dilate if grow == (image.mean() >= paper) else cv2.erode
    reach = share * min(image.shape[:2])
    whole = math.floor(reach)
    near = image if whole == 0 else change(image, _disc(whole)).reshape(image.shape)
    far = change(image, _disc(whole + 1)).reshape(image.shape)
    part = reach - whole
    return np.asarray(cv2.addWeighted(far, part, near, 1 - part, 0), np.uint8).reshape(image.shape)


def _disc(radius: int) -> Image:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius, np.uint8)


def _shadow(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Everything on one side of a line, which passes near the centre, is darker."""
    _, height, width, channels = images.shape
    drawn = philox.uniforms(keys, 0, philox.PARAMETERS, 2)
    angle = 2 * math.pi * drawn[:, 0, None, None]
    y, x = np.mgrid[:height, :width]
    side = min(height, width)
    # Distance from the line in sides; the line keeps within a quarter of a side from the centre.
    away = (x - (width - 1) / 2) / side * np.cos(angle) + (y - (height - 1) / 2) / side * np.sin(angle)
    dark = 1 / (1 + np.exp(-np.clip((away + 0.5 * drawn[:, 1, None, None] - 0.25) / _EDGE, -30, 30)))
    out = np.empty_like(images)
    blend(images, (strengths[0] * dark).astype(np.float32), np.zeros(channels, np.float32), out)
    return out


CORRUPTIONS: Mapping[str, Corruption] = {
    "tilt": relative("angle_deg", "degrees away from the camera", 60, each(_tilt), (10, 18, 26, 34, 42), moves=True),
    "thin_strokes": relative(
        "reach_share",
        "share of the image's shorter side, taken from each edge of the ink",
        0.1,
        each(_thin_strokes),
        (0.006, 0.012, 0.018, 0.024, 0.03),
    ),
    "thick_strokes": relative(
        "reach_share",
        "share of the image's shorter side, added to each edge of the ink",
        0.1,
        each(_thick_strokes),
        (0.01, 0.02, 0.03, 0.04, 0.05),
    ),
    "shadow": for_all_sizes(
        {"dark_share": StrengthRange("share of the light that is missing", 0.95, 0.01)},
        _shadow,
        [(0.2,), (0.35,), (0.5,), (0.62,), (0.72,)],
    ),
}
