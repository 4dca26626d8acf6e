"""What a training stage leaves behind, without a training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from augment_ops.delivery.meters import DeliveryMeters
from augment_ops.training.result import TrainingResult

_CONTROL = TrainingResult(
    role="control",
    model_digest="1" * 64,
    artifact="2" * 64,
    factory="f",
    parameters=1,
    snapshot_digest="3" * 64,
    policy_digest="4" * 64,
    augmented_with="4" * 64,
    seed=7,
    curve=(),
    samples_per_s=1.0,
    delivery=DeliveryMeters(0.0, 0.0, 0.0, 0.0, 0.0, None),
    advice="",
    wall_s=60.0,
    peak_rss_mb=600.0,
)


def training_result(**differs: Any) -> TrainingResult:
    """Of a control that took a minute and 600 MB, but for what differs."""
    return replace(_CONTROL, **differs)
