"""Networks by torch: the epochs that the source delivers, one after the other; the artifact is an exported program."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from augment_ops.data.payload import Part
from augment_ops.delivery.batches import Batch, BatchSource, batch_rows
from augment_ops.errors import InputError
from augment_ops.extras import require
from augment_ops.modalities import modality
from augment_ops.modalities.base import Modality
from augment_ops.modalities.source import Samples
from augment_ops.training.base import Budget, Labelled, Pace, Task, Trained, Trainer
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.class_weights import balanced
from augment_ops.training.devices import processor_or_gpu
from augment_ops.training.factory import current, load_factory
from augment_ops.training.pace import Again, step_us
from augment_ops.training.pretrained import check_there, prepared
from augment_ops.training.torch_settings import TorchSettings

if TYPE_CHECKING:
    from torch import nn

_NO_RATE = 1e-12


class _Torch:
    """See `augment_ops.training.base.Trainer`."""

    name = "torch"
    format = "pt2"
    settings = TorchSettings

    def entries(self, budget: Budget) -> int:
        """See `Trainer`."""
        return budget.epochs

    def check(self, model: str, device: str) -> None:
        """See `Trainer`."""
        if model:
            load_factory(model)
        if device != "auto":  # which any machine can do; to know what it will be, torch has to be imported
            self.device(device)

    def check_settings(self, settings: BaseModel) -> None:
        """See `Trainer`."""
        if isinstance(settings, TorchSettings) and settings.network.weights is not None:
            check_there(settings.network.weights)

    def device(self, asked: str) -> str:
        """See `Trainer`."""
        return processor_or_gpu(asked)

    def fit(self, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
        """See `Trainer`."""
        made = _made(task, budget, device)
        import torch

        from augment_ops.training import loop
        from augment_ops.training.export import exported, model_digest

        model = made.model
        curve, meters = loop.train(
            model,
            source,
            task.validation,
            budget,
            len(batch_rows(budget.seed, 0, len(task.train.labels), budget.batch_size)),
            task.progress,
            settings=made.settings,
            device=device,
            weights=made.weights,
            checkpoints=None if task.unfinished is None else Checkpoints(task.unfinished),
        )
        model.cpu()
        if made.settings.memory_format == "channels_last":
            model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        artifact = exported(model, _like(task))
        return Trained(
            artifact=artifact,
            format=self.format,
            digest=hashlib.sha256(artifact).hexdigest(),
            model_digest=model_digest(model),
            classes=task.classes,
            factory=made.reference,
            parameters=sum(p.numel() for p in model.parameters()),
            curve=curve,
            meters=meters,
            notes=made.notes,
        )

    def pace(self, task: Task, batch: Batch, budget: Budget, device: str, limit_s: float) -> Pace:
        """See `Paced`."""
        made = _made(task, budget, device)
        from augment_ops.training import loop

        # A batch that comes again and again would be learnt by heart: with next to no rate, steps stay what they are.
        optimizer = made.settings.optimizer.model_copy(update={"learning_rate": _NO_RATE})
        settings = made.settings.model_copy(update={"optimizer": optimizer, "early_stopping": None})
        nothing = Labelled(Part(task.train.samples, np.empty(0, np.int64)), np.empty(0, np.int64))

        def train(source: Again) -> None:
            once = Budget(1, budget.batch_size, budget.seed)
            loop.train(
                made.model,
                source,
                nothing,
                once,
                len(source),
                lambda metrics: None,
                settings=settings,
                device=device,
                weights=made.weights,
            )

        return Pace(step_us(train, batch, limit_s), settings.threads)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What a training begins with.

    Attributes:
        reference: what built the network.
        weights: float32 (K,), of the classes; None weighs them alike.
        notes: what a person should know of it.
    """

    model: nn.Module
    settings: TorchSettings
    reference: str
    weights: NDArray[np.float32] | None
    notes: tuple[str, ...]


def _made(task: Task, budget: Budget, device: str) -> _Made:
    require("torch", "the trainer torch")
    from augment_ops.training import loop

    if device.startswith("cuda"):
        # Without it cuBLAS adds in any order, and torch refuses to be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    of, k = modality(task.modality), len(task.classes)
    reference = current(task.model) or _own_network(of)
    settings, notes = _settings(budget), list[str]()
    factory = prepared(load_factory(reference), settings.network, of, notes.append)
    return _Made(
        model=loop.build(factory, of, _like(task), k, budget.seed),
        settings=settings,
        reference=reference,
        weights=balanced(task.train.labels, k) if task.class_weight == "balanced" else None,
        notes=tuple(notes),
    )


def _like(task: Task) -> Samples:
    """Samples of the task's shape and type, none of them."""
    return task.train.samples.take(np.empty(0, np.int64))


def _settings(budget: Budget) -> TorchSettings:
    if budget.settings is None:
        return TorchSettings()
    assert isinstance(budget.settings, TorchSettings)  # the section of this trainer, see `Recipe.settings`
    return budget.settings


def _own_network(of: Modality) -> str:
    if not of.network:
        raise InputError(
            "--model",
            "no network is named",
            f"one that takes samples of {of.name}: there is none of this program",
            "give --model package.module:factory, or use the modality's own trainer (--trainer auto)",
        )
    return of.network


TRAINER: Trainer = _Torch()
