"""What people do to a policy version: propose, approve, deprecate, revoke. Each act is entered, refused ones too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from augment_ops.content import digest_of, from_json
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance.acts import trusted_keys
from augment_ops.governance.approvals import Person
from augment_ops.governance.lifecycle import PROPOSE, PUBLISH, Standing
from augment_ops.governance.signers import Signer
from augment_ops.governance.statements import (
    APPROVE,
    PolicyApproval,
    SignedApproval,
    evidence_subjects,
)
from augment_ops.identity import among, same
from augment_ops.pipeline.office import Office, check_registered, subjects_of, version_of
from augment_ops.pipeline.policy_evidence import PREVIEW, PROFILE, Preview, Profile, keep, preview, profile, why_broken
from augment_ops.policy.library import admit, load
from augment_ops.policy.published import keep_published
from augment_ops.policy.spec import Policy
from augment_ops.shown import PARAGRAPH, link, markdown, own_addresses

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
    """

    policy_version: str
    digest: str
    evidence: Mapping[str, str]
    copy: str
    link: str


def propose(office: Office, name: str, dataset: str) -> Proposed:
    """Publish a version with what it costs and what it does, and put it before its approvers.

    Safe to repeat: a version that was proposed is found again, with the evidence that it has.

    Args:
        name: as `admit` takes it.
        dataset: whose images the gallery shows.

    Raises:
        PolicyError: faulty, beyond its limits, over its budget, or other content than was published.
        GovernanceError: deprecated or revoked, or other content than the ledger says was published.
    """
    policy = _admit(office, name, PROPOSE)
    known = office.standing(policy, _any_environment(office))
    with office.refusals(policy, PROPOSE):
        _check_may_act(office, PROPOSE)
        _check_in_use(policy, known)
    broken = why_broken(office.store, dict(known.evidence), policy.digest)
    if known.proposal is not None and not broken:
        copy = keep_published(office.settings.policies, policy)
        link = _register(office, policy, known.evidence)
        return Proposed(version_of(policy), policy.digest, known.evidence, str(copy), link)
    with office.refusals(policy, PROPOSE):
        cost = profile(policy)
        cost.check()
    seen = preview(policy, office.store, dataset)
    evidence = {PROFILE: keep(office.store, cost), PREVIEW: keep(office.store, seen)}
    # Who may refuse (MLflow, the ledger) comes before the copy, which would stay.
    link = _register(office, policy, evidence)
    _publish(office, policy)
    copy = keep_published(office.settings.policies, policy)
    office.enter(
        PROPOSE, {**subjects_of(policy), **evidence_subjects(evidence)}, policy.description,
        f"propose:{version_of(policy)}:{digest_of(evidence)}",
    )  # fmt: skip
    return Proposed(version_of(policy), policy.digest, evidence, str(copy), link)


@dataclass(frozen=True)
class Question:
    """What is put to the approvers of a version.

    Attributes:
        people: who may answer.
        lines: what they are told, in Markdown.
    """

    people: tuple[Person, ...]
    lines: tuple[str, ...]


def question(office: Office, name: str, environment: str, days: int) -> Question:
    """What to ask of whom, where the office's actor wants a version approved.

    Raises:
        GovernanceError: nobody is left who may approve it.
        InputError: the environment asks for no approval.
    """
    policy = _admit(office, name, APPROVE)
    role = _role(office, environment, days)
    known = office.standing(policy, environment)
    _check_proposed(policy, known, why_broken(office.store, dict(known.evidence), policy.digest))
    authors = {*known.proposed_by, office.actor}
    people = tuple(holder for holder in office.approvals.people(role) if not among(holder.id, authors))
    if not people:
        raise GovernanceError(
            f"approval of {policy.name} {policy.version}",
            f"only {', '.join(sorted(authors))}, who proposed it or asks for it",
            f"another person with the role {role}",
            "add one to policies/approvers.yaml, or let somebody else propose and ask",
        )
    cost, seen = documents(office.store, known.evidence)
    size = "×".join(str(side) for side in cost.at)
    lines = (
        f"**{markdown(policy.name)} {markdown(policy.version)}** for **{markdown(environment)}**, for {days} days: "
        f"{markdown(policy.description, PARAGRAPH)}",
        f"Proposed by {markdown(', '.join(dict.fromkeys(known.proposed_by)))}; digest `{policy.digest[:12]}`.",
        f"p95 {cost.whole.p95_ms:.3g} ms an image at {size}, of {cost.budget_p95_ms:g} ms; "
        f"shown on {markdown(seen.dataset)}.",
        *(f"- limitation: {markdown(limitation)}" for limitation in policy.limitations[:_LIMITATIONS]),
        *(f"- {markdown(line)}" for line in policy.narrowings()[:_LIMITATIONS]),
    )
    return Question(people, lines)


