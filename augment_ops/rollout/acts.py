"""What people do to rollouts that run: pause, resume, abort, let go on. Each act is entered; what is refused, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from augment_ops.errors import ActRefused, GovernanceError, InputError, nearest
from augment_ops.governance.approvals import AUTO, check_reason
from augment_ops.governance.chain import Entry
from augment_ops.governance.rollouts import APPROVE, END, PAUSE, RESUME
from augment_ops.lifecycle.book import Signing
from augment_ops.rollout.ending import about, again, end, pause
from augment_ops.rollout.state import (
    ABORTED,
    EARLY,
    Rollout,
    entries_of,
    rollouts,
)
from augment_ops.workspace import Workspace


def present_rollout(workspace: Workspace, dataset: str, environment: str = "") -> Rollout:
    """The rollout that runs, in one environment or in the only one that has any.

    Raises:
        InputError: none does, or several do and none is named.
    """
    entries = entries_of(Signing(workspace), dataset)
    found = [one for one in rollouts(entries, dataset) if not one.outcome]
    if environment:
        names = workspace.approvals.environments
        if environment not in {*names, *(one.environment for one in found)}:
            raise InputError("environment", environment, ", ".join(names), f"name one.{nearest(environment, names)}")
        found = [one for one in found if one.environment == environment]
    if not found:
        where = f"rollout of {dataset}{f' in {environment}' if environment else ''}"
        fix = f"begin one: augment-ops rollout start {dataset}; augment-ops rollout status {dataset} shows those before"
        raise InputError(where, "none that runs", "a rollout that runs", fix)
    if len(found) > 1:
        told = ", ".join(one.environment for one in found)
        raise InputError(f"rollout of {dataset}", f"one in each of {told}", "one of them", "name it with --environment")
    return found[0]


def pause_rollout(workspace: Workspace, dataset: str, *, reason: str, environment: str = "") -> Rollout:
    """Give all requests to the champion, until somebody resumes; nothing changes where that is so already.

    Raises:
        InputError: no rollout runs, or no reason. ActRefused: it is being promoted; the refusal is entered.
    """
    rollout = _acted_on(workspace, dataset, environment, reason)
    with refusals_of(workspace, PAUSE, dataset, rollout.environment, rollout.challenger):
        _check_undecided(rollout)
        return rollout if rollout.paused else pause(Signing(workspace), rollout, workspace.actor, reason)


def resume(workspace: Workspace, dataset: str, *, reason: str, environment: str = "") -> Rollout:
    """Go on in the step in which a rollout was paused; its time in the step begins anew.

    Raises:
        InputError: no rollout runs, or no reason. ActRefused: it is not paused; the refusal is entered.
    """
    rollout = _acted_on(workspace, dataset, environment, reason)
    with refusals_of(workspace, RESUME, dataset, rollout.environment, rollout.challenger):
        if rollout.state != "paused":
            fix = f"augment-ops rollout status {dataset} shows where it stands"
            raise ActRefused(_where(rollout), rollout.state, "a rollout that is paused", fix)
        times = sum(entry.act == PAUSE for entry in rollout.acts)
        book = Signing(workspace)
        book.append(RESUME, workspace.actor, about(rollout), reason, f"{rollout.key}:resume:{times}")
    return again(book, rollout)


def abort(workspace: Workspace, dataset: str, *, reason: str, environment: str = "") -> Rollout:
    """End a rollout: the champion stays, and nothing is said against the challenger.

    Raises:
        InputError: no rollout runs, or no reason. ActRefused: it has ended otherwise meanwhile; the refusal is entered.
    """
    rollout = _acted_on(workspace, dataset, environment, reason)
    with refusals_of(workspace, END, dataset, rollout.environment, rollout.challenger):
        _check_undecided(rollout)
        found = end(Signing(workspace), rollout, ABORTED, actor=workspace.actor, reason=reason)
        if found.outcome != ABORTED:
            fix = f"augment-ops rollout status {dataset} shows what came of it"
            raise ActRefused(_where(rollout), found.outcome or found.state, "a rollout that runs", fix)
    return found


def approve(workspace: Workspace, dataset: str, *, reason: str, environment: str = "") -> Rollout:
    """Let a rollout that waits for a person go on.

    Raises:
        InputError: no rollout runs, or no reason.
        ActRefused: nobody is asked, or the actor may not say so; GovernanceError: or has no registered key. The refusal
            is entered.
    """
    rollout = _acted_on(workspace, dataset, environment, reason)
    with refusals_of(workspace, APPROVE, dataset, rollout.environment, rollout.challenger):
        if not rollout.asked:
            fix = f"wait until it does: augment-ops rollout status {dataset}"
            raise ActRefused(_where(rollout), rollout.state, "a rollout that waits for a person", fix)
        _enter_approval(workspace, rollout, reason, {"evidence": rollout.asked}, "approve")
    return again(Signing(workspace), rollout)


def approve_early(workspace: Workspace, rollout: Rollout, *, reason: str, evidence: str) -> Rollout:
    """Let a challenger be champion before its last step. Whoever calls has seen that no condition is broken.

    Args:
        evidence: digest of the document in the store, of what is known by now.

    Raises:
        InputError: no reason. ActRefused, GovernanceError: as `approve`.
    """
    check_reason(_where(rollout), reason)
    with refusals_of(workspace, APPROVE, rollout.dataset, rollout.environment, rollout.challenger):
        _check_undecided(rollout)
        _enter_approval(workspace, rollout, reason, {"evidence": evidence, EARLY: "yes"}, "early")
    return again(Signing(workspace), rollout)


@dataclass(frozen=True)
class Approvers:
    """Who may let the rollouts of an environment go on.

    Attributes:
        roles: whose holders; empty where anybody may.
        demanded: whether a person has to.
    """

    roles: tuple[str, ...]
    demanded: bool

    @classmethod
    def of(cls, workspace: Workspace, environment: str) -> Approvers:
        """As policies/environments.yaml says of models."""
        ways = workspace.approvals.ways(environment)
        return cls(tuple(way for way in ways if way != AUTO), AUTO not in ways)

    def role_of(self, workspace: Workspace, person: str, began: str) -> str:
        """The role in which a person may; empty where none is asked for.

        Args:
            began: who began the rollout.

        Raises:
            ActRefused: they may not.
        """
        if not self.roles:
            return ""
        held = next((role for role in self.roles if workspace.approvals.holds(role, person)), self.roles[0])
        # Where the gate alone may decide, who holds the role may do so too, whoever began.
        workspace.approvals.may_approve(held, person, began if self.demanded else None)
        return held


def counts(workspace: Workspace, rollout: Rollout, entry: Entry) -> bool:
    """Whether a person's word on a rollout counts today."""
    from augment_ops.governance.acts import why_not

    approvers = Approvers.of(workspace, rollout.environment)
    try:
        approvers.role_of(workspace, entry.actor, rollout.by)
    except ActRefused:
        return False
    return not approvers.demanded or why_not(entry, workspace.approvals) is None


