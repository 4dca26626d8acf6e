"""Boxes and keypoints of a batch, moved pass by pass: what a pass removes from the frame is gone for all later ones.

A box travels as the four corners that its edges have become. Where a part of it leaves the frame, or a transform turns
it as an ellipse (`rotate_method`), it goes on as the upright box around what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.image.transforms.geometry import Matrices, Size

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ELLIPSE_POINTS = 360  # as albumentations takes them
_HORIZON = 1e-6  # of the largest depth: nearer to a perspective's horizon, coordinates have no end
_EDGE_PX = 1e-6  # corners this far outside the frame are inside, rounded


@dataclass(frozen=True)
class Boxes:
    """The boxes of all images of a batch.

    Attributes:
        owner: int64 (M,), the image of each box.
        corners: (M, 4, 2) as pixel centres count: the left edge of the upper left pixel is -1/2.
        visible: (M,), the share of its area that was inside the frame, pass after pass multiplied; 0 where none was.
    """

    owner: NDArray[np.int64]
    corners: Floats
    visible: Floats

    @classmethod
    def of(cls, boxes: Sequence[Floats]) -> Boxes:
        """From x0, y0, x1, y1 in pixels, an array (M, 4) an image."""
        owner, flat = _flat(boxes, 4)
        return cls(owner, _upright(flat[:, :2] - 0.5, flat[:, 2:] - 0.5), np.ones(len(flat)))

    def edges(self, size: Size) -> Floats:
        """x0, y0, x1, y1 in pixels, (M, 4), inside the frame."""
        frame = np.array([size[1], size[0]], np.float64)
        low, high = self.corners.min(axis=1) + 0.5, self.corners.max(axis=1) + 0.5
        return np.concatenate([np.clip(low, 0, frame), np.clip(high, 0, frame)], axis=1)


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of all images of a batch: owner int64 (P,), xy (P, 2), inside bool (P,), in every frame so far."""

    owner: NDArray[np.int64]
    xy: Floats
    inside: Flags

    @classmethod
    def of(cls, keypoints: Sequence[Floats], size: Size) -> Keypoints:
        """From x, y in pixels of images of `size`, an array (P, 2) an image."""
        owner, flat = _flat(keypoints, 2)
        return cls(owner, flat, _framed(flat, size))


def follow_keypoints(points: Keypoints, forward: Matrices, size: Size) -> Keypoints:
    """Move them by the maps of their images, (N, 3, 3), into frames of `size`."""
    maps = forward[points.owner]
    mapped = _mapped(points.xy[:, None], maps, size)[:, 0]
    xy = mapped[:, :2] / np.where(mapped[:, 2:] == 0, _HORIZON, mapped[:, 2:])
    return replace(points, xy=xy, inside=points.inside & (mapped[:, 2] > 0) & _framed(xy, size))


