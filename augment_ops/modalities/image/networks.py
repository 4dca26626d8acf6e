"""Networks of images: a small convolutional one sized to its input, and what turns pixels into what networks take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment_ops.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from augment_ops.modalities.base import Factory


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


def with_input(
    factory: Factory, size: tuple[int, ...] | None, mean: tuple[float, ...], std: tuple[float, ...]
) -> Factory:
    """A factory whose nets resize and normalise what they are given: float32 (N, C, H, W) in 0..1.

    Resizing is bilinear, with the filter that keeps smaller images free of aliasing, as Pillow does it.

    Args:
        size: rows and columns; None leaves images as they are.
        mean, std: for each channel or for all; empty leaves values in 0..1.

    Raises:
        InputError: another number of means than of channels, when a net is made.
    """

    def build(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        import torch
        from torch import nn

        channels = input_shape[2]
        if len(mean) not in (0, 1, channels):
            raise InputError(
                "recipe: torch.network.normalise",
                f"{len(mean)} means",
                f"{channels}, one for each channel, or one for all",
                "correct mean and std",
            )

        class Input(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = factory((*(size or input_shape[:2]), channels), classes)
                of_each = (1, len(mean), 1, 1)
                if mean:
                    self.register_buffer("mean", torch.tensor(mean).reshape(of_each))
                    self.register_buffer("std", torch.tensor(std).reshape(of_each))

            def forward(self, images: Tensor) -> Tensor:
                if size is not None:
                    images = nn.functional.interpolate(images, list(size), mode="bilinear", antialias=True)
                if mean:
                    images = (images - self.get_buffer("mean")) / self.get_buffer("std")
                logits: Tensor = self.net(images)
                return logits

        return Input()

    return build


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
