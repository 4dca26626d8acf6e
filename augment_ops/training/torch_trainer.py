"""Networks by torch: the epochs that the source delivers, one after the other; the artifact is an exported program."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from augment_ops.delivery.batches import BatchSource, batch_rows
from augment_ops.errors import InputError
from augment_ops.extras import require
from augment_ops.modalities import modality
from augment_ops.modalities.base import Modality
from augment_ops.modalities.source import Samples
from augment_ops.training.base import Budget, Meters, Task, Trained, Trainer
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.class_weights import balanced
from augment_ops.training.devices import one_for_each, processor_or_gpu
from augment_ops.training.factory import current, load_factory
from augment_ops.training.pretrained import check_there, prepared
from augment_ops.training.ranks import ALONE, Ranks
from augment_ops.training.result import EpochMetrics
from augment_ops.training.torch_settings import TorchSettings

if TYPE_CHECKING:
    from torch import nn


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
        require("torch", "the trainer torch")
        import torch

        from augment_ops.training.export import exported, model_digest

        if device.startswith("cuda"):
            # Without it cuBLAS adds in any order, and torch refuses to be deterministic.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        settings, made = _settings(budget), made_ready(task, budget)
        notes = made.notes
        model = made.model
        if settings.processes == 1:
            curve, meters = learn(model, task, source, budget, device)
        else:
            from augment_ops.training.processes import train_in_processes

            one_for_each(device, settings.processes)
            curve, meters = train_in_processes(model, task, source, budget, device, settings.processes)
            notes += (f"{settings.processes} processes shared each batch",)
        model.cpu()
        if settings.memory_format == "channels_last":
            model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        artifact = exported(model, made.like)
        return Trained(
            artifact=artifact,
            format=self.format,
            digest=hashlib.sha256(artifact).hexdigest(),
            model_digest=model_digest(model),
            classes=task.classes,
            factory=made.factory,
            parameters=sum(p.numel() for p in model.parameters()),
            curve=curve,
            meters=meters,
            notes=notes,
        )


@dataclass(frozen=True)
class MadeReady:
    """A network before its training.

    Attributes:
        like: samples (0, *shape) of the task.
        factory: what built it; notes: what a person should know of that.
    """

    model: nn.Module
    like: Samples
    factory: str
    notes: tuple[str, ...]


def made_ready(task: Task, budget: Budget, *, check: bool = True) -> MadeReady:
    """The network of a task as its recipe begins with it; `check` as `augment_ops.training.loop.build` takes it.

    Raises:
        InputError: see `augment_ops.training.loop.build` and `augment_ops.training.pretrained.prepared`.
    """
    from augment_ops.training.loop import build

    of, notes = modality(task.modality), list[str]()
    reference = current(task.model) or _own_network(of)
    like = task.train.samples.take(np.empty(0, np.int64))
    factory = prepared(load_factory(reference), _settings(budget).network, of, notes.append)
    return MadeReady(
        build(factory, of, like, len(task.classes), budget.seed, check=check), like, reference, tuple(notes)
    )


def learn(
    model: nn.Module, task: Task, source: BatchSource, budget: Budget, device: str, ranks: Ranks = ALONE
) -> tuple[tuple[EpochMetrics, ...], Meters]:
    """Train `model` in place, in this process; see `augment_ops.training.loop.train`."""
    from augment_ops.training.loop import train

    labels = task.train.labels
    return train(
        model,
        source,
        task.validation,
        budget,
        len(batch_rows(budget.seed, 0, len(labels), budget.batch_size)),
        task.progress,
        settings=_settings(budget),
        device=device,
        weights=balanced(labels, len(task.classes)) if task.class_weight == "balanced" else None,
        checkpoints=None if task.unfinished is None else Checkpoints(task.unfinished),
        ranks=ranks,
    )


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
