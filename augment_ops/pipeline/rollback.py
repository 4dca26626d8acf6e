"""Back to an earlier champion: one command, entered in the ledger, safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance.acts import counted
from augment_ops.governance.audit import Reign, champions
from augment_ops.pipeline.office import Office
from augment_ops.pipeline.witnessed import believed
from augment_ops.settings import Settings
from augment_ops.tracking import MlflowTracker, connect

NONE = "none"
ROLLBACK = "rollback"


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did.

    Attributes:
        before, champion: version numbers; the same where nothing was left to do.
        quarantined: whether the version before may not be champion again.
        message: for people.
    """

    dataset: str
    before: str
    champion: str
    quarantined: bool
    message: str


def roll_back(
    settings: Settings, dataset: str, *, to: str = "", reason: str, actor: str, quarantine: bool = False
) -> RolledBack:
    """Make an earlier version champion of a data set again.

    The ledger's entry comes first and the alias after it, so a command that was cut off is completed by the next one.

    Args:
        to: number of the version; by default that of the champion before the present one.
        quarantine: say that the version that is left must not be champion again.

    Raises:
        InputError: the data set has no champion, or no earlier one.
        GovernanceError: the version is in quarantine, or who acts is nobody or, where rules are signed, has no
            registered key; the refusal is entered.
    """
    tracker = connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")
    office = Office(settings, actor)
    ledger = office.ledger
    current = tracker.champion(dataset)
    if current is None:
        raise InputError(
            f"rollback of {dataset}", "no champion", "a data set with a champion", "name one that was promoted"
        )
    entries = counted(believed(ledger, tracker).entries, office.approvals, (ROLLBACK,))
    history = champions(entries, dataset)
    last = history[-1] if history else None
    if last is not None and last.act == ROLLBACK and to in ("", last.version):
        return _completed(tracker, dataset, last, current.version, quarantine, reason)
    target = to or _previous(dataset, history, current.version)
    if target == current.version:
        return RolledBack(dataset, target, target, False, f"version {target} is champion of {dataset} already")
    version = tracker.version(dataset, target)
    subjects = {"version": f"{dataset}/{target}", "model": version.model_digest, "previous": current.version}
    try:
        tracker.admissible(version)
        office.enter(ROLLBACK, subjects, reason, f"rollback:{dataset}:{len(history)}")
    except GovernanceError as refusal:
        key = f"rollback:{dataset}:{target}:refused:{len(history)}"
        ledger.append("refuse", actor, subjects, str(refusal.faults[0].found), key)
        raise
    return _move(tracker, dataset, current.version, target, quarantine, reason)


def _previous(dataset: str, history: list[Reign], current: str) -> str:
    found = next((reign.previous for reign in reversed(history) if reign.version == current), NONE)
    if found == NONE:
        raise InputError(
            f"rollback of {dataset}",
            f"no champion before version {current}",
            "an earlier champion",
            "name a version with --to, or train a new one",
        )
    return found


def _completed(
    tracker: MlflowTracker, dataset: str, last: Reign, current: str, quarantine: bool, reason: str
) -> RolledBack:
    """The rollback that the ledger's last move names, done to the end."""
    if current == last.previous:
        return _move(tracker, dataset, current, last.version, quarantine, reason)
    message = f"version {last.version} is champion of {dataset} since the rollback of {last.at}; --to goes back further"
    return RolledBack(dataset, last.version, last.version, False, message)


def _move(tracker: MlflowTracker, dataset: str, before: str, target: str, quarantine: bool, reason: str) -> RolledBack:
    tracker.promote(dataset, target, before)
    if quarantine:
        tracker.quarantine(dataset, before, reason)
    message = f"version {target} is champion of {dataset} again, after version {before}"
    return RolledBack(dataset, before, target, quarantine, message)
