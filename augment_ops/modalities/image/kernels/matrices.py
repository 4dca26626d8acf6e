"""Small matrices for whole batches: a NumPy call costs more than the arithmetic of a batch."""

from __future__ import annotations

import math

import numpy as np

from augment_ops.engine.kernels.compiled import entry
from augment_ops.engine.kernels.types import F64, I64


@entry
def affine(
    height: int,
    width: int,
    move_x: F64,
    move_y: F64,
    shear_x: F64,
    shear_y: F64,
    scale_x: F64,
    scale_y: F64,
    angle: F64,
) -> F64:
    """Centre · translation · shear · rotation · scale · centre⁻¹: (N,) each, angles in degrees, to (N, 3, 3)."""
    result = np.zeros((len(angle), 3, 3))
    centre_x, centre_y = width / 2 - 0.5, height / 2 - 0.5
    for i in range(len(angle)):
        turn = math.radians(angle[i])
        cos, sin = math.cos(turn), math.sin(turn)
        tan_x, tan_y = math.tan(math.radians(shear_x[i])), math.tan(math.radians(shear_y[i]))
        xx, xy = (cos - tan_x * sin) * scale_x[i], (sin + tan_x * cos) * scale_y[i]
        yx, yy = (tan_y * cos - sin) * scale_x[i], (tan_y * sin + cos) * scale_y[i]
        result[i, 0, 0], result[i, 0, 1], result[i, 1, 0], result[i, 1, 1] = xx, xy, yx, yy
        result[i, 0, 2] = centre_x + move_x[i] - xx * centre_x - xy * centre_y
        result[i, 1, 2] = centre_y + move_y[i] - yx * centre_x - yy * centre_y
        result[i, 2, 2] = 1.0
    return result


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
