"""Where a policy version stands, read from the ledger: draft, proposed, approved, deprecated, revoked.

Nothing is stored: a standing is computed from the entries, the approvers of today and the time, so an approval stops
counting by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from augment_ops.governance import acts
from augment_ops.governance.approvals import Approvals, PolicyDemands
from augment_ops.governance.chain import Entry
from augment_ops.governance.statements import (
    SignedApproval,
    approval_of,
    evidence_of,
    is_policy_approval,
    why_not,
)
from augment_ops.identity import among

State = Literal["draft", "proposed", "approved", "deprecated", "revoked"]
PUBLISH, PROPOSE, DEPRECATE, REVOKE = "publish", "propose", "deprecate", "revoke"
EVERYWHERE = ""  # the environment of a revocation that is for all


@dataclass(frozen=True)
class JudgedApproval:
    """An approval, and why it does not count; None where it does."""

    signed: SignedApproval
    why_not: str | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one policy version stands in one environment.

    Attributes:
        digest: that of the published content; empty for a draft.
        proposed_by: everybody who proposed it; none of them may approve it, also where their proposal does not count.
        proposal: the newest proposal that counts.
        evidence: of that proposal: kind → sha256 of a document in the store.
        approvals: every approval for the environment, oldest first.
        ended: the entry that deprecated or revoked it.
    """

    policy_version: str
    environment: str
    state: State
    digest: str = ""
    proposed_by: tuple[str, ...] = ()
    proposal: Entry | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
    approvals: tuple[JudgedApproval, ...] = ()
    ended: Entry | None = None

    @property
    def counted(self) -> dict[str, SignedApproval]:
        """Approver → their newest approval that counts."""
        return {j.signed.approval.approver: j.signed for j in self.approvals if j.why_not is None}

    def without(self, broken: Mapping[int, str], demands: PolicyDemands) -> Standing:
        """The same, where some approvals do not count for what the ledger does not know.

        Args:
            broken: entry of an approval → why it does not.
        """
        judged = tuple(JudgedApproval(j.signed, j.why_not or broken.get(j.signed.seq)) for j in self.approvals)
        found = replace(self, approvals=judged)
        return replace(found, state=_state(found, demands))


def standing(
    entries: Iterable[Entry],
    policy_version: str,
    environment: str,
    approvers: Approvals,
    demands: PolicyDemands,
    at: datetime,
) -> Standing:
    """Where a version stands in an environment at a time.

    Where the rules are signed, a proposal counts with its signature only. What takes away counts without: a revocation
    does not end with the job of who revoked.

    Args:
        entries: of the ledger, oldest first.
        policy_version: `name/version`.
        demands: of the environment.
        at: aware.
    """
    digest, authors, ended = "", [], None
    proposal: Entry | None = None
    approvals: list[SignedApproval] = []
    withdrawn = 0  # approvals up to that entry were revoked
    signed = False  # from then on
    for entry in entries:
        signed = signed or entry.act == acts.ROOT
        if entry.subjects.get("policy_version") != policy_version:
            continue
        if entry.act in (PUBLISH, PROPOSE):
            digest = entry.subjects.get("policy", "")
        if entry.act == PROPOSE:
            authors.append(entry.actor)
            if not signed or acts.why_not(entry, approvers) is None:
                proposal = entry
        elif is_policy_approval(entry) and entry.subjects.get("environment") == environment:
            approvals.append(approval_of(entry))
        elif entry.act == REVOKE and entry.subjects.get("environment", EVERYWHERE) in (environment, EVERYWHERE):
            withdrawn = entry.seq
        if entry.act in (DEPRECATE, REVOKE) and entry.subjects.get("environment", EVERYWHERE) == EVERYWHERE:
            ended = entry if ended is None or entry.act == REVOKE else ended
    judged = tuple(
        JudgedApproval(
            signed,
            _repeated(signed, approvals[:i])
            or next(_objections(signed, digest, authors, approvers, demands, at, withdrawn), None),
        )
        for i, signed in enumerate(approvals)
    )
    evidence = {} if proposal is None else evidence_of(proposal)
    found = Standing(
        policy_version=policy_version,
        environment=environment,
        state="draft",
        digest=digest,
        proposed_by=tuple(authors),
        proposal=proposal,
        evidence=evidence,
        approvals=judged,
        ended=ended,
    )
    return replace(found, state=_state(found, demands))


def _state(found: Standing, demands: PolicyDemands) -> State:
    if found.ended is not None:
        return "revoked" if found.ended.act == REVOKE else "deprecated"
    if demands.state == "approved" and len(found.counted) >= demands.approvers:
        return "approved"
    return "draft" if found.proposal is None else "proposed"


def _repeated(signed: SignedApproval, before: list[SignedApproval]) -> str | None:
    """A copy of a signed approval, entered again, says nothing new: else it would undo a revocation between the two."""
    first = next((known.seq for known in before if replace(known, seq=signed.seq) == signed), None)
    return None if first is None else f"it repeats entry {first}"


def _objections(
    signed: SignedApproval,
    digest: str,
    authors: list[str],
    approvers: Approvals,
    demands: PolicyDemands,
    at: datetime,
    withdrawn: int,
) -> Iterator[str]:
    approval = signed.approval
    if signed.seq <= withdrawn:
        yield "it was revoked"
    if approval.digest != digest:
        yield "it is of other content than was published"
    if among(approval.approver, authors):
        yield f"{approval.approver} proposed this version"
    if demands.role is not None and approval.role != demands.role:
        yield f"it was given as {approval.role}; {demands.role} is asked for"
    reason = why_not(signed, approvers, at)
    if reason is not None:
        yield reason
    elif datetime.fromisoformat(approval.given) + timedelta(days=demands.longest_days) <= at:
        yield f"it is older than the {demands.longest_days} days for which one counts"
