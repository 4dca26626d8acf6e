"""All that is told of an output, before its record is kept: a kill in between has it told again."""

from __future__ import annotations

from typing import Any

from augment_ops.pipeline.context import Context
from augment_ops.pipeline.known_outcomes import remember
from augment_ops.pipeline.outputs import StressTest
from augment_ops.pipeline.recorders.ledger import tell_ledger
from augment_ops.pipeline.recorders.mlflow import tell_mlflow
from augment_ops.pipeline.run import StageRecord


def tell(ctx: Context, record: StageRecord, output: Any) -> None:
    """Tell MLflow, the ledger and later runs of an output. Metrics and traces are published when the stage ends."""
    tell_mlflow(ctx, record.stage, output, record.reused_from)
    tell_ledger(ctx, record.stage, output, record.reused_from)
    if isinstance(output, StressTest):
        remember(ctx.store, ctx.ledger, ctx.run.id, record.output, output)
