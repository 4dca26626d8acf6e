"""Geometry: every transform as matrices from source to result, so that adjacent ones multiply into one warp.

Matrices are float64 (N, 3, 3) and map pixel centres: the centre of the upper left pixel is (0, 0), the image's centre
(W / 2 - 0.5, H / 2 - 0.5), as in OpenCV. Each transform draws a fixed number of uniforms a sample, in the order that
its function names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError
from augment_ops.modalities.image.declaration import Declaration, Strength, Trains
from augment_ops.modalities.image.kernels import matrices as kernels
from augment_ops.modalities.image.strength import ZOOM_IN, ZOOM_OUT, any_angle, extent, unbounded, zoom_in, zoom_out
from augment_ops.modalities.image.taught import SYMMETRY, above, below, moves
from augment_ops.modalities.image.transforms.drawn import AFFINE, CHOICE, ROTATION, DrawnMatrix

Size = tuple[int, int]
Uniforms = NDArray[np.float64]
Matrices = NDArray[np.float64]

NEAREST, LINEAR = 0, 1  # OpenCV's numbers, which policies use
CONSTANT = 0
_BORDERS = (0, 1, 2, 3, 4)  # constant, replicate, reflect, wrap, reflect without the edge (OpenCV's numbers)
_PERSPECTIVE_LIMIT = 0.32  # of a side; albumentations folds larger jitters back


@dataclass(frozen=True)
class Border:
    """What lies outside the source: OpenCV's border mode, the fill of a constant one, the interpolation."""

    mode: int
    fill: tuple[float, ...]
    interpolation: int


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """One geometric transform with its parameters.

    Attributes:
        draws: uniforms a sample.
        matrices: (uniforms (N, draws), size of the source) → (N, 3, 3).
        size: size of the source → size of the result.
        border: None where no pixel outside the source is ever read; mask_border: that of masks.
        crops: whether it removes a part of the frame that a later transform could otherwise bring back.
        pads: whether it adds to the frame, where an earlier transform may have moved pixels.
        ellipse: whether boxes move as the ellipses inside them (`rotate_method: ellipse`).
        drawn: how a GPU draws it; None where the CPU has to, unless there is nothing to draw.
    """

    draws: int
    matrices: Callable[[Uniforms, Size], Matrices]
    size: Callable[[Size], Size]
    border: Border | None = None
    mask_border: Border | None = None
    crops: bool = False
    pads: bool = False
    ellipse: bool = False
    drawn: DrawnMatrix | None = None


