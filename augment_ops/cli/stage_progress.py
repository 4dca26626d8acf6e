"""How far a run is: a line for each thing that a stage says; on a terminal a bar below, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from augment_ops.cli.terminal import remarks, say
from augment_ops.pipeline.graph import STAGES, Stage, steps

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
        self._in_turn: set[tuple[Stage, ...]] = set()  # of steps with several stages, those that go one after the other
        if bar is not None:
            self._task = bar.add_task("", total=self._seconds()[1] or len(STAGES), left="")

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
        self._see_turns(stage)
        past, total = self._seconds()
        left = self._left(past, total)
        self._describe()
        if self._bar is not None and self._task is not None:
            if total:
                self._bar.update(self._task, completed=past, total=total, left=left)
            else:
                self._bar.advance(self._task)
        return left

    def _describe(self) -> None:
        if self._bar is not None and self._task is not None and self._at_work:
            self._bar.update(self._task, description=" and ".join(self._at_work))

    def _see_turns(self, done: str) -> None:
        """What could run at once does not, where one of it is done before another begins."""
        for step in steps():
            names = {stage.name for stage in step}
            if done in names and names - {*self._done, *self._at_work}:
                self._in_turn.add(step)

    def _seconds(self) -> tuple[float, float]:
        """How long the stages that are done took in the earlier run, and how long all: at once, the longest counts."""
        past = total = 0.0
        for step in steps():
            together = sum if step in self._in_turn else max
            took = {stage.name: self._expected.get(stage.name, 0.0) for stage in step}
            past += together([0.0, *(seconds for name, seconds in took.items() if name in self._done)])
            total += together(took.values())
        return past, total

    def _left(self, past: float, total: float) -> str:
        """By the times of the earlier run, and by how much slower or faster this one has been so far."""
        if past <= 0 or total <= past:
            return ""
        return f"about {(total - past) * (self._clock() - self._began) / past:.0f} s left"


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
