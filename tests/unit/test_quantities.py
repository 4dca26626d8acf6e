"""Times and p-values as people read them, on every page and in every list."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from augment_ops.quantities import chance, milliseconds

PACKAGE = Path(__file__).parents[2] / "augment_ops"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.01817, "0.018 ms"),
        (0.00825, "0.0083 ms"),
        (0.0, "0 ms"),
        (8.2e-6, "< 0.0001 ms"),
        (0.9, "0.9 ms"),
        (12.345, "12.3 ms"),
        (999.96, "1,000 ms"),
        (12345.6, "12,346 ms"),
        (math.nan, "—"),
    ],
)
def test_a_time_has_no_more_digits_than_a_timer_is_worth(value, told):
    assert milliseconds(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(4e-39, "< 0.0001"), (0.0, "< 0.0001"), (0.04367, "0.044"), (1.0, "1"), (math.nan, "—")]
)
def test_a_p_value_ends_where_nobody_decides_by_its_size(value, told):
    assert chance(value) == told


def test_times_are_told_by_one_formatter():
    """No sentence and no template writes a time in milliseconds by a form of its own, but for the gate's: a decision is
    made again to the byte, with the words that it had."""
    own = re.compile(r"_ms(\s*\|\s*num)?\s*\}\}\s*ms|_ms:[^}]*\}\s*ms")
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".j2") and own.search(path.read_text())
    ]
    assert not found
