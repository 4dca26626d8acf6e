"""What the ledger knows of a run: what was asked when it began, and what each of its stages made.

`run.json` and the records of stages lie in the store, where whoever has the machine can edit them. They point; the
ledger says whether what they point at is what was asked and made. One entry a run and one an execution of a stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augment_ops.content import digest_of
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.root import pinned
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import Run, StageRecord, begin, declaration_of, entry_key
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace

BEGIN, STAGE = "begin", "stage"
REUSED_FROM = "reused_from"  # subject of a stage that found its output: the run that had made it
_RULES = "rules."  # prefix of the subjects that pin a rule file


@dataclass(frozen=True)
class Provenance:
    """The entries of one run, oldest first."""

    run_id: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, ledger: Ledger, run_id: str) -> Provenance:
        """What the ledger has of a run now."""
        found = ledger.entries_under(entry_key(run_id, ""))
        return cls(run_id, tuple(entry for entry in found if entry.subjects.get("run") == run_id))

    @property
    def declaration(self) -> Entry | None:
        """The entry that was made when the run began; None for a run of a version that made none."""
        return next((entry for entry in self.entries if entry.act == BEGIN), None)

    @property
    def rules(self) -> dict[str, str]:
        """File below policies/ → its sha256 when the run began."""
        told = {} if self.declaration is None else self.declaration.subjects
        return {name.removeprefix(_RULES): digest for name, digest in told.items() if name.startswith(_RULES)}

    def head(self) -> str | None:
        """Hash of the run's newest entry before its report, which notes it outside the ledger; None without one."""
        made = [e for e in self.entries if (e.act, e.subjects.get("stage")) != (STAGE, "report")]
        return made[-1].hash if made else None

    def made(self, stage: str) -> list[tuple[str, str]]:
        """Key and output of each execution of a stage, oldest first."""
        return [(entry.subjects["key"], entry.subjects["output"]) for entry in self.executions(stage)]

    def executions(self, stage: str) -> list[Entry]:
        """The entries of a stage's executions, oldest first."""
        return [entry for entry in self.entries if entry.act == STAGE and entry.subjects["stage"] == stage]

    def holds(self, record: StageRecord) -> bool:
        """Whether a record is that of the stage's newest execution.

        One of an earlier execution, or of a version that entered none, is not: the stage is run again.

        Raises:
            GovernanceError: no execution of the stage made what the record points at.
        """
        made = self.made(record.stage)
        if made and (record.key, record.output) not in made:
            raise GovernanceError(
                f"run {self.run_id}: record of {record.stage}",
                f"output {record.output[:12]}…, which no execution made",
                f"{made[-1][1][:12]}…, which the ledger names: the record was altered",
                "restore it from a backup, or delete it and run the stage again; find out who changed it",
            )
        return bool(made) and made[-1] == (record.key, record.output)


def enter_run(settings: Settings, run_id: str, params: RunParams, actor: str, link: str = "") -> Run:
    """Record a run and enter what it was asked, and by which rules; or find it again, where its first stage is retried.

    Raises:
        InputError: the id belongs to a run that was asked something else.
        GovernanceError: the run's record is not that of its entry.
    """
    workspace = Workspace(settings, actor)
    store, ledger = workspace.store, workspace.ledger
    run = begin(store, run_id, params, actor, link)
    known = Provenance.of(ledger, run_id)
    if known.declaration is not None:
        check_declared(store, known)
        return run
    subjects = {"run": run_id, "declaration": declaration_of(store, run_id), "environment": params.environment}
    ledger.append(
        BEGIN, actor, subjects | {f"{_RULES}{name}": digest for name, digest in pinned(settings.policies).items()},
        f"{params.dataset} with {params.policy} for {params.environment}", entry_key(run_id, BEGIN),
    )  # fmt: skip
    return run


def enter_stage(ledger: Ledger, run: Run, record: StageRecord, made: Sequence[tuple[str, str]]) -> None:
    """Enter what an execution made, unless the newest entry of the stage says so already.

    Args:
        made: what `Provenance.made` has of the stage.
    """
    if made and made[-1] == (record.key, record.output):
        return  # a kill came between the entry and the record
    subjects = {"run": run.id, "stage": record.stage, "key": record.key, "output": record.output}
    if record.reused_from:
        subjects[REUSED_FROM] = record.reused_from
    # Numbered, for a stage may come back to what it made before; the digest keeps two that run at once apart.
    number, digest = str(len(made) + 1), digest_of(subjects)[:16]
    key = entry_key(run.id, STAGE, record.stage, number, digest)
    ledger.append(STAGE, run.actor, subjects, f"{record.stage} of run {run.id}", key)


def check_declared(store: Store, known: Provenance) -> None:
    """See that what is recorded of a run is what was entered when it began.

    Raises:
        GovernanceError: it was never entered, or its record was altered since.
    """
    if known.declaration is None:
        raise GovernanceError(
            f"run {known.run_id}",
            "a record that no entry of the ledger stands behind",
            "a run that was entered when it began",
            "start a new run; one of an earlier version goes on with augment-ops run --run-id",
        )
    entered, found = known.declaration.subjects["declaration"], declaration_of(store, known.run_id)
    if found != entered:
        raise GovernanceError(
            f"run {known.run_id}: run.json",
            f"a declaration with sha256 {found[:12]}…",
            f"{entered[:12]}…, which was entered when {known.declaration.actor} began it: the file was altered",
            "start a new run, and find out who changed the file",
        )
