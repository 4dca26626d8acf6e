"""Metrics and spans of a stage's execution, whatever drives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from augment_ops.errors import AugmentOpsError, CheckRefused, GovernanceError
from augment_ops.governance.audit import MOVES
from augment_ops.lifecycle.registry_check import look, samples_of
from augment_ops.monitoring.telemetry import metrics
from augment_ops.monitoring.telemetry.metrics import Observation, ledger_samples, registry_samples
from augment_ops.monitoring.telemetry.publish import publish
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.recorders.measures import measure
from augment_ops.pipeline.run import StageRecord, record_of
from augment_ops.workspace import Workspace

_LAST = "report"
_USE_CHAMPION = ("stress_test", "decide", "promote")


@dataclass
class Execution:
    """What came of an execution; the stage's output where it has one."""

    record: StageRecord | None = None
    output: Any = None
    reused: bool = False

    @property
    def found(self) -> bool:
        """Whether nothing was computed: this run or an earlier one had made the output."""
        return self.reused or bool(self.record and self.record.reused_from)


@contextmanager
def observed(ctx: Context, stage: str) -> Iterator[Execution]:
    """Count and trace what happens inside, and publish it at the end. Never raises anything of its own."""
    execution, started, outcome = Execution(), time.time_ns(), "failed"
    try:
        with ctx.trace.span(stage, {"augment_ops.run_id": ctx.run.id, "augment_ops.stage": stage}) as attributes:
            yield execution
            outcome = "reused" if execution.found else "done"
            attributes["augment_ops.reused"] = execution.found
    except Exception as error:
        outcome = "refused" if isinstance(error, CheckRefused) else "failed"
        raise
    finally:
        try:
            _publish(ctx, stage, execution, outcome, started)
        except Exception as error:
            # What went wrong with watching must not become what went wrong with the stage.
            ctx.say(f"metrics of {stage} were not kept: {type(error).__name__}: {error}")


def _publish(ctx: Context, stage: str, execution: Execution, outcome: str, started_ns: int) -> None:
    if (stage == _LAST and outcome == "done") or outcome == "refused":  # nothing of the run comes after
        began = int(datetime.fromisoformat(ctx.run.started_at).timestamp() * 1e9)
        ctx.trace.close(
            "pipeline run",
            min(began, started_ns),
            {
                "augment_ops.run_id": ctx.run.id,
                "augment_ops.actor": ctx.run.actor,
                "augment_ops.outcome": outcome,
                "augment_ops.driver_link": ctx.run.link,
            },
        )
    for problem in publish(ctx.settings.home, _samples(ctx, stage, execution, outcome), ctx.trace):
        ctx.say(problem)


def _samples(ctx: Context, stage: str, execution: Execution, outcome: str) -> list[Observation]:
    about = {"dataset": _dataset(ctx), "stage": stage}
    samples = [metrics.STAGE_EXECUTIONS.add(1, outcome=outcome, **about)]
    if stage in _USE_CHAMPION and not execution.reused:  # also where the stage stopped because of what it found
        samples += samples_of(ctx.workspace, ctx.dataset)
    record = execution.record
    if record is None or execution.reused:
        return samples
    samples.append(metrics.STAGE_WORK.add(record.wall_s, **about))
    if record.reused_from:  # what it shows holds of this run; what it counts was counted when it was made
        return samples + [sample for sample in measure(ctx, stage, execution.output) if not sample.grows]
    samples += [
        metrics.STAGE_DURATION.set(record.wall_s, **about),
        metrics.STAGE_FINISHED.set(datetime.fromisoformat(record.finished_at).timestamp(), **about),
        *measure(ctx, stage, execution.output),
    ]
    return samples + (verify_ledger(ctx.workspace) if stage == _LAST else [])


def verify_ledger(workspace: Workspace) -> list[Observation]:
    """What verification of the ledger says, as metrics; one that cannot be read has a fault."""
    try:
        return ledger_samples(len(workspace.ledger.verify()), workspace.ledger.size())
    except GovernanceError:
        return ledger_samples(1, None)


def verify_registry(workspace: Workspace) -> list[Observation]:
    """What MLflow's registry comes to against the ledger, as metrics; none where there was never a champion.

    Nor where MLflow or the ledger does not answer: that has alerts of its own.
    """
    try:
        if next(workspace.ledger.read(MOVES), None) is None:
            return []
        found = look(workspace)
    except AugmentOpsError:
        return []
    return registry_samples({dataset: len(faults) for dataset, faults in found.faults.items()})


def champion_moved(workspace: Workspace, dataset: str, version: str, environment: str) -> list[Observation]:
    """The age of a champion that a person chose, by what the ledger knows of its training."""
    model = ""
    for entry in reversed([*workspace.ledger.read((*MOVES, "decide", "train"))]):
        if entry.subjects.get("version") == f"{dataset}/{version}":
            model = model or entry.subjects.get("model", "")
        if model and entry.act == "train" and entry.subjects.get("model") == model:
            trained = datetime.fromisoformat(entry.at).timestamp()
            where = {"dataset": dataset, "environment": environment}
            return [metrics.CHAMPION_TRAINED.set(trained, model_version=version, **where)]
    return []


def _dataset(ctx: Context) -> str:
    if record_of(ctx.store, ctx.run.id, "ingest") is None:
        return ctx.params.dataset_name or "unknown"  # the source has not said yet
    return ctx.dataset
