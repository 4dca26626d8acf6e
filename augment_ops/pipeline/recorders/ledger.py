"""What the ledger is told of a stage's output beside its having been made: the acts that follow from it alone.

What a stage has to have entered before it may go on (a suite frozen, a policy published, an answer, a moved alias) it
enters itself. An entry has a key of the run, so that it is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from augment_ops.content import digest_of
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Decided
from augment_ops.pipeline.run import entry_key
from augment_ops.training.result import TrainingResult


def tell_ledger(ctx: Context, stage: str, output: Any, reused_from: str) -> None:
    """Enter the act of a stage; one that an earlier run did is that run's."""
    recorder = _RECORDERS.get(stage)
    if recorder is not None and not reused_from:
        recorder(ctx, output)


def _trained(ctx: Context, result: TrainingResult) -> None:
    subjects = {
        "model": result.model_digest, "artifact": result.artifact, "policy": result.policy_digest,
        "snapshot": result.snapshot_digest,
    }  # fmt: skip
    key = entry_key(ctx.run.id, "train", result.role)
    before = ctx.ledger.find(key)
    if before is not None and before.subjects != subjects:  # gone on with by another version, or on another source
        key = entry_key(ctx.run.id, "train", result.role, digest_of(subjects)[:16])
    ctx.ledger.append("train", ctx.run.actor, subjects, f"{result.role} of run {ctx.run.id}", key)


def _decided(ctx: Context, decided: Decided) -> None:
    decision = decided.decision
    candidate = ctx.output("train_candidate", TrainingResult)
    ctx.ledger.append(
        "decide", ctx.run.actor, key=entry_key(ctx.run.id, "decide", digest_of(decision)),
        subjects={
            "model": candidate.model_digest, "decision": digest_of(decision),
            "evidence": decision.evidence_digest, "gate": decision.rules_digest,
            **({} if decided.version is None else {"version": f"{ctx.dataset}/{decided.version}"}),
        },
        reason=f"{decision.verdict}: {decision.summary}",
    )  # fmt: skip


_RECORDERS: Mapping[str, Callable[[Context, Any], None]] = {
    "train_candidate": _trained,
    "train_control": _trained,
    "decide": _decided,
}
