"""What is said where a training finds no memory: the batch that fits, as it was measured."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from augment_ops.errors import TrainingError
from augment_ops.training.steps import Stepper
from augment_ops.training.torch_settings import TorchSettings

if TYPE_CHECKING:
    import torch

# How torch says it where it has no class for it: Apple's GPU, libraries of NVIDIA's, the processor.
_OF_THE_PROCESSOR = "DefaultCPUAllocator"
_SAID = ("MPS backend out of memory", "_STATUS_ALLOC_FAILED", _OF_THE_PROCESSOR)
_LEAST = 2  # samples: normalisations by the batch take no single one


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory was lacking, of the device or of the processor."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(part in str(error) for part in _SAID)


@contextmanager
def said_of_memory(where: str, what: str, fix: str) -> Iterator[None]:
    """Whatever finds no memory in here ends as one error.

    Args:
        what: is to fit into it; fix: what to do, both for people.

    Raises:
        TrainingError: memory was lacking.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(where, _found(error), f"memory for {what}", fix) from error


def batch_too_large(
    error: Exception, where: str, stepper: Stepper, samples: torch.Tensor, labels: torch.Tensor
) -> TrainingError:
    """What to say of a batch that there is no memory for; on a GPU after trying which one there is memory for.

    No weight changes, but statistics of normalisations do: nobody goes on with this network.

    Args:
        samples, labels: the batch, on the processor; no value of it matters.
    """
    size, shares = len(labels), stepper.ranks.size
    part = "a batch" if shares == 1 else "a process's share of a batch,"
    found = f"{_found(error)}, for {part} of {size} samples"
    expected = f"memory for the network, its gradients and a batch on {stepper.device}"
    if isinstance(error, MemoryError) or _OF_THE_PROCESSOR in str(error):  # by a trial, the system may end this process
        fix = "give the training more memory, or choose a smaller --batch-size, input_size or network"
        return TrainingError(where, found, expected, fix)
    traceback.clear_frames(error.__traceback__)  # they hold what the step had computed so far
    while (size := size // 2) >= _LEAST:
        if _fits(stepper, samples, labels, size):
            return TrainingError(where, found, expected, _fix(size * shares, len(labels) * shares, stepper.settings))
    fix = "not even two samples fit: choose a smaller network or input_size, or a device with more memory"
    return TrainingError(where, found, expected, fix)


def _fix(size: int, wanted: int, settings: TorchSettings) -> str:
    """How the step that was wanted is made of smaller batches."""
    count = -(-wanted // size)
    same = "the same step" if size * count == wanted else "a step of nearly as many samples"
    return (
        f"take a batch of at most {size} (measured): --batch-size {size}; with accumulate: "
        f"{count * settings.accumulate} in the recipe it makes {same}"
    )


def _fits(stepper: Stepper, samples: torch.Tensor, labels: torch.Tensor, size: int) -> bool:
    import torch

    _free(stepper)
    device = next(stepper.model.parameters()).device
    try:
        to_come = _to_come(stepper)
        # One more than asked: the last batch of an epoch may be of so many.
        shapes = ((torch.Size((size + 1, *one.shape[1:])), one.dtype) for one in (samples, labels))
        held = (*to_come, *(torch.zeros(shape, dtype=dtype, device=device) for shape, dtype in shapes))
        stepper.rehearse(*held[-2:])
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)
        return False
    return True


def _to_come(stepper: Stepper) -> list[torch.Tensor]:
    """Stands for what the optimiser keeps of each weight, where it has made no step yet: adamw two means, sgd one."""
    import torch

    if stepper.optimizer.state:
        return []
    copies = 2 if stepper.settings.optimizer.name == "adamw" else 1
    return [torch.zeros_like(one) for one in stepper.model.parameters() if one.requires_grad for _ in range(copies)]


def _free(stepper: Stepper) -> None:
    """Give back what nothing refers to any more."""
    import torch

    stepper.optimizer.zero_grad(set_to_none=True)
    gc.collect()
    if stepper.device == "cuda":
        torch.cuda.empty_cache()
    elif stepper.device == "mps":
        torch.mps.empty_cache()


def _found(error: BaseException) -> str:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"no memory left ({said[:160]})"
