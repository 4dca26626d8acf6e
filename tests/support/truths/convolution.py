"""Blur and sharpening."""

from __future__ import annotations

import albumentations as A  # noqa: N812
import cv2
import numpy as np
from albumentations.augmentations.blur import functional as blur

from augment_ops.modalities.image.transforms.geometry import between, integers
from support.truths import Compared, Drawn

COMPARED = {
    "GaussianBlur: {p: 1}": Compared(
        theirs=lambda n, u, x: cv2.sepFilter2D(x, -1, *[n.operation.kernels(u[None])[0]] * 2), largest=1
    ),
    "GaussianBlur: {blur_limit: [3, 7], sigma_limit: [0.2, 2], p: 1}": Compared(
        theirs=lambda n, u, x: A.GaussianBlur().apply(
            x, kernel=blur.create_gaussian_kernel_1d(between(u[0], (0.2, 2)), int(integers(u[1], 3, 7)))
        ),
        largest=1,
    ),
    "MotionBlur: {p: 1}": Compared(
        theirs=lambda n, u, x: cv2.filter2D(x, -1, n.operation.kernels(u[None])[0]), largest=1
    ),
    "Sharpen: {p: 1}": Compared(theirs=lambda n, u, x: cv2.filter2D(x, -1, n.operation.kernels(u[None])[0]), largest=1),
}
DRAWN = {
    "GaussianBlur: {sigma_limit: [0.5, 3.0]}": Drawn(
        lambda o, u: o.kernels(u).max(1)[:, None],
        lambda p: [float(np.max(p["kernel"]))],
    ),
    "MotionBlur: {blur_limit: [3, 9]}": Drawn(
        lambda o, u: np.stack([o.kernels(u).max((1, 2)), (o.kernels(u) > 0).sum((1, 2))], axis=1),
        lambda p: [float(p["kernel"].max()), float((p["kernel"] > 0).sum())],
    ),
    "Sharpen: {}": Drawn(lambda o, u: o.kernels(u)[:, 1, :2], lambda p: p["sharpening_matrix"][1, :2].tolist()),
}
