"""Follow a run of a DAG to its end, task by task: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from augment_ops.errors import ServiceError
from augment_ops.services.airflow_api import FINISHED, DagRun, HumanTask, TaskState

_POLL_S = 1.0
_UNANSWERED_S = 60.0  # a killed api-server is started again by `up`; until then the run goes on without being seen

_STYLES = {
    "success": "green",
    "failed": "bold red",
    "upstream_failed": "red",
    "skipped": "dim",
    "running": "cyan",
    "awaiting_input": "bold yellow",
    "up_for_retry": "yellow",
    "waiting": "dim",
}
_ENDED = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


class Runs(Protocol):
    """What following needs of `AirflowApi`."""

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """The run as it is now."""
        ...

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskState]:
        """All tasks of the run."""
        ...

    def task_order(self, dag_id: str) -> list[str]:
        """Task ids in the order of the DAG."""
        ...

    def questions(self, dag_id: str, run_id: str) -> list[HumanTask]:
        """The human-in-the-loop tasks that were asked."""
        ...

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Where a browser shows the run."""
        ...


@dataclass(frozen=True)
class Outcome:
    """A run that ended.

    Attributes:
        state: success or failed.
        tasks: in the order of the DAG.
        seconds: from the first look to the last.
    """

    state: str
    tasks: tuple[TaskState, ...]
    seconds: float


def follow(
    api: Runs,
    run: DagRun,
    console: Console,
    *,
    timeout_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Show the run until it ends. A waiting approval is named with those who may answer it.

    Args:
        console: a terminal gets one table that changes; anything else a line for each change.
        timeout_s: None waits as long as it takes (a person may have to answer).

    Raises:
        ServiceError: Airflow did not answer for a minute, or time ran out; the run itself goes on.
    """
    positions = {task: position for position, task in enumerate(api.task_order(run.dag_id))}
    screen: _Screen = _Table(console) if console.is_terminal else _Lines(console)
    began = time.monotonic()
    answered = began
    with screen:
        while True:
            now = time.monotonic()
            try:
                state = api.dag_run(run.dag_id, run.run_id).state
                tasks = sorted(
                    api.task_instances(run.dag_id, run.run_id),
                    key=lambda task: (positions.get(task.task_id, len(positions)), task.map_index),
                )
                asked = [task for task in tasks if task.state == "awaiting_input"]
                questions = api.questions(run.dag_id, run.run_id) if asked else []
                answered = now
            except ServiceError:
                if now - answered > _UNANSWERED_S:
                    raise
            else:
                open_questions = [question for question in questions if question.answered_by is None]
                screen.show(tasks, open_questions, api.run_url(run.dag_id, run.run_id), now - began)
                if state in FINISHED:
                    return Outcome(state, tuple(tasks), now - began)
            if timeout_s is not None and now - began > timeout_s:
                raise _too_slow(run, timeout_s, api.run_url(run.dag_id, run.run_id))
            sleep(_POLL_S)


class _Screen(Protocol):
    def __enter__(self) -> object: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, tasks: list[TaskState], questions: list[HumanTask], url: str, seconds: float) -> None: ...


class _Table:
    """One table that is drawn over itself."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, tasks: list[TaskState], questions: list[HumanTask], url: str, seconds: float) -> None:
        ended = sum(task.state in _ENDED for task in tasks)
        table = Table(title=f"{ended} of {len(tasks)} tasks, {seconds:.0f} s", title_justify="left", box=None)
        table.add_column("task")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        for task in tasks:
            table.add_row(_label(task), Text(task.state.replace("_", " "), _STYLES.get(task.state, "")), _seconds(task))
        for question in questions:
            table.add_row("", Text(_asking(question, url), "bold yellow"), "")
        self._live.update(table)


class _Lines:
    """A line for each change of a task's state, so that a log file stays readable."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[tuple[str, int], tuple[str, int]] = {}
        self._asked: set[str] = set()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, tasks: list[TaskState], questions: list[HumanTask], url: str, seconds: float) -> None:
        for task in tasks:
            key, now = (task.task_id, task.map_index), (task.state, task.tries)
            if self._seen.get(key) == now or task.state in {"waiting", "scheduled", "queued"}:
                continue
            self._seen[key] = now
            took = f" after {_seconds(task)} s" if task.state in _ENDED and task.seconds else ""
            self._print(f"{seconds:6.0f} s  {_label(task)}: {task.state.replace('_', ' ')}{took}")
        for question in questions:
            if question.task_id not in self._asked:
                self._asked.add(question.task_id)
                self._print(f"{seconds:6.0f} s  {_asking(question, url)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _label(task: TaskState) -> str:
    again = f" (try {task.tries})" if task.tries > 1 else ""
    return f"{task.task_id}{'' if task.map_index < 0 else f'[{task.map_index}]'}{again}"


def _seconds(task: TaskState) -> str:
    return "" if task.seconds is None else f"{task.seconds:.1f}"


def _asking(question: HumanTask, url: str) -> str:
    who = " or ".join(question.assigned) or "anybody"
    return f"{question.subject} Waits for an answer by {who}: {url}"


def _too_slow(run: DagRun, timeout_s: float, url: str) -> ServiceError:
    return ServiceError(
        f"run {run.run_id} of {run.dag_id}", f"no end after {timeout_s:.0f} s", "a finished run", f"follow it at {url}"
    )
