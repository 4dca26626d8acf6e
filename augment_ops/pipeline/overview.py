"""The runs of a store as people look for them: which there are, how far each came, what two of them have in common.

Read from the documents that runs leave behind. Nothing is decided by it: what counts is held against the ledger where
it is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.store import Store
from augment_ops.errors import Fault, InputError, nearest
from augment_ops.pipeline.graph import STAGES
from augment_ops.pipeline.outputs import Decided, Prepared, Promotion, Report, ResolvedPolicy, StressTest
from augment_ops.pipeline.parameters import parameters
from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.run import Run, StageRecord, record_of
from augment_ops.quality.report import QualityReport
from augment_ops.report.stress_summary import gap_table
from augment_ops.settings import Settings
from augment_ops.stress.report import CLEAN, Role, StressReport

T = TypeVar("T")

LATEST = "latest"  # in the place of an id: the run that began last
_SHOWN = 5  # ids in an error


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """A run in one line.

    Attributes:
        state: the gate's verdict; else `refused`, with a page that says why, or `at <stage>` where it stands or works.
        outcome: what became of the candidate, in a sentence, or whose answer it waits for; empty before.
        seconds: of work of all stages that have a record.
        driver_url: of the run in its driver's UI, mlflow_url and report_url in MLflow's; empty where there is none.
        report: path of the page on the machine that made it, also of one that waits for an answer; empty before.
    """

    id: str
    dataset: str
    policy: str
    environment: str
    actor: str
    started_at: str
    state: str
    outcome: str
    version: str | None
    seconds: float
    driver_url: str
    mlflow_url: str
    report_url: str
    report: str


@dataclass(frozen=True)
class RunDifference:
    """One thing that two runs have, or differ in.

    Attributes:
        before, after: as people read them; empty where a run has none.
        change: of numbers, how much the second has more; empty for what is no number.
    """

    name: str
    before: str
    after: str
    change: str = ""


def runs(store: Store) -> list[Run]:
    """Every run that has begun, the newest first."""
    found = (store.get_document(name) for name in store.documents("runs/") if name.endswith("/run.json"))
    known = [from_json(Run, document) for document in found if document is not None]
    return sorted(known, key=lambda run: (run.started_at, run.id), reverse=True)


def find_run(store: Store, named: str) -> Run:
    """The run of an id, of the beginning of one id alone, or the latest.

    Raises:
        InputError: there is none, or several begin so.
    """
    known = runs(store)
    if named == LATEST and known:
        return known[0]
    matches = [run for run in known if run.id == named] or [run for run in known if named and run.id.startswith(named)]
    if len(matches) == 1:
        return matches[0]
    ids = [run.id for run in matches or known]
    told = ", ".join(ids[:_SHOWN]) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")
    found = f"{named!r:.120}, with which {len(matches)} begin" if matches else f"no run {named!r:.120}"
    fix = f"augment-ops runs list shows them; {LATEST} is the newest.{'' if matches else nearest(named, ids)}"
    raise InputError("run", found, f"the id of a run, or its beginning: {told or 'there is none yet'}", fix)


def records(store: Store, run: Run) -> dict[str, StageRecord]:
    """Stage → its record, of the stages that are done, in their order."""
    found = ((stage.name, record_of(store, run.id, stage.name)) for stage in STAGES)
    return {name: record for name, record in found if record is not None}


def summary(settings: Settings, store: Store, run: Run) -> RunSummary:
    """A run in one line.

    That one is refused is told by the page that says why: its documents do not tell it from one that still works.
    """
    done = records(store, run)
    manifest = output(store, done, "ingest", SnapshotManifest)
    prepared, promoted = output(store, done, "prepare_report", Prepared), output(store, done, "promote", Promotion)
    ended = output(store, done, "report", Report)
    page = ended or prepared
    asks = prepared.asks if prepared is not None and "approve" not in done else ""
    return RunSummary(
        id=run.id,
        dataset=manifest.dataset if manifest else str(run.params.get("dataset_name") or run.params.get("dataset", "")),
        policy=str(run.params.get("policy", "")),
        environment=str(run.params.get("environment", "")),
        actor=run.actor,
        started_at=run.started_at,
        state=_state(store, done, refused=page_of(settings, run.id).is_file()),
        outcome=promoted.message if promoted else f"waits for the answer of {asks}" if asks else "",
        version=promoted.version if promoted else None,
        seconds=sum(record.wall_s for record in done.values()),
        driver_url=run.link,
        mlflow_url=ended.mlflow_run_url if ended else "",
        report_url=page.url if page else "",
        report=page.path if page else "",
    )


@dataclass(frozen=True)
class Filter:
    """What a run has to have.

    Attributes:
        option: what people know it by.
        field: of `RunSummary`.
        value: empty asks for nothing.
        known: values that there are, whether or not a run has them.
    """

    option: str
    field: str
    value: str
    known: tuple[str, ...] = ()


def choose(found: Iterable[RunSummary], filters: Iterable[Filter]) -> list[RunSummary]:
    """The runs that answer to all filters.

    Raises:
        InputError: a value that there is not; every such value at once.
    """
    every, faults = list(found), []
    asked = [one for one in filters if one.value]
    for one in asked:
        known = list(dict.fromkeys((*one.known, *(str(getattr(run, one.field)) for run in every))))
        if one.value not in known:
            told = ", ".join(known) or "there is no run yet"
            fix = f"choose one of them.{nearest(one.value, known)}"
            faults.append(Fault(one.option, repr(one.value)[:80], f"one of {told}", fix))
    if faults:
        raise InputError.of("runs", faults)
    return [run for run in every if all(getattr(run, one.field) == one.value for one in asked)]


def compare(settings: Settings, store: Store, before: Run, after: Run) -> list[RunDifference]:
    """What two runs came to, and the parameters in which they differ."""
    told = [_facts(settings, store, run) for run in (before, after)]
    found = [RunDifference(name, told[0].get(name, ""), told[1].get(name, "")) for name in told[0] | told[1]]
    numbers = [_numbers(store, run) for run in (before, after)]
    for name in numbers[0] | numbers[1]:
        (old, digits), (new, _) = (one.get(name, (math.nan, ".1f")) for one in numbers)
        earlier, later = ("" if math.isnan(value) else f"{value:{digits}}" for value in (old, new))
        change = f"{new - old:+{digits}}" if earlier and later else ""
        found.append(RunDifference(name, earlier, later, change))
    defaults = {one.name: one.default for one in parameters()}
    for name, default in defaults.items():
        asked = [str(run.params.get(name, default)) for run in (before, after)]
        if asked[0] != asked[1]:
            found.append(RunDifference(f"parameter {name}", asked[0], asked[1]))
    return found


def output(store: Store, done: dict[str, StageRecord], stage: str, cls: type[T]) -> T | None:
    """What a stage left behind; None where it is not done."""
    return from_json(cls, store.get(done[stage].output)) if stage in done else None


def _state(store: Store, done: dict[str, StageRecord], *, refused: bool) -> str:
    decided = output(store, done, "decide", Decided)
    if decided is not None:
        return str(decided.decision.verdict)
    data = output(store, done, "check_data", QualityReport)
    if refused or (data is not None and data.status == "fail"):
        return "refused"
    return f"at {next((stage.name for stage in STAGES if stage.name not in done), '')}"


def _facts(settings: Settings, store: Store, run: Run) -> dict[str, str]:
    told, done = summary(settings, store, run), records(store, run)
    manifest = output(store, done, "ingest", SnapshotManifest)
    policy = output(store, done, "resolve_policy", ResolvedPolicy)
    return {
        "run": told.id,
        "verdict": told.state,
        "outcome": told.outcome,
        "began": f"{told.started_at[:16]}Z, by {told.actor}",
        "data set": f"{told.dataset} {manifest.digest[:12]}" if manifest else told.dataset,
        "samples": str(manifest.samples) if manifest else "",
        "policy": f"{policy.name} {policy.version} {policy.digest[:12]}" if policy else told.policy,
        "environment": told.environment,
    }


def _numbers(store: Store, run: Run) -> dict[str, tuple[float, str]]:
    """Name → value and how it is written."""
    done = records(store, run)
    found = {"seconds of work": (sum(record.wall_s for record in done.values()), ".1f")}
    policy = output(store, done, "resolve_policy", ResolvedPolicy)
    stress = output(store, done, "stress_test", StressTest)
    if policy is not None:
        found["augmentation p95, ms a sample"] = (policy.p95_ms, ".2g" if policy.p95_ms < 1 else ".1f")
    if stress is not None:
        found |= {name: (value * 100, ".1f") for name, value in _shares(stress.report).items()}
    return found


def _shares(report: StressReport) -> dict[str, float]:
    found = {}
    roles: tuple[Role, ...] = ("candidate", "control")
    for role in roles:
        clean = report.cell(role, CLEAN, 0)
        if clean is not None:
            found[f"{role}, clean accuracy, %"] = clean.accuracy
            gaps = [value for row in gap_table(report, role).rows for value in row.values if value is not None]
            found[f"{role}, largest loss under stress, points"] = max(gaps, default=math.nan)
    return found
