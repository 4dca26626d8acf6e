"""Whose answer counts: read back from Airflow's own record by the task that needs it, and not of who touched the run.

An XCom, a task's state and a run's conf are the word of whoever may edit the run. Nothing here reads them. What a
question was answered, by whom and when, stands in the human-in-the-loop record, which Airflow's server writes with the
login of who answered; who triggered, edited, cleared or marked something stands in its audit log. Tasks read both with
a login of their own, which may only look (docs/adr/0015).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from augment_ops.services.airflow_api import AirflowApi
    from augment_ops.services.airflow_record import Answer, Hand
    from augment_ops.settings import Settings

_EXECUTION = "/execution"  # of the api-server, as tasks reach it


def answer_to(settings: Settings, context: Context, task_id: str, asked: str) -> dict[str, str]:
    """The answer that a person gave to this run's question.

    Args:
        task_id: the task that asked.
        asked: what the question has to say as things stand now. An answer to another question does not count.

    Returns:
        `chosen`, `by`, `reason`, `at` (ISO 8601), and `not_by`: who was no second pair of eyes, separated by commas.

    Raises:
        GovernanceError: nobody answered, or to another question, or somebody who is no second pair of eyes; the refusal
            is entered.
        ServiceError: Airflow's record cannot be read, and so no answer counts.
    """
    from augment_ops.errors import GovernanceError
    from augment_ops.services.airflow_record import answer_in

    run = context["dag_run"]
    with _record(settings) as api:
        answer = answer_in(api, run.dag_id, run.run_id, task_id)
        hands = _hands_behind(settings, api, run)
    why = _why_not(answer, hands, asked)
    if answer is None or why:
        by = answer.by if answer is not None else _who_did(hands, task_id)
        refusal = GovernanceError(
            f"{task_id} of run {run.run_id}",
            why,
            "an answer in Airflow's own record, by somebody who has not touched the run",
            f"clear {task_id} and all after it, and let a person answer who has touched neither this run nor its cause",
        )
        _enter(settings, by or "schedule", {"dag": run.dag_id, "run": run.run_id, "task": task_id}, why)
        raise refusal
    # Until the answer: what is done to the run afterwards leaves an answer that was found to count what it is.
    before = sorted({hand.by for hand in hands if not hand.at or hand.at <= answer.at})
    return {
        "chosen": ",".join(answer.chosen),
        "by": answer.by,
        "reason": answer.reason,
        "at": answer.at,
        "not_by": ",".join(before),
    }


def touched_by(settings: Settings, context: Context) -> list[str]:
    """Everybody who has triggered or touched this run, or what started it: who is not to be asked.

    Raises:
        ServiceError: Airflow's audit log cannot be read.
    """
    with _record(settings) as api:
        return list(dict.fromkeys(hand.by for hand in _hands_behind(settings, api, context["dag_run"])))


def _why_not(answer: Answer | None, hands: Sequence[Hand], asked: str) -> str:
    """Why an answer does not count; empty where it does."""
    from augment_ops.identity import among

    if answer is None:
        return "nobody has answered it, Airflow's record says"
    if answer.asked != asked:
        return f"{answer.by} answered another question than the one that is to be decided now"
    known_as = (answer.by, answer.name)
    hand = next((hand for hand in hands if among(hand.by, known_as)), None)
    if hand is None:
        return ""
    return f"{answer.by}, who had a hand in it ({hand.act}{f' of {hand.task_id}' if hand.task_id else ''})"


def _who_did(hands: Sequence[Hand], task_id: str) -> str:
    """Who made the task look answered: the last who touched it, else the run."""
    touched = [hand for hand in hands if hand.task_id == task_id] or hands
    return touched[-1].by if touched else ""


def _hands_behind(settings: Settings, api: AirflowApi, run: Any) -> list[Hand]:
    """Hands on the run, and on what started it."""
    from augment_ops.pipeline.cause import origins_behind, people_behind
    from augment_ops.services.airflow_record import Hand, hands_on
    from augment_ops.workspace import open_ledger

    ledger = open_ledger(settings)
    found = [Hand(person, "caused it", "") for person in people_behind(ledger, run.run_id)]
    for origin in origins_behind(ledger, run.run_id):
        found += hands_on(api, *origin.split("/", 1))
    return [*found, *hands_on(api, run.dag_id, run.run_id)]


def _enter(settings: Settings, by: str, subjects: dict[str, str], why: str) -> None:
    from augment_ops.content import digest_of
    from augment_ops.workspace import open_ledger

    reason = f"{subjects['task']} of {subjects['run']}: {why}"
    open_ledger(settings).append("refuse", by, subjects, reason, f"answer:refuse:{digest_of([by, subjects, why])}")


@contextmanager
def _record(settings: Settings) -> Iterator[AirflowApi]:
    """Airflow, as the tasks' own login sees it.

    Raises:
        ServiceError: there is no such login here.
    """
    from airflow.configuration import conf

    from augment_ops.errors import ServiceError
    from augment_ops.identity import SERVICE
    from augment_ops.services.airflow_api import AirflowApi
    from augment_ops.services.layout import layout_of
    from augment_ops.services.people import read_passwords

    login = os.environ.get("AUGMENT_OPS_AIRFLOW_LOGIN") or SERVICE
    path = Path(os.environ.get("AUGMENT_OPS_AIRFLOW_PASSWORDS") or layout_of(settings).passwords)
    password = read_passwords(path).get(login)
    if password is None:
        raise ServiceError(
            str(path),
            f"no password of {login}",
            "the login with which tasks read Airflow's record of answers",
            "run `augment-ops up` again, or name login and file by AUGMENT_OPS_AIRFLOW_LOGIN and "
            "AUGMENT_OPS_AIRFLOW_PASSWORDS (docs/operations.md)",
        )
    # Where tasks reach the server, which may be another address than the browser's.
    address = conf.get("core", "execution_api_server_url", fallback="") or conf.get("api", "base_url")
    with AirflowApi(address.rstrip("/").removesuffix(_EXECUTION), login, password) as api:
        yield api
