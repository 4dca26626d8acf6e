"""Networks by torch: the epochs that the source delivers, one after the other; the artifact is an exported program."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from augment_ops.data.payload import Part
from augment_ops.delivery.batches import Batch, BatchSource, batch_rows, split_batch
from augment_ops.errors import InputError
from augment_ops.extras import require
from augment_ops.modalities import modality
from augment_ops.modalities.base import Modality
from augment_ops.modalities.source import Samples
from augment_ops.training.base import Budget, Labelled, Meters, Pace, Task, Trained, Trainer
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.class_weights import balanced
from augment_ops.training.compiled import check_compiled
from augment_ops.training.devices import check_bfloat16, check_tensors, one_for_each, processor_or_gpu
from augment_ops.training.factory import current, load_factory
from augment_ops.training.pace import step_us
from augment_ops.training.pretrained import check_there, prepared
from augment_ops.training.ranks import ALONE, Ranks
from augment_ops.training.result import EpochMetrics
from augment_ops.training.threads import threads_of
from augment_ops.training.torch_settings import TorchSettings

if TYPE_CHECKING:
    from torch import nn

_NO_RATE = 1e-12


class _Torch:
    """See `augment_ops.training.base.Trainer`."""

    name = "torch"
    format = "pt2"
    settings = TorchSettings
    augments_on_device = True

    def entries(self, budget: Budget) -> int:
        """See `Trainer`."""
        return budget.epochs

    def check(self, model: str, device: str) -> None:
        """See `Trainer`."""
        if model:
            load_factory(model)
        if device != "auto":  # which any machine can do; to know what it will be, torch has to be imported
            self.device(device)

    def check_settings(self, settings: BaseModel, device: str) -> None:
        """See `Trainer`."""
        assert isinstance(settings, TorchSettings)
        if settings.network.weights is not None:
            check_there(settings.network.weights)
        check_compiled(settings, device)
        if settings.precision == "bfloat16" and device != "auto":
            check_bfloat16(self.device(device))

    def device(self, asked: str) -> str:
        """See `Trainer`."""
        return processor_or_gpu(asked)

    def fit(self, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
        """See `Trainer`."""
        settings, made = _settings(budget), made_ready(task, budget, device)
        import torch

        from augment_ops.training.export import exported, model_digest

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

    def pace(self, task: Task, batch: Batch, budget: Budget, device: str, limit_s: float) -> Pace:
        """See `Paced`. Of several processes one is measured, with its share of the batch."""
        settings = _settings(budget)
        # A batch that comes again and again would be learnt by heart: with next to no rate, steps stay what they are.
        # To compile them takes longer than to measure them as they are written.
        optimizer = settings.optimizer.model_copy(update={"learning_rate": _NO_RATE})
        settings = settings.model_copy(update={"optimizer": optimizer, "early_stopping": None, "compile": False})
        once = replace(budget, epochs=1, settings=settings)
        model = made_ready(task, once, device).model
        nothing = Labelled(Part(task.train.samples, np.empty(0, np.int64)), np.empty(0, np.int64))
        alike = replace(task, validation=nothing, progress=lambda metrics: None, unfinished=None)
        processes = settings.processes
        share = split_batch(batch, [-(-len(batch.labels) // processes)])[0]
        took = step_us(lambda source: learn(model, alike, source, once, device, batches=len(source)), share, limit_s)
        return Pace(took / processes, threads_of(settings, budget.threads) * processes)


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


def made_ready(task: Task, budget: Budget, device: str, *, check: bool = True) -> MadeReady:
    """The network of a task as its recipe begins with it; `check` as `augment_ops.training.loop.build` takes it.

    Raises:
        InputError: see `augment_ops.training.loop.build` and `augment_ops.training.pretrained.prepared`; or the device
            does not know its numbers, or nothing can be compiled here.
    """
    require("torch", "the trainer torch")
    from augment_ops.training.loop import build

    if device.startswith("cuda"):
        # Without it cuBLAS adds in any order, and torch refuses to be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    of, settings, notes = modality(task.modality), _settings(budget), list[str]()
    check_compiled(settings, device)  # here: a driver that began the run may be another machine
    reference = current(task.model) or _own_network(of)
    like = task.train.samples.take(np.empty(0, np.int64))
    factory = prepared(load_factory(reference), settings.network, of, notes.append)
    model = build(factory, of, like, len(task.classes), budget.seed, check=check)
    check_tensors(model, device)
    return MadeReady(model, like, reference, tuple(notes))


def learn(
    model: nn.Module,
    task: Task,
    source: BatchSource,
    budget: Budget,
    device: str,
    ranks: Ranks = ALONE,
    batches: int | None = None,
) -> tuple[tuple[EpochMetrics, ...], Meters]:
    """Train `model` in place, in this process; see `augment_ops.training.loop.train`.

    Args:
        batches: of an epoch; None for those that the task's samples make.
    """
    from augment_ops.training.loop import train

    labels = task.train.labels
    return train(
        model,
        source,
        task.validation,
        budget,
        len(batch_rows(budget.seed, 0, len(labels), budget.batch_size)) if batches is None else batches,
        task.progress,
        settings=_settings(budget),
        device=device,
        weights=balanced(labels, len(task.classes)) if task.class_weight == "balanced" else None,
        checkpoints=None if task.unfinished is None else Checkpoints(task.unfinished),
        ranks=ranks,
        on_device=task.on_device,
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
