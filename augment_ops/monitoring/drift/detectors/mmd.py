"""The maximum mean discrepancy between two clouds of vectors, with a permutation p-value.

    MMD² = mean k(x, x') + mean k(y, y') − 2 mean k(x, y)       k(a, b) = exp(−‖a − b‖² / 2σ²), unbiased (x ≠ x')

σ is the median distance of the pooled sample. The effect is MMD² in units of the spread inside the reference,
1 − mean k(x, x'): the square of Cohen's d, in the kernel's space. The p-value comes from shuffling who belongs to
which side, which is exact whatever the distribution.

Source: Gretton et al. 2012, A kernel two-sample test, Journal of Machine Learning Research 13, equation 3.

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> reference, window = generator.normal(size=(400, 8)), generator.normal(0.3, 1, size=(300, 8))
>>> found = Mmd(permutations=199).measure(reference, window)
>>> found.p_value
0.005
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.vectors import comparable

_MEDIAN_OF = 7  # every seventh row is enough for a median distance
_AT_ONCE = 512  # permutations in one matrix product: 2 MB beside a kernel of 1,000 × 1,000


@dataclass(frozen=True)
class Mmd:
    """MMD² of vectors.

    Attributes:
        permutations: shuffles; the smallest p-value is 1/(permutations + 1).
        at_most: rows of a side; the kernel has (2 · at_most)² entries.
        seed: of thinning and shuffling: the same samples give the same answer.
    """

    permutations: int = 1999
    at_most: int = 500
    seed: int = 0

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        x, y = comparable(reference, window, self.at_most, self.seed)
        n, m = len(x), len(y)
        if n < 2 or m < 2:
            return nothing(n, m)
        kernel = _kernel(np.concatenate([x, y]))
        side = np.arange(n + m) < n
        observed = float(_mmd(kernel, side[:, None].astype(np.float32), n, m)[0])
        extreme, left = 0, self.permutations
        generator = np.random.default_rng([self.seed, 1])
        while left:
            some = min(left, _AT_ONCE)
            sides = generator.permuted(np.repeat(side[None], some, axis=0), axis=1).T.astype(np.float32)
            extreme += int(np.count_nonzero(_mmd(kernel, sides, n, m) >= observed))
            left -= some
        inside = float(kernel[:n, :n].sum()) / (n * (n - 1))
        effect = max(0.0, observed) / max(1.0 - inside, 1e-9)
        return Measurement(
            statistic=observed,
            effect=effect,
            p_value=(1 + extreme) / (1 + self.permutations),
            n_reference=n,
            n_window=m,
        )


def _kernel(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Gaussian kernel without its diagonal."""
    small = points.astype(np.float32)  # scaled and bounded, so that 24 bits are enough
    norms = np.sum(small**2, axis=1)
    kernel = small @ small.T
    kernel *= -2
    kernel += norms
    kernel += norms[:, None]
    np.maximum(kernel, 0, out=kernel)
    middle = float(np.median(kernel[::_MEDIAN_OF]))  # with zeros of the diagonal, which are one in N
    kernel /= -(middle or 1.0)
    np.exp(kernel, out=kernel)
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _mmd(kernel: NDArray[np.float32], sides: NDArray[np.float32], n: int, m: int) -> NDArray[np.float64]:
    """Unbiased MMD² of each column of `sides`, which is 1 for the first side and 0 for the other."""
    toward = kernel @ sides
    xx = (sides * toward).sum(axis=0, dtype=np.float64)
    x = toward.sum(axis=0, dtype=np.float64)
    whole = float(kernel.sum(dtype=np.float64))
    xy = x - xx
    yy = whole - xx - 2 * xy
    found: NDArray[np.float64] = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    return found
