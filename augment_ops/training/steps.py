"""What a recipe's words are in torch: optimiser, schedule, and one step of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augment_ops.training.ranks import ALONE, Ranks
from augment_ops.training.torch_settings import Optimizer, Schedule, TorchSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

_FIRST = 1e-3  # what a warm-up begins with, of the highest rate: torch takes no 0


def optimizer_of(model: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """The optimiser of all parameters that are trained."""
    from torch import optim

    parameters = [one for one in model.parameters() if one.requires_grad]
    if settings.name == "sgd":
        return optim.SGD(
            parameters,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
        )
    return optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def schedule_of(
    optimizer: torch.optim.Optimizer, settings: Schedule, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule over `steps` steps in all."""
    from torch.optim import lr_scheduler

    warm_up = round(settings.warm_up_share * steps)
    rest = max(1, steps - warm_up)
    after: lr_scheduler.LRScheduler
    if settings.name == "cosine":
        after = lr_scheduler.CosineAnnealingLR(optimizer, T_max=rest)
    elif settings.name == "linear":
        after = lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=rest)
    else:
        after = lr_scheduler.ConstantLR(optimizer, factor=1.0)
    if not warm_up:
        return after
    before = lr_scheduler.LinearLR(optimizer, start_factor=_FIRST, total_iters=warm_up)
    return lr_scheduler.SequentialLR(optimizer, [before, after], milestones=[warm_up])


def steps_of(batches: int, settings: TorchSettings) -> int:
    """Steps of an epoch of so many batches."""
    return math.ceil(batches / settings.accumulate)


@dataclass(kw_only=True)
class Stepper:
    """Takes the batches of all epochs, and makes a step of every `accumulate` of them.

    Attributes:
        forward: computes what `model` does, with its weights: itself, or what it was translated to.
        average: gets the weights after each step; None where nothing is averaged.
        weights: float32 (K,), of the classes; None weighs them alike.
        batches: of an epoch: what is left over at its end makes a step of its own.
        device: kind of device, as autocast names it.
        ranks: whom it makes its steps with; each is given its share of every batch.
    """

    model: nn.Module
    forward: Callable[[torch.Tensor], torch.Tensor]
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: torch.optim.swa_utils.AveragedModel | None
    settings: TorchSettings
    weights: torch.Tensor | None
    batches: int
    device: str
    ranks: Ranks = ALONE

    def take(self, number: int, samples: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Learn from the batch of that number in its epoch.

        Args:
            labels: int64 (N,), or float32 (N, K) where samples of several classes were mixed; N is 0 where a batch has
                fewer samples than there are processes.

        Returns:
            The logits, and the loss of the whole batch; the weights stay where it is no finite number.
        """
        import torch

        logits, loss, value = self._loss(samples, labels)
        if not math.isfinite(value):
            return logits, value
        size = self.settings.accumulate
        first = number - number % size
        together = min(size, self.batches - first)  # the last step of an epoch may have fewer
        if number == first:
            self.optimizer.zero_grad(set_to_none=True)
        (loss if together == 1 else loss / together).backward()  # type: ignore[no-untyped-call]
        if number + 1 == first + together:
            self.ranks.gradients(self.model.parameters())
            if self.settings.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
            self.optimizer.step()
            self.schedule.step()
            if self.average is not None:
                self.average.update_parameters(self.model)
        return logits, value

    def rehearse(self, samples: torch.Tensor, labels: torch.Tensor) -> None:
        """Compute the gradients of a batch and drop them, for what it takes; no weight changes."""
        from torch.nn import functional

        with self._precision():
            loss = functional.cross_entropy(self.forward(samples), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad(set_to_none=True)

    def _loss(self, samples: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Logits of the share, its part in the loss of the whole batch, and that loss."""
        from torch.nn import functional

        n = len(labels)
        if n == 0:  # the others wait for its part in sums and statistics: one sample stands in, and counts for nothing
            samples, labels = (part.new_zeros((1, *part.shape[1:])) for part in (samples, labels))
        with self._precision(), self._together(counts=n > 0):
            logits = self.forward(samples)
            loss = functional.cross_entropy(
                logits,
                labels,
                weight=self.weights,
                label_smoothing=self.settings.label_smoothing,
                reduction="sum",
            )
        if n == 0:
            loss = loss * 0
        whole, counted = self.ranks.sums(loss.item(), self._counted(labels[:n]))
        return logits[:n], loss / counted, whole / counted

    def _counted(self, labels: torch.Tensor) -> float:
        """What a mean over samples divides by, as torch's cross_entropy does: soft labels count for one each."""
        if self.weights is None or labels.is_floating_point():
            return len(labels)
        return self.weights[labels].sum().item()

    def _together(self, *, counts: bool) -> AbstractContextManager[object]:
        if self.ranks.size == 1:
            return nullcontext()
        from augment_ops.training.batch_norm import OverRanks

        return OverRanks(self.ranks, counts=counts)

    def _precision(self) -> AbstractContextManager[object]:
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.settings.precision == "bfloat16")
