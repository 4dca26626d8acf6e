"""Run one stage of one run: the whole interface between the stages and whatever drives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from augment_ops.content import canonical_json, digest_of, from_json, sha256_hex
from augment_ops.errors import InputError, nearest
from augment_ops.lifecycle.rules import check_pinned, read_as_begun
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import BY_NAME, STAGES, Stage
from augment_ops.pipeline.params import named
from augment_ops.pipeline.provenance import check_declared
from augment_ops.pipeline.recorders.telemetry import observed
from augment_ops.pipeline.run import StageRecord, find, keep_record, now, record_of
from augment_ops.pipeline.stages.catalogue import WORK
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, open_store
from monitoring.telemetry.otlp import wanted
from monitoring.telemetry.tracing import Trace


@dataclass(frozen=True)
class StageRef:
    """What a driver passes from task to task: where an output is, never the output.

    Attributes:
        output: digest of the output document in the store.
        reused: whether it was there already.
        wall_s: seconds of work of the execution that made it.
        link: address of the run in MLflow's UI; empty without a server.
    """

    run_id: str
    stage: str
    output: str
    reused: bool
    wall_s: float
    link: str


def execute(
    settings: Settings,
    run_id: str,
    stage_name: str,
    *,
    given: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> StageRef:
    """Run a stage, or find the output that it left behind for the same inputs.

    Args:
        given: what the driver brings from outside, such as a person's answer.
        say: gets one line of progress at a time.

    Raises:
        AugmentOpsError: the computation failed, or (CheckRefused) a check stops the run. Nothing is half-written.
    """
    stage = BY_NAME.get(stage_name)
    if stage is None:
        names = [s.name for s in STAGES]
        raise InputError("stage", stage_name, ", ".join(names), f"name a stage.{nearest(stage_name, names)}")
    store = open_store(settings)
    trace = Trace(run_id, on=wanted("traces"))
    ctx = Context(settings, store, find(store, run_id), dict(given or {}), say, trace)
    with ctx.failures(stage_name), observed(ctx, stage_name) as seen:
        _believe(ctx, stage)
        with _rules_as_begun(ctx):
            record, seen.reused = _made_or_found(ctx, stage)
        seen.record, seen.output = record, from_json(output_type(stage_name), store.get(record.output))
        refusal = WORK[stage.name].refuses(seen.output)
        if refusal is not None:
            raise refusal
    return StageRef(run_id, stage_name, record.output, seen.reused, record.wall_s, _link(ctx))


def _believe(ctx: Context, stage: Stage) -> None:
    """Hold the run, its rules and the records that the stage rests on against the ledger, before anything is done.

    Raises:
        GovernanceError: one of them was altered; the refusal is entered.
    """
    with ctx.refusals(ctx.run.actor, {"run": ctx.run.id}):
        check_declared(ctx.store, ctx.provenance)
        for name in (*stage.needs, stage.name):
            record = record_of(ctx.store, ctx.run.id, name)
            if record is not None:
                ctx.provenance.holds(record)
        workspace, params = Workspace(ctx.settings, ctx.run.actor), ctx.params
        check_pinned(workspace, params.environment, ctx.provenance.rules, params.rule_files())


def _rules_as_begun(ctx: Context) -> AbstractContextManager[None]:
    refusals = partial(ctx.refusals, ctx.run.actor, {"run": ctx.run.id})
    return read_as_begun(Workspace(ctx.settings, ctx.run.actor), ctx.params.environment, ctx.provenance.rules, refusals)


def _made_or_found(ctx: Context, stage: Stage) -> tuple[StageRecord, bool]:
    """The stage's record, and whether it was there already."""
    started = time.perf_counter()
    key = _key(ctx, stage)
    found = record_of(ctx.store, ctx.run.id, stage.name)
    if found is not None and ctx.provenance.holds(found) and found.key == key:
        return found, True
    work = WORK[stage.name]
    value = work.compute(ctx)
    output = ctx.store.put(canonical_json(value))
    record = StageRecord(stage.name, key, output, time.perf_counter() - started, now())
    ctx.enter(record)  # first: nothing would stand behind a record that was kept alone
    work.entered(ctx, output, value)
    keep_record(ctx.store, ctx.run.id, record)
    return record, False


def _key(ctx: Context, stage: Stage) -> str:
    policies = ctx.settings.policies
    files = {name: _file_digest(policies / name) for name in stage.files_of(named(ctx.params))}
    params = asdict(ctx.params)
    return digest_of(
        [
            stage.name,
            ctx.run.software,
            {name: params[name] for name in stage.params},
            {name: ctx.digest(name) for name in stage.needs},
            files,
            WORK[stage.name].state(ctx),
        ]
    )


def _file_digest(path: Any) -> str | None:
    return sha256_hex(path.read_bytes()) if path.is_file() else None  # the stage itself says what is wrong with it


def output_type(stage_name: str) -> type[Any]:
    """The dataclass that a stage leaves behind."""
    return WORK[stage_name].output_type


def _link(ctx: Context) -> str:
    return ctx.parent.url if ctx.settings.mlflow_uri.startswith("http") else ""
