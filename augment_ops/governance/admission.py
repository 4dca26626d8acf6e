"""Whether a policy version may be trained on in an environment. Facts in, faults out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.errors import Fault
from augment_ops.governance.approvals import PolicyDemands
from augment_ops.governance.lifecycle import Standing

_STEPS = ("draft", "proposed", "approved")


@dataclass(frozen=True)
class Candidate:
    """What a run brings.

    Attributes:
        name, version, digest: of the policy as it stands in its file.
        discovery: why `discovered_by` leads nowhere; None where it leads to its search, or the policy names none.
    """

    name: str
    version: str
    digest: str
    discovery: str | None = None

    @property
    def called(self) -> str:
        """For people."""
        return f"policy {self.name} {self.version}"


def refusals(candidate: Candidate, standing: Standing, demands: PolicyDemands, environment: str) -> list[Fault]:
    """Every reason against it, each with the next step; empty where it is admitted."""
    ended = _ended(candidate, standing, demands)
    if ended is not None:
        return [ended]
    faults = []
    if (standing.digest or standing.proposed_by) and standing.digest != candidate.digest:
        faults.append(
            Fault(
                candidate.called,
                f"content {candidate.digest[:12]}…",
                f"the published content {standing.digest[:12]}…",
                "restore the file, or give the changed policy a new version",
            )
        )
    if _STEPS.index(demands.state) >= 1 and standing.state == "draft":
        faults.append(
            Fault(
                candidate.called,
                "a draft",
                f"a version that was proposed, for {environment}",
                f"augment-ops policy propose {candidate.name}",
            )
        )
    elif demands.state == "approved":
        faults += _approval_faults(candidate, standing, demands, environment)
    if candidate.discovery is not None and demands.discovery == "refuse":
        faults.append(
            Fault(
                f"{candidate.called}: discovered_by",
                candidate.discovery,
                "the MLflow run that found this policy",
                "correct the link in a new version, or set it to null and say in the description where it is from",
            )
        )
    return faults


def _ended(candidate: Candidate, standing: Standing, demands: PolicyDemands) -> Fault | None:
    if standing.state not in ("deprecated", "revoked") or standing.ended is None:
        return None
    if standing.state == "deprecated" and demands.state != "approved":
        return None  # it may still be compared with
    entry = standing.ended
    return Fault(
        candidate.called,
        f"{standing.state} by {entry.actor} on {entry.at[:10]}: {entry.reason}",
        "a version that is in use",
        "use a newer version: augment-ops policy history " + candidate.name,
    )


def _approval_faults(candidate: Candidate, standing: Standing, demands: PolicyDemands, environment: str) -> list[Fault]:
    counted = standing.counted
    if len(counted) >= demands.approvers:
        return []
    against = [f"that of {j.signed.approval.approver}: {j.why_not}" for j in standing.approvals if j.why_not]
    found = f"{len(counted)} that count{'s' if len(counted) == 1 else ''}" if counted else "no approval that counts"
    return [
        Fault(
            f"{candidate.called} in {environment}",
            f"{found}{' (' + '; '.join(against) + ')' if against else ''}",
            f"{demands.approvers} of role {demands.role}",
            f"ask somebody with that role who did not propose it: augment-ops policy approve {candidate.name} "
            f"--environment {environment} --reason …, or the DAG approve_policy in Airflow",
        )
    ]
