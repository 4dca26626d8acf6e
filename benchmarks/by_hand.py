"""What one writes by hand with OpenCV and NumPy, one image after the other: the floor of an interpreter's loop."""

from __future__ import annotations

import cv2
import numpy as np

_SMOOTH = np.float32([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13  # Pillow's
_LEVELS = np.arange(256, dtype=np.float32)
# The largest magnitudes of RandAugment and of TrivialAugment's wide range; its translation is in pixels.
_NARROW = {"shear": 0.3, "translate": 150 / 331, "rotate": 30.0, "enhance": 0.9}
_WIDE = {"shear": 0.99, "rotate": 135.0, "enhance": 0.99}


def plain_cv2(images: np.ndarray, epoch: int) -> object:
    """What one writes by hand: one warp, one table, cv2.randn, one hole."""
    rng = np.random.default_rng(epoch)
    n, height, width, channels = images.shape
    out = np.empty_like(images)
    noise = np.empty((height, width * channels), np.int16)
    levels = np.arange(256, dtype=np.float32)
    for i in range(n):
        angle, scale = rng.uniform(-15, 15), rng.uniform(0.9, 1.1)
        matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, scale)
        matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * (width, height)
        if rng.random() < 0.5:
            matrix = matrix @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1.0]])
        warped = cv2.warpAffine(images[i], matrix, (width, height))
        table = np.clip(levels * rng.uniform(0.8, 1.2) + rng.uniform(-51, 51), 0, 255).astype(np.uint8)
        cv2.randn(noise, 0, rng.uniform(0.02, 0.1) * 255)
        mixed = cv2.add(cv2.LUT(warped, table).reshape(height, -1), noise, dtype=cv2.CV_8U)
        out[i] = mixed.reshape(images.shape[1:])
        h, w = int(height * rng.uniform(0.2, 0.3)), int(width * rng.uniform(0.2, 0.3))
        y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        out[i, y : y + h, x : x + w] = 0
    return out


def rand_augment(images: np.ndarray, epoch: int) -> object:
    """Two of 14 operations at magnitude 9 of 30, either sign."""
    rng = np.random.default_rng(epoch)
    out = np.empty_like(images)
    for i in range(len(images)):
        out[i] = images[i]
        for _ in range(2):
            out[i] = _operation(out[i], int(rng.integers(14)), 0.3 * rng.choice([-1.0, 1.0]), _NARROW)
    return out


def trivial_augment(images: np.ndarray, epoch: int) -> object:
    """One of 14 operations at any magnitude."""
    rng = np.random.default_rng(epoch)
    limits = _WIDE | {"translate": 32 / images.shape[2]}
    out = np.empty_like(images)
    for i, image in enumerate(images):
        out[i] = _operation(image, int(rng.integers(14)), rng.uniform(-1, 1), limits)
    return out


def _operation(image: np.ndarray, which: int, share: float, limits: dict[str, float]) -> np.ndarray:
    if which == 0:
        return image
    if which <= 5:
        found = _moved(image, which, share, limits)
    elif which <= 8:
        found = _filtered(image, which, 1 + limits["enhance"] * share)
    else:
        levels = _levels(image, which, share, 1 + limits["enhance"] * share)
        found = cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8))
    return found.reshape(image.shape)


def _moved(image: np.ndarray, which: int, share: float, limits: dict[str, float]) -> np.ndarray:
    """ShearX, ShearY, TranslateX, TranslateY, Rotate."""
    height, width = image.shape[:2]
    matrix = np.float32([[1, 0, 0], [0, 1, 0]])
    if which == 5:
        matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), limits["rotate"] * share, 1)
    elif which <= 2:
        matrix[which - 1, 2 - which] = limits["shear"] * share
    else:
        matrix[which - 3, 2] = limits["translate"] * share * (width, height)[which - 3]
    return cv2.warpAffine(image, matrix, (width, height))


def _filtered(image: np.ndarray, which: int, factor: float) -> np.ndarray:
    """Color, Sharpness, Equalize."""
    if which == 8:
        return np.dstack([cv2.equalizeHist(np.ascontiguousarray(channel)) for channel in np.moveaxis(image, 2, 0)])
    if which == 7:
        other = cv2.filter2D(image, -1, _SMOOTH)
    elif image.shape[2] == 1:
        return image
    else:
        other = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image.reshape(other.shape), factor, other, 1 - factor, 0)


def _levels(image: np.ndarray, which: int, share: float, factor: float) -> np.ndarray:
    """AutoContrast, Brightness, Contrast, Posterize, Solarize."""
    if which == 9:
        low, high = int(image.min()), int(image.max())
        return (_LEVELS - low) * (255 / max(high - low, 1))
    if which == 10:
        return _LEVELS * factor
    if which == 11:
        return _LEVELS * factor + image.mean() * (1 - factor)
    if which == 12:
        return np.arange(256) & (256 - (1 << round(4 * abs(share))))
    threshold = 255 * (1 - abs(share))
    return np.where(threshold <= _LEVELS, 255 - _LEVELS, _LEVELS)
