"""Measurements of the pixels of many images, read a bounded part at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from augment_ops.data import payload
from augment_ops.data.payload import SamplesOrPayload, payload_of

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_CORRELATION_SIDE = 32  # fine texture (noise, resampling) averages out; shapes stay
_NORM_NOISE = 1e-3  # float32 rounding leaves a blank image this much; a single grey level in one pixel is 1
_SPECTRUM_VALUES = 4_000_000  # values transformed at once: 16 MB as float32


def chunks(images: SamplesOrPayload, rows: Rows | None = None) -> Iterator[tuple[slice, Floats]]:
    """The images at `rows` (all by default) as float32, a bounded number of values at a time."""
    for part, batch in payload.chunks(payload_of(images), rows):
        yield part, batch.astype(np.float32)


def contrast(images: SamplesOrPayload, rows: Rows | None = None) -> Floats:
    """Standard deviation of the grey levels within the channel where it is largest, per image: float32 (N,).

    Within a channel, because an image of one colour differs between its channels and is blank all the same.
    """
    out = np.empty(len(images) if rows is None else len(rows), np.float32)
    for part, batch in chunks(images, rows):
        out[part] = contrast_of(batch)
    return out


def contrast_of(batch: Floats) -> Floats:
    """`contrast` of images float32 (n, H, W, C) at once."""
    found: Floats = batch.std(axis=(1, 2)).max(axis=1)
    return found


def features(images: SamplesOrPayload) -> dict[str, Floats]:
    """Brightness, contrast and sharpness per image, in grey levels: float32 (N,) each.

    Channels are averaged first. Sharpness is the RMS of the 4-neighbour Laplacian over the inner pixels; 0 where an
    image is too small to have any.
    """
    out = {name: np.zeros(len(images), np.float32) for name in ("brightness", "contrast", "sharpness")}
    for part, batch in chunks(images):
        grey = batch.mean(axis=3)
        out["brightness"][part] = grey.mean(axis=(1, 2))
        out["contrast"][part] = grey.std(axis=(1, 2))
        inner = 4 * grey[:, 1:-1, 1:-1]
        inner -= grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        if inner.size:
            out["sharpness"][part] = np.sqrt(np.square(inner).mean(axis=(1, 2)))
    return out


def clipped_share(images: SamplesOrPayload) -> Floats:
    """Share of an image's values that are 0 or 255: float32 (N,)."""
    out = np.empty(len(images), np.float32)
    for part, batch in chunks(images):
        out[part] = ((batch == 0) | (batch == 255)).mean(axis=(1, 2, 3))
    return out


def area_thumbnails(images: SamplesOrPayload, rows: Rows | None, side: int) -> Floats:
    """`Thumbnails` of the images at `rows`, or all: float32 (N, side', side', C)."""
    thumbnails = Thumbnails(payload_of(images).shape, side)
    out = np.empty((len(images) if rows is None else len(rows), *thumbnails.shape), np.float32)
    for part, batch in chunks(images, rows):
        out[part] = thumbnails(batch)
    return out


class Thumbnails:
    """Area-averaged thumbnails, at most `side` × `side` a channel.

    Every source pixel has the same total weight, so the RMS distance of two thumbnails never exceeds that of the
    images (Jensen's inequality): a search on thumbnails misses nothing.

    Attributes:
        shape: (side', side', C) of one.
    """

    def __init__(self, shape: tuple[int, ...], side: int) -> None:
        height, width, channels = shape
        self._down, self._across = _area_weights(height, side), _area_weights(width, side)
        self.shape = (len(self._down), len(self._across), channels)

    def __call__(self, batch: Floats) -> Floats:
        """Of images float32 (n, H, W, C): float32 (n, side', side', C)."""
        columns = np.moveaxis(batch, 3, 1) @ self._across.T
        return np.moveaxis(self._down @ columns, 1, 3)


def best_correlation(originals: SamplesOrPayload, augmented: SamplesOrPayload, max_shift_share: float) -> Floats:
    """Normalised cross-correlation of each pair at its best small shift, mirrored or not: float32 (N,), -1 to 1.

    On grey thumbnails of at most 32 pixels a side, zero-mean, the shifted-out border counting as nothing in common;
    so brightness and contrast do not matter, and a translation or a horizontal flip matters little. 0 for a blank
    image. Source: Lewis 1995, "Fast normalized cross-correlation" (through the Fourier transform).
    """
    a = area_thumbnails(originals, None, _CORRELATION_SIDE).mean(axis=3)
    b = area_thumbnails(augmented, None, _CORRELATION_SIDE).mean(axis=3)
    a -= a.mean(axis=(1, 2), keepdims=True)
    b -= b.mean(axis=(1, 2), keepdims=True)
    height, width = a.shape[1:]
    shift = max(1, round(max_shift_share * min(height, width))) if max_shift_share else 0
    padded = (height + shift, width + shift)  # so that nothing wraps around into the other side
    lags = np.r_[0 : shift + 1, -shift:0]
    best = np.full(len(a), -np.inf, np.float32)
    size = max(1, _SPECTRUM_VALUES // (padded[0] * padded[1]))
    for start in range(0, len(a), size):
        part = slice(start, start + size)
        spectrum = np.fft.rfft2(a[part], padded)
        for other in (b[part], b[part, :, ::-1]):
            products = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(other, padded)), padded)
            best[part] = np.maximum(best[part], products[:, lags][:, :, lags].max(axis=(1, 2)))
    norms = np.sqrt(np.square(a).sum(axis=(1, 2)) * np.square(b).sum(axis=(1, 2)))
    best[norms < _NORM_NOISE] = 0
    best /= np.maximum(norms, _NORM_NOISE)
    return best


def _area_weights(length: int, side: int) -> Floats:
    """float32 (min(side, length), length): row i averages the i-th of equal parts; pixels on a cut count in part."""
    parts = min(side, length)
    edges = np.linspace(0, length, parts + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = (np.maximum(overlap, 0) * parts / length).astype(np.float32)
    return weights
