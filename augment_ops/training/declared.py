"""What a trainer returns is held against what it declares, before anything is recorded of it."""

from __future__ import annotations

import hashlib

from augment_ops.delivery.batches import BatchSource
from augment_ops.errors import AugmentOpsError, StoreError, TrainingError
from augment_ops.runtime import runtime
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import NAMES
from augment_ops.training.base import Budget, Task, Trained, Trainer


def fitted(trainer: Trainer, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
    """What the trainer makes of the task.

    Raises:
        InputError: see `Trainer.fit`.
        TrainingError: see `Trainer.fit`; or an artifact of another format or content, or for other classes, than the
            trainer says or was asked.
    """
    try:
        trained = trainer.fit(task, source, budget, trainer.device(device))
    except AugmentOpsError:
        raise
    except Exception as error:
        if trainer.name in NAMES:
            raise
        raise _undeclared(trainer, f"{type(error).__name__}: {error}", "what Trainer.fit returns") from error
    if not isinstance(trained, Trained):
        raise _undeclared(trainer, f"a {type(trained).__name__}", "a Trained (augment_ops/training/base.py)")
    if trained.format != trainer.format:
        raise _undeclared(trainer, f"an artifact of the format {trained.format!r}", f"{trainer.format!r}, its own")
    digest = hashlib.sha256(trained.artifact).hexdigest()
    if trained.digest != digest:
        raise _undeclared(trainer, f"the digest {trained.digest[:12]!r}", f"{digest[:12]}…, the sha256 of its artifact")
    if trained.classes != task.classes:
        raise _undeclared(trainer, f"scores of the classes {_few(trained.classes)}", _few(task.classes))
    try:
        scores = runtime(trained.format).scores(Artifact(trained.artifact, digest, "its artifact", trained.format))
    except StoreError as error:
        raise _undeclared(trainer, error.faults[0].found, error.faults[0].expected) from error
    if scores != len(task.classes):
        raise _undeclared(trainer, f"an artifact of {scores} scores a sample", f"{len(task.classes)}, one a class")
    if not trained.curve:
        raise _undeclared(trainer, "no curve", "an entry at least")
    return trained


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, … ({len(names)})" if len(names) > 5 else shown


def _undeclared(trainer: Trainer, found: str, expected: str) -> TrainingError:
    return TrainingError(
        f"trainer {trainer.name}", found[:300], expected, "correct the trainer; nothing of this training was recorded"
    )
