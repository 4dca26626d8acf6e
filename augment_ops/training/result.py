"""What training leaves behind, and what the meters measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from augment_ops.delivery.meters import DeliveryMeters

TrainedRole = Literal["candidate", "control"]


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One pass over the training split."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    samples_per_s: float
    data_wait_share: float
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """One trained model and what it cost.

    Attributes:
        role: `candidate`, or `control` (the same seed and budget without augmentation).
        model_digest: sha256 over the names, shapes, dtypes and bytes of the weights.
        artifact: sha256 of the exported program (`.pt2`, no pickle) in the store.
        factory: `package.module:function` that built the network.
        parameters: number of trainable parameters.
        policy_digest: digest of the policy applied; for the control that of the identity.
        augmented_with: reference of the plan or shards that delivered the samples.
        curve: one entry an epoch.
        samples_per_s: over the whole training, waiting included.
        delivery: what delivery cost, and `advice` what to do about it.
        peak_rss_mb: peak resident memory of the training process and its loader workers together.
    """

    role: TrainedRole
    model_digest: str
    artifact: str
    factory: str
    parameters: int
    snapshot_digest: str
    policy_digest: str
    augmented_with: str
    seed: int
    curve: tuple[EpochMetrics, ...]
    samples_per_s: float
    delivery: DeliveryMeters
    advice: str
    wall_s: float
    peak_rss_mb: float
