"""What the stages of the graph do, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from augment_ops.errors import AugmentOpsError
from augment_ops.lifecycle.admission import admission_inputs
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.stages import data, decision, evaluation, policy, prospects, report, training
from augment_ops.training.result import TrainingResult


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a stage does: it computes from what it declares, or it acts.

    An act reaches the workspace, because doing it is governed (a policy is admitted, a suite frozen, a model
    registered, an answer entered, an alias moved, a page written): it is done in every run, where a computation's
    output is found by its key whichever run has made it.

    Attributes:
        compute: the output, a frozen dataclass, from `Inputs` alone.
        act: the output of an act; safe to do again.
        state: what the output depends on outside the run (a source's content, the present champion).
        lasting: whether that state says all; else a computation's output is kept for its run, and no other finds it.
        objects: objects of the store that the output points at, without which it is not there.
        refuses: the error with which the run stops after an output that says no, or with which it need not go on.
    """

    compute: Callable[[Inputs], Any] | None = None
    act: Callable[[Context], Any] | None = None
    state: Callable[[Context], Any] = lambda ctx: None
    lasting: Callable[[Any], bool] = lambda state: True
    objects: Callable[[Any], Iterable[str]] = lambda output: ()
    refuses: Callable[[Context, Any], AugmentOpsError | None] = lambda ctx, output: None

    @property
    def output_type(self) -> type[Any]:
        """The dataclass that the stage leaves behind."""
        cls: type[Any] = get_type_hints(self.compute or self.act)["return"]
        return cls


def _champion_version(ctx: Context) -> str | None:
    champion = evaluation.incumbent(ctx)
    return champion.version if champion else None


def _admission_inputs(ctx: Context) -> list[object]:
    return admission_inputs(ctx.workspace, ctx.params.policy, ctx.params.environment)


def _is_known(state: object) -> bool:
    return state is not None


def _is_whole_window(state: tuple[str, ...]) -> bool:
    return len(state) != 1  # a place alone says nothing of what lies there


def _program_of(result: TrainingResult) -> tuple[str, ...]:
    return (result.artifact,)


WORK: Mapping[str, Work] = {
    "ingest": Work(
        compute=data.ingest,
        state=data.source_state,
        lasting=_is_known,
        objects=data.objects_of_snapshot,
        refuses=prospects.refuse_in_vain,
    ),
    "check_data": Work(compute=data.check_data, refuses=data.refuse_bad_data),
    "resolve_policy": Work(act=policy.resolve_policy, state=_admission_inputs),
    "augment": Work(compute=policy.augment, state=policy.measured_here, lasting=_is_known, objects=policy.shards_of),
    "check_augmented": Work(compute=policy.check_augmented, objects=lambda checked: (checked.contact_sheet,)),
    "train_candidate": Work(
        compute=training.train_candidate, state=training.network_state, lasting=_is_known, objects=_program_of
    ),
    "train_control": Work(
        compute=training.train_control, state=training.network_state, lasting=_is_known, objects=_program_of
    ),
    "stress_test": Work(act=evaluation.stress_test, state=_champion_version),
    "check_drift": Work(compute=evaluation.check_drift, state=evaluation.window_state, lasting=_is_whole_window),
    "decide": Work(act=decision.decide, state=decision.decided_by),
    "prepare_report": Work(act=report.prepare_report),
    "approve": Work(act=decision.approve, state=lambda ctx: dict(ctx.external)),
    "promote": Work(act=decision.promote),
    "report": Work(act=report.report),
}
