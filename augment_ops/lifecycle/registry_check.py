"""MLflow's registry held against the ledger: aliases, versions, tags and the bytes of the registered files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augment_ops.content import digest_of
from augment_ops.errors import AugmentOpsError, Fault
from augment_ops.governance.audit import Reign, champions, ruling, settled
from augment_ops.governance.chain import Entry
from augment_ops.lifecycle.book import book_of
from augment_ops.monitoring.telemetry.metrics import Observation, registry_samples
from augment_ops.tracking.values import PRODUCTION, alias_of, classifier_name
from augment_ops.workspace import Workspace

if TYPE_CHECKING:
    from augment_ops.tracking import MlflowTracker

_ACTS = ("promote", "rollback", "alias", "take-over")
_RESTORE = "augment-ops champion restore {dataset} --environment {environment}"
_ROLLBACK = "do not use it: augment-ops rollback {dataset} --environment {environment} --reason …"


@dataclass(frozen=True)
class Examined:
    """What MLflow's registry came to, against the ledger.

    Attributes:
        champions: how many aliases and champions were looked at.
        faults: by data set; nothing is wrong where it is empty.
        notes: what is not finished yet, and who completes it.
    """

    champions: int
    faults: dict[str, list[Fault]]
    notes: list[str]

    @property
    def all_faults(self) -> list[Fault]:
        """Of all data sets."""
        return [fault for faults in self.faults.values() for fault in faults]


def look(workspace: Workspace) -> Examined:
    """What the registry of a workspace comes to; see `examine`."""
    return examine(book_of(workspace).read(_ACTS), workspace.tracker)


def samples_of(workspace: Workspace, dataset: str) -> list[Observation]:
    """How many faults one data set has, as a metric; none where MLflow or the ledger does not answer."""
    try:
        found = examine(book_of(workspace).read(_ACTS), workspace.tracker, (dataset,))
    except AugmentOpsError:
        return []  # that has alerts of its own
    return registry_samples({name: len(faults) for name, faults in found.faults.items()})


def examine(entries: Iterable[Entry], tracker: MlflowTracker, only: Sequence[str] = ()) -> Examined:
    """Hold every champion of the ledger against MLflow, and every alias in MLflow against the ledger. Changes nothing.

    Args:
        only: data sets; by default all.

    Raises:
        TrackingError: MLflow does not answer.
    """
    entries = [e for e in entries if e.act in _ACTS]
    taken_over = {e.subjects["version"].rpartition("/")[0] for e in entries if e.act == "take-over"}
    named = tracker.named_champions()
    moved = {e.subjects["version"].rpartition("/")[0] for e in entries if "version" in e.subjects}
    counted = 0
    faults: dict[str, list[Fault]] = {}
    notes: list[str] = []
    for dataset in only or sorted({*moved, *named}):
        all_reigns, reigns = champions(entries, dataset), ruling(entries, dataset)
        former = bool(all_reigns) and all_reigns[-1].former and dataset not in taken_over
        if former and named.get(dataset, {}).get(PRODUCTION) == all_reigns[-1].version:
            notes.append(f"{dataset}: one champion for all environments; the next run takes it over")
            reigns = {PRODUCTION: all_reigns[-1]}
        found: list[Fault] = []
        for environment in sorted({*reigns, *named.get(dataset, {})}):
            counted += 1
            reign, at = reigns.get(environment), named.get(dataset, {}).get(environment)
            if reign is not None and not settled(entries, reign) and at == reign.succeeded:
                notes.append(f"{dataset}, {environment}: entry {reign.seq} is not done; the next run completes it")
                found += faults_of_version(tracker, dataset, reign)
            else:
                found += faults_of(tracker, dataset, environment, reign)
        faults[dataset] = found
    return Examined(counted, faults, notes)


def faults_of(tracker: MlflowTracker, dataset: str, environment: str, reign: Reign | None) -> list[Fault]:
    """What is wrong in MLflow with the champion that `reign` made, or with an alias that no entry made."""
    at = tracker.named_champion(dataset, environment)
    where = f"{classifier_name(dataset)}, alias {alias_of(environment)}"
    fix = _RESTORE.format(dataset=dataset, environment=environment)
    if reign is None:
        expected = "no such alias: no entry of the ledger made a champion"
        return [] if at is None else [Fault(where, f"version {at}", expected, fix)]
    faults = []
    if at != reign.version:
        expected = f"version {reign.version} ({reign.act} by {reign.by}, entry {reign.seq} of the ledger)"
        faults.append(Fault(where, f"version {at}" if at else "no such alias or model", expected, fix))
    return faults + faults_of_version(tracker, dataset, reign)


def faults_of_version(tracker: MlflowTracker, dataset: str, reign: Reign) -> list[Fault]:
    """Where a registered version is not what an entry of the ledger says: number, digests, tags, bytes of the file."""
    where = f"{classifier_name(dataset)} version {reign.version}"
    fix = _ROLLBACK.format(dataset=dataset, environment=reign.environment)
    entry = f"entry {reign.seq} of the ledger" if reign.seq else "the run"
    found = tracker.find_version(dataset, reign.version)
    if found is None:
        return [Fault(where, "no such version", f"the champion that {entry} made", fix)]
    faults = [
        Fault(f"{where}, tag {tag}", _short(said), f"{_short(expected)}, as {entry} says", fix)
        for tag, said, expected in (
            ("augment_ops.model_digest", found.model_digest, reign.model),
            ("augment_ops.artifact", found.artifact, reign.artifact),
        )
        if expected and said != expected
    ]
    if reign.registered and digest_of(found.identity) != reign.registered:
        tags = ", ".join(sorted(found.identity))
        faults.append(Fault(f"{where}, tags {tags}", "other values", f"those with which {entry} was made", fix))
    if not faults:
        try:
            tracker.check_file(dataset, reign.version)
        except AugmentOpsError as error:
            fault = error.faults[0]
            faults.append(Fault(f"{where}, its file", fault.found, f"{fault.expected} ({entry})", fix))
    return faults


def _short(digest: str) -> str:
    return f"{digest[:12]}…" if digest else "none"
