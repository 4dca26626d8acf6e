"""A network whose loops torch.compile writes anew: the same weights, sums in another order."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from augment_ops.errors import Fault, InputError
from augment_ops.training.torch_settings import TorchSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

_WHERE = "recipe: torch.compile"
_COMPILERS = {"darwin": "clang++", "win32": "cl"}  # where CXX names none, as torch looks it up


def check_compiled(settings: TorchSettings, device: str) -> None:
    """See that what a recipe asks to be compiled can be, here and for that device.

    Raises:
        InputError: it cannot; all that is missing at once.
    """
    if not settings.compile:
        return
    faults = _missing()
    if device == "mps" and settings.memory_format == "channels_last":
        # torch issue 174269: gradients of convolutions are laid out otherwise there than compiled code is told.
        found, expected = "channels_last, to be compiled for --device mps", "contiguous: torch's gradients do not fit"
        faults.append(Fault(f"{_WHERE}, memory_format", found, expected, "leave one of the two out of the recipe"))
    if faults:
        raise InputError.of("recipe", faults)


def compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """What computes the same as `model` does, with the weights that the model has at the time.

    Sizes are variables in it: one translation does for batches of every size, those at an epoch's end too. By itself
    torch would make another one as soon as a second size comes, and a training that goes on after a kill would not
    always use the one that was used before: sums would be added in another order.
    """
    import torch

    # Of earlier networks of this process: after eight of one class, torch compiles no more and says so in a warning.
    torch.compiler.reset()
    return cast("Callable[[Tensor], Tensor]", torch.compile(model, dynamic=True))


def _missing() -> list[Fault]:
    """What torch needs to build its loops, and does not find."""
    faults = []
    compiler = os.environ.get("CXX") or _COMPILERS.get(sys.platform, "g++")
    if shutil.which(compiler) is None:
        expected = "a C++ compiler on PATH, or named by CXX: torch.compile builds its loops with it"
        fix = "install one (Debian: apt-get install g++), or leave compile out of the recipe"
        faults.append(Fault(_WHERE, f"no {compiler}", expected, fix))
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        expected = "Python's headers, which those loops are built against"
        fix = "install them (Debian: apt-get install python3-dev), or leave compile out of the recipe"
        faults.append(Fault(_WHERE, f"no {header}", expected, fix))
    return faults