def approve(
    office: Office,
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
        GovernanceError: the version was not proposed or its evidence does not hold, or this person, with this key, may
            not approve it; the refusal is entered.
    """
    policy = _admit(office, name, APPROVE)
    with office.refusals(policy, APPROVE):
        office.identify(APPROVE)
        role = _role(office, environment, days)
        known = office.standing(policy, environment)
        _check_proposed(policy, known, why_broken(office.store, dict(known.evidence), policy.digest))
        person = _approver(office, policy, role, (*known.proposed_by, *not_by))
        check_registered(key.public, trusted_keys(office.approvals, person.id, witness), person.id, witness)
        now = datetime.now(UTC)
        approval = PolicyApproval(
            version_of(policy), policy.digest, dict(known.evidence), environment, person.id, person.digest, role,
            reason, _stamp(now), _stamp(now + timedelta(days=days)), witness,
        )  # fmt: skip
        before = known.counted.get(person.id)
        if (
            before is not None
            and before.approval.expires[:10] >= approval.expires[:10]
            and _same_grounds(before, approval)
        ):
            return before  # said already, with the same grounds and for no shorter time
    signed = SignedApproval(approval, key.public, key.sign(approval.message()))
    entry = office.ledger.append(
        APPROVE, person.id, signed.subjects(), reason, f"approve:{digest_of(approval.message().decode())}"
    )
    return replace(signed, seq=entry.seq)


def reject(office: Office, name: str, environment: str, reason: str) -> None:
    """Enter that somebody said no; it changes nothing else."""
    policy = admit(office.settings.policies, name)
    known = office.standing(policy, environment)
    subjects = {**subjects_of(policy), "environment": environment}
    key = f"reject:{version_of(policy)}:{environment}:{digest_of([office.actor, reason, dict(known.evidence)])}"
    office.enter("reject", subjects, reason, key)


def end(office: Office, name: str, act: str, *, reason: str, environment: str = "") -> None:
    """Deprecate or revoke a version for good, or revoke its approvals for one environment.

    Args:
        name: as `load` takes it: a version stays revocable where its file exceeds limits that became narrower.
        act: `deprecate` or `revoke`.
        environment: of the approvals to revoke; empty for the version itself.

    Raises:
        GovernanceError: the actor holds no role and did not propose it; the refusal is entered.
        InputError: a draft, or no approval to revoke.
    """
    policy = load(office.settings.policies, name)
    known = office.standing(policy, environment or _any_environment(office))
    with office.refusals(policy, act):
        office.identify(act)
        if office.approvals.person(office.actor) is None and not among(office.actor, known.proposed_by):
            raise GovernanceError(
                f"{act} {policy.name} {policy.version}",
                f"{office.actor}, who holds no role",
                "somebody of approvers.yaml, or who proposed it",
                "ask one of them; AUGMENT_OPS_ACTOR says who you are",
            )
        if known.state == "draft":
            raise InputError(
                f"{act} {policy.name} {policy.version}", "a draft", "a version that was proposed", "change the file"
            )
        if environment and not known.approvals:
            raise InputError(
                f"{act} {policy.name} {policy.version} in {environment}", "no approval", "an approval for it",
                f"see augment-ops policy history {policy.name}; without --environment the version itself is revoked",
            )  # fmt: skip
        _check_may_act(office, act)
    # What was published is ended, whatever the file has become.
    subjects = {**subjects_of(policy), "policy": known.digest} | ({"environment": environment} if environment else {})
    # Approvals may be given and revoked in turn: each round is an act of its own.
    rounds = max((judged.signed.seq for judged in known.approvals), default=0) if environment else 0
    office.enter(act, subjects, reason, f"{act}:{version_of(policy)}:{environment}:{rounds}")


def documents(store: Store, evidence: Mapping[str, str]) -> tuple[Profile, Preview]:
    """The evidence itself."""
    return from_json(Profile, store.get(evidence[PROFILE])), from_json(Preview, store.get(evidence[PREVIEW]))


def _admit(office: Office, name: str, act: str) -> Policy:
    return office.entering_refusals(name, act, lambda: admit(office.settings.policies, name))


def _check_may_act(office: Office, act: str) -> None:
    """Known before anything is measured or rendered: who acts is somebody and, where rules are signed, has a key."""
    office.identify(act)
    if office.in_force is not None:
        office.signer()


def _publish(office: Office, policy: Policy) -> None:
    office.ledger.append(
        PUBLISH, office.actor, subjects_of(policy), policy.description, f"publish:{policy.name}:{policy.version}"
    )


def _register(office: Office, policy: Policy, evidence: Mapping[str, str]) -> str:
    """The version in MLflow: its file, its gallery, its costs. Its page's address."""
    tracker = office.tracker
    run = tracker.open_run(POLICIES, f"policy:{version_of(policy)}", tags={"augment_ops.actor": office.actor})
    cost, seen = documents(office.store, evidence)
    tracker.log_bytes(run, office.store.get(seen.gallery), "policy/gallery.png")
    for kind in (PROFILE, PREVIEW):
        tracker.log_bytes(run, office.store.get(evidence[kind]), f"policy/{kind}.json")
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
        f"{link('Gallery and costs', run.url, own_addresses(office.settings))}",
        {**tags, "augment_ops.evidence_run": run.run_id},
    )
    tracker.finish_run(run, "FINISHED")
    return run.url if office.settings.mlflow_uri.startswith("http") else ""


