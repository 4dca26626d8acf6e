"""The policies of the library with where each stands, for a list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from augment_ops.errors import PolicyError
from augment_ops.governance.acts import ROOT
from augment_ops.governance.chain import Entry
from augment_ops.governance.lifecycle import Standing, standing
from augment_ops.policy.library import policy_names, policy_path
from augment_ops.policy.yaml_file import parse, read_text
from augment_ops.workspace import Workspace, has_ledger


@dataclass(frozen=True)
class CountedApproval:
    """An approval that counts now.

    Attributes:
        until: ISO 8601; it counts no longer than that.
    """

    environment: str
    by: str
    role: str
    until: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One policy of the library.

    Attributes:
        version, owner: as its file has them; empty where the file cannot be read.
        state: of that version: `draft`, `proposed`, `approved for <environments>`, `deprecated` or `revoked`;
            `unreadable` where the file cannot be read.
        proposed_by: who proposed that version.
    """

    name: str
    version: str
    state: str
    owner: str
    proposed_by: tuple[str, ...] = ()
    approvals: tuple[CountedApproval, ...] = ()


def listed(workspace: Workspace, entries: Collection[Entry] | None = None) -> list[Listed]:
    """Every policy of the library, by name; the ledger is taken as it stands, whether or not evidence holds.

    Args:
        entries: of the ledger, those of policies at least; by default all of them.
    """
    if entries is None:
        entries = list(workspace.ledger.read()) if has_ledger(workspace.settings) else []
    return [_listed(workspace, name, entries) for name in policy_names(workspace.settings.policies)]


def _listed(workspace: Workspace, name: str, entries: Collection[Entry]) -> Listed:
    path = policy_path(workspace.settings.policies, name)
    try:
        content = parse(read_text(path, kind="policy"), str(path))
    except PolicyError:
        return Listed(name=name, version="", state="unreadable", owner="")
    version = str(content.get("version", ""))
    found = _standings(workspace, f"{name}/{version}", entries)
    return Listed(
        name=name,
        version=version,
        state=_state(found),
        owner=str(content.get("owner", "")),
        proposed_by=tuple(dict.fromkeys(by for one in found.values() for by in one.proposed_by)),
        approvals=tuple(
            CountedApproval(environment, signed.approval.approver, signed.approval.role, signed.approval.expires)
            for environment, one in found.items()
            for signed in one.counted.values()
        ),
    )


def _standings(workspace: Workspace, version: str, entries: Collection[Entry]) -> dict[str, Standing]:
    """Environment → where the version stands in it."""
    approvals, now = workspace.approvals, datetime.now(UTC)
    about = [entry for entry in entries if entry.act == ROOT or entry.subjects.get("policy_version") == version]
    return {
        environment: standing(about, version, environment, approvals, approvals.demands(environment), now)
        for environment in approvals.environments
    }


def _state(found: Mapping[str, Standing]) -> str:
    approved = [environment for environment, one in found.items() if one.state == "approved"]
    if approved:
        return f"approved for {', '.join(approved)}"
    states = {one.state for one in found.values()}
    order = ("revoked", "deprecated", "proposed", "draft")
    return next((state for state in order if state in states), "draft")
