"""Kuiper's test: circles, spread, and the law of its p-values."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.monitoring.drift.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from augment_ops.monitoring.drift.detectors.kuiper import Kuiper, p_value_of


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([5, seed])


@pytest.mark.parametrize("turned", [1, 6.5, 12, 23])
def test_where_a_circle_is_cut_open_changes_nothing(turned: float) -> None:
    reference, window = rng(1).normal(23, 2, 900) % 24, rng(2).normal(22, 2, 300) % 24
    found = Kuiper().measure(reference, window)
    again = Kuiper().measure((reference + turned) % 24, (window + turned) % 24)
    assert again.statistic == pytest.approx(found.statistic)
    assert again.p_value == pytest.approx(found.p_value)
    cut = [
        KolmogorovSmirnov().measure((reference + by) % 24, (window + by) % 24).statistic for by in (0, 1, 6.5, 12, 23)
    ]
    assert len({round(one, 6) for one in cut}) > 1, "what it is there for"


def test_both_sides_count() -> None:
    reference, window = rng(1).normal(size=2000), rng(2).normal(0, 1.5, size=2000)
    assert (
        Kuiper().measure(reference, window).statistic > 1.6 * KolmogorovSmirnov().measure(reference, window).statistic
    )
    # By hand: F_r − F_w is 1/2 between 0 and 1, and −1/2 between 2 and 3.
    assert Kuiper().measure(np.array([0.0, 3.0]), np.array([1.0, 2.0])).statistic == 1


@pytest.mark.parametrize(("statistic", "p_value"), [(1.620, 0.10), (1.747, 0.05), (1.862, 0.025), (2.001, 0.01)])
def test_p_values_are_those_of_the_published_table(statistic: float, p_value: float) -> None:
    """The percentage points of V* of Stephens 1970, table 1."""
    half = 1e12  # where the correction for small samples is nothing
    assert p_value_of(statistic / 1e6, half) == pytest.approx(p_value, rel=0.003)
