"""Champions by environment: what the ledger says of each, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.gate.compared import MeasuredShare
from augment_ops.governance.audit import NONE, Reign, champions, ruling
from augment_ops.governance.chain import Entry
from augment_ops.home.sources import Sources
from augment_ops.pipeline.known_runs import RunLine
from augment_ops.pipeline.run import Run, entry_key


@dataclass(frozen=True, kw_only=True)
class Champion:
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


def present_champions(sources: Sources) -> list[Champion]:
    """By data set; of each that of the environment first which policies/environments.yaml names last."""
    moves, begun = sources.moves(), sources.runs.begun()
    order = {name: -place for place, name in enumerate(sources.workspace.approvals.environments)}
    by_key = {entry_key(run.id, "promote"): run for run in begun}
    datasets = sorted({entry.subjects.get("version", "").rpartition("/")[0] for entry in moves})
    found = []
    for dataset in datasets:
        for environment, reign in sorted(
            ruling(moves, dataset).items(), key=lambda one: (order.get(one[0], 1), one[0])
        ):
            run = _trained_by(moves, dataset, reign, by_key)
            line = sources.runs.line(run) if run else None
            before = len(champions(moves, dataset, environment)) - 1
            found.append(Champion(dataset=dataset, reign=reign, run=line, before=before))
    return found


def _trained_by(moves: list[Entry], dataset: str, reign: Reign, by_key: dict[str, Run]) -> Run | None:
    """The run whose candidate it was: the one that promoted this version, whoever has rolled back to it since."""
    version = f"{dataset}/{reign.version}"
    promoted = (entry for entry in moves if entry.act == "promote" and entry.subjects.get("version") == version)
    return next((by_key[entry.key] for entry in promoted if entry.key in by_key), None)