def _check_in_use(policy: Policy, known: Standing) -> None:
    called = f"policy {policy.name} {policy.version}"
    if known.ended is not None:
        found = f"{known.state} by {known.ended.actor}: {known.ended.reason}"
        raise GovernanceError(called, found, "a version that is in use", "propose a new version")
    if known.digest not in ("", policy.digest):
        found, wanted = f"content {policy.digest[:12]}…", f"{known.digest[:12]}…, as it was published"
        raise GovernanceError(called, found, wanted, "restore the file, or give it a new version")


def _check_proposed(policy: Policy, known: Standing, broken: list[str]) -> None:
    _check_in_use(policy, known)
    called = f"policy {policy.name} {policy.version}"
    if known.proposal is None:
        raise GovernanceError(
            called, "a draft", "a version that was proposed", f"augment-ops policy propose {policy.name}"
        )
    if broken:
        raise GovernanceError(
            f"{called}: evidence", "; ".join(broken), "what was proposed",
            f"propose it again: augment-ops policy propose {policy.name}",
        )  # fmt: skip


def _role(office: Office, environment: str, days: int) -> str:
    """The role whose approval counts in the environment."""
    demands = office.approvals.demands(environment)
    if demands.state != "approved" or demands.role is None:
        asking = [e for e in office.approvals.environments if office.approvals.demands(e).state == "approved"]
        found, wanted = f"environment {environment}, which asks for none", f"one of {', '.join(asking) or 'none'}"
        raise InputError("approval of a policy", found, wanted, "choose another, or change policies/environments.yaml")
    if days > demands.longest_days:
        found, most = f"{days} days", f"at most {demands.longest_days} (policies/environments.yaml)"
        raise InputError("approval of a policy", found, most, "approve for a shorter time")
    return demands.role


def _approver(office: Office, policy: Policy, role: str, authors: tuple[str, ...]) -> Person:
    """The actor, if they may approve."""
    holders = office.approvals.people(role)
    others = ", ".join(holder.id for holder in holders if not among(holder.id, authors)) or "a second person"
    where = f"approval of {policy.name} {policy.version}"
    if not office.approvals.holds(role, office.actor):
        fix = f"ask {others}; AUGMENT_OPS_ACTOR says who you are"
        raise GovernanceError(where, f"{office.actor}, who is not {role}", f"somebody with the role {role}", fix)
    if among(office.actor, authors):
        found = f"{office.actor}, who proposed it or asked for it"
        raise GovernanceError(where, found, "somebody other than its author", f"ask {others} to approve it")
    return next(holder for holder in holders if same(holder.id, office.actor))


def _same_grounds(before: SignedApproval, now: PolicyApproval) -> bool:
    return dict(before.approval.evidence) == dict(now.evidence) and before.approval.witness == now.witness


def _any_environment(office: Office) -> str:
    """Whether a version was proposed or ended does not depend on the environment."""
    return office.approvals.environments[0]


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")  # two approvals of one second are two
