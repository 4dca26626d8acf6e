"""All that is told of an output, before its record is kept: a kill in between has it told again."""

from __future__ import annotations

from typing import Any

from augment_ops.pipeline.context import Context
from augment_ops.pipeline.recorders.ledger import tell_ledger
from augment_ops.pipeline.recorders.mlflow import tell_mlflow
from augment_ops.pipeline.run import StageRecord


def tell(ctx: Context, record: StageRecord, output: Any) -> None:
    """Tell MLflow and the ledger of a stage's output. Metrics and traces are published when the stage has ended."""
    tell_mlflow(ctx, record.stage, output, record.reused_from)
    tell_ledger(ctx, record.stage, output, record.reused_from)
