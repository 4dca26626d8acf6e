from __future__ import annotations

import io

import pytest
from rich.console import Console

from augment_ops.errors import ServiceError
from augment_ops.services.airflow_api import DagRun, HumanTask, TaskState
from augment_ops.services.follow import follow

RUN = DagRun("d", "r", "queued", "admin", {})


class Script:
    """A run that is one step further at each look."""

    def __init__(self, *steps: dict[str, str], final: str = "success", question: HumanTask | None = None) -> None:
        self.steps, self.final, self.question, self.at = steps, final, question, -1

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        self.at = min(self.at + 1, len(self.steps) - 1)
        state = self.final if self.at == len(self.steps) - 1 else "running"
        return DagRun(dag_id, run_id, state, "admin", {})

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskState]:
        return [TaskState(task, state, 1.5, 1) for task, state in sorted(self.steps[self.at].items(), reverse=True)]

    def task_order(self, dag_id: str) -> list[str]:
        return ["a", "b"]

    def questions(self, dag_id: str, run_id: str) -> list[HumanTask]:
        return [self.question] if self.question else []

    def run_url(self, dag_id: str, run_id: str) -> str:
        return "http://airflow/run"


class Deaf(Script):
    """Does not answer for some looks."""

    def __init__(self, deaf: int, *steps: dict[str, str]) -> None:
        super().__init__(*steps)
        self.deaf = deaf

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        if self.deaf:
            self.deaf -= 1
            raise ServiceError("Airflow", "ConnectError", "an answer", "up")
        return super().dag_run(dag_id, run_id)


def lines(api: Script, terminal: bool = False) -> tuple[list[str], str]:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=100)
    outcome = follow(api, RUN, console, sleep=lambda _: None)
    return output.getvalue().splitlines(), outcome.state


def test_a_log_gets_one_line_for_each_change_and_none_for_waiting() -> None:
    written, state = lines(
        Script(
            {"a": "running", "b": "waiting"},
            {"a": "running", "b": "waiting"},
            {"a": "success", "b": "queued"},
            {"a": "success", "b": "failed"},
            final="failed",
        )
    )

    assert [line.split("s  ")[1] for line in written] == [
        "a: running",
        "a: success after 1.5 s",
        "b: failed after 1.5 s",
    ]
    assert state == "failed"


def test_a_terminal_gets_all_tasks_in_the_order_of_the_dag() -> None:
    written, _ = lines(Script({"a": "success", "b": "success"}), terminal=True)

    text = "\n".join(written)
    assert "2 of 2 tasks" in text
    assert text.index(" a ") if " a " in text else text.index("a ") < text.rindex("b ")


def test_an_open_question_names_once_who_may_answer_and_where() -> None:
    question = HumanTask("a", "Promote 1?", ("Approve", "Reject"), ("lead", "deputy"), (), None)
    written, _ = lines(Script({"a": "awaiting_input"}, {"a": "awaiting_input"}, {"a": "success"}, question=question))

    asked = [line for line in written if "Waits for an answer" in line]
    assert len(asked) == 1
    assert "lead or deputy" in asked[0]
    assert "http://airflow/run" in asked[0]


def test_an_api_server_that_is_away_for_a_moment_does_not_end_the_following() -> None:
    _, state = lines(Deaf(3, {"a": "success"}))

    assert state == "success"


def test_a_run_that_takes_too_long_is_left_running_with_its_address() -> None:
    console = Console(file=io.StringIO())

    with pytest.raises(ServiceError, match="http://airflow/run"):
        follow(Script({"a": "running"}, {}), RUN, console, timeout_s=-1, sleep=lambda _: None)
