"""What a training may compute on: the processor, or a GPU that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment_ops.errors import InputError
from augment_ops.extras import require

if TYPE_CHECKING:
    from torch import nn


def processor(asked: str, trainer: str) -> str:
    """`cpu`, for a trainer that knows nothing else.

    Raises:
        InputError: another device was asked for.
    """
    if asked not in ("auto", "cpu"):
        raise InputError(
            "--device", asked, f"auto | cpu: the trainer {trainer} computes on the processor", "leave --device out"
        )
    return "cpu"


def processor_or_gpu(asked: str) -> str:
    """The device of torch that is meant: `auto` takes a GPU where there is one, `cuda` the first of them.

    Raises:
        InputError: a GPU that is not here.
    """
    if asked == "cpu":
        return asked
    require("torch", "training on torch")
    gpus = _gpus()
    if asked == "auto":
        return (*gpus, "cpu")[0]
    kind, _, number = asked.partition(":")
    meant = f"{kind}:{int(number or 0)}" if kind == "cuda" else kind
    if meant not in gpus:
        there = f"cpu, {', '.join(gpus)}" if gpus else "cpu; no GPU that this torch can use"
        raise InputError("--device", asked, f"a device of this machine ({there})", "use --device auto, or cpu")
    return meant


def check_tensors(model: nn.Module, device: str) -> None:
    """See that the device has numbers of the types that a network is made of.

    Raises:
        InputError: it has float64, on a device that knows none.

    Source: PyTorch 2.15, notes on the MPS backend, "Double-precision types".
    """
    import torch

    if device != "mps":
        return
    tensors = (*model.named_parameters(), *model.named_buffers())
    found = [name for name, tensor in tensors if tensor.dtype in (torch.float64, torch.complex128)]
    if found:
        raise InputError(
            "--model",
            f"float64 in {', '.join(found[:4])}{', …' if len(found) > 4 else ''}",
            "float32 at most: Apple's GPU (--device mps) knows no other",
            "have the factory make float32, or train with --device cpu",
        )


def check_bfloat16(device: str) -> None:
    """See that the device has bfloat16, which processors and Apple's GPUs have with this torch.

    Raises:
        InputError: it is a GPU without.
    """
    if not device.startswith("cuda"):
        return
    import torch

    with torch.cuda.device(device):
        there = torch.cuda.is_bf16_supported()
    if not there:
        raise InputError(
            "recipe: torch.precision",
            f"bfloat16, for {device}",
            "float32: that GPU has no bfloat16",
            "leave precision out of the recipe, or choose another --device",
        )


def _gpus() -> tuple[str, ...]:
    """Those that this torch can use, the one that `auto` means first."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = ("mps",) if torch.backends.mps.is_available() else ()
    return (*(f"cuda:{number}" for number in range(count)), *apple)


def one_for_each(device: str, processes: int) -> None:
    """See that each of several processes that train together has what it computes on.

    Args:
        device: as `processor_or_gpu` gives it; a process takes the GPU of its own number.

    Raises:
        InputError: fewer GPUs than processes, or another than the first was asked for.
    """
    if processes == 1 or device == "cpu":
        return
    import torch

    count = torch.cuda.device_count()
    if device != "cuda:0" or count < processes:
        raise InputError(
            "recipe: torch.processes",
            f"{processes} processes on {device}, of {count} GPU{'s' if count != 1 else ''} here",
            f"cuda:0 to cuda:{processes - 1}, one for each",
            "use --device cuda on a machine that has as many, a recipe of fewer processes, or --device cpu",
        )
