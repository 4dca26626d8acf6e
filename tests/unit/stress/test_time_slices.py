"""Spans of the tested time as groups."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from augment_ops.errors import PolicyError
from augment_ops.stress.suite import load
from augment_ops.stress.time_slices import time_groups

JUNE = datetime(2018, 6, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0


def test_spans_are_equally_long_named_by_their_first_day_and_sort_as_they_come() -> None:
    found = time_groups(JUNE + DAY * np.array([27.9, 0, 6.9, 7.1, 28, np.nan]), 4)
    assert found == [
        "4 of 4, from 2018-06-22",
        "1 of 4, from 2018-06-01",
        "1 of 4, from 2018-06-01",
        "2 of 4, from 2018-06-08",
        "4 of 4, from 2018-06-22",  # the last moment belongs to the last span
        None,
    ]
    many = time_groups(JUNE + DAY * np.arange(120.0), 12)
    assert many is not None and many == sorted(many, key=str) and len(set(many)) == 12


def test_without_time_or_with_one_moment_there_are_no_spans_and_numbers_that_are_no_dates_are_said() -> None:
    assert time_groups(np.full(3, np.nan), 4) is None
    assert time_groups(np.full(3, JUNE), 4) is None
    assert time_groups(np.array([0.0, 1e18]), 2) == ["1 of 2, from 1970-01-01", "2 of 2, from 5e+17"]


@pytest.mark.parametrize("wrong", ["-1", "21", "2.5", "many"])
def test_a_number_of_spans_that_is_none_is_refused(tmp_path, wrong: str) -> None:
    path = tmp_path / "later.yaml"
    path.write_text(
        "name: later\nversion: 1.0.0\ndescription: d\nmax_samples: 9\n"
        f"corruptions: {{noise: null}}\ntime_slices: {wrong}\n"
    )
    with pytest.raises(PolicyError, match="time_slices"):
        load(path)


def test_a_suite_without_spans_keeps_its_digest(spec) -> None:
    assert spec.digest == spec.model_copy(update={"time_slices": 0}).digest
    assert spec.digest != spec.model_copy(update={"time_slices": 4}).digest
