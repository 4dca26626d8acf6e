from __future__ import annotations

import pytest

from augment_ops.services.airflow_api import TaskState
from augment_ops.services.demo import _at_work, _spans


class References:
    """What tasks returned, by task, as `AirflowApi.xcom` reads it."""

    def __init__(self, **wall_s: float) -> None:
        self._wall_s = wall_s

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> object:
        return {"output": "0" * 64, "wall_s": self._wall_s[task_id]} if task_id in self._wall_s else None


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(10.0, 15.0)], 5.0),
        ([(10.0, 15.0), (20.0, 25.0)], 10.0),  # the pause between two tasks is orchestration
        ([(10.0, 30.0), (12.0, 15.0)], 20.0),  # one inside another counts once
        ([(12.0, 22.0), (10.0, 15.0)], 12.0),  # overlapping, in no order
    ],
)
def test_seconds_at_work(spans, seconds):
    assert _at_work(spans) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("state", "seconds", "started", "span"),
    [
        ("success", 10.0, 100.0, [(103.0, 110.0)]),  # 3 s to start a process are orchestration
        ("success", 2.0, 100.0, [(100.0, 102.0)]),  # cleared: the stage kept what it once made in 7 s
        ("skipped", 10.0, 100.0, []),
        ("success", None, None, []),
    ],
)
def test_a_task_is_at_work_while_its_stage_is(state, seconds, started, span):
    task = TaskState("train", state, seconds, 1, -1, started)
    assert _spans(References(train=7.0), "dag", "run", [task]) == span


def test_a_task_that_is_no_stage_is_at_work_all_the_time():
    assert _spans(References(), "dag", "run", [TaskState("ask", "success", 4.0, 1, -1, 1.0)]) == [(1.0, 5.0)]
