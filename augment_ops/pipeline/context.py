"""What acts, recorders and drivers get to work with: a run, the workspace, and the outputs of the run's stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, InputError, TrackingError
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle.book import Book, book_of
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.names import NOTE_TAG
from augment_ops.pipeline.cause import alert_behind, in_markdown
from augment_ops.pipeline.graph import Stage
from augment_ops.pipeline.inputs import check_input, declared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import Provenance, enter_stage
from augment_ops.pipeline.run import Run, StageRecord, entry_key, find, now, record_of
from augment_ops.settings import Settings
from augment_ops.shown import markdown_block, own_addresses
from augment_ops.workspace import Workspace, open_store

if TYPE_CHECKING:
    from augment_ops.tracking import MlflowTracker, TrackedRun

T = TypeVar("T")

_NOTE_LENGTH = 2000  # of an error; MLflow takes 8000 characters, a reader fewer


@dataclass(frozen=True)
class Context:
    """One run: what acts, recorders and drivers work with. Stages that only compute get `Inputs`.

    Attributes:
        external: external inputs, which the driver brings (a person's answer); part of the stage's key.
        say: tells a person what is going on, one line.
        trace: takes the spans of the stage's work; off by default.
        stage: the act that reads: what it does not declare in the graph is refused. None for whoever only tells.
    """

    workspace: Workspace
    run: Run
    external: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = print
    trace: Trace = field(default_factory=lambda: Trace(""))
    stage: Stage | None = None

    @classmethod
    def of(cls, settings: Settings, run_id: str) -> Context:
        """A run that has begun.

        Raises:
            InputError: there is none of that id.
        """
        run = find(open_store(settings), run_id)
        return cls(Workspace(settings, run.actor), run)

    @property
    def settings(self) -> Settings:
        """Where state lives and which services are used."""
        return self.workspace.settings

    @property
    def store(self) -> Store:
        """The store."""
        return self.workspace.store

    @property
    def ledger(self) -> Ledger:
        """The ledger of governed acts."""
        return self.workspace.ledger

    @property
    def tracker(self) -> MlflowTracker:
        """MLflow."""
        return self.workspace.tracker

    @cached_property
    def params(self) -> RunParams:
        """The run's parameters."""
        return self.run.typed if self.stage is None else declared(self.stage, self.run.typed)

    @cached_property
    def book(self) -> Book:
        """What counts of the ledger where champions are concerned."""
        return book_of(self.workspace)

    @cached_property
    def provenance(self) -> Provenance:
        """What the ledger has of this run."""
        return Provenance.of(self.ledger, self.run.id)

    def enter(self, record: StageRecord) -> None:
        """Enter what an execution made."""
        enter_stage(self.ledger, self.run, record, self.provenance.made(record.stage))
        vars(self).pop("provenance", None)  # it has one more entry now

    def refusals(self, subjects: Mapping[str, str], actor: str = "") -> AbstractContextManager[None]:
        """Enter a refusal that is raised inside into the ledger, once however often the stage is tried.

        Args:
            actor: in whose name; by default that of who began the run.
        """
        return self.workspace.refusals(entry_key(self.run.id), subjects, actor=actor)

    @contextmanager
    def failures(self, stage: str) -> Iterator[None]:
        """End the run in MLflow as failed, with the reason, where `stage` raises inside; a retry goes on with it.

        Best effort: what was raised goes on its way, also where MLflow cannot be told.
        """
        try:
            yield
        except TrackingError:
            raise  # MLflow is what failed: asking it again would take seconds
        except (Exception, KeyboardInterrupt) as error:
            with suppress(AugmentOpsError):
                said = markdown_block(str(error) or repr(error), _NOTE_LENGTH)
                cause = alert_behind(self.ledger, self.run.id)
                why = f"\n\n{in_markdown(cause, own_addresses(self.settings))}" if cause is not None else ""
                self.note(f"**{stage} failed** at {now()}\n\n{said}{why}")
                self.tracker.finish_run(self.parent, "FAILED")
            raise

    @cached_property
    def dataset(self) -> str:
        """Name of the data set, which names the experiment and the registered model."""
        return from_json(SnapshotManifest, self.store.get(self._digest("ingest"))).dataset

    @cached_property
    def snapshot(self) -> Snapshot:
        """The snapshot that this run ingested, as the ledger names its manifest."""
        return Snapshot(self.store, self.output("ingest", SnapshotManifest))

    @cached_property
    def parent(self) -> TrackedRun:
        """The MLflow run of this pipeline run; found again, never opened twice."""
        return self.open_run(self.dataset)

    def open_run(self, dataset: str, role: str | None = None, tags: Mapping[str, str] | None = None) -> TrackedRun:
        """The MLflow run of this pipeline run, or the nested one of `role`, with `tags` set on it."""
        tags = {"augment_ops.git_commit": self.run.git_commit, "augment_ops.actor": self.run.actor, **(tags or {})}
        if self.run.link:
            tags["augment_ops.driver_link"] = self.run.link
        return self.tracker.open_run(dataset, self.run.id, role, tags)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags on the MLflow run of this pipeline run."""
        self.open_run(self.dataset, tags=tags)

    def note(self, markdown: str) -> None:
        """Replace the description of the MLflow run of this pipeline run; foreign text in it went through `shown`."""
        self.tag({NOTE_TAG: markdown})

    def output(self, stage: str, cls: type[T]) -> T:
        """What `stage` of this run left behind.

        Raises:
            InputError: it has not run, or the act that reads does not declare it.
            StoreError: its document was altered.
        """
        return from_json(cls, self.store.get(self.digest(stage)))

    def digest(self, stage: str) -> str:
        """Digest of the document that `stage` of this run left behind, as the ledger names it.

        Raises:
            InputError: it has not run, or the act that reads does not declare it.
            GovernanceError: its record points at what no execution of it made.
        """
        if self.stage is not None:
            check_input(self.stage, stage)
        return self._digest(stage)

    def _digest(self, stage: str) -> str:
        record = record_of(self.store, self.run.id, stage)
        if record is None or not self.provenance.holds(record):
            raise InputError(
                f"run {self.run.id}", f"no output of stage {stage}", "a stage that has run", f"run {stage}"
            )
        return record.output
