"""Holes."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import numpy as np

from support.truths import SHAPES, SIZE, Compared, Drawn


def _boxes(node: Any, u: np.ndarray, image: np.ndarray) -> np.ndarray:
    found = node.operation.rectangles(u[None], image.shape[:2])[0]
    return found[found[:, 2] > found[:, 0]]


def _holes(rectangles: np.ndarray) -> np.ndarray:
    """How many, how large together, and where they begin on average."""
    sides = rectangles[..., 2:] - rectangles[..., :2]
    count = (sides > 0).all(-1).sum(-1)
    start = rectangles[..., :2].sum(-2) / np.maximum(count, 1)[:, None]
    return np.concatenate([count[:, None], sides.sum(-2), start], axis=1)


def _their_holes(params: dict[str, Any]) -> list[float]:
    return _holes(params["holes"].reshape(1, -1, 4))[0].tolist()


COMPARED = {
    "CoarseDropout: {num_holes_range: [1, 4], fill: 7, p: 1}": Compared(
        theirs=lambda n, u, x: A.CoarseDropout(fill=7).apply(x, holes=_boxes(n, u, x), seed=0),
        mean=0,
        shapes=SHAPES,
        table=SHAPES[0],
    ),
    "Erasing: {p: 1}": Compared(
        theirs=lambda n, u, x: A.Erasing().apply(x, holes=_boxes(n, u, x), seed=0),
        mean=0,
        shapes=SHAPES,
        table=SHAPES[0],
    ),
    "GridDropout: {p: 1}": Compared(
        theirs=lambda n, u, x: A.GridDropout().apply(x, holes=_boxes(n, u, x), seed=0),
        mean=0,
        shapes=SHAPES,
        table=SHAPES[0],
    ),
}
DRAWN = {
    "GridDropout: {holes_number_xy: [3, 5], random_offset: true}": Drawn(
        lambda o, u: _holes(o.rectangles(u, SIZE)),
        _their_holes,
    ),
    "CoarseDropout: {num_holes_range: [1, 4]}": Drawn(lambda o, u: _holes(o.rectangles(u, SIZE)), _their_holes),
    "CoarseDropout: {num_holes_range: [2, 2], hole_height_range: [3, 9], hole_width_range: [2, 12]}": Drawn(
        lambda o, u: _holes(o.rectangles(u, SIZE)),
        _their_holes,
    ),
    "Erasing: {}": Drawn(lambda o, u: _holes(o.rectangles(u, SIZE)), _their_holes),
    "GridDropout: {holes_number_xy: [3, 5]}": Drawn(lambda o, u: _holes(o.rectangles(u, SIZE)), _their_holes),
}
