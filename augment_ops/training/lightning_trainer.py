"""`--trainer augment_ops.training.lightning_trainer:LightningTrainer`: the same networks, trained by Lightning.

An example of a trainer of one's own, to start from: what Lightning's `Trainer` can do stands in `_lightning`.
"""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from augment_ops.delivery.batches import BatchSource
from augment_ops.delivery.meters import WaitMeter
from augment_ops.errors import AugmentOpsError, InputError, TrainingError
from augment_ops.extras import require
from augment_ops.modalities import modality
from augment_ops.training.base import Budget, Labelled, Meters, Task, Trained
from augment_ops.training.devices import check_tensors, processor_or_gpu
from augment_ops.training.factory import load_factory
from augment_ops.training.result import EpochMetrics
from augment_ops.training.vision import import_where_installed

_EVALUATED = 256  # samples at once


class LightningSettings(BaseModel):
    """The section `lightning` of a recipe.

    Attributes:
        learning_rate: of AdamW, to zero along a cosine.
        precision: as Lightning names it.
        clip_norm: highest 2-norm of all gradients together; null does not clip.
        accumulate: batches a step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: Annotated[FiniteFloat, Field(gt=0, le=100)] = 3e-3
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    clip_norm: Annotated[FiniteFloat, Field(gt=0)] | None = None
    accumulate: Annotated[int, Field(ge=1, le=4096)] = 1


class LightningTrainer:
    """See `augment_ops.training.base.Trainer`."""

    name = "lightning"
    format = "pt2"
    settings = LightningSettings

    def entries(self, budget: Budget) -> int:
        """See `Trainer`."""
        return budget.epochs

    def check(self, model: str, device: str) -> None:
        """See `Trainer`."""
        require("pytorch_lightning", f"the trainer {self.name}")
        if model:
            load_factory(model)
        if device != "auto":
            self.device(device)

    def check_settings(self, settings: BaseModel, device: str) -> None:
        """See `Trainer`. They name no file."""

    def device(self, asked: str) -> str:
        """See `Trainer`."""
        return processor_or_gpu(asked)

    def fit(self, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
        """See `Trainer`."""
        require("pytorch_lightning", f"the trainer {self.name}")
        import_where_installed()  # Lightning's torchmetrics does
        from augment_ops.training.export import exported, model_digest
        from augment_ops.training.loop import build

        of, like = modality(task.modality), task.train.samples.take(np.empty(0, np.int64))
        reference = task.model or of.network
        if not reference:
            raise InputError("--model", "no network is named", f"one for samples of {of.name}", "give --model")
        model = build(load_factory(reference), of, like, len(task.classes), budget.seed)
        check_tensors(model, device)
        settings = budget.settings if isinstance(budget.settings, LightningSettings) else LightningSettings()
        started, meter = time.perf_counter(), WaitMeter()
        curve = _lightning(model, task, source, budget, settings, device, meter)
        wall_s = time.perf_counter() - started
        model.cpu()
        artifact = exported(model, like)
        return Trained(
            artifact=artifact,
            format=self.format,
            digest=hashlib.sha256(artifact).hexdigest(),
            model_digest=model_digest(model),
            classes=task.classes,
            factory=reference,
            parameters=sum(one.numel() for one in model.parameters()),
            curve=curve,
            meters=Meters(len(task.train.labels) * len(curve) / wall_s, wall_s, meter.result(wall_s)),
        )


def _lightning(
    model: Any, task: Task, source: BatchSource, budget: Budget, settings: LightningSettings, device: str,
    meter: WaitMeter,
) -> tuple[EpochMetrics, ...]:  # fmt: skip
    """Train `model` in place; the curve."""
    import pytorch_lightning as lightning
    from torch.utils.data import DataLoader

    kind, _, number = device.partition(":")
    learner = _learner(model, task, budget, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its advice on loaders: ours run ahead of it themselves
        trainer = lightning.Trainer(
            max_epochs=budget.epochs,
            accelerator=kind,
            devices=[int(number or 0)] if kind == "cuda" else 1,
            precision=settings.precision,
            gradient_clip_val=settings.clip_norm,
            accumulate_grad_batches=settings.accumulate,
            deterministic=True,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader = DataLoader(_epochs(source, meter), batch_size=None)
        try:
            trainer.fit(learner, loader)
        except (AugmentOpsError, KeyboardInterrupt):
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {str(error)[:200]}"
            raise TrainingError("Lightning", said, "a network that it can train", "see the error above") from error
    return tuple(learner.curve)


def _epochs(source: BatchSource, meter: WaitMeter) -> Any:
    """What the source delivers, an epoch each time that it is gone through."""
    import torch

    class Epochs(torch.utils.data.IterableDataset[Any]):
        epoch = 0

        def __iter__(self) -> Iterator[Any]:
            number, self.epoch = self.epoch, self.epoch + 1
            for batch in meter.watch(source, source.epoch(number)):
                wanted = batch.labels if batch.mixed is None else batch.mixed.labels
                yield torch.from_numpy(batch.samples), torch.from_numpy(wanted), torch.from_numpy(batch.labels)

    return Epochs()


def _learner(model: Any, task: Task, budget: Budget, settings: LightningSettings) -> Any:
    import pytorch_lightning as lightning
    import torch
    from torch.nn import functional

    from augment_ops.training.class_weights import balanced

    weights = torch.from_numpy(balanced(task.train.labels, len(task.classes)))

    class Learner(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = model
            self.curve: list[EpochMetrics] = []

        def configure_optimizers(self) -> Any:
            kept = [one for one in self.network.parameters() if one.requires_grad]
            optimizer = torch.optim.AdamW(kept, lr=settings.learning_rate)
            return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.epochs)]

        def on_train_epoch_start(self) -> None:
            self.began, self.loss, self.right, self.seen = time.perf_counter(), 0.0, 0, 0

        def training_step(self, batch: Any, number: int) -> Any:
            samples, wanted, labels = batch
            logits = self.network(samples)
            of_classes = weights.to(logits.device) if task.class_weight == "balanced" else None
            loss = functional.cross_entropy(logits, wanted, weight=of_classes)
            if not torch.isfinite(loss):
                where = f"training, epoch {self.current_epoch}, batch {number}"
                raise TrainingError(where, f"a loss of {loss.item()}", "a finite number", "lower the learning rate")
            self.loss += loss.item() * len(labels)
            self.right += int((logits.argmax(1) == labels).sum())
            self.seen += len(labels)
            return loss

        def on_train_epoch_end(self) -> None:
            seconds = time.perf_counter() - self.began
            loss, accuracy = _measured(self.network, task.validation, self.device)
            self.curve.append(
                EpochMetrics(
                    epoch=self.current_epoch,
                    train_loss=self.loss / self.seen,
                    train_accuracy=self.right / self.seen,
                    validation_loss=loss,
                    validation_accuracy=accuracy,
                    samples_per_s=self.seen / seconds,
                    data_wait_share=0.0,
                    wall_s=seconds,
                )
            )
            task.progress(self.curve[-1])

    return Learner()


def _measured(network: Any, split: Labelled, device: Any) -> tuple[float, float]:
    """Loss and accuracy; NaN without a sample. Leaves the network training."""
    import torch
    from torch.nn import functional

    count, loss, right = len(split.labels), 0.0, 0
    network.eval()
    with torch.no_grad():
        for start in range(0, count, _EVALUATED):
            rows = np.arange(start, min(start + _EVALUATED, count))
            labels = torch.from_numpy(split.labels[rows]).to(device)
            logits = network(torch.from_numpy(split.samples.take(rows)).to(device))
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
    network.train()
    return (loss / count, right / count) if count else (math.nan, math.nan)
