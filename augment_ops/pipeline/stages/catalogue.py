"""What the stages of the graph compute, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from augment_ops.errors import AugmentOpsError
from augment_ops.lifecycle.admission import grounds
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.known_outcomes import remember
from augment_ops.pipeline.outputs import StressTest
from augment_ops.pipeline.stages import data, decision, evaluation, policy, report, training
from augment_ops.workspace import Workspace


@dataclass(frozen=True)
class Work:
    """What a stage does.

    Attributes:
        compute: the output, a frozen dataclass; safe to run again.
        state: anything outside the run that the output depends on (the present champion).
        refuses: the error with which the run stops after an output that says no.
        entered: what is left for later runs once the ledger names the output, whose digest it is given.
    """

    compute: Callable[[Context], Any]
    state: Callable[[Context], object] = lambda ctx: None
    refuses: Callable[[Any], AugmentOpsError | None] = lambda output: None
    entered: Callable[[Context, str, Any], None] = lambda ctx, digest, output: None

    @property
    def output_type(self) -> type[Any]:
        """The dataclass that the stage leaves behind."""
        cls: type[Any] = get_type_hints(self.compute)["return"]
        return cls


def _champion_version(ctx: Context) -> str | None:
    champion = evaluation.rival(ctx)
    return champion.version if champion else None


def _remember(ctx: Context, digest: str, output: StressTest) -> None:
    remember(ctx.store, ctx.ledger, ctx.run.id, digest, output)


def _grounds(ctx: Context) -> list[object]:
    return grounds(Workspace(ctx.settings, ctx.run.actor), ctx.params.policy, ctx.params.environment)


WORK: Mapping[str, Work] = {
    "ingest": Work(data.ingest),
    "check_data": Work(data.check_data, refuses=data.refuse_bad_data),
    "resolve_policy": Work(policy.resolve_policy, state=_grounds),
    "augment": Work(policy.augment),
    "check_augmented": Work(policy.check_augmented),
    "train_candidate": Work(training.train_candidate),
    "train_control": Work(training.train_control),
    "stress_test": Work(evaluation.stress_test, state=_champion_version, entered=_remember),
    "check_drift": Work(evaluation.check_drift),
    "decide": Work(decision.decide, state=_champion_version),
    "approve": Work(decision.approve, state=lambda ctx: dict(ctx.given)),
    "promote": Work(decision.promote),
    "report": Work(report.report),
}
