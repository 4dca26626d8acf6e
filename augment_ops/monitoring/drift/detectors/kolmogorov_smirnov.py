"""The two-sample Kolmogorov–Smirnov test: the largest distance between two empirical distribution functions.

    D = sup_x |F_r(x) − F_w(x)|

Missing values take part as if they lay below everything, so a column that goes missing moves D by that share; one
outlier of any size moves it by 1/m. For tied (discrete) values the p-value is too large, never too small.

Source: Smirnov 1948; p-value by `scipy.stats.ks_2samp`, asymptotic.

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> found = KolmogorovSmirnov().measure(generator.normal(size=5000), generator.normal(0.5, 1, size=1000))
>>> round(found.statistic, 1), found.p_value < 0.001
(0.2, True)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.histogram import is_numeric


@dataclass(frozen=True)
class KolmogorovSmirnov:
    """KS of a numeric column; text counts as missing. `effect` is D without the mean, 0.87/√(nm/(n+m)), of chance."""

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        from scipy.stats import ks_2samp

        before, after = ordered(np.asarray(reference)), ordered(np.asarray(window))
        n, m = len(before), len(after)
        if min(n, m) < 2:  # the asymptotic distribution has no meaning there
            return nothing(n, m)
        result = ks_2samp(before, after, method="asymp")
        d = float(result.statistic)
        # Mean of the Kolmogorov distribution: √(π/2)·ln 2 = 0.8687.
        chance = math.sqrt(math.pi / 2) * math.log(2) / math.sqrt(n * m / (n + m))
        effect = math.sqrt(max(0.0, d * d - chance * chance))
        return Measurement(statistic=d, effect=effect, p_value=float(result.pvalue), n_reference=n, n_window=m)


def ordered(values: NDArray[Any]) -> NDArray[np.float64]:
    """Finite numbers as they are, infinite ones at the end of what floats hold, missing ones below everything."""
    if not is_numeric(values):
        return np.full(len(values), -math.inf)
    numbers = values.astype(np.float64)
    largest = np.finfo(np.float64).max
    return np.where(np.isnan(numbers), -math.inf, np.clip(numbers, -largest, largest))
