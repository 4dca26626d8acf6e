"""Masks, boxes and keypoints: moved by the same matrices as their images.

Conventions: a keypoint is (x, y) in pixels, and the centre of the upper left pixel is (0, 0). A box is given by its
edges, and the left edge of the upper left pixel is 0, so a box of one pixel is one wide; its corners lie half a pixel
off the centres that the matrices move. What a reflecting or wrapping border repeats has no boxes or keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError
from augment_ops.modalities.image.following import Boxes
from augment_ops.modalities.image.transforms.geometry import Size

if TYPE_CHECKING:
    from torch import Tensor

BoxFormat = Literal["voc", "coco", "yolo"]
Points = NDArray[np.float64]
T = TypeVar("T", np.float64, np.bool_)

_MOST_LEVEL = 255
_ROUNDING = 1e-9  # half of an area is half of it


@dataclass(frozen=True)
class Targets:
    """What belongs to a batch of N images.

    Attributes:
        masks: (N, H, W, K), K masks an image: levels from 0 to 255 of any integer type, or bool; None without. Of
            images that are tensors: a tensor, uint8 or bool.
        boxes: N arrays (M, 4) in the format of `box_format`, M differing; None without.
        keypoints: N arrays (M, 2) of x, y in pixels; None without.
        box_format: `voc` is x0, y0, x1, y1 and `coco` x0, y0, width, height, in pixels; `yolo` is centre x, centre y,
            width, height in shares of the image.
    """

    masks: NDArray[Any] | Sequence[Any] | Tensor | None = None
    boxes: Sequence[Points] | None = None
    keypoints: Sequence[Points] | None = None
    box_format: BoxFormat = "voc"


@dataclass(frozen=True)
class Visibility:
    """Which boxes are kept, as albumentations' BboxParams has it.

    Attributes:
        min_visibility: share of its area that a moved box must have inside the frame, 0 to 1; over several passes, the
            shares multiply.
        min_area, min_width, min_height: of what is left in the result, in pixels.
    """

    min_visibility: float = 0.0
    min_area: float = 0.0
    min_width: float = 0.0
    min_height: float = 0.0

    def check(self) -> None:
        """Raise TransformError for numbers that mean nothing."""
        for name, most in (
            ("min_visibility", 1.0),
            ("min_area", np.inf),
            ("min_width", np.inf),
            ("min_height", np.inf),
        ):
            value = getattr(self, name)
            if not 0 <= value <= most:
                expected = "a share from 0 to 1" if most == 1 else "a number of pixels, 0 or more"
                raise TransformError(name, f"{value}", expected, "correct the number")


@dataclass(frozen=True)
class Annotated:
    """An augmented batch with its targets.

    Attributes:
        images: as they came in, (N, H', W', C).
        targets: moved; masks of the type that they came in; boxes cut at the frame, only those that are still visible.
        kept_boxes: for every image, the positions of the boxes that were kept, int64: their labels are at these.
        inside: for every image, whether each keypoint lies inside the frame, and did so after every pass, bool.
    """

    images: NDArray[Any] | Tensor
    targets: Targets
    kept_boxes: tuple[NDArray[np.int64], ...] | None
    inside: tuple[NDArray[np.bool_], ...] | None


def checked(targets: Targets, images: NDArray[Any] | Tensor, names: NDArray[np.object_], *, clip: bool) -> Targets:
    """Targets as the loops take them, held against their images, whose ids are `names`.

    Args:
        clip: cut boxes to their image, instead of refusing those that reach beyond it.

    Returns:
        masks uint8 and contiguous; boxes as x0, y0, x1, y1 in pixels, whatever their format.

    Raises:
        TransformError: shapes that do not match, numbers that are not finite, masks of other levels, or boxes outside
            their image.
    """
    n, height, width = images.shape[:3]
    for name, given, columns in (("boxes", targets.boxes, 4), ("keypoints", targets.keypoints, 2)):
        if given is None:
            continue
        if len(given) != n:
            raise TransformError(name, f"{len(given)} for {n} images", "one array an image", "match them")
        for i, rows in enumerate(map(np.asarray, given)):
            if rows.ndim != 2 or rows.shape[1] != columns or not np.isfinite(rows).all():
                found = f"shape {rows.shape}" if np.isfinite(rows).all() else "a number that is not finite"
                raise TransformError(
                    f"{name}[{i}], sample {names[i]}", found, f"finite numbers (M, {columns})", "correct this image's"
                )
    boxes = targets.boxes
    if boxes is not None:
        boxes = [corners(rows, targets.box_format, (height, width)) for rows in boxes]
        for i, rows in enumerate(boxes):
            _check_boxes(rows, i, str(names[i]), (height, width), clip=clip)
        if clip:
            boxes = [np.clip(rows, 0, [width, height, width, height]) for rows in boxes]
    masks = None if targets.masks is None else _mask_levels(targets.masks, (n, height, width))
    return replace(targets, masks=masks, boxes=boxes)


def _mask_levels(given: Any, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    try:
        masks = np.asarray(given)
    except ValueError as error:  # lists of different lengths
        raise TransformError("masks", str(error)[:120], "one array", "give a mask of every image") from error
    if masks.ndim != 4 or masks.dtype.kind not in "bui" or masks.shape[:3] != shape:
        expected = f"integers or bool ({', '.join(map(str, shape))}, K)"
        raise TransformError("masks", f"{masks.dtype} {masks.shape}", expected, "give a mask of every image")
    if masks.dtype != np.uint8 and masks.size and not 0 <= int(masks.min()) <= int(masks.max()) <= _MOST_LEVEL:
        found = f"levels from {masks.min()} to {masks.max()}"
        raise TransformError("masks", found, f"levels from 0 to {_MOST_LEVEL}", "number the classes of masks from 0")
    return np.require(masks, np.uint8, ["C", "W"])


def _check_boxes(boxes: Points, image: int, name: str, size: Size, *, clip: bool) -> None:
    limits = np.array([size[1], size[0], size[1], size[0]])
    tolerance = np.inf if clip else 1e-6 * limits  # yolo's shares are rounded
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


def by_image(values: NDArray[T], owner: NDArray[np.int64], n: int) -> list[NDArray[T]]:
    """Rows of all images, those of an image together, as an array for each of `n` images."""
    return np.split(values, np.searchsorted(owner, np.arange(1, n)))


def kept_boxes(
    boxes: Boxes, n: int, box_format: BoxFormat, size: Size, visibility: Visibility
) -> tuple[list[Points], tuple[NDArray[np.int64], ...]]:
    """The boxes of `n` images of `size` that are still visible, in a format, and their positions."""
    edges = boxes.edges(size)
    sides = edges[:, 2:] - edges[:, :2]
    seen = (boxes.visible > 0) & (boxes.visible >= visibility.min_visibility - _ROUNDING)
    seen &= (sides.prod(axis=1) >= visibility.min_area) & (sides > 0).all(axis=1)
    seen &= (sides >= [visibility.min_width, visibility.min_height]).all(axis=1)
    kept = tuple(np.flatnonzero(flags) for flags in by_image(seen, boxes.owner, n))
    found = by_image(edges, boxes.owner, n)
    return [formatted(rows[at], box_format, size) for rows, at in zip(found, kept, strict=True)], kept
