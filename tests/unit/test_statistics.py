from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy.special import softmax as softmax_of_scipy
from scipy.stats import binomtest

import augment_ops.statistics
from augment_ops.statistics import holm, mean, softmax, total, wilson


def test_sums_are_those_of_every_python():
    """Where `sum` is taken, this fails from Python 3.12 on, and a decision of 3.11 is not made again."""
    tenths = [0.1] * 10
    assert total(tenths) == 0.9999999999999999 != math.fsum(tenths)
    assert mean(value for value in tenths) == 0.09999999999999999
    assert total([]) == 0.0
    with pytest.raises(ZeroDivisionError):
        mean([])


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (5, 12), (12, 12), (88, 100), (9870, 10_000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilsons_interval_is_that_of_scipy(hits, n, confidence):
    interval = binomtest(hits, n).proportion_ci(confidence, "wilson")
    assert wilson(hits, n, confidence) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_holm_by_hand():
    """Of 0.01, 0.04, 0.03: 3 × 0.01, then 2 × 0.03, then the larger of 0.06 and 0.04; NaN counts as none."""
    assert holm([0.01, math.nan, 0.04, 0.03]) == pytest.approx([0.03, math.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.7, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_softmax_is_that_of_scipy_and_stands_large_logits():
    logits = np.array([[0.5, -1.0, 2.0], [1e4, 1e4, -1e4]], np.float32)
    assert softmax(logits) == pytest.approx(softmax_of_scipy(logits.astype(np.float64), axis=1), abs=1e-15)


def test_the_examples_run():
    assert doctest.testmod(augment_ops.statistics) == (0, 2)
