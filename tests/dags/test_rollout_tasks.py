"""The tasks of the DAG `rollout`, in a process of their own, on a ledger and a log that a test writes."""

from __future__ import annotations

from pathlib import Path

from support.apart import airflow_environment, run_apart
from support.places import ROOT

_RUN = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException
import rollout_tasks as tasks
from augment_ops.rollout import evidence
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace
from support.rollouts import RULES, begin, compare, halves, last, workspace_of

workspace = workspace_of(Path(sys.argv[3]))
Settings.from_environment = staticmethod(lambda: workspace.settings)
run = SimpleNamespace(dag_id="rollout", run_id="r1", triggering_user_name="carl")
context = {"dag_run": run, "params": {"dataset": "digits"}, "ti": None}
seen = []

def poke(task):
    try:
        seen.append(task.poke(context))
    except (AirflowFailException, AirflowRescheduleException, AirflowSkipException) as error:
        seen.append([type(error).__name__, "" if isinstance(error, AirflowRescheduleException) else str(error)])

def step(index):
    return tasks.RolloutStep(task_id=f"step{index}", step={"index": index, "name": "one"})

poke(step(0))                       # this run began none
id = begin(workspace, RULES, origin="rollout/r1")
named = tasks.StartRollout(task_id="start").execute(context)  # which finds it again
poke(tasks.UntilAsked(task_id="until_asked"))
poke(step(2))                       # is far away
poke(step(1))                       # is the next one
poke(step(0))                       # no answers
compare(workspace, id, 0)
poke(step(0))                       # a driver has looked a moment ago, and goes on
tasks._FRESH = tasks.timedelta(0)
poke(step(0))
halves(workspace, id, failed=1.0)
poke(step(1))
poke(step(0))
poke(tasks.RolloutEnd(task_id="end"))
print("RESULT" + json.dumps({"seen": seen, "named": named, "outcome": last(workspace).outcome}))
"""


def test_each_step_waits_and_the_one_that_a_challenger_is_rolled_back_in_fails(tmp_path: Path) -> None:
    environment = airflow_environment(tmp_path / "airflow")
    arguments = (str(ROOT / "dags"), str(ROOT / "tests"), str(tmp_path / "state"))
    found, _ = run_apart(_RUN, environment, ROOT / "dags", *arguments)
    none, auto, later, following, waits, fresh, passed, failed, before, end = found["seen"]
    assert none == ["AirflowFailException", "the ledger has no rollout that this run began: clear the task `start`"]
    assert auto == ["AirflowSkipException", "dev asks for nobody"]
    assert later == ["AirflowRescheduleException", ""]
    assert (following, waits, fresh, passed) == (False, False, False, True)
    assert failed[0] == end[0] == "AirflowFailException"
    assert "The share of requests that fail" in failed[1]
    assert before is True
    assert found["outcome"] == "rolled_back"
    assert found["named"] == [
        {"index": 0, "name": "shadow: shadow of 100%"},
        {"index": 1, "name": "half: canary of 50%"},
    ]