def between(u: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    """Uniform numbers in `limits` from uniform numbers in [0, 1)."""
    low, high = limits
    return low + (high - low) * u


def integers(u: NDArray[np.float64], low: int, high: int) -> NDArray[np.int64]:
    """Uniform integers from `low` to `high`, both included, from uniform numbers in [0, 1)."""
    return low + (u * (high - low + 1)).astype(np.int64)


def horizontal_flip(values: Mapping[str, Any]) -> Geometry:
    """Mirror left and right."""
    return Geometry(draws=0, matrices=lambda u, size: _d4(np.full(len(u), _FLIP_X), size), size=_same)


def vertical_flip(values: Mapping[str, Any]) -> Geometry:
    """Mirror top and bottom."""
    return Geometry(draws=0, matrices=lambda u, size: _d4(np.full(len(u), _FLIP_Y), size), size=_same)


def transpose(values: Mapping[str, Any]) -> Geometry:
    """Mirror at the main diagonal: height and width change places."""
    return Geometry(
        draws=0, matrices=lambda u, size: _d4(np.full(len(u), _TRANSPOSE), size), size=lambda size: (size[1], size[0])
    )


def random_rotate90(values: Mapping[str, Any]) -> Geometry:
    """0 to 3 quarter turns, counter-clockwise; square images. Draws: turns."""
    turns = np.array([0, _R90, _R180, _R270])
    return Geometry(
        draws=1,
        matrices=lambda u, size: _d4(turns[integers(u[:, 0], 0, 3)], _square(size, "RandomRotate90")),
        size=_same,
        drawn=DrawnMatrix(CHOICE, lambda size: [len(turns)]),
    )


def d4(values: Mapping[str, Any]) -> Geometry:
    """One of the eight symmetries of the square. Draws: which, in albumentations' order e r90 r180 r270 v hvt h t."""
    return Geometry(
        draws=1,
        matrices=lambda u, size: _d4(integers(u[:, 0], 0, 7), _square(size, "D4")),
        size=_same,
        drawn=DrawnMatrix(CHOICE, lambda size: [len(_D4)]),
    )


def affine(values: Mapping[str, Any]) -> Geometry | None:
    """Affine. Draws: translation x, y; shear x, y; scale x, y and, for `balanced_scale`, side x, y; angle."""
    border = border_of(values)
    scale, shear = values["scale"], values["shear"]
    if border is None or values["fit_output"] or min(scale["x"][0], scale["y"][0]) <= 0:
        return None
    percent, pixels = values["translate_percent"], values["translate_px"]
    keep_ratio, balanced = bool(values["keep_ratio"]), bool(values["balanced_scale"])
    moves = [percent["x"], percent["y"]] if percent is not None else [_whole(pixels["x"]), _whole(pixels["y"])]
    sides = [(0.0, 1.0)] * 2
    limits = np.array([*moves, shear["x"], shear["y"], scale["x"], scale["y"], *sides, values["rotate"]], np.float64)

    def matrices(u: Uniforms, size: Size) -> Matrices:
        moved: Matrices = kernels.affine(u, limits, percent is not None, keep_ratio, balanced, *size)
        return moved

    return Geometry(
        draws=9,
        matrices=matrices,
        size=_same,
        border=border,
        mask_border=mask_border_of(values),
        ellipse=_as_ellipse(values),
        drawn=DrawnMatrix(
            AFFINE, lambda size: [*limits.reshape(-1).tolist(), percent is not None, keep_ratio, balanced, *size]
        ),
    )


def shift_scale_rotate(values: Mapping[str, Any]) -> Geometry | None:
    """ShiftScaleRotate: an Affine with these limits (independent scales for x and y, as albumentations has it)."""
    scale, angle = values["scale_limit"], values["rotate_limit"]
    return affine(
        {
            **values,
            "scale": {"x": scale, "y": scale},
            "shear": {"x": (0.0, 0.0), "y": (0.0, 0.0)},
            "translate_percent": {"x": values["shift_limit_x"], "y": values["shift_limit_y"]},
            "translate_px": None,
            "rotate": angle,
            "fit_output": False,
            "keep_ratio": False,
            "balanced_scale": False,
        }
    )


def rotate(values: Mapping[str, Any]) -> Geometry | None:
    """Rotate about the centre. Draws: angle."""
    border = border_of(values)
    if border is None or values["crop_border"]:
        return None

    limits = np.array(values["limit"], np.float64)

    def matrices(u: Uniforms, size: Size) -> Matrices:
        turned: Matrices = kernels.rotations(u, limits, *size)
        return turned

    return Geometry(
        draws=1,
        matrices=matrices,
        size=_same,
        border=border,
        mask_border=mask_border_of(values),
        ellipse=_as_ellipse(values),
        drawn=DrawnMatrix(ROTATION, lambda size: [*limits.tolist(), *size]),
    )


def perspective(values: Mapping[str, Any]) -> Geometry | None:
    """Perspective that keeps the size. Draws: scale; then 8 normal jitters of the corners, two uniforms each."""
    border = border_of(values)
    if border is None or values["fit_output"] or not values["keep_size"]:
        return None

    def matrices(u: Uniforms, size: Size) -> Matrices:
        height, width = size
        scale = between(u[:, 0], values["scale"])
        # Box and Muller 1958: two uniforms make one normal.
        normal = np.sqrt(-2 * np.log1p(-u[:, 1:9])) * np.cos(2 * np.pi * u[:, 9:17])
        jitter = np.mod(np.abs(normal * scale[:, None]), _PERSPECTIVE_LIMIT).reshape(-1, 4, 2)
        corners = jitter.copy()  # top left, top right, bottom right, bottom left
        corners[:, 1, 0] = 1 - corners[:, 1, 0]
        corners[:, 2] = 1 - corners[:, 2]
        corners[:, 3, 1] = 1 - corners[:, 3, 1]
        frame = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
        points = corners * np.array([width, height])
        forward = _homography(points, np.broadcast_to(frame, points.shape))
        # albumentations scales the result from the size of the quadrangle back to the frame's.
        longest = _sides(points)
        back: Matrices = kernels.identities(len(u))
        back[:, 0, 0] = width / longest[:, 0]
        back[:, 1, 1] = height / longest[:, 1]
        product: Matrices = back @ forward
        return product

    return Geometry(draws=17, matrices=matrices, size=_same, border=border, mask_border=mask_border_of(values))


# The symmetries of the square as (xx, xy, yx, yy), in albumentations' order.
_D4 = np.array(
    [
        [1, 0, 0, 1],
        [0, 1, -1, 0],
        [-1, 0, 0, -1],
        [0, -1, 1, 0],
        [1, 0, 0, -1],
        [0, -1, -1, 0],
        [-1, 0, 0, 1],
        [0, 1, 1, 0],
    ],
    dtype=float,
)
_R90, _R180, _R270, _FLIP_Y, _FLIP_X, _TRANSPOSE = 1, 2, 3, 4, 6, 7


def _same(size: Size) -> Size:
    return size


def _d4(which: NDArray[np.int64], size: Size) -> Matrices:
    height, width = size
    linear = _D4[which]
    result: Matrices = kernels.identities(len(which))
    result[:, 0, 0], result[:, 0, 1], result[:, 1, 0], result[:, 1, 1] = linear.T
    # A negative entry turns an axis round: what was 0 comes to lie at the far end.
    result[:, 0, 2] = np.where(linear[:, 0] + linear[:, 1] < 0, width - 1, 0)
    result[:, 1, 2] = np.where(linear[:, 2] + linear[:, 3] < 0, height - 1, 0)
    return result


def _whole(limits: Sequence[float]) -> tuple[int, int]:
    """Limits in whole pixels."""
    return int(limits[0]), int(limits[1])


def _homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> Matrices:
    """The projective maps that take four points to four points, each (N, 4, 2)."""
    n = len(source)
    system = np.zeros((n, 8, 8))
    x, y = source[..., 0], source[..., 1]
    u, v = target[..., 0], target[..., 1]
    system[:, :4, 0], system[:, :4, 1], system[:, :4, 2] = x, y, 1
    system[:, 4:, 3], system[:, 4:, 4], system[:, 4:, 5] = x, y, 1
    system[:, :4, 6], system[:, :4, 7] = -x * u, -y * u
    system[:, 4:, 6], system[:, 4:, 7] = -x * v, -y * v
    solved = np.linalg.solve(system, np.concatenate([u, v], axis=1)[..., None])[..., 0]
    result: Matrices = np.concatenate([solved, np.ones((n, 1))], axis=1).reshape(n, 3, 3)
    return result


def _sides(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole lengths of the longer horizontal and vertical side of quadrangles (N, 4, 2), at least 2: (N, 2)."""
    top_left, top_right, bottom_right, bottom_left = np.moveaxis(points, 1, 0)

    def length(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        longest: NDArray[np.float64] = np.maximum(np.hypot(*(a - b).T), 2.0)
        return longest

    width = np.maximum(length(top_right, top_left), length(bottom_right, bottom_left))
    height = np.maximum(length(bottom_right, top_right), length(bottom_left, top_left))
    sides: NDArray[np.float64] = np.floor(np.stack([width, height], axis=1))
    return sides


def mask_border_of(values: Mapping[str, Any]) -> Border:
    """What lies outside a mask: never interpolated unless the policy says so, which masks are held to as they come."""
    return Border(values["border_mode"], _fill(values["fill_mask"]), values["mask_interpolation"])


def _as_ellipse(values: Mapping[str, Any]) -> bool:
    return bool(values["rotate_method"] == "ellipse")


def _fill(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (float(value),)


def border_of(values: Mapping[str, Any]) -> Border | None:
    """What lies outside an image; None for an interpolation that is not compiled."""
    if values["interpolation"] not in (NEAREST, LINEAR) or values["border_mode"] not in _BORDERS:
        return None
    fill = values["fill"]
    return Border(
        values["border_mode"],
        tuple(fill) if isinstance(fill, (list, tuple)) else (float(fill),),
        values["interpolation"],
    )


def _square(size: Size, name: str) -> Size:
    if size[0] != size[1]:
        raise TransformError(
            name,
            f"images of {size[0]}x{size[1]}",
            "square images: a batch has one shape",
            "use flips for images that are not square, or resize them when the data set is read (--image-size)",
        )
    return size


DECLARED = (
    Declaration(name="HorizontalFlip", compile=horizontal_flip, trains_on_nothing=SYMMETRY, chance=False),
    Declaration(name="VerticalFlip", compile=vertical_flip, trains_on_nothing=SYMMETRY, chance=False),
    Declaration(name="Transpose", compile=transpose, trains_on_nothing=SYMMETRY, chance=False),
    Declaration(
        name="RandomRotate90",
        compile=random_rotate90,
        strengths=(Strength("max_rotation_deg", "p", any_angle),),
        trains_on_nothing=SYMMETRY,
    ),
    Declaration(
        name="D4", compile=d4, strengths=(Strength("max_rotation_deg", "p", any_angle),), trains_on_nothing=SYMMETRY
    ),
    Declaration(
        name="Affine",
        compile=affine,
        strengths=(
            Strength("max_rotation_deg", "rotate", extent),
            Strength("max_shear_deg", "shear", extent),
            Strength("max_translation_share", "translate_percent", extent),
            Strength("max_translation_share", "translate_px", unbounded),
            Strength(ZOOM_OUT, "scale", zoom_out),
            Strength(ZOOM_IN, "scale", zoom_in),
        ),
        trains=(
            Trains(("rotation",), "rotate", moves),
            Trains(("scale_up",), "scale", above(1)),
            Trains(("scale_down",), "scale", below(1)),
            Trains(("translation",), "translate_percent", moves),
            Trains(("translation",), "translate_px", moves),
            Trains(("shear",), "shear", moves),
        ),
        own_sizes=("fit_output", bool),
        chance=False,
    ),
    Declaration(
        name="ShiftScaleRotate",
        compile=shift_scale_rotate,
        strengths=(
            Strength("max_rotation_deg", "rotate_limit", extent),
            Strength("max_translation_share", "shift_limit_x", extent),
            Strength("max_translation_share", "shift_limit_y", extent),
            Strength(ZOOM_OUT, "scale_limit", zoom_out),
            Strength(ZOOM_IN, "scale_limit", zoom_in),
        ),
        trains=(
            Trains(("rotation",), "rotate_limit", moves),
            Trains(("scale_up",), "scale_limit", above(1)),
            Trains(("scale_down",), "scale_limit", below(1)),
            Trains(("translation",), "shift_limit_x", moves),
            Trains(("translation",), "shift_limit_y", moves),
        ),
    ),
    Declaration(
        name="Rotate",
        compile=rotate,
        strengths=(Strength("max_rotation_deg", "limit", extent),),
        trains=(Trains(("rotation",), "limit", moves),),
        own_sizes=("crop_border", bool),
    ),
    Declaration(
        name="Perspective",
        compile=perspective,
        strengths=(Strength("max_perspective_share", "scale", extent),),
        trains=(Trains(("tilt", "shear"), "scale", moves),),
        own_sizes=("keep_size", lambda kept: not kept),
    ),
)
