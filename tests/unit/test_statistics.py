from __future__ import annotations

import math

import pytest

from augment_ops.statistics import mean, total


def test_sums_are_those_of_every_python():
    """Where `sum` is taken, this fails from Python 3.12 on, and a decision of 3.11 is not made again."""
    tenths = [0.1] * 10
    assert total(tenths) == 0.9999999999999999 != math.fsum(tenths)
    assert mean(value for value in tenths) == 0.09999999999999999
    assert total([]) == 0.0
    with pytest.raises(ZeroDivisionError):
        mean([])
