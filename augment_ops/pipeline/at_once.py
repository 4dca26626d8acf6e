"""Stages that need nothing of each other are computed at once, each in a process, where the machine has room.

A process computes and puts its output into the store; this one enters, records and tells it, as of any other stage. So
whatever becomes of a process, the run is as if the stage had not been tried, but for what it keeps to go on from, and
for a refusal, which it enters where it meets it.
"""

from __future__ import annotations

import pickle
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Never

from augment_ops.content import from_json
from augment_ops.errors import AugmentOpsError, TrainingError
from augment_ops.machine import free_memory, usable_cores
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.computing import ComputedStage, Raised, StageWork, is_to_compute
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import Ahead
from augment_ops.pipeline.graph import Stage
from augment_ops.pipeline.outputs import Augmentation
from augment_ops.pipeline.overview import runs
from augment_ops.pipeline.preflight import recipe_section
from augment_ops.pipeline.run import record_of
from augment_ops.settings import Settings
from augment_ops.training.children import Ended, hand_over, how_it_ended, messages, start
from augment_ops.training.recipe import processes_of
from augment_ops.training.result import TrainingResult
from augment_ops.training.threads import threads_of

_GIB = 1 << 30
_WORTH_S = 10.0  # of each training: twice what a process takes before it trains (docs/training.md)
_LOOKED_AT = 20  # earlier runs: one of the same trainings is near, or there is none to go by
_ALIKE = ("dataset", "max_samples", "trainer", "model", "recipe", "batch_size", "epochs")  # decide time and memory

_GO_ON = (
    "see what ended it (the kernel's log has a want of memory); then go on with the run, which does so from the last "
    "epoch that was kept, with --one-by-one where memory was wanting"
)
_MEND = "go on with the run with --one-by-one: what is wrong is said in full there; then correct it"

Told = Callable[[str, str], None]  # gets a stage and a line of it


def have_room(settings: Settings, run_id: str, stages: Sequence[Stage]) -> bool:
    """Whether these trainings are still to be done, and this machine can do them at once, and is done sooner so.

    It has a core for each thread that they train with and for most of their workers, as the run has chosen and recorded
    them, and the memory that they are said to take, or took in an earlier run of the same. A GPU takes one after the
    other: they would share its memory and its time. So does a trainer that does not say how many threads it takes.
    """
    with suppress(AugmentOpsError):  # which the stage itself meets, and tells
        ctx = Context.of(settings, run_id)
        trainer, section = recipe_section(settings.policies, ctx.params)
        threads = threads_of(section, ctx.params.threads) * processes_of(section) * len(stages)
        earlier = _earlier(ctx, stages)
        return (
            threads > 0
            and threads + _workers(ctx, usable_cores()) <= usable_cores()
            and _memory(stages, earlier) <= free_memory()
            and all(result.wall_s >= _WORTH_S for result in earlier)
            and all(is_to_compute(ctx, stage) for stage in stages)
            and trainer.device(ctx.params.device) == "cpu"
        )
    return False


def _workers(ctx: Context, cores: int) -> int:
    """Workers of candidate and control that need a core of their own.

    One of each training does not: the trainer waits for it, or it for the trainer.
    """
    plan, decodes = ctx.output("augment", Augmentation), ctx.snapshot.manifest.decoding is not None
    candidate = plan.workers(ctx.params) if plan.shards is None and (decodes or plan.mode != "device") else 0
    control = cores if decodes else 0
    return max(0, candidate - 1) + max(0, control - 1)


def _memory(stages: Sequence[Stage], earlier: Sequence[TrainingResult]) -> float:
    """Bytes that trainings may take together."""
    said = [stage.memory_gib * _GIB for stage in stages]
    took = [result.peak_rss_mb * (1 << 20) for result in earlier] or said
    return sum(map(max, said, took))


def _earlier(ctx: Context, stages: Sequence[Stage]) -> list[TrainingResult]:
    """What the stages came to in the newest other run that asked for the same trainings; empty where there is none."""
    for run in runs(ctx.store)[:_LOOKED_AT]:
        records = [record for stage in stages if (record := record_of(ctx.store, run.id, stage.name))]
        alike = all(run.params.get(name) == ctx.run.params.get(name) for name in _ALIKE)
        if run.id != ctx.run.id and alike and len(records) == len(stages):
            return [from_json(TrainingResult, ctx.store.get(record.output)) for record in records]
    return []


@dataclass(frozen=True, eq=False)
class _StageProcess:
    """A process that computes a stage, which it began at `start_ns` (Unix time)."""

    stage: str
    start_ns: int
    process: subprocess.Popen[bytes]
    connection: Connection


@contextmanager
def computed_at_once(
    settings: Settings, run_id: str, stages: Sequence[Stage], told: Told
) -> Iterator[Iterator[tuple[str, Ahead]]]:
    """Compute stages at once; they come in the order in which they are done, each with what its execution takes.

    What has failed comes as well, and raises there. When the block is left, all that is still computed is ended.
    """
    with ExitStack() as ended:
        started = [_start(stage.name, settings, run_id, ended) for stage in stages]
        yield _heard(started, told)


def _start(name: str, settings: Settings, run_id: str, ended: ExitStack) -> _StageProcess:
    began = time.time_ns()
    process, connection = start("augment_ops.pipeline.stage_process", ended)
    hand_over(connection, pickle.dumps(StageWork(settings, run_id, name)))
    return _StageProcess(name, began, process, connection)


def _heard(started: Sequence[_StageProcess], told: Told) -> Iterator[tuple[str, Ahead]]:
    going = list(started)
    try:
        while going:
            for one, message in messages(going):
                if isinstance(message, str):
                    told(one.stage, message)
                    continue
                going = [other for other in going if other is not one]
                yield one.stage, partial(_came_to, one, message, partial(_tell_ended, told, one, going))
    except KeyboardInterrupt as stop:  # it stops the execution of a stage, as where that computes by itself
        if going:
            yield going[0].stage, partial(_raise, stop)
        raise  # also where that execution needed nothing computed, and went on


def _tell_ended(told: Told, failed: _StageProcess, others: Sequence[_StageProcess]) -> None:
    for other in others:
        told(other.stage, f"is ended, because {failed.stage} has failed")


def _came_to(
    one: _StageProcess, message: ComputedStage | Raised | Ended, failed: Callable[[], None], trace: Trace
) -> ComputedStage:
    trace.adopt(() if isinstance(message, Ended) else message.spans, one.start_ns)
    if isinstance(message, ComputedStage):
        return message
    failed()  # now that it is asked for: a stage that was done elsewhere meanwhile fails for nobody
    if isinstance(message, Raised):
        raise message.error from RuntimeError(message.traceback)
    raise TrainingError(
        f"stage {one.stage}",
        how_it_ended(one.process, message),
        "a training that comes to its end",
        _MEND if message.unreadable else _GO_ON,
    )


def _raise(error: BaseException, trace: Trace) -> Never:
    raise error
