"""What a training may compute on: the processor, or a GPU that is there."""

from __future__ import annotations

from augment_ops.errors import InputError
from augment_ops.extras import require


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
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda:0" if count else "cpu"
    number = int(asked.partition(":")[2] or 0)
    if number >= count:
        there = f"cuda:0 to cuda:{count - 1}" if count else "no GPU that this torch can use"
        raise InputError("--device", asked, f"a device of this machine ({there})", "use --device auto, or cpu")
    return f"cuda:{number}"


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
