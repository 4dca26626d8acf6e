"""How a rollout ends, and what follows from its end: entered once each, and completed by whoever comes next.

The entry of the end comes first, under one key: of a promotion and a rollback that are decided at the same moment one
counts. The move of a champion, or the quarantine of its challenger, follows.
"""

from __future__ import annotations

from augment_ops.errors import GovernanceError
from augment_ops.governance.rollouts import END, PAUSE, WAIT
from augment_ops.identity import ROLLOUT
from augment_ops.lifecycle.book import Book
from augment_ops.lifecycle.champion import Move, crown, enter_quarantine
from augment_ops.production.alerts import Alert, enter
from augment_ops.rollout.state import ABORTED, INVALID, ROLLED_BACK, Rollout, entries_of, rollouts
from augment_ops.workspace import Workspace


def about(rollout: Rollout) -> dict[str, str]:
    """What every entry of a rollout says: which one, and of which version."""
    return {
        "version": f"{rollout.dataset}/{rollout.challenger}",
        "model": rollout.model,
        "environment": rollout.environment,
        "rollout": rollout.id,
    }


def again(book: Book, rollout: Rollout) -> Rollout:
    """The rollout as it stands now."""
    return next(one for one in rollouts(entries_of(book, rollout.dataset), rollout.dataset) if one.id == rollout.id)


def end(book: Book, rollout: Rollout, outcome: str, *, actor: str, reason: str, evidence: str = "") -> Rollout:
    """Enter how a rollout ends; where another end was entered first, that one counts.

    Args:
        evidence: digest of the document in the store; empty where the end rests on none.

    Returns:
        the rollout as it stands then.
    """
    subjects = {**about(rollout), "outcome": outcome, **({"evidence": evidence} if evidence else {})}
    try:
        book.append(END, actor, subjects, reason, f"{rollout.key}:end")
    except GovernanceError:
        found = again(book, rollout)
        if not found.closed:
            raise
        return found
    return again(book, rollout)


def pause(book: Book, rollout: Rollout, actor: str, reason: str) -> Rollout:
    """Give all requests to the champion until a person lets the rollout go on; the rollout as it stands then."""
    times = sum(entry.act == PAUSE for entry in rollout.acts)
    book.append(PAUSE, actor, about(rollout), reason, f"{rollout.key}:pause:{times}")
    return again(book, rollout)


def ask(book: Book, rollout: Rollout, reason: str, evidence: str) -> Rollout:
    """Enter that a person has to let the rollout go on; the rollout as it stands then."""
    if not rollout.asked:
        key = f"{rollout.key}:wait:{rollout.step}"
        subjects = {**about(rollout), "step": str(rollout.step), "evidence": evidence}
        try:
            book.append(WAIT, ROLLOUT, subjects, reason, key)
        except GovernanceError:  # another driver has asked, with the evidence of another moment
            if not again(book, rollout).asked:
                raise
    return again(book, rollout)


def complete(workspace: Workspace, book: Book, rollout: Rollout) -> Rollout:
    """Do what follows from how a rollout has ended, as far as it is not done; the rollout as it stands then.

    A rollback needs the ledger alone. That its challenger is in quarantine is shown in MLflow by `showing.py`.

    Raises:
        GovernanceError: the challenger may not be champion any more.
        TrackingError: MLflow does not answer, and the challenger is to be champion.
    """
    if rollout.outcome and not rollout.closed:
        outcome = ABORTED if rollout.outcome == INVALID else rollout.outcome
        rollout = end(book, rollout, outcome, actor=ROLLOUT, reason=rollout.why)
    if rollout.outcome == ROLLED_BACK:
        enter_quarantine(book, rollout.dataset, rollout.challenger, rollout.model, ROLLOUT, rollout.why)
        tell(workspace, rollout, "end", f"version {rollout.challenger} was rolled back: {rollout.why}")
    if rollout.decided and not rollout.outcome:
        crown(book, workspace.tracker, move_of(rollout))
        rollout = again(book, rollout)
    return rollout


def move_of(rollout: Rollout) -> Move:
    """What makes a challenger champion: in the name of who let it go on, else of who began its rollout."""
    return Move(
        act="promote",
        dataset=rollout.dataset,
        environment=rollout.environment,
        version=rollout.challenger,
        after=rollout.champion,
        key=f"{rollout.key}:promote",
        subjects={**rollout.subjects, "rollout": rollout.id},
        actor=rollout.approvals[-1].actor if rollout.approvals else rollout.by,
        reason=rollout.why or rollout.reason,
    )


def tell(workspace: Workspace, rollout: Rollout, what: str, message: str) -> None:
    """Enter an alert: people have to know, or to do something."""
    alert = Alert("rollout", rollout.dataset, f"{rollout.key}:alert:{what}", about(rollout), message, 0.0)
    enter(workspace.ledger, alert, ROLLOUT)
