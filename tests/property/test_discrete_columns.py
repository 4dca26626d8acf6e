"""Columns of few values, and columns in which some are frequent: a change between values is seen by every detector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.monitoring.drift.detectors.base import MISSING
from augment_ops.monitoring.drift.detectors.chi_squared import ChiSquared
from augment_ops.monitoring.drift.detectors.histogram import histogram, labels_of
from augment_ops.monitoring.drift.detectors.jensen_shannon import JensenShannon
from augment_ops.monitoring.drift.detectors.psi import Psi, psi_of
from augment_ops.statistics import DEFAULT_BINNING, count, cuts

NAMES = np.array(list("abcdefghijkl"), object)
DETECTORS = (Psi(), ChiSquared(), JensenShannon())
shares = st.lists(st.integers(0, 20), min_size=2, max_size=12).filter(lambda found: sum(found) > 0)


@settings(deadline=None, max_examples=60)
@given(shares, shares, st.sampled_from([(1, 0), (0.1, 0.3), (1e-9, 0), (1e12, -7), (-3, 0.3)]))
def test_numbers_of_few_values_are_compared_as_categories_are(before, after, line):
    values = np.arange(12) * line[0] + line[1]
    a, b = (np.repeat(values[: len(side)], np.array(side) * 20) for side in (before, after))
    by_value = [np.repeat(NAMES[: len(side)], np.array(side) * 20) for side in (before, after)]
    for detector in DETECTORS:
        found, true = detector.measure(a, b), detector.measure(*by_value)
        known = np.isin(np.unique(b), np.unique(a)).all()
        if known:  # what the reference does not know is one category, and lies between or beside the numbers it knows
            assert found.effect == pytest.approx(true.effect, rel=1e-9, abs=1e-9)
            assert found.p_value == pytest.approx(true.p_value, rel=1e-6, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=60), st.data())
def test_the_width_of_the_type_and_the_last_bits_are_no_change(drawn, data):
    reference = np.repeat(np.array(drawn, np.float64), 20)
    nudged = [np.nextafter(v, data.draw(st.sampled_from([-np.inf, np.inf, v]))) for v in reference[::20]]
    window = np.repeat(np.array(nudged), 20)
    found = cuts(reference, DEFAULT_BINNING)
    if found.alone.any() and len(np.unique(np.float32(drawn))) <= 20:
        assert count(reference, found).tolist() == count(window, found).tolist()


def test_many_values_close_together_are_not_one():
    dense = np.linspace(0.5, 0.5001, 100_000)
    found = cuts(dense, DEFAULT_BINNING)
    assert not found.alone.any()
    assert len(found.at) == 11


def test_frequent_values_have_bins_of_their_own_among_others():
    generator = np.random.default_rng(0)
    reference = np.where(generator.random(5000) < 0.95, 0.0, generator.exponential(size=5000))
    window = np.where(generator.random(1000) < 0.5, 0.0, generator.exponential(size=1000))
    found = histogram(reference, window, DEFAULT_BINNING)
    zero = found.labels.index("0")
    assert found.reference[zero] == (reference == 0).sum()
    assert found.window[zero] == (window == 0).sum()
    assert psi_of(found).effect > 1
    moved = np.where(reference == 0, 0.0, reference + 3)  # the same share of zeros, and the rest elsewhere
    assert psi_of(histogram(reference, moved, DEFAULT_BINNING)).effect > 0.1


@pytest.mark.parametrize("n", [200, 5000])
def test_columns_without_frequent_values_are_cut_as_ever(n):
    reference = np.random.default_rng(n).normal(size=n)
    found = cuts(reference, DEFAULT_BINNING)
    assert found.at.tolist() == np.quantile(reference, np.linspace(0.01, 0.99, 11)).tolist()
    assert not found.alone.any()


def test_what_the_reference_does_not_know_lies_beside_what_it_knows():
    found = histogram(np.repeat([1.0, 2.0], 500), np.repeat([1.5, 2.0, 3.0], 300), DEFAULT_BINNING)
    shown = dict(zip(found.labels, zip(found.reference.tolist(), found.window.tolist(), strict=True), strict=True))
    between = {"below 1": (0, 0), "1 – 2": (0, 300), "above 2": (0, 300), MISSING: (0, 0)}
    assert shown == {"1": (500, 0), "2": (500, 300), **between}
    assert labels_of(cuts(np.array([np.nan]), DEFAULT_BINNING)) == ("below", "any value", "above", MISSING)
