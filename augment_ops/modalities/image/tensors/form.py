"""In what form a batch comes out: as levels, or scaled and laid out as a net wants it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from augment_ops.errors import TransformError
from augment_ops.modalities.image.tensors.levels import Levels

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_LAYOUTS = ("nhwc", "nchw", "channels_last")


@dataclass(frozen=True, kw_only=True)
class Form:
    """Numbers for a net: shares of white, less a mean, by a deviation.

    Attributes:
        dtype: float32, bfloat16 or float16.
        mean, std: as shares of white, one value or one a channel, as networks document them.
        layout: `nhwc`; `nchw`; or `channels_last`, which is (N, C, H, W) over the memory of `nhwc`.
    """

    dtype: torch.dtype = torch.float32
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: str = "nchw"

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise TransformError("form.dtype", str(self.dtype), _listed(_DTYPES), "take one of them")
        if self.layout not in _LAYOUTS:
            raise TransformError("form.layout", repr(self.layout), _listed(_LAYOUTS), "take one of them")
        if not self.std or min(self.std) <= 0:
            raise TransformError("form.std", repr(self.std), "numbers above 0", "give deviations")

    def scale(self, levels: Levels, channels: int) -> tuple[float, list[float], list[float]]:
        """(gain, means, factors): a value x becomes (x · gain - mean) · factor of its channel.

        Raises:
            TransformError: a mean or deviation for another number of channels.
        """
        if not {len(self.mean), len(self.std)} <= {1, channels}:
            raise TransformError(
                "form",
                f"mean of {len(self.mean)} and std of {len(self.std)} values, images of {channels} channels",
                f"1 or {channels} values, one a channel",
                "match the number of channels",
            )
        means, widths = (v * (channels // len(v)) for v in (self.mean, self.std))
        return 1 / levels.top, list(means), [1 / width for width in widths]

    def of(self, x: Tensor, levels: Levels) -> Tensor:
        """Bring float32 (N, H, W, C) into this form."""
        gain, means, factors = self.scale(levels, x.shape[3])
        scaled = (x * gain - x.new_tensor(means)) * x.new_tensor(factors)
        return self.laid_out(scaled.to(self.dtype))

    def laid_out(self, x: Tensor) -> Tensor:
        """(N, H, W, C) in this layout."""
        if self.layout == "nhwc":
            return x
        planes = x.permute(0, 3, 1, 2)
        return planes if self.layout == "channels_last" else planes.contiguous()


def _listed(names: tuple[object, ...]) -> str:
    return ", ".join(str(name).removeprefix("torch.") for name in names)
