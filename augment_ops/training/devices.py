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
