from __future__ import annotations

import pytest

from augment_ops.services.airflow_api import TaskState
from augment_ops.services.demo import _at_work


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(10.0, 5.0)], 5.0),
        ([(10.0, 5.0), (20.0, 5.0)], 10.0),  # the pause between two tasks is orchestration
        ([(10.0, 20.0), (12.0, 3.0)], 20.0),  # one inside another counts once
        ([(12.0, 10.0), (10.0, 5.0)], 12.0),  # overlapping, in no order
        ([(10.0, None), (None, 4.0)], 0.0),  # skipped, or not yet started
    ],
)
def test_seconds_at_work(spans, seconds):
    tasks = [TaskState(str(i), "success", took, 1, -1, start) for i, (start, took) in enumerate(spans)]
    assert _at_work(tasks) == pytest.approx(seconds)
