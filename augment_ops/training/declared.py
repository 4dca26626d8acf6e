"""What a trainer returns is held against what it declares, before anything is recorded of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

from augment_ops.delivery.batches import Batch, BatchSource
from augment_ops.errors import AugmentOpsError, StoreError, TrainingError
from augment_ops.runtime import runtime
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import NAMES
from augment_ops.training.base import Budget, Pace, Paced, Task, Trained, Trainer


def fitted(trainer: Trainer, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
    """What the trainer makes of the task.

    Raises:
        InputError: see `Trainer.fit`.
        TrainingError: see `Trainer.fit`; or an artifact of another format or content, or for other classes, than the
            trainer says or was asked.
    """
    with _own_errors(trainer, "what Trainer.fit returns"):
        trained = trainer.fit(task, source, budget, trainer.device(device))
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


def paced(trainer: Trainer, task: Task, batch: Batch, budget: Budget, device: str, limit_s: float) -> Pace:
    """How fast a trainer takes samples that is one of those who can say (`Paced`).

    Raises:
        InputError: see `Trainer.fit`.
        TrainingError: see `Trainer.fit`; or what it says is no time.
    """
    assert isinstance(trainer, Paced)
    with _own_errors(trainer, "what Paced.pace returns"):
        pace = trainer.pace(task, batch, budget, device, limit_s)
    if not isinstance(pace, Pace):
        raise _undeclared(trainer, f"a {type(pace).__name__}", "a Pace (augment_ops/training/base.py)")
    if not (0 < pace.sample_us < math.inf and pace.threads >= 1):
        raise _undeclared(trainer, f"{pace}", "a time above 0, and a thread at least")
    return pace


@contextmanager
def _own_errors(trainer: Trainer, expected: str) -> Iterator[None]:
    """What code of the user's raises names the trainer; what this program's does, or raises as its own, goes on."""
    try:
        yield
    except AugmentOpsError:
        raise
    except Exception as error:
        if trainer.name in NAMES:
            raise
        raise _undeclared(trainer, f"{type(error).__name__}: {error}", expected) from error


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, … ({len(names)})" if len(names) > 5 else shown


def _undeclared(trainer: Trainer, found: str, expected: str) -> TrainingError:
    return TrainingError(
        f"trainer {trainer.name}", found[:300], expected, "correct the trainer; nothing of this training was recorded"
    )
