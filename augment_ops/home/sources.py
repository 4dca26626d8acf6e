"""What the pages are made from: runs and acts, read again only where something has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from augment_ops.content import sha256_hex
from augment_ops.errors import StoreError
from augment_ops.governance.acts import ROOT, counted
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.audit import MOVES, Reign, champions, ruling
from augment_ops.governance.chain import GENESIS, Entry
from augment_ops.governance.lifecycle import DEPRECATE, PROPOSE, PUBLISH, REVOKE
from augment_ops.governance.rollouts import ADMIT, ROLLOUT_ACTS
from augment_ops.lifecycle.book import COUNTED
from augment_ops.pipeline.cause import ALERT, RETRAIN
from augment_ops.pipeline.known_runs import KnownRuns, RunLine
from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.run import report_path
from augment_ops.settings import Settings
from augment_ops.shown import own_addresses
from augment_ops.workspace import Workspace, has_ledger

_SHOWN = (
    *MOVES,
    "quarantine",
    *ROLLOUT_ACTS,
    "approve",
    "reject",
    PUBLISH,
    PROPOSE,
    DEPRECATE,
    REVOKE,
    ALERT,
    RETRAIN,
    ROOT,
)


@dataclass(frozen=True, kw_only=True)
class ReignOf:
    """The present champion of one environment.

    Attributes:
        promoted: keys of the entries that promoted that version, or let it into a rollout, in whatever environment.
        before: how many champions that environment had before.
    """

    dataset: str
    reign: Reign
    promoted: tuple[str, ...]
    before: int


@dataclass
class Sources:
    """One workspace, for as long as pages of it are served. Safe for several threads.

    Of the ledger it is read what it says; whether it is whole, nothing here checks.
    """

    settings: Settings
    _lock: RLock = field(default_factory=RLock, repr=False)
    _acts: tuple[str, tuple[Entry, ...]] | None = field(default=None, repr=False)
    _reigns: tuple[object, tuple[ReignOf, ...]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._workspace = Workspace(self.settings, self.settings.actor)
        self.runs = KnownRuns(self._workspace)

    @property
    def workspace(self) -> Workspace:
        """A workspace with the approvers of today, for one request."""
        return Workspace(self.settings, self.settings.actor)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where links may lead beside these pages."""
        return own_addresses(self.settings)

    def head(self) -> str:
        """Hash of the ledger's newest entry."""
        return self._workspace.ledger.head() if has_ledger(self.settings) else GENESIS

    def acts(self) -> tuple[Entry, ...]:
        """The ledger's acts on policies, champions and alerts, oldest first; read again where its head has moved."""
        head = self.head()
        with self._lock:
            if self._acts is None or self._acts[0] != head:
                found = self._workspace.ledger.read(_SHOWN) if head != GENESIS else ()
                self._acts = head, tuple(found)
            return self._acts[1]

    def reigns(self) -> tuple[ReignOf, ...]:
        """The present champions, by data set; found again where the ledger's head or the approvers have changed."""
        acts, files = self.acts(), ("approvers.yaml", "environments.yaml")
        key = (self._acts and self._acts[0], *(_read(self.settings.policies / name) for name in files))
        with self._lock:
            if self._reigns is None or self._reigns[0] != key:
                self._reigns = key, tuple(_present(acts, Approvals.load(self.settings.policies)))
            return self._reigns[1]

    def counted(self) -> list[Entry]:
        """The acts on champions and rollouts that count today, oldest first."""
        return list(counted(self.acts(), self.workspace.approvals, COUNTED))

    def alerts(self) -> list[Entry]:
        """The alerts, newest first."""
        return _newest_first(entry for entry in self.acts() if entry.act == ALERT)

    def report(self, line: RunLine) -> bytes | None:
        """The page that the run's record names, to the byte, or why it was refused; None where none is kept here.

        Raises:
            StoreError: the page is another than the record names.
        """
        place = self._page_of(line)
        page = _read(place)
        if page is not None and line.page and sha256_hex(page) != line.page:
            expected = f"the page that the run's record names (sha256 {line.page[:12]}…)"
            raise StoreError(str(place), "another page", expected, "find out who changed it; MLflow may have the page")
        return page

    def has_report(self, line: RunLine) -> bool:
        """Whether a page of the run lies on this machine."""
        return self._page_of(line).is_file()

    def pictures(self, line: RunLine) -> bytes | None:
        """PNG of originals beside augmented samples, verified; None where the run has made none yet."""
        return self._workspace.store.get(line.pictures) if line.pictures else None

    def _page_of(self, line: RunLine) -> Path:
        return report_path(self.settings.home, line.id) if line.page else page_of(self.settings, line.id)


def _present(acts: Iterable[Entry], approvals: Approvals) -> Iterator[ReignOf]:
    """A rollback counts as `Book` says."""
    acts = list(acts)
    moves = [entry for entry in counted(acts, approvals, COUNTED) if entry.act in MOVES]
    let = [entry for entry in acts if entry.act in ("promote", ADMIT)]
    for dataset in sorted({entry.subjects.get("version", "").rpartition("/")[0] for entry in moves}):
        for environment, reign in sorted(ruling(moves, dataset).items()):
            version = f"{dataset}/{reign.version}"
            promoted = [one for one in let if one.subjects.get("version") == version]
            before = len(champions(moves, dataset, environment)) - 1
            yield ReignOf(dataset=dataset, reign=reign, promoted=tuple(one.key for one in promoted), before=before)


def _newest_first(entries: Iterable[Entry]) -> list[Entry]:
    return list(entries)[::-1]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
