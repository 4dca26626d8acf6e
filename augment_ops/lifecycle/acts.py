"""What people do to a policy version: propose, approve, deprecate, revoke. Each act is entered, refused ones too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from augment_ops.content import digest_of
from augment_ops.errors import ActRefused, InputError
from augment_ops.governance.acts import trusted_keys
from augment_ops.governance.approvals import Person, check_reason, others
from augment_ops.governance.lifecycle import PROPOSE, PUBLISH, Standing
from augment_ops.governance.signers import Signer
from augment_ops.governance.statements import (
    APPROVE,
    PolicyApproval,
    SignedApproval,
    evidence_subjects,
)
from augment_ops.identity import among, same
from augment_ops.lifecycle.evidence import PREVIEW, PROFILE, documents, keep, preview, profile, why_broken
from augment_ops.lifecycle.standing import standing
from augment_ops.policy.library import admit, heading, load
from augment_ops.policy.published import keep_published
from augment_ops.policy.spec import Policy
from augment_ops.progress import Advance, unheard
from augment_ops.quantities import milliseconds
from augment_ops.shown import PARAGRAPH, link, markdown, own_addresses
from augment_ops.workspace import Versioned, Workspace, check_registered, subjects_of, version_of

POLICIES = "policies"  # the MLflow experiment of what is done to policies: augment-ops/policies
_LIMITATIONS = 20  # and narrowed operations, in a question; the file has all
AIRFLOW = "airflow"  # the witness of answers in Airflow's UI


@dataclass(frozen=True)
class Proposed:
    """A version that was put before its approvers.

    Attributes:
        evidence: kind → sha256 of the document in the store.
        copy: the published file, which never changes again.
        link: of the MLflow run with gallery and costs; empty without a server.
        gallery: address of the picture in MLflow; its path without a server.
    """

    policy_version: str
    digest: str
    evidence: Mapping[str, str]
    copy: str
    link: str
    gallery: str


def propose(
    workspace: Workspace,
    name: str,
    dataset: str,
    *,
    asked: Mapping[str, Any] = MappingProxyType({}),
    advance: Advance = unheard,
) -> Proposed:
    """Publish a version with what it costs and what it does, and put it before its approvers.

    Safe to repeat: a version that was proposed is found again, with the evidence that it has.

    Args:
        name: as `admit` takes it.
        dataset: whose samples the gallery shows; asked: parameters of a run that say how it is read.
        advance: is told how far measuring and drawing are.

    Raises:
        PolicyError: faulty, beyond its limits, over its budget, or other content than was published.
        ActRefused: deprecated or revoked, or other content than the ledger says was published.
    """
    policy = _admit(workspace, name, PROPOSE)
    known = standing(workspace, policy, _any_environment(workspace))
    with workspace.policy_refusals(policy, PROPOSE):
        _check_may_act(workspace, PROPOSE)
        _check_in_use(policy, known)
    broken = why_broken(workspace.store, dict(known.evidence), policy.digest)
    if known.proposal is not None and not broken:
        copy = keep_published(workspace.settings.policies, policy)
        link, gallery = _register(workspace, policy, known.evidence)
        return Proposed(version_of(policy), policy.digest, known.evidence, str(copy), link, gallery)
    with workspace.policy_refusals(policy, PROPOSE):
        cost = profile(policy, advance=advance)
        cost.check()
    seen = preview(policy, workspace.store, dataset, asked=asked, advance=advance)
    evidence = {PROFILE: keep(workspace.store, cost), PREVIEW: keep(workspace.store, seen)}
    # Who may refuse (MLflow, the ledger) comes before the copy, which would stay.
    link, gallery = _register(workspace, policy, evidence)
    _publish(workspace, policy)
    copy = keep_published(workspace.settings.policies, policy)
    workspace.enter(
        PROPOSE,
        {**subjects_of(policy), **evidence_subjects(evidence)},
        policy.description,
        f"propose:{version_of(policy)}:{digest_of(evidence)}",
    )
    return Proposed(version_of(policy), policy.digest, evidence, str(copy), link, gallery)


@dataclass(frozen=True)
class Question:
    """What is put to the approvers of a version.

    Attributes:
        people: who may answer.
        lines: what they are told, in Markdown.
    """

    people: tuple[Person, ...]
    lines: tuple[str, ...]


def check_askable(workspace: Workspace, name: str, environment: str, days: int) -> None:
    """See that a version can be put to people whose answer will count: before it is measured and published for that.

    Raises:
        ActRefused: nobody is left who may approve it, or approvers.yaml does not name the witness's key; the
            refusal is entered.
        InputError: the environment asks for no approval.
    """
    policy = _admit(workspace, name, APPROVE)
    with workspace.policy_refusals(policy, APPROVE):
        role = _role(workspace, environment, days)
        _whom_to_ask(workspace, policy, role, standing(workspace, policy, environment))


def foresee(workspace: Workspace, name: str, environment: str, days: int) -> None:
    """Refuse at once what `check_askable` would refuse, by the version's name alone: what it is made of is not read.

    Raises:
        ActRefused, InputError: as `check_askable` raises them; PolicyError: there is no such policy.
    """
    named = heading(workspace.settings.policies, name)
    role = _role(workspace, environment, days)
    with workspace.refusals(APPROVE, {"policy_version": version_of(named), "environment": environment}):
        _whom_to_ask(workspace, named, role, standing(workspace, named, environment))


def _whom_to_ask(workspace: Workspace, policy: Versioned, role: str, known: Standing) -> tuple[Person, ...]:
    """Nobody is asked in vain: who proposed it or asks for it does not count, nor what an unknown witness signs."""
    authors = {*known.proposed_by, workspace.actor}
    people = others(workspace.approvals.people(role), authors)
    if not people:
        raise ActRefused(
            f"approval of {policy.name} {policy.version}",
            f"only {', '.join(sorted(authors))}, who proposed it or asks for it",
            f"another person with the role {role}",
            "add one to policies/approvers.yaml, or let somebody else propose and ask",
        )
    if workspace.witness:
        workspace.check_witness()
    return people


def question(workspace: Workspace, name: str, environment: str, days: int) -> Question:
    """What to ask of whom, where the workspace's actor wants a version approved.

    Raises:
        ActRefused: nobody is left who may approve it, or approvers.yaml does not name the witness's key.
        InputError: the environment asks for no approval.
    """
    policy = _admit(workspace, name, APPROVE)
    role = _role(workspace, environment, days)
    known = standing(workspace, policy, environment)
    _check_proposed(policy, known, why_broken(workspace.store, dict(known.evidence), policy.digest))
    people = _whom_to_ask(workspace, policy, role, known)
    cost, seen = documents(workspace.store, known.evidence)
    size = "×".join(str(side) for side in cost.at)
    lines = (
        f"**{markdown(policy.name)} {markdown(policy.version)}** for **{markdown(environment)}**, for {days} days: "
        f"{markdown(policy.description, PARAGRAPH)}",
        f"Proposed by {markdown(', '.join(dict.fromkeys(known.proposed_by)))}; digest `{policy.digest[:12]}`.",
        f"p95 {milliseconds(cost.whole.p95_ms)} {cost.one} at {size}, of {milliseconds(cost.budget_p95_ms)}; "
        f"shown on {markdown(seen.dataset)}.",
        *(f"- limitation: {markdown(limitation)}" for limitation in policy.limitations[:_LIMITATIONS]),
        *(f"- {markdown(line)}" for line in policy.narrowings()[:_LIMITATIONS]),
    )
    return Question(people, lines)


def approve(
    workspace: Workspace,
    name: str,
    environment: str,
    *,
    reason: str,
    days: int,
    key: Signer,
    witness: str = "",
    not_by: tuple[str, ...] = (),
) -> SignedApproval:
    """Approve a proposed version for an environment.

    Args:
        days: for how long it counts.
        key: the approver's, or that of the witness.
        witness: the service where the approver answered after logging in; empty where they sign for themselves.
        not_by: who may not answer beside its authors: whoever asked for the approval.

    Raises:
        ActRefused: the version was not proposed or its evidence does not hold, or this person, with this key, may
            not approve it; the refusal is entered.
        InputError: without a reason.
    """
    check_reason(f"{APPROVE} {name}", reason)
    policy = _admit(workspace, name, APPROVE)
    with workspace.policy_refusals(policy, APPROVE):
        workspace.identify(APPROVE)
        role = _role(workspace, environment, days)
        known = standing(workspace, policy, environment)
        _check_proposed(policy, known, why_broken(workspace.store, dict(known.evidence), policy.digest))
        person = _approver(workspace, policy, role, (*known.proposed_by, *not_by))
        check_registered(key.public, trusted_keys(workspace.approvals, person.id, witness), person.id, witness)
        now = datetime.now(UTC)
        approval = PolicyApproval(
            policy_version=version_of(policy),
            digest=policy.digest,
            evidence=dict(known.evidence),
            environment=environment,
            approver=person.id,
            approver_digest=person.digest,
            role=role,
            reason=reason,
            given=_stamp(now),
            expires=_stamp(now + timedelta(days=days)),
            witness=witness,
        )
        before = known.counted.get(person.id)
        if (
            before is not None
            and before.approval.expires[:10] >= approval.expires[:10]
            and _same_evidence(before, approval)
        ):
            return before  # said already, with the same evidence and for no shorter time
    signed = SignedApproval(approval, key.public, key.sign(approval.message()))
    entry = workspace.ledger.append(
        APPROVE, person.id, signed.subjects(), reason, f"approve:{digest_of(approval.message().decode())}"
    )
    return replace(signed, seq=entry.seq)


def reject(workspace: Workspace, name: str, environment: str, reason: str) -> None:
    """Enter that somebody said no; it changes nothing else.

    Raises:
        InputError: without a reason.
    """
    check_reason(f"reject {name}", reason)
    policy = admit(workspace.settings.policies, name)
    known = standing(workspace, policy, environment)
    subjects = {**subjects_of(policy), "environment": environment}
    key = f"reject:{version_of(policy)}:{environment}:{digest_of([workspace.actor, reason, dict(known.evidence)])}"
    workspace.enter("reject", subjects, reason, key)


def end(workspace: Workspace, name: str, act: str, *, reason: str, environment: str = "") -> None:
    """Deprecate or revoke a version for good, or revoke its approvals for one environment.

    Args:
        name: as `load` takes it: a version stays revocable where its file exceeds limits that became narrower.
        act: `deprecate` or `revoke`.
        environment: of the approvals to revoke; empty for the version itself.

    Raises:
        ActRefused: the actor holds no role and did not propose it; the refusal is entered.
        InputError: a draft, or no approval to revoke.
    """
    policy = load(workspace.settings.policies, name)
    known = standing(workspace, policy, environment or _any_environment(workspace))
    with workspace.policy_refusals(policy, act):
        workspace.identify(act)
        if workspace.approvals.person(workspace.actor) is None and not among(workspace.actor, known.proposed_by):
            raise ActRefused(
                f"{act} {policy.name} {policy.version}",
                f"{workspace.actor}, who holds no role",
                "somebody of approvers.yaml, or who proposed it",
                "ask one of them; AUGMENT_OPS_ACTOR says who you are",
            )
        if known.state == "draft":
            raise InputError(
                f"{act} {policy.name} {policy.version}", "a draft", "a version that was proposed", "change the file"
            )
        if environment and not known.approvals:
            raise InputError(
                f"{act} {policy.name} {policy.version} in {environment}",
                "no approval",
                "an approval for it",
                f"see augment-ops policy history {policy.name}; without --environment the version itself is revoked",
            )
        _check_may_act(workspace, act)
    # What was published is ended, whatever the file has become.
    subjects = {**subjects_of(policy), "policy": known.digest} | ({"environment": environment} if environment else {})
    # Approvals may be given and revoked in turn: each round is an act of its own.
    rounds = max((judged.signed.seq for judged in known.approvals), default=0) if environment else 0
    workspace.enter(act, subjects, reason, f"{act}:{version_of(policy)}:{environment}:{rounds}")


def _admit(workspace: Workspace, name: str, act: str) -> Policy:
    return workspace.entering_refusals(name, act, lambda: admit(workspace.settings.policies, name))


def _check_may_act(workspace: Workspace, act: str) -> None:
    """Known before anything is measured or rendered: who acts is somebody and, where rules are signed, has a key."""
    workspace.identify(act)
    if workspace.in_force is not None:
        workspace.signer()


def _publish(workspace: Workspace, policy: Policy) -> None:
    workspace.ledger.append(
        PUBLISH, workspace.actor, subjects_of(policy), policy.description, f"publish:{policy.name}:{policy.version}"
    )


def _register(workspace: Workspace, policy: Policy, evidence: Mapping[str, str]) -> tuple[str, str]:
    """The version in MLflow: its file, its gallery, its costs. Addresses of its page and of the gallery."""
    tracker = workspace.tracker
    run = tracker.open_run(POLICIES, f"policy:{version_of(policy)}", tags={"augment_ops.actor": workspace.actor})
    cost, seen = documents(workspace.store, evidence)
    tracker.log_bytes(run, workspace.store.get(seen.gallery), "policy/gallery.png")
    for kind in (PROFILE, PREVIEW):
        tracker.log_bytes(run, workspace.store.get(evidence[kind]), f"policy/{kind}.json")
    tracker.log_metrics(run, {"policy.p50_ms": cost.whole.p50_ms, "policy.p95_ms": cost.whole.p95_ms})
    tracker.register_policy(policy.name, policy.version, policy.digest, policy.text.encode(), run)
    tags = {f"augment_ops.{kind}_digest": digest for kind, digest in evidence.items()}
    tags |= {
        "augment_ops.limitations": "; ".join(policy.limitations) or "none named",
        "augment_ops.domain": policy.domain,
    }
    tracker.describe_policy(
        policy.name,
        policy.version,
        f"{markdown(policy.description, PARAGRAPH)}\n\n"
        f"{link('Gallery and costs', run.url, own_addresses(workspace.settings))}",
        {**tags, "augment_ops.evidence_run": run.run_id},
    )
    tracker.finish_run(run, "FINISHED")
    served = workspace.settings.has_mlflow_server
    gallery = "policy/gallery.png"
    return (run.url, run.artifact_url(gallery)) if served else ("", f"{run.artifact_uri}/{gallery}")


def _check_in_use(policy: Policy, known: Standing) -> None:
    called = f"policy {policy.name} {policy.version}"
    if known.ended is not None:
        found = f"{known.state} by {known.ended.actor}: {known.ended.reason}"
        raise ActRefused(called, found, "a version that is in use", "propose a new version")
    if known.digest not in ("", policy.digest):
        found, wanted = f"content {policy.digest[:12]}…", f"{known.digest[:12]}…, as it was published"
        raise ActRefused(called, found, wanted, "restore the file, or give it a new version")


def _check_proposed(policy: Policy, known: Standing, broken: list[str]) -> None:
    _check_in_use(policy, known)
    called = f"policy {policy.name} {policy.version}"
    if known.proposal is None:
        raise ActRefused(called, "a draft", "a version that was proposed", f"augment-ops policy propose {policy.name}")
    if broken:
        raise ActRefused(
            f"{called}: evidence",
            "; ".join(broken),
            "what was proposed",
            f"propose it again: augment-ops policy propose {policy.name}",
        )


def _role(workspace: Workspace, environment: str, days: int) -> str:
    """The role whose approval counts in the environment."""
    demands = workspace.approvals.demands(environment)
    if demands.state != "approved" or demands.role is None:
        asking = [e for e in workspace.approvals.environments if workspace.approvals.demands(e).state == "approved"]
        found, wanted = f"environment {environment}, which asks for none", f"one of {', '.join(asking) or 'none'}"
        raise InputError("approval of a policy", found, wanted, "choose another, or change policies/environments.yaml")
    if days > demands.longest_days:
        found, most = f"{days} days", f"at most {demands.longest_days} (policies/environments.yaml)"
        raise InputError("approval of a policy", found, most, "approve for a shorter time")
    return demands.role


def _approver(workspace: Workspace, policy: Policy, role: str, authors: tuple[str, ...]) -> Person:
    """The actor, if they may approve."""
    holders = workspace.approvals.people(role)
    left = ", ".join(holder.id for holder in others(holders, authors)) or "a second person"
    where = f"approval of {policy.name} {policy.version}"
    if not workspace.approvals.holds(role, workspace.actor):
        fix = f"ask {left}; AUGMENT_OPS_ACTOR says who you are"
        raise ActRefused(where, f"{workspace.actor}, who is not {role}", f"somebody with the role {role}", fix)
    if among(workspace.actor, authors):
        found = f"{workspace.actor}, who proposed it or asked for it"
        raise ActRefused(where, found, "somebody other than its author", f"ask {left} to approve it")
    return next(holder for holder in holders if same(holder.id, workspace.actor))


def _same_evidence(before: SignedApproval, now: PolicyApproval) -> bool:
    return dict(before.approval.evidence) == dict(now.evidence) and before.approval.witness == now.witness


def _any_environment(workspace: Workspace) -> str:
    """Whether a version was proposed or ended does not depend on the environment."""
    return workspace.approvals.environments[0]


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")  # two approvals of one second are two
