"""The population stability index, made so that neither an outlier nor missing values can silence it.

    PSI = Σ_b (w_b − r_b) · ln(w_b / r_b)        r_b, w_b: shares of reference and window in bin b

Bins come from the reference's quantiles alone, with one bin for each tail and one for missing values. Without drift PSI
is not zero but about (B − 1)(1/n + 1/m), and n·m/(n + m) · PSI follows χ² with B − 1 degrees of freedom; so that
expectation is taken off the effect.

Source: Yurdakul & Naranjo 2020, Statistical properties of the population stability index, Journal of Risk Model
Validation 14(4).

>>> import numpy as np
>>> generator = np.random.default_rng(0)
>>> reference, window = generator.normal(size=5000), generator.normal(0.5, 1, size=1000)
>>> found = Psi().measure(reference, np.append(window, 1e6))
>>> round(found.effect, 2), found.p_value < 0.001
(0.26, True)
"""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.monitoring.drift.detectors.base import Measurement, Values, nothing
from augment_ops.monitoring.drift.detectors.histogram import Histogram, histogram
from augment_ops.statistics import DEFAULT_BINNING, Binning, psi


@dataclass(frozen=True)
class Psi:
    """PSI of a column of numbers or categories; `statistic` is before the correction, `effect` after it."""

    binning: Binning = DEFAULT_BINNING

    def measure(self, reference: Values, window: Values) -> Measurement:
        """See `Detector`."""
        return psi_of(histogram(reference, window, self.binning))


def psi_of(found: Histogram) -> Measurement:
    """PSI of counts, however they were made (see `augment_ops.monitoring.drift.table`)."""
    n, m = found.sizes
    if not n or not m:
        return nothing(n, m)
    raw, corrected, freedom = psi(found.reference, found.window)
    return Measurement(
        statistic=raw,
        effect=corrected,
        p_value=chi_square_tail(freedom, raw * n * m / (n + m)),
        n_reference=n,
        n_window=m,
        bins=found.shares(),
    )


def chi_square_tail(freedom: int, statistic: float) -> float:
    """P(χ² ≥ statistic); 1 without any freedom."""
    from scipy.special import chdtrc

    return float(chdtrc(freedom, statistic)) if freedom > 0 else 1.0
