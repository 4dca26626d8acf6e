"""Kuiper's test: the largest distances between two empirical distribution functions, above and below, added up.

    V = sup_x (F_r(x) − F_w(x)) + sup_x (F_w(x) − F_r(x))

It is as sensitive to a change of the spread as to one of the median, where Kolmogorov–Smirnov looks at one side alone;
and it does not depend on where a circle is cut open, so it suits hours of the day, weekdays and angles. Missing values
lie below everything. For tied (discrete) values the p-value is too large, never too small.

Source: Kuiper 1960, Proc. Kon. Ned. Akad. Wet. A 63; p-value by Stephens 1970, doi 10.1111/j.2517-6161.1970.tb00821.x.

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> found = Kuiper().measure(generator.normal(size=5000), generator.normal(0, 1.5, size=1000))
>>> round(found.statistic, 1), found.p_value < 0.001
(0.2, True)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.kolmogorov_smirnov import ordered

_CERTAIN = 0.4  # below, a distance so small is certain to be exceeded: 1 to seven digits
_TERMS = np.arange(1, 101)  # at `_CERTAIN` the twentieth is below the last digit of a float


@dataclass(frozen=True)
class Kuiper:
    """Of a numeric column; text counts as missing. `effect` is V without the mean, √(π/2)/√(nm/(n+m)), of chance."""

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        before, after = (np.sort(ordered(np.asarray(side))) for side in (reference, window))
        n, m = len(before), len(after)
        if min(n, m) < 2:  # the asymptotic distribution has no meaning there
            return nothing(n, m)
        at = np.concatenate([before, after])
        apart = np.searchsorted(before, at, side="right") / n - np.searchsorted(after, at, side="right") / m
        v = float(apart.max() - apart.min())  # both sides of zero: at the largest value there is no distance
        half = n * m / (n + m)
        # Mean of Kuiper's distribution, the range of a Brownian bridge: √(π/2).
        effect = math.sqrt(max(0.0, v * v - math.pi / 2 / half))
        return Measurement(statistic=v, effect=effect, p_value=p_value_of(v, half), n_reference=n, n_window=m)


def p_value_of(v: float, half: float) -> float:
    """Probability of a V this large without any change; `half` is nm/(n+m)."""
    scaled = (math.sqrt(half) + 0.155 + 0.24 / math.sqrt(half)) * v
    if scaled < _CERTAIN:
        return 1.0
    squares = (_TERMS * scaled) ** 2
    return float(np.clip(2 * np.sum((4 * squares - 1) * np.exp(-2 * squares)), 0, 1))
