"""What training leaves behind, and what the meters measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from augment_ops.content import LATER
from augment_ops.delivery.meters import DeliveryMeters
from augment_ops.runtime.artifact import FIRST_FORMAT

TrainedRole = Literal["candidate", "control"]


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One pass over the training split, or one round of boosting."""

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
        model_digest: sha256 over the names, shapes, dtypes and bytes of what was learnt.
        artifact: sha256 of the model's file in the store, which is no pickle.
        format: of the artifact, as runtimes name it.
        factory: `package.module:name` of what built the model.
        trainer: `package.module:object` where it was the user's own, and trainer_source: sha256 of its file.
        device: that it was trained on.
        threads: of the processor; 0 where the trainer does not say, and in results of before it was kept.
        recipe: name and version of how; recipe_digest: of its content. Empty in results of before there were recipes.
        notes: of the trainer, for people.
        parameters: number of values that were learnt.
        policy_digest: digest of the policy applied; for the control that of the identity.
        augmented_with: reference of the plan or shards that delivered the samples.
        curve: one entry an epoch, or a round of boosting.
        samples_per_s: over the whole training, waiting included.
        delivery: what delivery cost, and `advice` what to do about it.
        peak_rss_mb: peak resident memory of the training process and its loader workers together.
    """

    role: TrainedRole
    model_digest: str
    artifact: str
    format: str = field(default=FIRST_FORMAT, metadata=LATER)
    factory: str
    trainer: str = field(default="", metadata=LATER)
    trainer_source: str = field(default="", metadata=LATER)
    device: str = field(default="cpu", metadata=LATER)
    threads: int = field(default=0, metadata=LATER)
    recipe: str = field(default="", metadata=LATER)
    recipe_digest: str = field(default="", metadata=LATER)
    notes: tuple[str, ...] = field(default=(), metadata=LATER)
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
