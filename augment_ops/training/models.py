"""Networks: a small convolutional net sized to its input, or the user's own by `package.module:factory`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from augment_ops.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    Factory = Callable[[tuple[int, ...], int], nn.Module]

DEFAULT_FACTORY = "augment_ops.training.models:small_cnn"


def small_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A convolutional net that halves its input until the shorter side is at most 4 pixels.

    Args:
        input_shape: (H, W, C) of the images.
        classes: number of outputs.

    Returns:
        A module from float32 (N, C, H, W) in 0..1 to float32 logits (N, classes).
    """
    from torch import nn

    height, width, channels = input_shape
    layers: list[nn.Module] = []
    # Fewer channels where there are more pixels, so that an epoch costs about the same on two cores.
    size, depth, inputs = min(height, width), 24 if max(height, width) > 16 else 32, channels
    while True:
        layers += [nn.Conv2d(inputs, depth, 3, padding=1, bias=False), nn.BatchNorm2d(depth)]
        if size > 4:
            layers.append(nn.MaxPool2d(2))
        # After the maximum, which leaves a quarter of the values and commutes with it. In place, or a second tensor of
        # the same size would take as long again.
        layers.append(nn.ReLU(inplace=True))
        inputs, depth = depth, min(2 * depth, 192)
        if size <= 4:
            break
        size //= 2
    layers += [nn.AdaptiveAvgPool2d(min(size, 2)), nn.Flatten(), nn.Dropout(0.2)]
    layers.append(nn.Linear(inputs * min(size, 2) ** 2, classes))
    return nn.Sequential(*layers)


def load_factory(reference: str) -> Factory:
    """Import `package.module:factory`; the current directory is searched too.

    Raises:
        InputError: not of that form, not importable, or not callable.
    """
    fix = "give --model package.module:factory, a function (input_shape, classes) -> torch.nn.Module"
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise InputError("--model", repr(reference), "package.module:factory", fix)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything, or be a script that exits
        found = f"{reference!r}: {type(error).__name__}: {str(error)[:200]}"
        raise InputError("--model", found, "a factory that can be imported", fix) from error
    if not callable(factory):
        raise InputError("--model", f"{reference!r} is a {type(factory).__name__}", "a function", fix)
    return factory  # type: ignore[no-any-return]


def with_pixel_input(net: nn.Module) -> nn.Module:
    """Wrap a net so that it takes what the data sets hold: uint8 (N, H, W, C).

    The scaling then belongs to the exported program, and no service can forget it.
    """
    import torch
    from torch import nn

    class PixelInput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.net(images.permute(0, 3, 1, 2).to(torch.float32) / 255.0)
            return logits

    return PixelInput()
