"""How far a run is: a line for each thing that a stage says; on a terminal a bar below, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from augment_ops.cli.terminal import remarks, say
from augment_ops.pipeline.graph import STAGES

if TYPE_CHECKING:
    from rich.progress import Progress

    from augment_ops.data.store import Store
    from augment_ops.pipeline.run import Run

_LOOKED_AT = 20  # earlier runs: one of the same data set is near, or there is none to go by


class StagesShown:
    """Tells of the stages of one run.

    Args:
        expected: stage → seconds that it took in an earlier run; empty where there is none to go by.
        bar: on a terminal; None elsewhere, where `tell` gets the lines.
    """

    def __init__(
        self,
        expected: Mapping[str, float],
        bar: Progress | None = None,
        *,
        tell: Callable[[str], None] = say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected, self._bar, self._say, self._clock = expected, bar, tell, clock
        self._began, self._done, self._task = clock(), dict[str, None](), None
        self._at_work: list[str] = []
        if bar is not None:
            total = sum(expected.values()) or len(STAGES)
            self._task = bar.add_task("", total=total, left="")

    def tell(self, head: str, line: str) -> None:
        """A line about a stage."""
        if self._bar is None:
            self._say(f"{head}: {line}")
        else:
            self._bar.console.print(f"{head}: {line}", soft_wrap=True, markup=False, highlight=False)

    def begin(self, stage: str) -> None:
        """A stage is at work, maybe beside another."""
        self._at_work.append(stage)
        self._describe()

    def done(self, stage: str) -> str:
        """A stage is done; what is left, for people, where there is an earlier run to go by."""
        self._done[stage] = None
        self._at_work = [one for one in self._at_work if one != stage]
        left = self._left()
        self._describe()
        if self._bar is not None and self._task is not None:
            worth = self._expected.get(stage, 0.0) if self._expected else 1.0
            self._bar.update(self._task, advance=worth, left=left)
        return left

    def _describe(self) -> None:
        if self._bar is not None and self._task is not None and self._at_work:
            self._bar.update(self._task, description=" and ".join(self._at_work))

    def _left(self) -> str:
        """By the times of the earlier run, and by how much slower or faster this one has been so far."""
        past = sum(self._expected.get(name, 0.0) for name in self._done)
        ahead = sum(seconds for name, seconds in self._expected.items() if name not in self._done)
        if past <= 0 or ahead <= 0:
            return ""
        return f"about {ahead * (self._clock() - self._began) / past:.0f} s left"


@contextmanager
def stages_shown(expected: Mapping[str, float], *, quiet: bool) -> Iterator[StagesShown]:
    """Tell of a run's stages while it lasts."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = remarks()
    if quiet or not console.is_terminal:
        yield StagesShown(expected, tell=_nothing if quiet else say)
        return
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        yield StagesShown(expected, bar)


def _nothing(line: str) -> None:
    """Nobody wants to hear it."""


def expected_s(store: Store, run: Run) -> dict[str, float]:
    """Stage → seconds of work in the newest finished run of the same data set; empty where there is none."""
    from augment_ops.pipeline.overview import records, runs

    earlier = (one for one in runs(store)[:_LOOKED_AT] if one.id != run.id)
    for one in earlier:
        if one.params.get("dataset") == run.params.get("dataset"):
            done = records(store, one)
            if len(done) == len(STAGES):
                return {name: record.wall_s for name, record in done.items()}
    return {}
