"""Small matrices for whole batches: a NumPy call costs more than the arithmetic of a batch."""

from __future__ import annotations

import math

import numpy as np

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.types import F64, I64


@entry
def affine(u: F64, limits: F64, percent: bool, keep_ratio: bool, balanced: bool, height: int, width: int) -> F64:
    """Affine maps from uniform numbers.

    Args:
        u: float64 (N, 9) in [0, 1): translation x, y; shear x, y; scale x, y; their sides where `balanced`; angle.
        limits: float64 (9, 2) of the same; translation in shares of the side where `percent`, else in whole pixels,
            angles in degrees. Those of the sides are not read.
        keep_ratio: scale y is scale x; balanced: as often smaller as larger.

    Returns:
        (N, 3, 3).
    """
    result = np.zeros((len(u), 3, 3))
    for i in range(len(u)):
        if percent:  # whole pixels, toward zero, as albumentations does it
            move_x = np.trunc(_between(u[i, 0], limits[0]) * width)
            move_y = np.trunc(_between(u[i, 1], limits[1]) * height)
        else:
            move_x, move_y = _integer(u[i, 0], limits[0]), _integer(u[i, 1], limits[1])
        scale_x = _scale(u[i, 4], u[i, 6], limits[4], balanced)
        scale_y = scale_x if keep_ratio else _scale(u[i, 5], u[i, 7], limits[5], balanced)
        shear_x, shear_y = -_between(u[i, 2], limits[2]), -_between(u[i, 3], limits[3])
        angle = _between(u[i, 8], limits[8])
        _about_centre(result[i], height, width, move_x, move_y, shear_x, shear_y, scale_x, scale_y, angle)
    return result


@entry
def rotations(u: F64, limits: F64, height: int, width: int) -> F64:
    """Turns about the centre by an angle from uniform numbers (N, 1) and limits (2,) in degrees: (N, 3, 3)."""
    result = np.zeros((len(u), 3, 3))
    for i in range(len(u)):
        _about_centre(result[i], height, width, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, _between(u[i, 0], limits))
    return result


@inner
def _between(u: float, limits: F64) -> float:
    return limits[0] + (limits[1] - limits[0]) * u


@inner
def _integer(u: float, limits: F64) -> float:
    return limits[0] + np.trunc(u * (limits[1] - limits[0] + 1))


@inner
def _scale(u: float, side: float, limits: F64, balanced: bool) -> float:
    low, high = limits[0], limits[1]
    if balanced:
        if low < 1 and (high <= 1 or side < 0.5):
            high = 1.0
        else:
            low, high = 1.0, max(high, 1.0)
    return low + (high - low) * u


@inner
def _about_centre(
    matrix: F64,
    height: int,
    width: int,
    move_x: float,
    move_y: float,
    shear_x: float,
    shear_y: float,
    scale_x: float,
    scale_y: float,
    angle: float,
) -> None:
    """Centre · translation · shear · rotation · scale · centre⁻¹, angles in degrees, into a matrix (3, 3) of zeros."""
    centre_x, centre_y = width / 2 - 0.5, height / 2 - 0.5
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    tan_x, tan_y = math.tan(math.radians(shear_x)), math.tan(math.radians(shear_y))
    xx, xy = (cos - tan_x * sin) * scale_x, (sin + tan_x * cos) * scale_y
    yx, yy = (tan_y * cos - sin) * scale_x, (tan_y * sin + cos) * scale_y
    matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1] = xx, xy, yx, yy
    matrix[0, 2] = centre_x + move_x - xx * centre_x - xy * centre_y
    matrix[1, 2] = centre_y + move_y - yx * centre_x - yy * centre_y
    matrix[2, 2] = 1.0


@entry
def follow(total: F64, rows: I64, matrices: F64) -> None:
    """total[rows] = matrices · total[rows], in place; matrices (len(rows), 3, 3)."""
    product = np.empty((3, 3))
    for i in range(len(rows)):
        left, right = matrices[i], total[rows[i]]
        for r in range(3):
            for c in range(3):
                product[r, c] = left[r, 0] * right[0, c] + left[r, 1] * right[1, c] + left[r, 2] * right[2, c]
        for r in range(3):
            for c in range(3):  # assigning the array would compile what makes its error messages: seconds
                right[r, c] = product[r, c]


@entry
def invert(matrices: F64) -> None:
    """Inverses of (N, 3, 3), in place, by cofactors."""
    for i in range(len(matrices)):
        m = matrices[i]
        a, b, c, d, e, f, g, h, k = (
            m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2],
        )  # fmt: skip
        one, two, three = e * k - f * h, f * g - d * k, d * h - e * g
        determinant = a * one + b * two + c * three
        if g == 0 and h == 0:  # affine: the last row stays exactly 0, 0, 1
            determinant = a * e - b * d
            m[0, 0], m[0, 1], m[0, 2] = e / determinant, -b / determinant, (b * f - c * e) / determinant
            m[1, 0], m[1, 1], m[1, 2] = -d / determinant, a / determinant, (c * d - a * f) / determinant
        else:
            m[0, 0], m[0, 1], m[0, 2] = one / determinant, (c * h - b * k) / determinant, (b * f - c * e) / determinant
            m[1, 0], m[1, 1], m[1, 2] = two / determinant, (a * k - c * g) / determinant, (c * d - a * f) / determinant
            m[2, 0], m[2, 1], m[2, 2] = (
                three / determinant,
                (b * g - a * h) / determinant,
                (a * e - b * d) / determinant,
            )


@entry
def identities(n: int) -> F64:
    """`n` identity matrices, (n, 3, 3)."""
    result = np.zeros((n, 3, 3))
    for i in range(n):
        result[i, 0, 0] = result[i, 1, 1] = result[i, 2, 2] = 1.0
    return result
