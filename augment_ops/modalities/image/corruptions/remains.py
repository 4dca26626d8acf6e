"""What a corruption leaves of an image: the image modality's measure. Where nothing is left, no model can be judged.

Three things can be gone, each by its own measurement on the clean picture and the corrupted one:

- `blank`: the contrast (standard deviation of the levels within the channel where it is largest) is below 2 levels,
  which is what policies/quality calls an image that shows nothing;
- `clipped`: more than 90% of the values between black and white have been driven to one of them, and what stands out of
  it explains less than half of the picture's variance (a correlation below 0.71). Clipping alone is no loss: of a page
  whose paper saturates the ink is left, and correlates with the page to 0.99;
- `unrelated`: neither levels nor differences of neighbouring levels correlate with the clean picture's to 0.2. Only
  where content stays in its place.

The first two are what a person cannot read, as a suite's hardest severity is to be read by one (policies/stress); a
network that is trained on nothing but the corruption and restores the contrast reads part of it. The third is measured
with such networks: beyond it they are right about half as often as on pictures that are whole
(`benchmarks/what_is_left.py readable`, docs/stress.md). Levels alone would not do: what a veil hides of them, the
differences keep. What was blank before is not the corruption's doing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.image.corruptions.base import Corruption, Image
from augment_ops.modalities.image.kernels.sums import moments

CAUSES = ("blank", "clipped", "unrelated")

MIN_CONTRAST = 2.0  # grey levels; min_contrast of policies/quality/default.yaml
MOST_CLIPPED = 0.9
HALF_EXPLAINED = 0.5**0.5  # the correlation at which half of the variance is explained
RELATED = 0.2

_BLANK, _CLIPPED, _UNRELATED = (CAUSES.index(cause) + 1 for cause in CAUSES)
_CHUNK_VALUES = 1_000_000  # worked on at once: 8 MB as float64, of which a step needs a handful

# Sums of whole numbers below 2**53: exact in any order, so that every processor finds the same samples destroyed.
Floats = NDArray[np.float64]


def destroyed(corruption: Corruption, clean: Image, corrupted: Image) -> NDArray[np.uint8]:
    """Why nothing is left of each image: 0 where something is, else the place in `CAUSES`, from 1.

    Args:
        clean, corrupted: uint8 (N, H, W, C), image by image.

    Returns:
        uint8 (N,).
    """
    codes = np.zeros(len(clean), np.uint8)
    size = max(1, _CHUNK_VALUES // int(np.prod(clean.shape[1:])))
    for start in range(0, len(clean), size):
        part = slice(start, start + size)
        codes[part] = _codes(corruption, clean[part], corrupted[part])
    return codes


def contrast(images: Image) -> Floats:
    """Standard deviation of the levels within the channel where it is largest: float64 (N,)."""
    return _contrast(*_of(_moments(images, images), 0), _pixels(images))


def newly_clipped(clean: Image, corrupted: Image) -> Floats:
    """Share of the values between black and white that are one of them now: float64 (N,); 0 where there were none."""
    between = ~_at_an_end(clean)
    gone = (between & _at_an_end(corrupted)).sum(axis=(1, 2, 3))
    share: Floats = gone / np.maximum(between.sum(axis=(1, 2, 3)), 1)
    return share


def correlation(clean: Image, corrupted: Image) -> Floats:
    """Of the levels, each channel about its mean: float64 (N,), -1 to 1; 0 where either is constant."""
    return _correlation(_moments(clean, corrupted), _pixels(clean))


def correlation_of_differences(clean: Image, corrupted: Image) -> Floats:
    """Of the differences to the neighbour on the right and below: what a slow veil over the picture does not change."""
    a, b = (images.astype(np.float64) for images in (clean, corrupted))
    steps = [(np.diff(a, axis=axis), np.diff(b, axis=axis)) for axis in (1, 2)]

    def summed(pairs: list[tuple[Floats, Floats]]) -> Floats:
        return np.asarray(sum(np.einsum("nhwc,nhwc->n", x, y) for x, y in pairs), np.float64)

    return _quotient(summed(steps), summed([(x, x) for x, _ in steps]), summed([(y, y) for _, y in steps]))


def _codes(corruption: Corruption, clean: Image, corrupted: Image) -> NDArray[np.uint8]:
    codes = np.zeros(len(clean), np.uint8)
    sums, pixels = _moments(clean, corrupted), _pixels(clean)
    levels = _correlation(sums, pixels)
    if not corruption.moves:
        low = np.flatnonzero(levels < RELATED)
        codes[low[correlation_of_differences(clean[low], corrupted[low]) < RELATED]] = _UNRELATED
    low = np.flatnonzero(levels < HALF_EXPLAINED)
    codes[low[newly_clipped(clean[low], corrupted[low]) > MOST_CLIPPED]] = _CLIPPED
    codes[_contrast(*_of(sums, 1), pixels) < MIN_CONTRAST] = _BLANK
    codes[_contrast(*_of(sums, 0), pixels) < MIN_CONTRAST] = 0
    return codes


def _pixels(images: Image) -> int:
    return int(images.shape[1] * images.shape[2])


def _moments(first: Image, second: Image) -> Floats:
    """Sums over the pixels of a, b, a · a, b · b and a · b: float64 (5, N, C)."""
    many, channels = len(first), first.shape[3]
    sums = np.empty((many, 5, channels), np.int64)
    flat = (many, _pixels(first), channels)
    moments(np.ascontiguousarray(first).reshape(flat), np.ascontiguousarray(second).reshape(flat), sums)
    return np.moveaxis(sums.astype(np.float64), 1, 0)


def _of(sums: Floats, which: int) -> tuple[Floats, Floats]:
    """Of the first or the second of two batches: the sums and those of the squares, (N, C) each."""
    return sums[which], sums[2 + which]


def _contrast(sums: Floats, squares: Floats, n: int) -> Floats:
    spread: Floats = np.sqrt((n * squares - sums * sums).max(axis=1)) / n
    return spread


def _correlation(sums: Floats, n: int) -> Floats:
    a, b, aa, bb, ab = sums

    def about_means(product: Floats, x: Floats, y: Floats) -> Floats:
        return np.asarray((n * product - x * y).sum(axis=1), np.float64)

    return _quotient(about_means(ab, a, b), about_means(aa, a, a), about_means(bb, b, b))


def _at_an_end(images: Image) -> NDArray[np.bool_]:
    ends: NDArray[np.bool_] = (images == 0) | (images == 255)
    return ends


def _quotient(product: Floats, first: Floats, second: Floats) -> Floats:
    norms = np.sqrt(first) * np.sqrt(second)
    found: Floats = np.where(norms > 0, product / np.where(norms > 0, norms, 1), 0)
    return found
