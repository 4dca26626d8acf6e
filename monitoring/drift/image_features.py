"""What a picture looks like in four numbers: brightness, contrast, sharpness and colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.payload import Images, chunks, payload_of
from augment_ops.errors import DataError

IMAGE_FEATURES = ("mean", "contrast", "sharpness", "colour")

_RGB = 3


def image_features(images: Images) -> dict[str, NDArray[np.float64]]:
    """Measure every image; what is held is a few MB of images, and 32 bytes of each.

    Args:
        images: uint8 (N, H, W, C) or a `Payload` of them; read once, in order.

    Returns:
        float64 (N,) each, in grey levels 0 to 255: `mean`, `contrast` (standard deviation), `sharpness` (standard
        deviation of the 4-neighbour Laplacian over interior pixels; NaN for images below 3 × 3) and `colour`
        (colourfulness; 0 without colour).

    Raises:
        DataError: not uint8 (N, H, W, C).

    Source: sharpness after Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy (variance of the
    Laplacian); its root here, so that all have one unit. Colourfulness: Hasler & Süsstrunk 2003, Measuring
    colourfulness in natural images.
    """
    if isinstance(images, np.ndarray) and (images.dtype != np.uint8 or images.ndim != 4):
        raise DataError(
            "image features", f"{images.dtype} {images.shape}", "uint8 (N, H, W, C)", "pass the pixels of a snapshot"
        )
    payload = payload_of(images)
    features = {name: np.full(len(payload), np.nan) for name in IMAGE_FEATURES}
    for block, batch in chunks(payload):
        grey = _grey(batch)
        features["mean"][block] = grey.mean(axis=(1, 2), dtype=np.float64)
        features["contrast"][block] = grey.std(axis=(1, 2), dtype=np.float64)
        if min(payload.shape[:2]) >= 3:
            features["sharpness"][block] = _laplacian(grey).std(axis=(1, 2), dtype=np.float64)
        features["colour"][block] = _colourfulness(batch)
    return features


def _grey(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels = images.astype(np.float32)
    if images.shape[3] == _RGB:
        return pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)  # luma of ITU-R BT.601
    grey: NDArray[np.float32] = pixels.mean(axis=3)
    return grey


def _laplacian(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    result: NDArray[np.float32] = neighbours - 4 * grey[:, 1:-1, 1:-1]
    return result


def _colourfulness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    if images.shape[3] != _RGB:
        return np.zeros(len(images))
    red, green, blue = np.moveaxis(images.astype(np.float32), 3, 0)
    opponents = red - green, (red + green) / 2 - blue
    spread = sum(plane.var(axis=(1, 2), dtype=np.float64) for plane in opponents)
    centre = sum(plane.mean(axis=(1, 2), dtype=np.float64) ** 2 for plane in opponents)
    found: NDArray[np.float64] = np.sqrt(spread) + 0.3 * np.sqrt(centre)
    return found
