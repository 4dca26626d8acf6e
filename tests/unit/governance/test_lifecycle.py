"""Where a version stands, told from entries alone: who counts, who does not, and that nothing comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from augment_ops.governance.admission import Candidate, refusals
from augment_ops.governance.chain import Entry, chained
from augment_ops.governance.lifecycle import Standing, standing
from augment_ops.governance.statements import PolicyApproval, SignedApproval, evidence_subjects

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
VERSION, DIGEST = "shapes/1.0.0", "d" * 64
EVIDENCE = {"profile": "1" * 64, "preview": "2" * 64}
SUBJECTS = {"policy": DIGEST, "policy_version": VERSION}


class Story:
    """Entries of a ledger, in order."""

    def __init__(self, workspace: Any) -> None:
        self.workspace = workspace
        self.entries: list[Entry] = []

    def tell(self, act: str, actor: str, subjects: dict[str, str], reason: str = "because") -> Story:
        last = self.entries[-1] if self.entries else None
        content = {
            "at": NOW.isoformat(), "act": act, "actor": actor, "subjects": subjects, "reason": reason,
            "software": "augment-ops 0", "key": f"k{len(self.entries)}",
        }  # fmt: skip
        self.entries.append(chained(last, content))
        return self

    def proposed(self, by: str = "pat", digest: str = DIGEST) -> Story:
        subjects = {**SUBJECTS, "policy": digest}
        return self.tell("publish", by, subjects).tell("propose", by, {**subjects, **evidence_subjects(EVIDENCE)})

    def signed(self, by: str, days: int = 30, **changes: Any) -> SignedApproval:
        person = self.workspace.approvals.person(by)
        given, expires = NOW - timedelta(days=1), NOW + timedelta(days=days - 1)
        approval = PolicyApproval(
            policy_version=VERSION,
            digest=DIGEST,
            evidence=EVIDENCE,
            environment="production",
            approver=by,
            approver_digest=person.digest,
            role="ml-lead",
            reason=f"{by} saw it",
            given=given.isoformat(),
            expires=expires.isoformat(),
        )
        approval = replace(approval, **changes)
        key = self.workspace.keys[by]
        return SignedApproval(approval, key.public, key.sign(approval.message()))

    def approved(self, by: str, days: int = 30, **changes: Any) -> Story:
        return self.entered(self.signed(by, days, **changes))

    def entered(self, signed: SignedApproval) -> Story:
        return self.tell("approve", signed.approval.approver, signed.subjects(), signed.approval.reason)

    def standing(self, environment: str = "production", at: datetime = NOW, version: str = VERSION) -> Standing:
        approvals = self.workspace.approvals
        return standing(self.entries, version, environment, approvals, approvals.demands(environment), at)

    def why(self, **asked: Any) -> list[str | None]:
        return [judged.why_not for judged in self.standing(**asked).approvals]


@pytest.fixture
def story(workspace: Any) -> Story:
    return Story(workspace)


def test_a_version_goes_from_draft_to_revoked(story: Story) -> None:
    states = [story.standing().state]
    story.tell("publish", "ci", SUBJECTS)  # a run in dev publishes what it finds; that proposes nothing
    states.append(story.standing().state)
    for step in (
        story.proposed,
        lambda: story.approved("ada"),
        lambda: story.tell("deprecate", "bob", SUBJECTS),
        lambda: story.tell("revoke", "ada", SUBJECTS),
        lambda: story.tell("deprecate", "bob", SUBJECTS),
    ):
        step()
        states.append(story.standing().state)
    assert states == ["draft", "draft", "proposed", "approved", "deprecated", "revoked", "revoked"]


def test_nothing_brings_a_revoked_version_back(story: Story) -> None:
    story.proposed().approved("ada").tell("revoke", "bob", SUBJECTS)
    story.proposed().approved("ada", reason="again").tell("deprecate", "bob", SUBJECTS)
    assert {story.standing(e).state for e in ("dev", "staging", "production")} == {"revoked"}


def test_revoked_approvals_of_one_environment_leave_the_version(story: Story) -> None:
    story.proposed().approved("ada").tell("revoke", "bob", {**SUBJECTS, "environment": "production"})
    assert story.standing().state == "proposed"
    assert story.why() == ["it was revoked"]
    story.approved("ada", reason="mended since")
    assert story.standing().state == "approved"


def test_a_copy_of_a_revoked_approval_is_still_revoked(story: Story) -> None:
    """Its signature is genuine, and whoever can write to the ledger can copy it."""
    said = story.signed("ada")
    story.proposed().entered(said).tell("revoke", "bob", {**SUBJECTS, "environment": "production"}).entered(said)
    assert story.why() == ["it was revoked", "it repeats entry 3"]
    assert story.standing().state == "proposed"


def test_an_approval_counts_for_its_environment_only(story: Story, workspace: Any) -> None:
    workspace.write(production="state: approved, role: ml-lead, discovery: refuse")
    said = story.signed("ada", environment="staging")
    story.proposed().entered(said)
    assert story.standing().approvals == ()
    # The same statement with the environment rewritten, as entries of the ledger are open to anybody:
    story.tell("approve", "ada", {**said.subjects(), "environment": "production"}, said.approval.reason)
    assert story.why() == ["its signature is not that of its content: it was altered"]


def test_an_approval_counts_for_its_version_only(story: Story) -> None:
    said = story.signed("ada", policy_version="shapes/0.9.0", digest="e" * 64)
    story.proposed().tell("approve", "ada", {**said.subjects(), **SUBJECTS}, said.approval.reason)
    assert story.why() == ["its signature is not that of its content: it was altered"]
    story.approved("ada", digest="e" * 64)
    assert story.why()[1] == "it is of other content than was published"


def test_the_signature_of_another_approval_does_not_count(story: Story) -> None:
    said, other = story.signed("ada"), story.signed("bob")
    story.proposed().entered(replace(said, signature=other.signature))
    story.entered(replace(said, signature=other.signature, key=other.key))
    assert story.why()[0] == "its signature is not that of its content: it was altered"
    assert story.standing().counted == {}


def test_whoever_proposed_it_cannot_approve_it_before_or_after(story: Story) -> None:
    story.proposed("ada").approved("ada")
    assert story.why() == ["ada proposed this version"]
    story.approved("bob")
    assert set(story.standing().counted) == {"bob"}
    story.proposed("bob")  # its evidence was lost, and bob proposed it again: now it is his, too
    assert story.standing().counted == {}


def test_another_role_does_not_count(story: Story) -> None:
    story.proposed().approved("dan", role="auditor")
    assert story.why() == ["it was given as auditor; ml-lead is asked for"]
    story.approved("dan", role="ml-lead")
    assert story.why()[1] == "dan does not hold the role ml-lead any more"


def test_two_approvers_are_two_people(story: Story, workspace: Any) -> None:
    workspace.write(production="state: approved, role: ml-lead, approvers: 2, discovery: refuse")
    story.proposed().approved("ada").approved("ada", reason="once more")
    assert story.standing().state == "proposed"
    (fault,) = refusals(*_asked(story))
    assert fault.found.startswith("1 that counts")
    assert "augment-ops policy approve shapes --environment production" in fault.fix
    story.approved("bob")
    assert story.standing().state == "approved"
    assert refusals(*_asked(story)) == []


def test_it_counts_for_no_longer_than_the_environment_allows(story: Story, workspace: Any) -> None:
    workspace.write(production="state: approved, role: ml-lead, longest_days: 10, discovery: refuse")
    story.proposed().approved("ada", days=365)
    given = NOW - timedelta(days=1)
    end = given + timedelta(days=10)
    assert story.why(at=end - timedelta(microseconds=1)) == [None]
    assert story.why(at=end) == ["it is older than the 10 days for which one counts"]


def test_an_approval_dated_ahead_does_not_outlast_the_longest(story: Story) -> None:
    ahead = (NOW + timedelta(days=3000)).isoformat()
    story.proposed().approved("ada", given=ahead, expires=(NOW + timedelta(days=3300)).isoformat())
    assert "still to come" in str(story.why()[0])


def test_it_stops_at_the_moment_of_expiry(story: Story) -> None:
    story.proposed().approved("ada", days=2)
    assert story.standing(at=NOW + timedelta(days=1, microseconds=-1)).state == "approved"
    assert story.standing(at=NOW + timedelta(days=1)).state == "proposed"


def test_published_again_with_other_content_no_approval_counts(story: Story) -> None:
    """A run that publishes cannot hide a change: what was approved names its content."""
    story.proposed().approved("ada").tell("publish", "ci", {**SUBJECTS, "policy": "e" * 64})
    assert story.why() == ["it is of other content than was published"]
    assert refusals(*_asked(story, digest="e" * 64))
    assert refusals(*_asked(story))


def test_evidence_that_is_lost_takes_its_approval_with_it_and_no_other(story: Story, workspace: Any) -> None:
    story.proposed().approved("ada").approved("bob")
    broken = story.standing().without({3: "its evidence does not hold"}, workspace.approvals.demands("production"))
    assert set(broken.counted) == {"bob"}
    assert broken.state == "approved"
    none = broken.without({4: "its evidence does not hold"}, workspace.approvals.demands("production"))
    assert (none.counted, none.state) == ({}, "proposed")


def _asked(story: Story, environment: str = "production", **candidate: Any) -> tuple[Any, ...]:
    found = Candidate(**{"name": "shapes", "version": "1.0.0", "digest": DIGEST, **candidate})
    return found, story.standing(environment), story.workspace.approvals.demands(environment), environment


@pytest.mark.parametrize(
    ("told", "refused_in"),
    [
        ("", {"staging": "propose shapes", "production": "propose shapes"}),
        ("proposed", {"production": "policy approve shapes --environment production"}),
        ("approved", {}),
        ("deprecated", {"production": "policy history shapes"}),
        ("revoked", dict.fromkeys(("dev", "staging", "production"), "policy history shapes")),
        ("changed", dict.fromkeys(("dev", "staging", "production"), "give the changed policy a new version")),
    ],
)
def test_what_each_environment_demands(story: Story, told: str, refused_in: dict[str, str]) -> None:
    digest = "e" * 64 if told == "changed" else DIGEST
    if told:
        story.proposed()
    if told not in ("", "proposed"):
        story.approved("ada")
    if told in ("deprecated", "revoked"):
        story.tell(told.removesuffix("d"), "bob", SUBJECTS, "1.1.0 is better")
    fixes = {}
    for environment in ("dev", "staging", "production"):
        faults = refusals(*_asked(story, environment, digest=digest))
        if faults:
            fixes[environment] = faults[0].fix
    assert fixes.keys() == refused_in.keys()
    assert all(refused_in[environment] in fix for environment, fix in fixes.items())


def test_a_proposal_that_names_no_content_admits_none(story: Story) -> None:
    story.tell("propose", "mallory", {"policy_version": VERSION})
    assert refusals(*_asked(story, "staging"))


@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
def test_a_link_that_leads_nowhere_is_refused_where_the_file_says_so(story: Story, environment: str) -> None:
    story.proposed().approved("ada")
    faults = refusals(*_asked(story, environment, discovery="MLflow run 1, which is not there"))
    assert [("discovered_by" in fault.where, "new version" in fault.fix) for fault in faults] == (
        [(True, True)] if environment == "production" else []
    )


def test_every_reason_comes_at_once(story: Story) -> None:
    story.proposed()
    faults = refusals(*_asked(story, digest="e" * 64, discovery="nothing"))
    assert len(faults) == 3
    assert all(fault.fix for fault in faults)