def follow_boxes(boxes: Boxes, forward: Matrices, rounded: Flags, size: Size) -> Boxes:
    """Move them by the maps of their images into frames of `size`, and cut them there.

    Args:
        forward: (N, 3, 3), from pixels of the source to pixels of the result.
        rounded: (N,), in which images a box moves as the ellipse inside it.
        size: of the result.
    """
    alive = np.flatnonzero(boxes.visible > 0)
    owner, corners = boxes.owner[alive], boxes.corners[alive]
    mapped = _mapped(corners, forward[owner], size)
    depth = mapped[..., 2]
    near = _HORIZON * np.abs(depth).max(axis=1, initial=0)
    cut = (depth <= near[:, None]).any(axis=1)
    moved = mapped[..., :2] / np.where(cut[:, None, None], 1.0, mapped[..., 2:])
    low, high = moved.min(axis=1, initial=np.inf), moved.max(axis=1, initial=-np.inf)
    for row in np.flatnonzero(cut):
        low[row], high[row] = _before_the_horizon(mapped[row], near[row])
    turned = np.flatnonzero(rounded[owner] & ~cut)
    if len(turned):
        outline = _mapped(_ellipse(corners[turned]), forward[owner[turned]], size)
        outline = outline[..., :2] / outline[..., 2:]
        low[turned], high[turned] = outline.min(axis=1), outline.max(axis=1)
    edge = np.array([size[1], size[0]], np.float64) - 0.5
    kept_low, kept_high = np.clip(low, -0.5, edge), np.clip(high, -0.5, edge)
    whole = ((low >= -0.5 - _EDGE_PX) & (high <= edge + _EDGE_PX)).all(axis=1)
    whole[turned] = False
    moved = np.where(whole[:, None, None], moved, _upright(kept_low, kept_high))
    area = (kept_high - kept_low).prod(axis=1)
    total = (high - low).prod(axis=1)
    share = np.divide(area, total, out=np.zeros(len(alive)), where=total > 0)
    result, visible = boxes.corners.copy(), boxes.visible.copy()
    result[alive], visible[alive] = moved, visible[alive] * share
    return Boxes(boxes.owner, result, visible)


def _flat(rows: Sequence[Floats], columns: int) -> tuple[NDArray[np.int64], Floats]:
    owner = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return owner, np.concatenate([*(np.asarray(r, np.float64) for r in rows), np.empty((0, columns))])


def _upright(low: Floats, high: Floats) -> Floats:
    """Corners (M, 4, 2) of boxes from their least and greatest coordinates."""
    x0, y0, x1, y1 = *low.T, *high.T
    return np.stack([np.stack(corner, axis=1) for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], axis=1)


def _ellipse(corners: Floats) -> Floats:
    """Points on the ellipse that touches the four sides, (M, 360, 2)."""
    angle = np.deg2rad(np.arange(_ELLIPSE_POINTS) * (360 / _ELLIPSE_POINTS))[:, None]
    across, down = (corners[:, None, 1] - corners[:, None, 0]) / 2, (corners[:, None, 3] - corners[:, None, 0]) / 2
    points: Floats = corners.mean(axis=1)[:, None] + np.cos(angle) * across + np.sin(angle) * down
    return points


def _mapped(points: Floats, maps: Matrices, size: Size) -> Floats:
    """Points (M, K, 2) through maps (M, 3, 3), homogeneous: (M, K, 3), positive in depth on the side that is seen."""
    homogeneous = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    mapped: Floats = homogeneous @ maps.transpose(0, 2, 1)
    bent = np.flatnonzero((maps[:, 2, :2] != 0).any(axis=1))
    if len(bent):
        # What comes to lie in the middle of the frame is seen; the horizon lies where the depth changes its sign.
        middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2, 1.0])
        side = np.linalg.solve(maps[bent], np.broadcast_to(middle[:, None], (len(bent), 3, 1)))[:, 2, 0]
        mapped[bent] *= np.where(side < 0, -1.0, 1.0)[:, None, None]
    return mapped


def _before_the_horizon(corners: Floats, near: float) -> tuple[Floats, Floats]:
    """Least and greatest x, y of what lies before the horizon of a box with homogeneous corners (4, 3)."""
    seen = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if a[2] > near:
            seen.append(a)
        if (a[2] > near) != (b[2] > near):  # the side crosses it
            share = (near - a[2]) / (b[2] - a[2])
            seen.append(a + share * (b - a))
    if not seen:
        return np.zeros(2), np.zeros(2)
    points = np.array(seen)
    flat = points[:, :2] / np.maximum(points[:, 2:], near)
    return flat.min(axis=0), flat.max(axis=0)


def _framed(xy: Floats, size: Size) -> Flags:
    """Whether points lie inside a frame: a pixel reaches half a pixel beyond its centre."""
    found: Flags = np.all((xy >= -0.5) & (xy < np.array([size[1], size[0]]) - 0.5), axis=1)
    return found
