"""What is known of the ledger outside it, by reports and by MLflow, and the entries that may be believed for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from augment_ops.content import from_json
from augment_ops.errors import Fault, StoreError, TrackingError
from augment_ops.files import read_regular
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.verify import REPORT, Audited
from augment_ops.tracking import MlflowTracker
from augment_ops.workspace import Workspace

_DECIDE = "decide"
_REPORTED_WITHIN = timedelta(hours=1)  # a run that was decided writes its report next; a killed one goes on by hand
_LONGEST_REPORT = 1 << 26  # bytes: what no report comes near, and memory bears
_FIX = "bring it back, or restore it from a backup; until then nobody knows whether the ledger's end is there"


def believed(ledger: Ledger, tracker: MlflowTracker) -> Audited:
    """The entries to decide by, held against what runs in MLflow have noted and against the ledger's witnesses.

    Raises:
        GovernanceError: the ledger was altered, cut off or rolled back, or a witness does not answer.
        TrackingError: MLflow does not answer.
    """
    return ledger.believed(tracker.ledger_heads())


def report_heads(home: Path) -> tuple[dict[str, str], list[Fault]]:
    """Heads of the ledger that the reports below `home` have noted → where; and the reports that cannot be read."""
    heads: dict[str, str] = {}
    faults = []
    for folder in sorted(path for path in (home / "reports").glob("*") if path.is_dir()):
        path = folder / "report.json"
        try:
            lineage = from_json(dict, read_regular(str(path), limit=_LONGEST_REPORT)).get("lineage")
            head = lineage.get("ledger head") if isinstance(lineage, dict) else None
            if not isinstance(head, str):
                raise StoreError(str(path), "no head of the ledger", "one", _FIX)
        except (OSError, StoreError) as error:
            found = error.faults[0].found if isinstance(error, StoreError) else error.strerror or str(error)
            faults.append(Fault(f"{REPORT} {path}", found, "the head of the ledger that it has noted", _FIX))
        else:
            heads[head] = f"{REPORT} {path}"
    return heads, faults


def mlflow_heads(workspace: Workspace) -> tuple[dict[str, str], list[Fault]]:
    """Heads of the ledger that runs in MLflow have noted → which; and the fault where it does not answer."""
    try:
        return workspace.tracker.ledger_heads(), []
    except TrackingError as error:
        found = error.faults[0].found
        return {}, [Fault("MLflow", found, "the heads of the ledger that its runs have noted", _FIX)]


def unreported(ledger: Ledger, now: datetime) -> list[Fault]:
    """A fault where runs were decided, though neither reports nor runs in MLflow have noted anything."""
    before = (now - _REPORTED_WITHIN).isoformat()
    runs = sum(entry.at < before for entry in ledger.read((_DECIDE,)))
    expected = f"those of {runs} runs that the ledger says were decided"
    fix = "restore reports/ and MLflow's database from a backup; find out who removed them"
    return [Fault("reports and MLflow", "no noted head", expected, fix)] if runs else []


def ages(found: Audited, now: datetime) -> list[str]:
    """What each witness knew last, and how long ago, for people."""
    lines = [
        f"{sighting.witness}: {_age(sighting.seq, sighting.at, now)}"
        + (f"; newer entries that are not there: {sighting.lacking}" if sighting.lacking else "")
        for sighting in found.sightings
    ]
    return [*lines, outside_age(found, now)]


def outside_age(found: Audited, now: datetime) -> str:
    """How old the youngest head is that lies outside the installation's own state."""
    youngest = max((s for s in found.sightings if s.outside and s.seq), key=lambda s: s.at, default=None)
    if youngest is None:
        return "youngest outside witness: none (set AUGMENT_OPS_WITNESSES: docs/governance.md)"
    return f"youngest outside witness: {youngest.witness}, {_age(youngest.seq, youngest.at, now)}"


def _age(seq: int, at: str, now: datetime) -> str:
    if not seq or not at:
        return "nothing noted"
    age = max(timedelta(0), now - datetime.fromisoformat(at))
    return f"entry {seq}, {age - timedelta(microseconds=age.microseconds)} ago"


def at_present() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)
