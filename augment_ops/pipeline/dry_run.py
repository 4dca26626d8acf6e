"""What would stop a run, found without running it: nothing is kept, entered or told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import Fault
from augment_ops.governance.approvals import AUTO
from augment_ops.lifecycle.acts import AIRFLOW
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.preflight import faults_of, preflight
from augment_ops.pipeline.run import earlier_params
from augment_ops.pipeline.stages.data import how_to_read
from augment_ops.pipeline.stages.prospects import misfits, shortages
from augment_ops.progress import Advance, unheard
from augment_ops.quality.data_checks import check_snapshot
from augment_ops.quality.rules import QualityRules
from augment_ops.scratch import folder
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, has_ledger, open_store


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a run comes to before it is one.

    Attributes:
        faults: all that would stop it, or let no model of it be promoted.
        warnings: for people.
        snapshot: what would be trained on; None where it could not be read.
    """

    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]
    snapshot: SnapshotManifest | None


def dry_run(
    settings: Settings, run_id: str, asked: Mapping[str, Any], actor: str, *, advance: Advance = unheard
) -> DryRun:
    """Look at everything that a run names, read its data set into a folder that is removed, and measure it.

    A run with a person's approval is looked at as Airflow would begin it, where the person is asked.

    Args:
        run_id: of an earlier run that would be gone on with; empty for a new one.
        asked: parameters; those left out are the earlier run's, else the defaults.
        advance: called with how many samples are read.

    Raises:
        InputError: the parameters themselves are faulty; nothing else is looked at then.
    """
    store = open_store(settings)
    params = parse_params({**(earlier_params(store, run_id) if run_id else {}), **asked})
    witness = "" if params.approval == AUTO else AIRFLOW
    warnings: list[str] = []
    snapshots: list[SnapshotManifest] = []

    def named() -> None:
        warnings.extend(preflight(settings, params, actor, witness, enters_refusals=False))

    with folder("dry-run") as place:
        if not has_ledger(settings):  # to read a ledger that is not there would make one
            settings = replace(settings, ledger=f"sqlite:///{place / 'ledger.db'}")
        read = Store(str(place / "store"))

        def data() -> None:
            how = how_to_read(params)
            told = ingest(params.dataset, read, snapshots=store, progress=lambda seen: advance(seen, None, ""), **how)
            snapshots.append(told)

        faults = faults_of([named, data])
        if snapshots:
            snapshot = Snapshot(read, snapshots[0])
            faults += _of_data(Workspace(settings, actor, enters_refusals=False), params, snapshot)
    return DryRun(
        faults=tuple(dict.fromkeys(faults)), warnings=tuple(warnings), snapshot=snapshots[0] if snapshots else None
    )


def _of_data(workspace: Workspace, params: RunParams, snapshot: Snapshot) -> list[Fault]:
    """What checks, policy, suite and gate find; a file of theirs that is faulty is told with what the run names."""
    found: list[Fault] = []

    def checks() -> None:
        rules = QualityRules.load(workspace.settings.policies / "quality" / f"{params.quality}.yaml")
        for check in check_snapshot(snapshot, rules).failures:
            expected = f"no failing check (policies/quality/{params.quality}.yaml)"
            fix = "mend the data set, or review the thresholds"
            found.append(Fault(f"check_data: {check.name}", check.message.rstrip("."), expected, fix))

    looks = (
        checks,
        lambda: found.extend(misfits(workspace, params, snapshot)),
        lambda: found.extend(shortages(workspace, params, snapshot)),
    )
    return [*faults_of(looks), *found]
