"""Run one stage of one run: the whole interface between the stages and whatever drives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from augment_ops.content import canonical_json
from augment_ops.errors import InputError, nearest
from augment_ops.monitoring.telemetry.otlp import wanted
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.computing import ComputedStage, KeyedStage, believe, rules_as_begun
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import BY_NAME, STAGES, Stage
from augment_ops.pipeline.recorders.telemetry import observed
from augment_ops.pipeline.recorders.tell import tell
from augment_ops.pipeline.refused import Shown, in_a_stage
from augment_ops.pipeline.reuse import Found
from augment_ops.pipeline.run import StageRecord, keep_record, now
from augment_ops.pipeline.stages.catalogue import WORK
from augment_ops.pipeline.unfinished import forget
from augment_ops.settings import Settings

# What a computation came to that was made before; raises what stopped it. The trace takes over what was traced of it.
Ahead = Callable[[Trace], ComputedStage]


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
    ahead: Ahead | None = None,
) -> StageRef:
    """Run a stage, or find the output that it left behind for the same inputs, in this run or in an earlier one.

    Args:
        external: external inputs, which the driver brings, such as a person's answer.
        say: gets one line of progress at a time.
        shown: gets where the page is, where the stage is refused; None has it said.
        ahead: the computation where it was made before, elsewhere (`augment_ops.pipeline.at_once`).

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
        believe(ctx, stage)
        with rules_as_begun(ctx):
            record, seen.reused, seen.output = _made_or_found(ctx, stage, ahead)
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


def _made_or_found(ctx: Context, stage: Stage, ahead: Ahead | None) -> tuple[StageRecord, bool, Any]:
    """The stage's record, whether this run had it already, and the output.

    The order is what makes a kill harmless: the output, then its entry in the ledger, then all that is told of it, and
    the record last. Without a record a retry finds the output by its entry, and tells it again.
    """
    started, asked = time.perf_counter(), KeyedStage.of(ctx, stage)
    kept = asked.kept(ctx)
    if kept is not None:
        record, value = kept
        return record, True, value
    found, elsewhere_s = asked.found(ctx), 0.0
    if found is None and ahead is not None:
        found, elsewhere_s = _made_ahead(ctx, asked, ahead(ctx.trace))
    if found is None:
        value = asked.made(ctx)
        found = Found(ctx.store.put(canonical_json(value)), value, "")
    record = StageRecord(stage.name, asked.key, found.output, 0.0, now(), found.reused_from)
    ctx.enter(record)  # first: nothing would stand behind a record that was kept alone
    tell(ctx, record, found.value)
    record = replace(record, wall_s=time.perf_counter() - started + elsewhere_s, finished_at=now())
    if asked.lasting and not found.reused_from:
        asked.lookup.note(found.output)
    keep_record(ctx.store, ctx.run.id, record)
    forget(asked.place)
    return record, False, found.value


def _made_ahead(ctx: Context, asked: KeyedStage, computed: ComputedStage) -> tuple[Found | None, float]:
    """What was computed elsewhere, and the seconds of it; None where that was for other inputs than those of now."""
    if computed.key != asked.key:
        ctx.say("what its process computed is not used: its inputs are others now")
        return None, 0.0
    return Found(computed.output, asked.lookup.read(computed.output), ""), computed.wall_s


def output_type(stage_name: str) -> type[Any]:
    """The dataclass that a stage leaves behind."""
    return WORK[stage_name].output_type


def _link(ctx: Context) -> str:
    return ctx.parent.url if ctx.settings.has_mlflow_server else ""
