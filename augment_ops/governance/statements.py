"""What a person says of a policy version, in a form that can be signed, entered in the ledger, and read back from it.

The signature covers every field, so an entry that was changed together with all hashes after it is still found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from augment_ops.content import canonical_json
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import verifies

APPROVE = "approve"
_PURPOSE = "augment-ops: approval of a policy, version 1"  # so that no signature can serve as another kind's
_EVIDENCE = "evidence."  # prefix of the subjects that name evidence


@dataclass(frozen=True, kw_only=True)
class PolicyApproval:
    """One person's approval of one policy version for one environment.

    Attributes:
        policy_version: `name/version`; digest: of the policy's content.
        evidence: kind (`profile`, `preview`) → sha256 of the document in the store.
        approver: user name; approver_digest: of their entry in approvers.yaml, keys included.
        expires: UTC, ISO 8601; from then on it does not count.
        witness: service where the person answered after logging in, which signs; empty where the person signs.
    """

    policy_version: str
    digest: str
    evidence: Mapping[str, str]
    environment: str
    approver: str
    approver_digest: str
    role: str
    reason: str
    given: str
    expires: str
    witness: str = ""

    def message(self) -> bytes:
        """The bytes to sign."""
        return canonical_json({"purpose": _PURPOSE, **asdict(self)})


@dataclass(frozen=True)
class SignedApproval:
    """An approval with its signature (base64) and the ledger's number for it."""

    approval: PolicyApproval
    key: str
    signature: str
    seq: int = field(default=0)

    def subjects(self) -> dict[str, str]:
        """As the ledger keeps it; approver and reason have columns of their own there."""
        approval = self.approval
        return {
            "policy": approval.digest,
            "policy_version": approval.policy_version,
            "environment": approval.environment,
            "role": approval.role,
            "approver": approval.approver_digest,
            "given": approval.given,
            "expires": approval.expires,
            "witness": approval.witness,
            "key": self.key,
            "signature": self.signature,
            **{f"{_EVIDENCE}{kind}": digest for kind, digest in approval.evidence.items()},
        }


def evidence_subjects(evidence: Mapping[str, str]) -> dict[str, str]:
    """Evidence as subjects of an entry."""
    return {f"{_EVIDENCE}{kind}": digest for kind, digest in evidence.items()}


def evidence_of(entry: Entry) -> dict[str, str]:
    """The evidence that an entry names."""
    return {
        name.removeprefix(_EVIDENCE): digest for name, digest in entry.subjects.items() if name.startswith(_EVIDENCE)
    }


def is_policy_approval(entry: Entry) -> bool:
    """Whether the entry approves a policy; the same act is entered for models."""
    return entry.act == APPROVE and "policy_version" in entry.subjects


def approval_of(entry: Entry) -> SignedApproval:
    """The approval that an entry holds; a field that is missing is empty, and no signature covers that."""
    told = entry.subjects
    approval = PolicyApproval(
        policy_version=told.get("policy_version", ""),
        digest=told.get("policy", ""),
        evidence=evidence_of(entry),
        environment=told.get("environment", ""),
        approver=entry.actor,
        approver_digest=told.get("approver", ""),
        role=told.get("role", ""),
        reason=entry.reason,
        given=told.get("given", ""),
        expires=told.get("expires", ""),
        witness=told.get("witness", ""),
    )
    return SignedApproval(approval, told.get("key", ""), told.get("signature", ""), entry.seq)


def why_not(signed: SignedApproval, approvers: Approvals, at: datetime) -> str | None:
    """Why an approval does not count at that time, or None where it does.

    Asked of the approval itself: expiry, role, the approver's entry, the signature. What it is about is the caller's.
    """
    return next(_objections(signed, approvers, at), None)


def _objections(signed: SignedApproval, approvers: Approvals, at: datetime) -> Iterator[str]:
    approval = signed.approval
    person = approvers.person(approval.approver)
    if person is None or not approvers.holds(approval.role, approval.approver):
        yield f"{approval.approver} does not hold the role {approval.role} any more"
    elif person.digest != approval.approver_digest:
        yield f"the entry of {approval.approver} in approvers.yaml was changed since"
    elif signed.key not in (approvers.witness_keys(approval.witness) if approval.witness else person.keys):
        whose = f"the witness {approval.witness}" if approval.witness else approval.approver
        yield f"its key is none of {whose} in approvers.yaml"
    if not verifies(signed.key, signed.signature, approval.message()):
        yield "its signature is not that of its content: it was altered"
    given, expires = _time(approval.given), _time(approval.expires)
    if given is None or expires is None:
        yield "its times cannot be read"
    elif given > at:  # else a time far ahead would count for longer than the environment allows
        yield f"it says that it was given on {approval.given[:10]}, which is still to come"
    elif expires <= at:
        yield f"it expired on {approval.expires[:10]}"


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
