"""The policies of the library with where each stands, for a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from augment_ops.errors import PolicyError
from augment_ops.governance.chain import Entry
from augment_ops.governance.lifecycle import standing
from augment_ops.policy.library import policy_names, policy_path
from augment_ops.policy.yaml_file import parse, read_text
from augment_ops.workspace import Workspace, has_ledger


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One policy of the library.

    Attributes:
        version, owner: as its file has them; empty where the file cannot be read.
        state: of that version: `draft`, `proposed`, `approved for <environments>`, `deprecated` or `revoked`;
            `unreadable` where the file cannot be read.
    """

    name: str
    version: str
    state: str
    owner: str


def listed(workspace: Workspace) -> list[Listed]:
    """Every policy of the library, by name; the ledger is taken as it stands, whether or not evidence holds."""
    entries = list(workspace.ledger.read()) if has_ledger(workspace.settings) else []
    return [_listed(workspace, name, entries) for name in policy_names(workspace.settings.policies)]


def _listed(workspace: Workspace, name: str, entries: list[Entry]) -> Listed:
    path = policy_path(workspace.settings.policies, name)
    try:
        content = parse(read_text(path, kind="policy"), str(path))
    except PolicyError:
        return Listed(name=name, version="", state="unreadable", owner="")
    version = str(content.get("version", ""))
    state = _state(workspace, f"{name}/{version}", entries)
    return Listed(name=name, version=version, state=state, owner=str(content.get("owner", "")))


def _state(workspace: Workspace, version: str, entries: list[Entry]) -> str:
    approvals, now = workspace.approvals, datetime.now(UTC)
    states = {
        environment: standing(entries, version, environment, approvals, approvals.demands(environment), now).state
        for environment in approvals.environments
    }
    approved = [environment for environment, state in states.items() if state == "approved"]
    if approved:
        return f"approved for {', '.join(approved)}"
    order = ("revoked", "deprecated", "proposed", "draft")
    return next((state for state in order if state in states.values()), "draft")
