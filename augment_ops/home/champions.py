"""Champions by environment: what the ledger says of each, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.gate.compared import MeasuredShare
from augment_ops.governance.audit import NONE, Reign
from augment_ops.governance.rollouts import ADMIT
from augment_ops.home.sources import Sources
from augment_ops.pipeline.known_runs import RunLine
from augment_ops.pipeline.run import entry_key


@dataclass(frozen=True, kw_only=True)
class PresentChampion:
    """The present champion of one environment.

    Attributes:
        reign: the act that made it champion.
        run: that trained it; None where it is not kept here.
        before: champions of that environment before it.
    """

    dataset: str
    reign: Reign
    run: RunLine | None
    before: int

    @property
    def measured(self) -> tuple[MeasuredShare, ...]:
        """What it had right when it was judged, with intervals; empty where nothing is kept of it."""
        brief = self.run.brief if self.run else None
        return brief.compared.measured if brief is not None and brief.compared is not None else ()

    @property
    def succeeded(self) -> str:
        """Number of the champion before; empty for the first."""
        return "" if self.reign.previous == NONE else self.reign.previous


def present_champions(sources: Sources) -> list[PresentChampion]:
    """By data set; of each that of the environment first which policies/environments.yaml names last."""
    order = {name: -place for place, name in enumerate(sources.workspace.approvals.environments)}
    by_key = {entry_key(run.id, act): run for run in sources.runs.begun() for act in ("promote", ADMIT)}
    found = []
    for one in sorted(sources.reigns(), key=lambda one: (one.dataset, order.get(one.reign.environment, 1))):
        # The run whose candidate it was, whoever has rolled back to it since.
        run = next((by_key[key] for key in one.promoted if key in by_key), None)
        line = sources.runs.line(run) if run else None
        found.append(PresentChampion(dataset=one.dataset, reign=one.reign, run=line, before=one.before))
    return found
