"""What a picture looks like in four numbers: brightness, contrast, sharpness and colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError

PROPERTIES = ("mean", "contrast", "sharpness", "colour")
AXES = ("height", "width", "channels")

_RGB = 3


def features(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Measure every image of a batch.

    Args:
        images: uint8 (N, H, W, C).

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
    check(images, "image features")
    grey = _grey(images)
    interior = min(images.shape[1:3]) >= 3
    found = (
        grey.mean(axis=(1, 2), dtype=np.float64),
        grey.std(axis=(1, 2), dtype=np.float64),
        _laplacian(grey).std(axis=(1, 2), dtype=np.float64) if interior else np.full(len(images), np.nan),
        _colourfulness(images),
    )
    return dict(zip(PROPERTIES, found, strict=True))


def size(shape: tuple[int, ...]) -> float:
    """Height × width of images (H, W, C), in pixels."""
    return float(shape[0] * shape[1])


def check(images: object, where: str) -> None:
    """Refuse what are no images.

    Args:
        images: what claims to be uint8 (N, H, W, C).
        where: it was found, for the error.

    Raises:
        DataError: they are not, or have no pixels.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
        found = f"{images.dtype} of shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(where, found, "uint8 (N, H, W, C)", "pass the pixels that the model was given, 0 to 255")


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
