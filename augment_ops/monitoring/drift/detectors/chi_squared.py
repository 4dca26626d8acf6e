"""Pearson's chi-squared test of homogeneity, for categories and for numbers in the reference's bins.

    χ² = Σ (observed − expected)² / expected         over both sides and all cells, expected from the margins

The effect is Cohen's w = √(Σ_b (w_b − r_b)² / r_b), without the share (B − 1)(1/n + 1/m) that chance adds to w². Cells
in which fewer than 5 are expected on either side are joined for the statistic (not for the effect).

Source: Pearson 1900; Cochran 1954 for small cells; Cohen 1988, Statistical Power Analysis, chapter 7, for w.

>>> import numpy as np
>>> reference, window = np.array(list("aab") * 300), np.array(list("abb") * 100)
>>> found = ChiSquared().measure(reference, window)
>>> round(found.effect, 2), found.p_value < 0.001
(0.7, True)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.histogram import histogram, pooled
from augment_ops.monitoring.drift.detectors.psi import chi_square_tail
from augment_ops.statistics import DEFAULT_BINNING, Binning


@dataclass(frozen=True)
class ChiSquared:
    """χ² of a column; `effect` is Cohen's w."""

    binning: Binning = DEFAULT_BINNING

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        found = histogram(reference, window, self.binning)
        n, m = found.sizes
        if not n or not m:
            return nothing(n, m)
        a, b = pooled(found)
        expected = (a + b) * n / (n + m), (a + b) * m / (n + m)
        statistic = float(sum(np.sum((x - e) ** 2 / e) for x, e in zip((a, b), expected, strict=True)))
        # A category that the reference lacks counts as half a sample of it.
        r = np.maximum(found.reference, 0.5) / n
        squared = float(np.sum((found.window / m - found.reference / n) ** 2 / r))
        freedom = int(np.count_nonzero(found.reference + found.window)) - 1
        effect = math.sqrt(max(0.0, squared - freedom * (1 / n + 1 / m)))
        return Measurement(
            statistic=statistic,
            effect=effect,
            p_value=chi_square_tail(len(a) - 1, statistic),
            n_reference=n,
            n_window=m,
            bins=found.shares(),
        )
