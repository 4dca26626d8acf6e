"""The one place that admits a policy to a run."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.errors import ActRefused
from augment_ops.governance.admission import Candidate, refusals
from augment_ops.governance.lifecycle import Standing
from augment_ops.lifecycle.rules import check_noted, check_rules
from augment_ops.lifecycle.standing import standing
from augment_ops.lifecycle.witnessed import at_present, believed, outside_age
from augment_ops.policy.library import is_published
from augment_ops.policy.spec import Policy
from augment_ops.workspace import Versioned, Workspace


@dataclass(frozen=True)
class Admitted:
    """A policy that a run may use.

    Attributes:
        published: whether its version never changes again.
        warnings: what another environment would refuse.
        ledger: what to know of the ledger that this was decided by: how old its youngest outside witness is. It
            changes by the minute, so it is said and not kept.
    """

    published: bool
    standing: Standing
    warnings: tuple[str, ...]
    ledger: tuple[str, ...] = ()


def admit_policy(workspace: Workspace, policy: Policy, environment: str) -> Admitted:
    """Admit a policy, which honours its limits, to a run in an environment, as things stand now.

    Raises:
        ActRefused: the environment demands more, every reason with its next step.
        GovernanceError: what it asks for would be read from a ledger that was altered, or that a witness cannot be
            asked about, or judged by rules that its owner has not signed.
        TrackingError: the ledger decides, and MLflow cannot be asked which heads of the ledger its runs have noted.
    """
    check_rules(workspace, environment)
    check_noted(workspace, environment)
    demands = workspace.approvals.demands(environment)
    # Where the ledger decides, an entry that was taken out or cut off must show: it may have been a revocation.
    found = None if demands.state == "draft" else believed(workspace.ledger, workspace.tracker)
    known = standing(workspace, policy, environment, None if found is None else found.entries)
    discovery = _dead_link(workspace, policy)
    faults = refusals(Candidate(policy.name, policy.version, policy.digest, discovery), known, demands, environment)
    if faults:
        raise ActRefused.of(f"policy {policy.name} {policy.version} in {environment}", faults)
    warnings = [] if discovery is None else [f"discovered_by: {discovery}"]
    if known.state == "deprecated" and known.ended is not None:
        warnings.append(f"deprecated by {known.ended.actor}: {known.ended.reason}")
    said = () if found is None else (*found.warnings, f"the ledger's {outside_age(found, at_present())}")
    return Admitted(is_published(workspace.settings.policies, policy), known, tuple(warnings), said)


def check_standing(workspace: Workspace, policy: Policy, environment: str) -> None:
    """Refuse at once what `admit_policy` would refuse for where the policy stands, by entries that nobody has verified.

    So that nobody waits for a stage to hear it: MLflow is not asked, and what passes here is asked again there.

    Raises:
        ActRefused: the environment demands more, every reason with its next step.
    """
    _check(workspace, policy, environment, policy.digest)


def check_named(workspace: Workspace, named: Versioned, environment: str) -> None:
    """As `check_standing`, by name and version alone, for who cannot wait until a policy is read.

    Raises:
        ActRefused: no content of that version would be admitted.
    """
    _check(workspace, named, environment, None)


def _check(workspace: Workspace, named: Versioned, environment: str, digest: str | None) -> None:
    demands, known = workspace.approvals.demands(environment), standing(workspace, named, environment)
    candidate = Candidate(named.name, named.version, known.digest if digest is None else digest)
    faults = refusals(candidate, known, demands, environment)
    if faults:
        raise ActRefused.of(f"policy {named.name} {named.version} in {environment}", faults)


def admission_inputs(workspace: Workspace, name: str, environment: str) -> list[object]:
    """What an admission rests on beside files: a stage that admitted holds for as long as these are the same.

    Only what the environment asks for, so that somebody who proposes a version does not make a finished run start over.
    """
    policy = workspace.admit_to_run(name)
    demands, known = workspace.approvals.demands(environment), standing(workspace, policy, environment)
    return [
        policy.digest,  # its family may be narrowed to limits, which stand in a file of their own
        known.ended and known.ended.seq,
        demands.state == "draft" or known.proposal is not None,
        sorted(known.counted) if demands.state == "approved" else [],
    ]


def _dead_link(workspace: Workspace, policy: Policy) -> str | None:
    """Why `discovered_by` leads nowhere; None where it leads to the search that found this policy, or there is none."""
    link = policy.discovered_by
    if link is None:
        return None
    found = workspace.tracker.discovered_digest(link.mlflow_run)
    if found is None:
        return f"MLflow run {link.mlflow_run}, which is not there"
    if found != policy.digest:
        return f"MLflow run {link.mlflow_run}, which found {found[:12] + '…' if found else 'no policy'}"
    return None
