"""The story of a policy: who changed what, what it cost and did, who approved it, which models came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from augment_ops.errors import StoreError
from augment_ops.governance.chain import Entry
from augment_ops.governance.lifecycle import DEPRECATE, PROPOSE, PUBLISH, REVOKE
from augment_ops.governance.rollouts import ADMIT, APPROVE, END, PAUSE, RESUME, START, STEP, WAIT
from augment_ops.governance.statements import evidence_of, is_policy_approval
from augment_ops.lifecycle.evidence import KINDS, documents
from augment_ops.lifecycle.standing import standing
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.diff import compare
from augment_ops.policy.library import load, policy_path
from augment_ops.policy.published import load_published, published_versions
from augment_ops.policy.spec import Policy
from augment_ops.quantities import milliseconds
from augment_ops.workspace import Workspace


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        at: UTC, ISO 8601; empty for what no entry of the ledger tells.
        by: who did it.
        what: a sentence.
        seq: the ledger's entry; 0 where there is none.
    """

    at: str
    by: str
    what: str
    seq: int


@dataclass(frozen=True)
class Chapter:
    """One version.

    Attributes:
        changes: against the version before, as `policy diff` says them; what the first holds, for the first.
        events: oldest first.
    """

    version: str
    digest: str
    description: str
    changes: tuple[str, ...]
    events: tuple[Event, ...]


def history(workspace: Workspace, name: str) -> list[Chapter]:
    """The versions of a policy, oldest first; the one that stands in its file last, where it is not published yet.

    Raises:
        PolicyError: no such policy.
    """
    policies = workspace.settings.policies
    versions = [load_published(policies, name, version) for version in published_versions(policies, name)]
    if policy_path(policies, name).is_file() or not versions:
        draft = load(policies, name)
        versions += [] if any(v.version == draft.version for v in versions) else [draft]
    entries = list(workspace.ledger.read())
    chapters, before = [], None
    for policy in versions:
        events = _events(workspace, entries, policy, _objections(workspace, policy))
        chapters.append(
            Chapter(
                policy.version, policy.digest, policy.description, _changes(workspace, before, policy), tuple(events)
            )
        )
        before = policy
    return chapters


def lines(name: str, chapters: Iterable[Chapter]) -> list[str]:
    """The story for a terminal."""
    told = []
    for chapter in chapters:
        told += [f"{name} {chapter.version} ({chapter.digest[:12]}): {chapter.description}"]
        told += [f"    {line}" for line in chapter.changes]
        told += [
            f"  {event.at[:16].replace('T', ' ') or ' ' * 16}  {event.by}: {event.what}" for event in chapter.events
        ] or ["  nobody proposed it here, and no run has used it"]
    return told


def _changes(workspace: Workspace, before: Policy | None, policy: Policy) -> tuple[str, ...]:
    if before is None:
        return tuple(step.name for step in policy.transforms)
    found = compare(before, policy, load_limits(workspace.settings.policies, policy.domain))
    return tuple(line for line in found.lines() if not line.startswith(("digest ", "version: ")))


def _objections(workspace: Workspace, policy: Policy) -> dict[int, str]:
    """Entry of an approval → why it does not count now."""
    return {
        judged.signed.seq: judged.why_not
        for environment in workspace.approvals.environments
        for judged in standing(workspace, policy, environment).approvals
        if judged.why_not is not None
    }


def _events(workspace: Workspace, entries: list[Entry], policy: Policy, objections: Mapping[int, str]) -> list[Event]:
    version = f"{policy.name}/{policy.version}"
    models = {
        entry.subjects["model"]
        for entry in entries
        if entry.act == "train" and entry.subjects.get("policy") == policy.digest and "model" in entry.subjects
    }
    judged = {
        entry.subjects["version"]
        for entry in entries
        if entry.act == "decide" and entry.subjects.get("model") in models and "version" in entry.subjects
    }
    events = []
    for entry in entries:
        if entry.subjects.get("policy_version") == version:
            what = _said_of_policy(workspace, entry)
            what += f" (it does not count now: {objections[entry.seq]})" if entry.seq in objections else ""
        elif entry.subjects.get("model") in models or entry.subjects.get("version") in judged:
            what = _said_of_model(entry)
        else:
            continue
        if what:
            events.append(Event(entry.at, entry.actor, what, entry.seq))
    return events


def _said_of_policy(workspace: Workspace, entry: Entry) -> str:
    where = entry.subjects.get("environment", "")
    if is_policy_approval(entry):
        return f"approved it for {where} until {entry.subjects.get('expires', '')[:10]}: {entry.reason}"
    said: Mapping[str, str] = {
        PUBLISH: "published it",
        PROPOSE: f"proposed it{_cost(workspace, entry)}",
        DEPRECATE: f"deprecated it: {entry.reason}",
        REVOKE: f"revoked {f'its approvals for {where}' if where else 'it'}: {entry.reason}",
        "reject": f"did not approve it{f' for {where}' if where else ''}: {entry.reason}",
        "refuse": f"was refused: {entry.reason}",
    }
    return said.get(entry.act, "")


def _cost(workspace: Workspace, entry: Entry) -> str:
    evidence = evidence_of(entry)
    if not set(KINDS) <= set(evidence):
        return ""
    try:
        cost, seen = documents(workspace.store, evidence)
    except StoreError as error:
        return f"; its evidence is lost ({error.faults[0].found})"
    size = "×".join(str(side) for side in cost.at)
    return (
        f", p95 {milliseconds(cost.whole.p95_ms)} {cost.one} at {size} (budget {milliseconds(cost.budget_p95_ms)}), "
        f"shown on {seen.dataset}"
    )


def _said_of_model(entry: Entry) -> str:
    version = entry.subjects.get("version", "").replace("/", " version ")
    where, step = entry.subjects.get("environment", ""), entry.subjects.get("step", "")
    said = {
        "decide": f"the gate judged {version or 'its model'}: {entry.reason}",
        "approve": f"approved {version} for {where}: {entry.reason}",
        "reject": f"rejected {version} for {where}: {entry.reason}",
        "promote": f"made {version} champion: {entry.reason}",
        "rollback": f"made {version} champion again: {entry.reason}",
        ADMIT: f"let {version} into the rollouts of {where}: {entry.reason}",
        START: f"began to roll {version} out in {where}: {entry.reason}",
        STEP: f"took {version} to step {step} in {where}: {entry.reason}",
        WAIT: f"asked whether {version} may go on in {where}: {entry.reason}",
        PAUSE: f"paused the rollout of {version} in {where}: {entry.reason}",
        RESUME: f"resumed the rollout of {version} in {where}: {entry.reason}",
        APPROVE: f"let {version} go on in {where}: {entry.reason}",
        END: f"ended the rollout of {version} in {where} ({entry.subjects.get('outcome', '')}): {entry.reason}",
    }
    return said.get(entry.act, "")
