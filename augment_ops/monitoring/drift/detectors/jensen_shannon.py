"""The Jensen–Shannon distance, 0 (equal) to 1 (nothing in common), which no empty bin makes infinite.

    JS = √(½ KL(r ‖ ½(r + w)) + ½ KL(w ‖ ½(r + w)))      in bits

Its effect has the share (B − 1)(1/n + 1/m)/(8 ln 2) that chance adds to JS² taken off. The p-value is that of the
G-test, 2(n + m) times the divergence with weights n/(n + m) and m/(n + m), which follows χ².

Source: Lin 1991, Divergence measures based on the Shannon entropy; Grosse et al. 2002, Physical Review E 65, 041905.

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> found = JensenShannon().measure(generator.normal(size=5000), generator.normal(0.5, 1, size=1000))
>>> round(found.effect, 2), found.p_value < 0.001
(0.21, True)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.histogram import histogram, pooled
from augment_ops.monitoring.drift.detectors.psi import chi_square_tail
from augment_ops.statistics import DEFAULT_BINNING, Binning


@dataclass(frozen=True)
class JensenShannon:
    """Jensen–Shannon distance of a column; `statistic` is before the correction, `effect` after it."""

    binning: Binning = DEFAULT_BINNING

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        found = histogram(reference, window, self.binning)
        n, m = found.sizes
        if not n or not m:
            return nothing(n, m)
        squared = _divergence(found.reference / n, found.window / m, 0.5) / math.log(2)
        freedom = int(np.count_nonzero(found.reference + found.window)) - 1
        effect = math.sqrt(max(0.0, squared - freedom * (1 / n + 1 / m) / (8 * math.log(2))))
        a, b = pooled(found)
        g = 2 * (n + m) * _divergence(a / n, b / m, n / (n + m))
        return Measurement(
            statistic=math.sqrt(squared),
            effect=effect,
            p_value=chi_square_tail(len(a) - 1, g),
            n_reference=n,
            n_window=m,
            bins=found.shares(),
        )


def _divergence(r: NDArray[np.float64], w: NDArray[np.float64], weight: float) -> float:
    """Generalised Jensen–Shannon divergence in nats; `weight` is that of `r`."""
    middle = weight * r + (1 - weight) * w

    def against(p: NDArray[np.float64]) -> float:
        some = p > 0
        return float(np.sum(p[some] * np.log(p[some] / middle[some])))

    return max(0.0, weight * against(r) + (1 - weight) * against(w))
