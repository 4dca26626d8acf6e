"""All that a training of a network changes while it goes on, and how that is kept and taken up again."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.training.compiled import compiled
from augment_ops.training.ranks import ALONE, Ranks
from augment_ops.training.steps import Stepper, optimizer_of, schedule_of, steps_of
from augment_ops.training.torch_settings import EarlyStopping, TorchSettings

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel


@dataclass
class State:
    """A training between two epochs.

    Attributes:
        early: when it ends before its last epoch; None for never, and then nothing below is kept.
        lowest: validation loss of the best epoch; since: epochs after it; best: its weights.
    """

    stepper: Stepper
    early: EarlyStopping | None
    lowest: float = math.inf
    since: int = 0
    best: dict[str, torch.Tensor] | None = None

    @property
    def model(self) -> nn.Module:
        """What is validated, and left in the end: the average where there is one."""
        average = self.stepper.average
        return self.stepper.model if average is None else average.module

    @property
    def ended(self) -> bool:
        """Whether it has not become better for so long that it ends."""
        return self.early is not None and self.since >= self.early.patience

    def validated(self, loss: float) -> None:
        """Take note of an epoch's validation loss."""
        if self.early is None:
            return
        if loss < self.lowest - self.early.min_delta:
            self.lowest, self.since, self.best = loss, 0, copy.deepcopy(self.model.state_dict())
        else:
            self.since += 1

    def leave(self, model: nn.Module) -> None:
        """Put into `model` what the training comes to."""
        weights = self.model.state_dict() if self.best is None else self.best
        if self.best is not None or self.model is not model:
            model.load_state_dict(weights)

    def states(self) -> dict[str, Any]:
        """Tensors and plain values, of which `load` makes this again."""
        average = self.stepper.average
        return {
            "model": self.stepper.model.state_dict(),
            "optimizer": self.stepper.optimizer.state_dict(),
            "schedule": self.stepper.schedule.state_dict(),
            "average": None if average is None else average.state_dict(),
            "best": {"lowest": self.lowest, "since": self.since, "weights": self.best},
        }

    def load(self, states: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            RuntimeError, ValueError, TypeError, KeyError, AttributeError: it is of another training.
        """
        self.stepper.model.load_state_dict(states["model"])
        self.stepper.optimizer.load_state_dict(states["optimizer"])
        self.stepper.schedule.load_state_dict(states["schedule"])
        if self.stepper.average is not None:
            self.stepper.average.load_state_dict(states["average"])
        best = states["best"]
        self.lowest, self.since, self.best = float(best["lowest"]), int(best["since"]), best["weights"]


def begun(
    model: nn.Module,
    settings: TorchSettings,
    epochs: int,
    batches: int,
    device: str,
    weights: NDArray[np.float32] | None,
    ranks: Ranks = ALONE,
) -> State:
    """A training before its first epoch; moves the model to the device.

    Args:
        batches: of an epoch.
        weights: float32 (K,), of the classes in the loss; None weighs them alike.
        ranks: whom its steps are made with.
    """
    import torch

    model.to(device)
    if settings.memory_format == "channels_last":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optimizer_of(model, settings.optimizer)
    stepper = Stepper(
        model=model,
        forward=compiled(model) if settings.compile else model,
        optimizer=optimizer,
        schedule=schedule_of(optimizer, settings.schedule, epochs * steps_of(batches, settings)),
        average=_average(model, settings.average),
        settings=settings,
        weights=None if weights is None else torch.from_numpy(weights).to(device),
        batches=batches,
        device=torch.device(device).type,
        ranks=ranks,
    )
    return State(stepper, settings.early_stopping)


def _average(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """An exponential moving average, which forgets faster at first: else its first weights outweigh a short training.

    Source: TensorFlow, `tf.train.ExponentialMovingAverage(num_updates=…)`.
    """
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    if decay is None:
        return None

    def follow(averages: Any, weights: Any, steps: Any) -> None:
        now = min(decay, (1 + int(steps)) / (10 + int(steps)))
        get_ema_multi_avg_fn(now)(averages, weights, steps)  # type: ignore[no-untyped-call]

    # Buffers too: the statistics of batch normalisation belong to the weights that they were taken with.
    return AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
