"""The runs of a store for somebody who asks again and again: what does not change any more is read once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import RLock

from augment_ops.content import from_json
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, StoreError
from augment_ops.gate.grouping import Group, grouped
from augment_ops.pipeline.cause import AlertCause, alert_behind
from augment_ops.pipeline.outputs import AugmentedCheck, Decided, Prepared, Report, ResolvedPolicy, StressTest
from augment_ops.pipeline.overview import RunSummary, output, records, summary
from augment_ops.pipeline.recorders.headline import Headline, headline, named
from augment_ops.pipeline.run import Run, StageRecord, folder_name
from augment_ops.report.brief import Brief
from augment_ops.workspace import Workspace

UNREADABLE = "unreadable"  # the state of a run whose documents were altered or lost
_FOLDER = "runs/"
_KEPT = 5000  # runs of which a line is remembered: a few kilobytes each


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A run as a list shows it, and what its own page has beside that.

    Attributes:
        policy: name and version; the name that was asked for, where no policy is resolved yet.
        policy_digest: of its content; empty where none is resolved yet.
        headline: the candidate in three numbers; None before the gate has decided.
        cause: the alert that started it; None where none did.
        asks: role whose answer it waits for; empty where it waits for nobody.
        brief: what whoever decides is shown; None before.
        stages: stage → its record, of those that are done.
        page: sha256 of its report; empty where there is none.
        pictures: object digest of a PNG of originals beside augmented samples; empty where there is none.
        p95_ms: of augmenting one sample; None where it was not measured.
        reasons: of the decision, those of one kind as one; those that passed are left out.
    """

    summary: RunSummary
    policy: str
    policy_digest: str = ""
    headline: Headline | None = None
    cause: AlertCause | None = None
    asks: str = ""
    brief: Brief | None = None
    stages: dict[str, StageRecord] = field(default_factory=dict)
    page: str = ""
    pictures: str = ""
    p95_ms: float | None = None
    reasons: tuple[Group, ...] = ()

    @property
    def id(self) -> str:
        """Of the run."""
        return self.summary.id

    @property
    def made_s(self) -> float:
        """Seconds of work of the stages that this run did itself."""
        return sum(record.wall_s for record in self.stages.values() if not record.reused_from)


class KnownRuns:
    """The runs of a workspace's store. Safe for several threads.

    A run's declaration is written once, so it is read once. Its line is remembered with the record of its last stage,
    which names by its key all that the stages before it came to, and is made anew where that record is another.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = RLock()
        self._begun: dict[str, Run] = {}
        self._ended: set[str] = set()
        self._facts: dict[str, tuple[bytes, tuple[str, str]]] = {}
        self._lines: OrderedDict[str, tuple[bytes, RunLine]] = OrderedDict()

    @property
    def _store(self) -> Store:
        return self._workspace.store

    def begun(self) -> list[Run]:
        """Every run that has begun, the newest first; one whose declaration cannot be read is left out."""
        with self._lock:
            folders = self._store.folders(_FOLDER)
            for folder in folders:
                if folder not in self._begun:
                    self._read(folder)
            for gone in self._begun.keys() - set(folders):
                del self._begun[gone]
            return sorted(self._begun.values(), key=lambda run: (run.started_at, run.id), reverse=True)

    def find(self, run_id: str) -> Run | None:
        """The run of exactly that id."""
        return next((run for run in self.begun() if run.id == run_id), None)

    def line(self, run: Run) -> RunLine:
        """The run as it is now."""
        with self._lock:
            last = self._document(run, "report")
            known = self._lines.get(run.id)
            if known is not None and last is not None and known[0] == last:
                self._lines.move_to_end(run.id)
                return known[1]
            line = self._make(run)
            if last is not None and line.summary.state != UNREADABLE:
                self._lines[run.id] = (last, line)
                while len(self._lines) > _KEPT:
                    self._lines.popitem(last=False)
            return line

    def facts(self, run: Run) -> tuple[str, str]:
        """Name of its data set, and its state: what lists are searched by, read without the rest."""
        with self._lock:
            last = self._document(run, "report")
            known = self._facts.get(run.id)
            if known is not None and last is not None and known[0] == last:
                return known[1]
            told = self._look(run)
            found = told.dataset, told.state
            if last is not None and told.state != UNREADABLE:
                self._facts[run.id] = last, found
            return found

    def waiting(self) -> list[RunLine]:
        """The runs that wait for somebody's answer, the longest waiting last."""
        found = []
        for run in self.begun():
            if run.id in self._ended:
                continue
            if self._document(run, "report") is not None:
                self._ended.add(run.id)
            elif self._document(run, "prepare_report") is not None and (line := self.line(run)).asks:
                found.append(line)
        return found

    def _look(self, run: Run) -> RunSummary:
        try:
            return summary(self._workspace.settings, self._store, run)
        except AugmentOpsError as error:
            return _told(run, str(error.faults[0]))

    def _read(self, folder: str) -> None:
        document = self._store.get_document(f"{folder}/run.json")
        if document is not None:
            try:
                self._begun[folder] = from_json(Run, document)
            except StoreError:
                return

    def _document(self, run: Run, name: str) -> bytes | None:
        return self._store.get_document(f"{_FOLDER}{folder_name(run.id)}/{name}.json")

    def _make(self, run: Run) -> RunLine:
        try:
            return self._whole(run)
        except AugmentOpsError as error:
            return RunLine(summary=_told(run, str(error.faults[0])), policy=str(run.params.get("policy", "")))

    def _whole(self, run: Run) -> RunLine:
        store = self._store
        done = records(store, run)
        decided = output(store, done, "decide", Decided)
        resolved = output(store, done, "resolve_policy", ResolvedPolicy)
        prepared = output(store, done, "prepare_report", Prepared)
        tested = output(store, done, "stress_test", StressTest)
        checked = output(store, done, "check_augmented", AugmentedCheck)
        page = output(store, done, "report", Report) or prepared
        return RunLine(
            summary=summary(self._workspace.settings, store, run),
            policy=named(resolved) if resolved else str(run.params.get("policy", "")),
            policy_digest=resolved.digest if resolved else "",
            headline=headline(store, tested, decided) if tested and decided else None,
            cause=alert_behind(self._workspace.ledger, run.id),
            asks=prepared.asks if prepared is not None and "approve" not in done else "",
            brief=prepared.brief if prepared else None,
            stages=done,
            page=page.digest if page else "",
            pictures=checked.contact_sheet if checked else "",
            p95_ms=resolved.p95_ms if resolved else None,
            reasons=tuple(grouped(one for one in decided.decision.reasons if one.outcome != "pass")) if decided else (),
        )


def _told(run: Run, why: str) -> RunSummary:
    """What is known of a run whose documents cannot be read."""
    return RunSummary(
        id=run.id,
        dataset=str(run.params.get("dataset_name") or run.params.get("dataset", "")),
        policy=str(run.params.get("policy", "")),
        environment=str(run.params.get("environment", "")),
        actor=run.actor,
        started_at=run.started_at,
        state=UNREADABLE,
        outcome=why,
        version=None,
        seconds=0.0,
        driver_url=run.link,
        mlflow_url="",
        report_url="",
        report="",
    )
