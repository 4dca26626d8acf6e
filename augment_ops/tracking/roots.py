"""Root documents noted in MLflow: who puts another ledger and other rules in front of it is found out by these."""

from __future__ import annotations

from augment_ops.tracking.connection import Connection
from augment_ops.tracking.values import TAG, experiment_name

GOVERNANCE = "governance"  # its experiment: augment-ops/governance
_ROOT, _NUMBER, _INSTALLATION = f"{TAG}root", f"{TAG}root_number", f"{TAG}installation"
_MOST = 1000  # a change of rules each


def tags_of(digest: str, number: int, installation: str) -> dict[str, str]:
    """What the run that notes a root document says."""
    return {_ROOT: digest, _NUMBER: str(number), _INSTALLATION: installation}


def noted_roots(connection: Connection) -> dict[str, tuple[int, str]]:
    """Installation → number and digest of the newest root document that was noted."""
    experiment = connection.client.get_experiment_by_name(experiment_name(GOVERNANCE))
    if experiment is None:
        return {}
    found: dict[str, tuple[int, str]] = {}
    roots = f"tags.`{_NUMBER}` != ''"  # heads of the ledger lie there as well
    for run in connection.client.search_runs([experiment.experiment_id], roots, max_results=_MOST):
        told = run.data.tags
        if told.get(_NUMBER, "").isdecimal():
            note = (int(told[_NUMBER]), told.get(_ROOT, ""))
            installation = told.get(_INSTALLATION, "")
            found[installation] = max(note, found.get(installation, note))
    return found
