"""What a stage's output is computed from, the key that says so, and the computation, wherever it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from augment_ops.content import canonical_json, digest_of, sha256_hex
from augment_ops.errors import InputError
from augment_ops.lifecycle.rules import check_pinned, read_as_begun
from augment_ops.monitoring.telemetry.tracing import Span, Trace
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.graph import BY_NAME, Stage
from augment_ops.pipeline.inputs import Inputs, declared
from augment_ops.pipeline.params import named
from augment_ops.pipeline.provenance import check_declared
from augment_ops.pipeline.reuse import Found, Lookup, computed_with
from augment_ops.pipeline.run import StageRecord, record_of
from augment_ops.pipeline.stages.catalogue import WORK, Work
from augment_ops.pipeline.unfinished import unfinished
from augment_ops.settings import Settings


@dataclass(frozen=True, kw_only=True)
class KeyedStage:
    """A stage of a run with all that decides its output.

    Attributes:
        key: digest of that. Nothing of the run itself: another run finds the output by the same.
        lasting: whether another run may find it.
        place: folder of this key, where the stage keeps how far it has come.
    """

    work: Work
    inputs: Inputs
    key: str
    lookup: Lookup
    lasting: bool
    place: Path

    @classmethod
    def of(cls, ctx: Context, stage: Stage) -> KeyedStage:
        """As the run has it now."""
        work = WORK[stage.name]
        inputs = _inputs(ctx, stage, work.state(ctx))
        key = _key(inputs)
        lasting = work.compute is not None and work.lasting(inputs.state)
        # Of what an edit may change under its name, such as the user's own network, it belongs to this run alone.
        place = unfinished(ctx.settings.home, key, only="" if lasting else ctx.run.id)
        lookup = Lookup(
            store=ctx.store,
            run=ctx.run.id,
            stage=stage.name,
            key=key,
            cls=work.output_type,
            objects=work.objects,
            say=ctx.say,
        )
        return cls(
            work=work,
            inputs=replace(inputs, unfinished=place),
            key=key,
            lookup=lookup,
            lasting=lasting,
            place=place,
        )

    def kept(self, ctx: Context) -> tuple[StageRecord, Any] | None:
        """The record that this run has of the same already, and the output."""
        record = record_of(ctx.store, ctx.run.id, self.inputs.stage.name)
        if record is None or not ctx.provenance.holds(record) or record.key != self.key:
            return None
        value = self.lookup.read(record.output)
        return (record, value) if self.lookup.lacks(value) is None else None

    def found(self, ctx: Context) -> Found | None:
        """The output where it was made before, in this run or in an earlier one."""
        if self.work.compute is None:
            return None  # an act is done in every run; what it enters and registers is found again under its keys
        return self.lookup.in_run(ctx.provenance) or (self.lookup.in_other_run(ctx.ledger) if self.lasting else None)

    def made(self, ctx: Context) -> Any:
        """The output, computed or acted."""
        stage, work = self.inputs.stage, self.work
        if work.act is not None:
            return work.act(replace(ctx, stage=stage))
        assert work.compute is not None
        with self.inputs.guarded():
            value = work.compute(self.inputs)
        if work.state(ctx) != self.inputs.state:
            raise InputError(
                f"stage {stage.name}",
                "other data outside the run than when it began: they changed while they were read",
                "data that nobody writes to for so long",
                "run the stage again when they are at rest",
            )
        return value


@dataclass(frozen=True, kw_only=True)
class ComputedStage:
    """What a computation came to that was made ahead of the stage's execution, elsewhere.

    Attributes:
        output: digest of its document, which is in the store.
        wall_s: seconds it took; spans: what was traced of it.
    """

    key: str
    output: str
    wall_s: float
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class StageWork:
    """What a process that computes a stage is given."""

    settings: Settings
    run: str
    stage: str


@dataclass(frozen=True)
class Raised:
    """What stopped such a process: the error, its traceback, which a pickle leaves out, and what was traced before."""

    error: BaseException
    traceback: str
    spans: tuple[Span, ...]


def compute_ahead(asked: StageWork, say: Callable[[str], None], trace: Trace) -> ComputedStage:
    """Compute a stage's output and put it into the store. Its execution enters and tells what came of it.

    A refusal is entered here: rules that were altered while it computed may be put back when its execution looks.

    Args:
        trace: takes the spans, also of what is stopped.

    Raises:
        AugmentOpsError: as `augment_ops.pipeline.execute.execute`, of the computation.
    """
    started, stage = time.perf_counter(), BY_NAME[asked.stage]
    ctx = replace(Context.of(asked.settings, asked.run), say=say, trace=trace)
    believe(ctx, stage)
    with rules_as_begun(ctx):
        keyed = KeyedStage.of(ctx, stage)
        output = ctx.store.put(canonical_json(keyed.made(ctx)))
    wall_s = time.perf_counter() - started
    return ComputedStage(key=keyed.key, output=output, wall_s=wall_s, spans=tuple(trace.spans))


def is_to_compute(ctx: Context, stage: Stage) -> bool:
    """Whether the stage's output is in no run yet, and is computed."""
    asked = KeyedStage.of(replace(ctx, say=lambda line: None), stage)
    return asked.work.compute is not None and asked.kept(ctx) is None and asked.found(ctx) is None


def believe(ctx: Context, stage: Stage) -> None:
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


def rules_as_begun(ctx: Context) -> AbstractContextManager[None]:
    """While it holds, rules are read as they were when the run began."""
    refusals = partial(ctx.refusals, {"run": ctx.run.id})
    return read_as_begun(ctx.workspace, ctx.params.environment, ctx.provenance.rules, refusals)


def _inputs(ctx: Context, stage: Stage, state: object) -> Inputs:
    policies = ctx.settings.policies
    return Inputs(
        stage=stage, params=declared(stage, ctx.params), store=ctx.store, state=state,
        digests={name: ctx.digest(name) for name in stage.inputs}, policies=policies,
        files={name: _file_digest(policies / name) for name in stage.files_of(named(ctx.params))},
        say=ctx.say, trace=ctx.trace,
    )  # fmt: skip


def _key(inputs: Inputs) -> str:
    params = {name: getattr(inputs.params, name) for name in inputs.stage.params}
    return digest_of([inputs.stage.name, computed_with(), params, inputs.digests, inputs.files, inputs.state])


def _file_digest(path: Path) -> str | None:
    return sha256_hex(path.read_bytes()) if path.is_file() else None  # the stage itself says what is wrong with it
