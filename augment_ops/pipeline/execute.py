"""Run one stage of one run: the whole interface between the stages and whatever drives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from augment_ops.content import canonical_json, digest_of, sha256_hex
from augment_ops.errors import InputError, nearest
from augment_ops.lifecycle.rules import check_pinned, read_as_begun
from augment_ops.monitoring.telemetry.otlp import wanted
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import BY_NAME, STAGES, Stage
from augment_ops.pipeline.inputs import Inputs, declared
from augment_ops.pipeline.params import named
from augment_ops.pipeline.provenance import check_declared
from augment_ops.pipeline.recorders.telemetry import observed
from augment_ops.pipeline.recorders.tell import tell
from augment_ops.pipeline.refused import Shown, in_a_stage
from augment_ops.pipeline.reuse import Found, Lookup, computed_with
from augment_ops.pipeline.run import StageRecord, keep_record, now, record_of
from augment_ops.pipeline.stages.catalogue import WORK, Work
from augment_ops.pipeline.unfinished import forget, unfinished
from augment_ops.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StageRef:
    """What a driver passes from task to task: where an output is, never the output.

    Attributes:
        output: digest of the output document in the store.
        reused: whether this run had it already.
        wall_s: seconds of work of the execution that left the record.
        link: address of the run in MLflow's UI; empty without a server.
        reused_from: id of the earlier run that made it; empty where this one did.
    """

    run_id: str
    stage: str
    output: str
    reused: bool
    wall_s: float
    link: str
    reused_from: str = ""

    @property
    def said(self) -> str:
        """How the output came about, for people."""
        if self.reused:
            return "kept"
        return f"reused from run {self.reused_from}" if self.reused_from else "done"


def execute(
    settings: Settings,
    run_id: str,
    stage_name: str,
    *,
    external: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
    shown: Shown | None = None,
) -> StageRef:
    """Run a stage, or find the output that it left behind for the same inputs, in this run or in an earlier one.

    Args:
        external: external inputs, which the driver brings, such as a person's answer.
        say: gets one line of progress at a time.
        shown: gets where the page is, where the stage is refused; None has it said.

    Raises:
        AugmentOpsError: the computation failed, or (CheckRefused) a check stops the run. Nothing is half-written.
    """
    stage = BY_NAME.get(stage_name)
    if stage is None:
        names = [s.name for s in STAGES]
        raise InputError("stage", stage_name, ", ".join(names), f"name a stage.{nearest(stage_name, names)}")
    trace = Trace(run_id, on=wanted("traces"))
    ctx = replace(Context.of(settings, run_id), external=dict(external or {}), say=say, trace=trace)
    told = shown or (lambda address: say(f"why it stopped, and what to do: {address}"))
    with in_a_stage(ctx, stage_name, told), ctx.failures(stage_name), observed(ctx, stage_name) as seen:
        _believe(ctx, stage)
        with _rules_as_begun(ctx):
            record, seen.reused, seen.output = _made_or_found(ctx, stage)
        seen.record = record
        refusal = WORK[stage.name].refuses(ctx, seen.output)
        if refusal is not None:
            raise refusal
    return StageRef(
        run_id=run_id,
        stage=stage_name,
        output=record.output,
        reused=seen.reused,
        wall_s=record.wall_s,
        link=_link(ctx),
        reused_from=record.reused_from,
    )


def _believe(ctx: Context, stage: Stage) -> None:
    """Hold the run, its rules and the records that the stage rests on against the ledger, before anything is done.

    Raises:
        GovernanceError: one of them was altered; the refusal is entered.
    """
    with ctx.refusals({"run": ctx.run.id}):
        check_declared(ctx.store, ctx.provenance)
        for name in (*stage.comes_after, stage.name):
            record = record_of(ctx.store, ctx.run.id, name)
            if record is not None:
                ctx.provenance.holds(record)
        params = ctx.params
        check_pinned(ctx.workspace, params.environment, ctx.provenance.rules, params.rule_files())


def _rules_as_begun(ctx: Context) -> AbstractContextManager[None]:
    refusals = partial(ctx.refusals, {"run": ctx.run.id})
    return read_as_begun(ctx.workspace, ctx.params.environment, ctx.provenance.rules, refusals)


def _made_or_found(ctx: Context, stage: Stage) -> tuple[StageRecord, bool, Any]:
    """The stage's record, whether this run had it already, and the output.

    The order is what makes a kill harmless: the output, then its entry in the ledger, then all that is told of it, and
    the record last. Without a record a retry finds the output by its entry, and tells it again.
    """
    started, work = time.perf_counter(), WORK[stage.name]
    inputs = _inputs(ctx, stage, work.state(ctx))
    key = _key(inputs)
    lookup = Lookup(
        store=ctx.store,
        run=ctx.run.id,
        stage=stage.name,
        key=key,
        cls=work.output_type,
        objects=work.objects,
        say=ctx.say,
    )
    kept = record_of(ctx.store, ctx.run.id, stage.name)
    if kept is not None and ctx.provenance.holds(kept) and kept.key == key:
        value = lookup.read(kept.output)
        if lookup.lacks(value) is None:
            return kept, True, value
    lasting = work.compute is not None and work.lasting(inputs.state)
    # Of what an edit may change under its name, such as the user's own network, it belongs to this run alone.
    place = unfinished(ctx.settings.home, key, only="" if lasting else ctx.run.id)
    found = _found(ctx, work, lookup, lasting=lasting)
    if found is None:
        value = _compute(ctx, work, replace(inputs, unfinished=place))
        found = Found(ctx.store.put(canonical_json(value)), value, "")
    record = StageRecord(stage.name, key, found.output, 0.0, now(), found.reused_from)
    ctx.enter(record)  # first: nothing would stand behind a record that was kept alone
    tell(ctx, record, found.value)
    record = replace(record, wall_s=time.perf_counter() - started, finished_at=now())
    if lasting and not found.reused_from:
        lookup.note(found.output)
    keep_record(ctx.store, ctx.run.id, record)
    forget(place)
    return record, False, found.value


def _found(ctx: Context, work: Work, lookup: Lookup, *, lasting: bool) -> Found | None:
    if work.compute is None:
        return None  # an act is done in every run; what it enters and registers is found again under its keys
    return lookup.in_run(ctx.provenance) or (lookup.in_other_run(ctx.ledger) if lasting else None)


def _compute(ctx: Context, work: Work, inputs: Inputs) -> Any:
    if work.act is not None:
        return work.act(replace(ctx, stage=inputs.stage))
    assert work.compute is not None
    with inputs.guarded():
        value = work.compute(inputs)
    if work.state(ctx) != inputs.state:
        raise InputError(
            f"stage {inputs.stage.name}",
            "other data outside the run than when it began: they changed while they were read",
            "data that nobody writes to for so long",
            "run the stage again when they are at rest",
        )
    return value


def _inputs(ctx: Context, stage: Stage, state: object) -> Inputs:
    policies = ctx.settings.policies
    return Inputs(
        stage=stage, params=declared(stage, ctx.params), store=ctx.store, state=state,
        digests={name: ctx.digest(name) for name in stage.inputs}, policies=policies,
        files={name: _file_digest(policies / name) for name in stage.files_of(named(ctx.params))},
        say=ctx.say, trace=ctx.trace,
    )  # fmt: skip


def _key(inputs: Inputs) -> str:
    """Digest of all that decides the output. Nothing of the run itself: another run finds it by the same."""
    params = {name: getattr(inputs.params, name) for name in inputs.stage.params}
    return digest_of([inputs.stage.name, computed_with(), params, inputs.digests, inputs.files, inputs.state])


def _file_digest(path: Any) -> str | None:
    return sha256_hex(path.read_bytes()) if path.is_file() else None  # the stage itself says what is wrong with it


def output_type(stage_name: str) -> type[Any]:
    """The dataclass that a stage leaves behind."""
    return WORK[stage_name].output_type


def _link(ctx: Context) -> str:
    return ctx.parent.url if ctx.settings.has_mlflow_server else ""
