"""Where a policy version stands, by the ledger's entries whose evidence still holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from augment_ops.governance.chain import Entry
from augment_ops.governance.lifecycle import Standing
from augment_ops.governance.lifecycle import standing as judged
from augment_ops.lifecycle.evidence import why_broken
from augment_ops.workspace import Versioned, Workspace, version_of


def standing(
    workspace: Workspace, policy: Versioned, environment: str, entries: Iterable[Entry] | None = None
) -> Standing:
    """Where a version stands in an environment now; an approval whose evidence does not hold does not count.

    Args:
        entries: those to believe; by default what the ledger holds, unverified.
    """
    demands = workspace.approvals.demands(environment)
    now = datetime.now(UTC)
    found = judged(
        workspace.ledger.read() if entries is None else entries,
        version_of(policy),
        environment,
        workspace.approvals,
        demands,
        now,
    )
    broken = {
        signed.seq: f"its evidence does not hold ({'; '.join(why)}): restore it, or propose the version again"
        for signed in found.counted.values()
        if (why := why_broken(workspace.store, dict(signed.approval.evidence), signed.approval.digest))
    }
    return found.without(broken, demands)
