"""What started a training that nobody triggered: an alert, entered before the training is, with who stands behind it.

A driver's own record of a start (Airflow's XCom, a run's id) is the word of whoever may edit it. So the start is an
entry of the ledger, made from the plan that is kept for the alert, and a run that says it was started by an alert is
held against that entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augment_ops.content import digest_of
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.cause import ALERT, RETRAIN, RUN_PREFIX, start_key, start_of
from augment_ops.production.retraining import PLAN, Retraining, planned


def enter_start(ledger: Ledger, alert: Entry, training: Retraining, *, actor: str, origin: str) -> Entry:
    """Enter that the alert's training is being started; the entry that is there already where it was before.

    Args:
        actor: who triggered the monitor, `schedule` where nobody did.
        origin: the run of the monitor that starts it.
    """
    known = start_of(ledger, training.run_id)
    if known is not None:
        return known
    subjects = {
        "dataset": alert.subjects["dataset"],
        "run": training.run_id,
        "alert": alert.hash,
        "params": digest_of(training.params),
        "origin": origin,
    }
    return ledger.append(RETRAIN, actor, subjects, training.note, start_key(training.run_id))


def enter_started(ledger: Ledger, store: Store, training: Retraining, *, actor: str) -> Entry:
    """Enter that somebody starts an alert's training themselves, where no driver does; see `enter_start`."""
    plans = planned(ledger.read((ALERT, PLAN)), store)
    alert = next(alert for alert, plan in plans if plan.run_id == training.run_id)
    return enter_start(ledger, alert, training, actor=actor, origin="")


def check_start(ledger: Ledger, run_id: str, asked: Mapping[str, Any], actor: str) -> None:
    """Refuse a run that says by its id that an alert started it, where none did, or with other parameters.

    Args:
        asked: what the run was started with, before defaults.
        actor: who started it; the refusal is entered as theirs.

    Raises:
        GovernanceError: refused.
    """
    if not run_id.startswith(RUN_PREFIX):
        return
    entry = start_of(ledger, run_id)
    if entry is not None and entry.subjects["params"] == digest_of(dict(asked)):
        return
    found = "no alert that started it" if entry is None else f"other parameters than those of ledger entry {entry.seq}"
    refusal = GovernanceError(
        f"run {run_id}",
        found,
        "the training that an alert asked for",
        "start a training of your own under another run id; the drift monitor starts those of alerts",
    )
    ledger.append(
        "refuse", actor, {"run": run_id}, f"run {run_id}: {found}", f"refuse:{digest_of([actor, run_id, found])}"
    )
    raise refusal
