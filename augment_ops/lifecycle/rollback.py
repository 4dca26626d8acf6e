"""Back to an earlier champion of an environment: one command, entered in the ledger, safe to repeat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from augment_ops.errors import Fault, GovernanceError, InputError
from augment_ops.governance.audit import Reign, champions, ruling, settled
from augment_ops.governance.chain import Entry
from augment_ops.lifecycle.book import Signing
from augment_ops.lifecycle.champion import (
    Move,
    acts,
    admissible,
    crown,
    environment_with_champion,
    intact,
    promotion,
    quarantine,
    settle,
    subjects_of,
)
from augment_ops.lifecycle.registry_check import faults_of
from augment_ops.lifecycle.witnessed import believed
from augment_ops.settings import Settings
from augment_ops.tracking import MlflowTracker, RegisteredVersion
from augment_ops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """What a rollback did.

    Attributes:
        environment: whose champion was meant.
        before, champion: version numbers; the same where nothing was left to do.
        quarantined: whether the version before may not be champion again.
        message: for people.
        altered: what was wrong with the champion that was left, in MLflow.
    """

    dataset: str
    environment: str
    before: str
    champion: str
    quarantined: bool
    message: str
    altered: tuple[str, ...] = ()


def roll_back(
    settings: Settings,
    dataset: str,
    *,
    to: str = "",
    reason: str,
    actor: str,
    quarantine: bool = False,
    environment: str = "",
) -> RolledBack:
    """Make a version champion of an environment again that was promoted there once, and is what it was then.

    The champion that is left may be altered or gone in MLflow: this is the way out of that. The ledger's entry comes
    first and the alias after it, so a command that was cut off is completed by the next one.

    Args:
        to: number of the version; by default that of the champion before the present one.
        quarantine: say that the model of the version that is left must not be champion again, under any number.
        environment: by default the best protected one that has a champion.

    Raises:
        InputError: the data set has no champion there, or no earlier one, or no version has the number.
        ActRefused: the version was never promoted there, or its model is in quarantine; the refusal is entered.
        GovernanceError: the version is not what was promoted; the refusal is entered.
    """
    workspace = Workspace(settings, actor)
    tracker = workspace.tracker
    believed(workspace.ledger, tracker)  # else it was decided by what somebody has left of the ledger
    work = _Rollback(Signing(workspace), tracker, dataset, reason, actor, quarantine)
    entries = acts(work.book, tracker, dataset)
    where = environment_with_champion(entries, dataset, settings.policies, environment)
    present = ruling(entries, dataset).get(where)
    if present is None:
        fix = "name one that was promoted (augment-ops audit champions)"
        raise InputError(f"rollback of {dataset} in {where}", "no champion", "a data set with a champion", fix)
    altered = tuple(str(fault) for fault in _altered(work, entries, present))
    if present.act == "rollback" and to in ("", present.version):
        return _completed(work, present, altered)
    target = to or present.succeeded
    if target is None:
        raise InputError(
            f"rollback of {dataset} in {where}",
            f"no champion before version {present.version}",
            "an earlier champion",
            "name a version with --to, or train a new one",
        )
    if target == present.version:
        message = f"version {target} is champion of {dataset} in {where} already"
        return RolledBack(
            dataset=dataset,
            environment=where,
            before=target,
            champion=target,
            quarantined=False,
            message=message,
            altered=altered,
        )
    _check_known(work, entries, where, target)
    version = _admitted(work, entries, present, target)
    key = f"rollback:{dataset}:{where}:{present.seq}"
    move = Move(
        act="rollback",
        dataset=dataset,
        environment=where,
        version=target,
        after=present.version,
        key=key,
        subjects=subjects_of(version),
        actor=actor,
        reason=reason,
    )
    with _refusals(work, entries, present, target):  # who has no key may not
        crown(work.book, tracker, move)
    return _done(work, present.version, target, where, altered)


@dataclass(frozen=True)
class _Rollback:
    book: Signing
    tracker: MlflowTracker
    dataset: str
    reason: str
    actor: str
    quarantine: bool


def _altered(work: _Rollback, entries: list[Entry], present: Reign) -> list[Fault]:
    """What is wrong in MLflow with the present champion; a move that was cut off is no fault."""
    if not settled(entries, present):
        return []
    return faults_of(work.tracker, work.dataset, present.environment, present)


def _admitted(work: _Rollback, entries: list[Entry], present: Reign, target: str) -> RegisteredVersion:
    """The version that is gone back to, where it may be champion; a refusal is entered."""
    with _refusals(work, entries, present, target):
        version = intact(entries, work.tracker, work.dataset, target, present.environment)
        admissible(entries, work.tracker, work.dataset, target, version.model_digest)
    return version


def _check_known(work: _Rollback, entries: list[Entry], where: str, target: str) -> None:
    """Refuse a number that no version has: nothing was tried, so nothing is entered.

    Raises:
        InputError: there is no such version.
    """
    if promotion(entries, work.dataset, target) or work.tracker.find_version(work.dataset, target) is not None:
        return
    once = dict.fromkeys(reign.version for reign in champions(entries, work.dataset, where))
    expected = f"a version that was champion in {where}: {', '.join(once)}"
    fix = f"choose one of them; augment-ops audit champions {work.dataset} tells when and why each was"
    raise InputError("--to", f"version {target} of {work.dataset}, which there is not", expected, fix)


@contextmanager
def _refusals(work: _Rollback, entries: list[Entry], present: Reign, target: str) -> Iterator[None]:
    """Enter a refusal that is raised inside, once."""
    where = present.environment
    promoted = promotion(entries, work.dataset, target, where)
    subjects = {
        "version": f"{work.dataset}/{target}",
        "model": promoted.model if promoted else "",
        "previous": present.version,
        "environment": where,
    }
    try:
        yield
    except GovernanceError as refusal:
        key = f"rollback:{work.dataset}:{where}:{target}:refused:{present.seq}"
        work.book.append("refuse", work.actor, subjects, str(refusal.faults[0].found), key)
        raise


def _completed(work: _Rollback, last: Reign, altered: tuple[str, ...]) -> RolledBack:
    """The rollback that the ledger's last move names, done to the end."""
    at = work.tracker.named_champion(work.dataset, last.environment)
    if at == last.succeeded:
        settle(work.book, work.tracker, work.dataset, last)
    if at == last.succeeded or work.quarantine:
        return _done(work, last.previous, last.version, last.environment, altered)
    message = (
        f"version {last.version} is champion of {work.dataset} in {last.environment} since the rollback of {last.at}; "
        "--to goes back further"
    )
    return RolledBack(
        dataset=work.dataset,
        environment=last.environment,
        before=last.version,
        champion=last.version,
        quarantined=False,
        message=message,
        altered=altered,
    )


def _done(work: _Rollback, before: str, target: str, where: str, altered: tuple[str, ...]) -> RolledBack:
    if work.quarantine:
        promoted = promotion(acts(work.book, work.tracker, work.dataset), work.dataset, before)
        # Entries of former times may not name the model.
        model = (
            promoted.model if promoted and promoted.model else work.tracker.version(work.dataset, before).model_digest
        )
        quarantine(work.book, work.tracker, work.dataset, before, model, work.actor, work.reason)
    message = f"version {target} is champion of {work.dataset} in {where} again, after version {before}"
    return RolledBack(
        dataset=work.dataset,
        environment=where,
        before=before,
        champion=target,
        quarantined=work.quarantine,
        message=message,
        altered=altered,
    )
