"""What runs cost, as far as it is recorded: seconds of work by stage and by run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from augment_ops.home.sources import Sources
from augment_ops.pipeline.graph import STAGES
from augment_ops.pipeline.known_runs import RunLine

LOOKED_AT = 100  # newest runs


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """One stage over several runs, in seconds of work.

    Attributes:
        made: runs that did it themselves; found: that took what another run had made.
        median, largest, total: of those that did it.
        share: of the total of all stages.
    """

    stage: str
    made: int
    found: int
    median: float
    largest: float
    total: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of the newest runs; `older` were not looked at."""

    lines: tuple[RunLine, ...]
    stages: tuple[StageCost, ...]
    total: float
    older: int


def costs(sources: Sources) -> Costs:
    """What the newest runs took; work that a run found done by another is counted once."""
    begun = sources.runs.begun()
    lines = tuple(sources.runs.line(run) for run in begun[:LOOKED_AT])
    total = sum(line.made_s for line in lines)
    stages = tuple(cost for stage in STAGES if (cost := _cost(stage.name, lines, total)) is not None)
    return Costs(lines=lines, stages=stages, total=total, older=len(begun) - len(lines))


def _cost(stage: str, lines: tuple[RunLine, ...], total: float) -> StageCost | None:
    records = [line.stages[stage] for line in lines if stage in line.stages]
    made = [record.wall_s for record in records if not record.reused_from]
    if not records:
        return None
    return StageCost(
        stage=stage,
        made=len(made),
        found=len(records) - len(made),
        median=statistics.median(made) if made else 0.0,
        largest=max(made, default=0.0),
        total=sum(made),
        share=sum(made) / total if total else 0.0,
    )
