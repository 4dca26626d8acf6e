"""The population stability index, made so that neither an outlier nor missing values can silence it.

    PSI = Σ_b (w_b − r_b) · ln(w_b / r_b)        r_b, w_b: shares of reference and window in bin b

Bins come from the reference's quantiles alone, with one bin for each tail and one for missing values: a single value of
1e6 in the window lands in the upper tail instead of stretching every bin, and missing values are counted instead of
dropped. Without drift PSI is not zero but about (B − 1)(1/n + 1/m), and n·m/(n + m) · PSI follows χ² with B − 1 degrees
of freedom; so that expectation is taken off, and an alarm also has to be significant.

Source: Yurdakul & Naranjo 2020, Statistical properties of the population stability index, Journal of Risk Model
Validation 14(4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

PsiStatus = Literal["ok", "warn", "drift", "insufficient"]
MISSING = "missing"
UNSEEN = "not in the reference"


@dataclass(frozen=True)
class PsiRules:
    """How PSI is judged; see `monitoring.rules.DriftRules` for the meaning and source of each number.

    Attributes:
        significance: probability of an alarm by chance, of this one feature.
    """

    bins: int
    tail_share: float
    min_n: int
    warn_psi: float
    drift_psi: float
    significance: float


@dataclass(frozen=True)
class Bin:
    """One bin and the share of each side in it, 0 to 1."""

    label: str
    reference_share: float
    window_share: float


@dataclass(frozen=True)
class PsiResult:
    """One feature compared.

    Attributes:
        psi: bias-corrected, 0 or more; NaN where one side has no sample.
        psi_raw: before the correction.
        p_value: probability of a PSI this large without drift; NaN where one side has no sample.
        n_reference, n_window: samples, missing values included.
        bins: in the order of the axis, missing values last.
    """

    status: PsiStatus
    psi: float
    psi_raw: float
    p_value: float
    n_reference: int
    n_window: int
    bins: tuple[Bin, ...]


def psi_numeric(reference: NDArray[Any], window: NDArray[Any], rules: PsiRules) -> PsiResult:
    """Compare a real-valued feature.

    Args:
        reference: float (N,); NaN is missing, infinities belong to the tails.
        window: float (M,), likewise.
        rules: bins and limits.
    """
    edges = _edges(np.asarray(reference, dtype=np.float64), rules)
    labels = _labels(edges)
    return _compare(_count(reference, edges), _count(window, edges), labels, rules)


def psi_categorical(reference: Sequence[str | None], window: Sequence[str | None], rules: PsiRules) -> PsiResult:
    """Compare a categorical feature; categories that the reference does not know share one bin, None is missing."""
    known = sorted({value for value in reference if value is not None})
    labels = (*known, UNSEEN, MISSING)
    place = {value: i for i, value in enumerate(known)}

    def count(values: Sequence[str | None]) -> NDArray[np.int64]:
        codes = [len(known) + 1 if v is None else place.get(v, len(known)) for v in values]
        return np.bincount(np.asarray(codes, dtype=np.int64), minlength=len(labels))

    return _compare(count(reference), count(window), labels, rules)


def _edges(reference: NDArray[np.float64], rules: PsiRules) -> NDArray[np.float64]:
    finite = reference[np.isfinite(reference)]
    if not len(finite):
        return np.zeros(0)
    at = np.linspace(rules.tail_share, 1 - rules.tail_share, rules.bins + 1)
    return np.unique(np.quantile(finite, at))  # ties make fewer bins; a constant makes one edge


def _count(values: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts of: below the first edge, each [edge, next) with the last closed, above the last edge, missing."""
    values = np.asarray(values, dtype=np.float64)
    missing = np.isnan(values)
    present = values[~missing]
    inner = max(len(edges) - 1, 1)
    if not len(edges):
        return np.array([0, len(present), 0, int(missing.sum())], dtype=np.int64)
    codes = np.clip(np.searchsorted(edges, present, side="right"), 1, inner)
    codes[present < edges[0]] = 0
    codes[present > edges[-1]] = inner + 1
    return np.append(np.bincount(codes, minlength=inner + 2), int(missing.sum())).astype(np.int64)


def _labels(edges: NDArray[np.float64]) -> tuple[str, ...]:
    if not len(edges):
        return ("below", "any value", "above", MISSING)
    text = [f"{e:.4g}" for e in edges]
    inner = [f"{a} – {b}" for a, b in pairwise(text)] or [text[0]]
    return (f"below {text[0]}", *inner, f"above {text[-1]}", MISSING)


def _compare(
    reference: NDArray[np.int64], window: NDArray[np.int64], labels: tuple[str, ...], rules: PsiRules
) -> PsiResult:
    n, m = int(reference.sum()), int(window.sum())
    if not n or not m:
        return PsiResult("insufficient", math.nan, math.nan, math.nan, n, m, ())
    # Half a sample of the smaller side, as a share, goes into every bin of both sides: no logarithm of zero, and a bin
    # that is empty on both sides adds nothing whatever the sizes.
    pseudo = 0.5 / min(n, m)
    r = (reference / n + pseudo) / (1 + pseudo * len(labels))
    w = (window / m + pseudo) / (1 + pseudo * len(labels))
    raw = float(np.sum((w - r) * np.log(w / r)))
    freedom = int(np.count_nonzero(reference + window)) - 1
    corrected = max(0.0, raw - freedom * (1 / n + 1 / m))
    p_value = _chi_square_tail(freedom, raw * n * m / (n + m))
    bins = tuple(Bin(label, float(a / n), float(b / m)) for label, a, b in zip(labels, reference, window, strict=True))
    return PsiResult(_status(corrected, p_value, min(n, m), rules), corrected, raw, p_value, n, m, bins)


def _status(psi: float, p_value: float, n: int, rules: PsiRules) -> PsiStatus:
    if n < rules.min_n:
        return "insufficient"
    if p_value >= rules.significance or psi < rules.warn_psi:
        return "ok"
    return "drift" if psi >= rules.drift_psi else "warn"


def _chi_square_tail(freedom: int, statistic: float) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(freedom, statistic)) if freedom > 0 else 1.0