def _enter_approval(workspace: Workspace, rollout: Rollout, reason: str, said: dict[str, str], kind: str) -> None:
    workspace.identify(APPROVE)
    approvers = Approvers.of(workspace, rollout.environment)
    role = approvers.role_of(workspace, workspace.actor, rollout.by)
    subjects = {**about(rollout), **said, **({"role": role} if role else {})}
    key = f"{rollout.key}:{kind}:{workspace.actor}"
    workspace.enter(APPROVE, subjects, reason, key, signed=approvers.demanded)


def _acted_on(workspace: Workspace, dataset: str, environment: str, reason: str) -> Rollout:
    rollout = present_rollout(workspace, dataset, environment)
    check_reason(_where(rollout), reason)
    return rollout


def _check_undecided(rollout: Rollout) -> None:
    if rollout.decided:
        fix = "wait a moment; then, to go back: augment-ops rollback"
        raise ActRefused(_where(rollout), "its promotion, which is decided", "a rollout that runs", fix)


def _where(rollout: Rollout) -> str:
    return f"rollout {rollout.id} of {rollout.dataset} in {rollout.environment}"


@contextmanager
def refusals_of(workspace: Workspace, act: str, dataset: str, environment: str, version: str) -> Iterator[None]:
    """Enter what is refused inside.

    Args:
        act: that was tried; version: number of the challenger, empty where none is known.
    """
    subjects = {"version": f"{dataset}/{version or 'none'}", "environment": environment}
    with workspace.refusals(act, subjects, kind=GovernanceError):
        yield
