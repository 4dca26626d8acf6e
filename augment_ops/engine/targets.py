"""Masks, boxes and keypoints: moved by the same matrices as their images.

Conventions: a keypoint is (x, y) in pixels, and the centre of the upper left pixel is (0, 0). A box is given by its
edges, and the left edge of the upper left pixel is 0, so a box of one pixel is one wide; its corners lie half a pixel
off the centres that the matrices move. What a reflecting or wrapping border repeats has no boxes or keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.image.geometry import Size
from augment_ops.errors import TransformError

BoxFormat = Literal["voc", "coco", "yolo"]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """What belongs to a batch of N images.

    Attributes:
        masks: uint8 (N, H, W, K), K masks an image; None without.
        boxes: N arrays (M, 4) in the format of `box_format`, M differing; None without.
        keypoints: N arrays (M, 2) of x, y in pixels; None without.
        box_format: `voc` is x0, y0, x1, y1 and `coco` x0, y0, width, height, in pixels; `yolo` is centre x, centre y,
            width, height in shares of the image.
    """

    masks: NDArray[np.uint8] | None = None
    boxes: Sequence[Points] | None = None
    keypoints: Sequence[Points] | None = None
    box_format: BoxFormat = "voc"


@dataclass(frozen=True)
class Annotated:
    """An augmented batch with its targets.

    Attributes:
        images: uint8 (N, H', W', C).
        targets: moved; boxes cut at the frame, and only those that are still visible.
        kept_boxes: for every image, the positions of the boxes that were kept, int64: their labels are at these.
        inside: for every image, whether each keypoint lies inside the frame, bool.
    """

    images: NDArray[np.uint8]
    targets: Targets
    kept_boxes: tuple[NDArray[np.int64], ...] | None
    inside: tuple[NDArray[np.bool_], ...] | None


def check(targets: Targets, images: NDArray[Any], names: NDArray[np.object_]) -> None:
    """Hold targets against their images, whose ids are `names`.

    Raises:
        TransformError: shapes that do not match, numbers that are not finite, or boxes outside their image.
    """
    n, height, width = images.shape[:3]
    masks = targets.masks
    if masks is not None and (masks.ndim != 4 or masks.dtype != np.uint8 or masks.shape[:3] != (n, height, width)):
        raise TransformError(
            "masks", f"{masks.dtype} {masks.shape}", f"uint8 ({n}, {height}, {width}, K)", "give a mask of every image"
        )
    for name, given, columns in (("boxes", targets.boxes, 4), ("keypoints", targets.keypoints, 2)):
        if given is None:
            continue
        if len(given) != n:
            raise TransformError(name, f"{len(given)} for {n} images", "one array an image", "match them")
        for i, rows in enumerate(given):
            if rows.ndim != 2 or rows.shape[1] != columns or not np.isfinite(rows).all():
                found = f"shape {rows.shape}" if np.isfinite(rows).all() else "a number that is not finite"
                raise TransformError(
                    f"{name}[{i}], sample {names[i]}", found, f"finite numbers (M, {columns})", "correct this image's"
                )
            if name == "boxes":
                _check_boxes(corners(rows, targets.box_format, (height, width)), i, str(names[i]), (height, width))


def _check_boxes(boxes: Points, image: int, name: str, size: Size) -> None:
    limits = np.array([size[1], size[0], size[1], size[0]])
    tolerance = 1e-6 * limits  # yolo's shares are rounded
    wrong = ((boxes < -tolerance) | (boxes > limits + tolerance)).any(1) | (boxes[:, 2:] <= boxes[:, :2]).any(1)
    if wrong.any():
        row = int(wrong.argmax())
        raise TransformError(
            f"boxes[{image}][{row}], sample {name}",
            f"{boxes[row].round(3).tolist()} as x0, y0, x1, y1",
            f"x0 < x1 and y0 < y1 inside {size[1]}x{size[0]} pixels",
            "correct the box, or its format (voc, coco, yolo)",
        )


def corners(boxes: Points, box_format: BoxFormat, size: Size) -> Points:
    """Boxes (M, 4) of a format as x0, y0, x1, y1 in pixels."""
    boxes = boxes.astype(np.float64)
    if box_format == "voc":
        return boxes
    if box_format == "yolo":
        boxes = boxes * np.array([size[1], size[0], size[1], size[0]])
        boxes[:, :2] -= boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def formatted(boxes: Points, box_format: BoxFormat, size: Size) -> Points:
    """The inverse of `corners`."""
    if box_format == "voc":
        return boxes
    sides = boxes[:, 2:] - boxes[:, :2]
    if box_format == "coco":
        return np.concatenate([boxes[:, :2], sides], axis=1)
    shares: Points = np.concatenate([boxes[:, :2] + sides / 2, sides], axis=1) / np.array([size[1], size[0]] * 2)
    return shares


def moved_points(points: Points, matrix: NDArray[np.float64]) -> Points:
    """Points (M, 2) through a projective map (3, 3)."""
    mapped = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    result: Points = mapped[:, :2] / mapped[:, 2:]
    return result


def moved_boxes(
    boxes: Points, matrix: NDArray[np.float64], size: Size, min_visibility: float
) -> tuple[Points, NDArray[np.int64]]:
    """Boxes (M, 4) through a projective map: the upright boxes around their moved corners, cut at the frame.

    Args:
        boxes: x0, y0, x1, y1 in pixels.
        size: of the result.
        min_visibility: share of its area that a moved box must have inside the frame to be kept.

    Returns:
        The boxes that are kept, and their positions.
    """
    x0, y0, x1, y1 = boxes.T
    quadrangle = np.stack([np.stack([x, y], axis=1) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], axis=1)
    # Edges lie half a pixel off the centres that the matrix moves.
    moved = moved_points(quadrangle.reshape(-1, 2) - 0.5, matrix).reshape(-1, 4, 2) + 0.5
    low, high = moved.min(axis=1), moved.max(axis=1)
    frame = np.array([size[1], size[0]], np.float64)
    cut_low, cut_high = np.clip(low, 0, frame), np.clip(high, 0, frame)
    area = (cut_high - cut_low).prod(axis=1)
    whole = (high - low).prod(axis=1)
    kept = np.flatnonzero((area > 0) & (area >= min_visibility * whole))
    return np.concatenate([cut_low, cut_high], axis=1)[kept], kept
