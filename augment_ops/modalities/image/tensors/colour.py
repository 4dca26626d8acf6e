"""The colour program of a segment on tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augment_ops.modalities.image.kernels import operations as codes
from augment_ops.modalities.image.kernels.fused import histogram_tables
from augment_ops.modalities.image.parameters import Colours
from augment_ops.modalities.image.tensors.hsv import shift_hsv
from augment_ops.modalities.image.tensors.levels import WHOLE, Levels, mean, on, put, take, wide

# OpenCV's weights of red, green and blue, of 2^15 (ITU-R BT.601); float32 holds the products of levels exactly.
_RED, _GREEN, _BLUE, _ALL = 9798, 19235, 3735, 1 << 15
_NEUTRAL = np.array([1, 1, 1, 0], np.float32)  # brightness, contrast, saturation, hue

Rows = NDArray[np.float32]  # arguments (N, A) of an operation, a row a sample
Operation = Callable[[Tensor, Levels, Rows], Tensor]


def colour(x: Tensor, levels: Levels, program: Colours) -> Tensor:
    """Run the colour operations of a batch.

    Args:
        x: float32 (N, H, W, C), may be modified.
        program: which operations, for whom, with what arguments.
    """
    for step, code in enumerate(program.codes.tolist()):
        rows = np.flatnonzero(program.wanted[:, step])
        if len(rows):
            x = put(x, rows, _OPERATIONS[code](take(x, rows), levels, program.arguments[rows, step]))
    return x


def luma(x: Tensor, levels: Levels) -> Tensor:
    """Grey levels (N, H, W, 1) of one or three channels."""
    if x.shape[3] == 1:
        return x
    weighted = x[..., :1] * _RED + x[..., 1:2] * _GREEN + x[..., 2:3] * _BLUE
    return ((weighted + _ALL // 2) / _ALL).floor() if levels.whole else weighted / _ALL


def _linear(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    channels = x.shape[3]
    scale, offset = row[:, :channels], row[:, channels : 2 * channels] * levels.step
    return levels.cut(x * wide(scale, x) + wide(offset, x))


def _linear_of_mean(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    scale, offset = row[:, 0], row[:, 1] * mean(x, levels)
    if levels.whole:  # in float64, as the loops: whether a fraction is dropped must not hang on float32's last bit
        return levels.cut(x * wide(scale.to(torch.float64), x) + wide(offset, x)).to(torch.float32)
    return levels.cut(x * wide(scale, x) + wide(offset.to(torch.float32), x))


def _gamma(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    power = wide(row[:, 0], x)
    if not levels.whole:
        return x.pow(power)
    # 256 powers a sample, and in float64: whether a fraction is dropped must not hang on the last bit of float32.
    share = torch.arange(256, device=x.device, dtype=torch.float64) / 255
    table = (share.pow(row[:, :1].to(torch.float64)) * 255).floor_().to(torch.float32)
    return table.gather(1, x.flatten(1).to(torch.int64)).view(x.shape)


def _solarize(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    return torch.where(x >= wide(row[:, 0] * levels.step, x), levels.top - x, x)


def _posterize(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    step = wide(2 ** (8 - row[:, : x.shape[3]]), x)
    return torch.floor(_in_levels(x, levels) / step) * step * levels.step


def _by_histogram(code: int, x: Tensor, levels: Levels, row: Rows) -> Tensor:
    """The histograms are made here; the tables of them by the loops that make them for the CPU."""
    n, height, width, channels = x.shape
    which = torch.arange(n * channels, device=x.device).view(n, 1, 1, channels) * 256
    at = (_in_levels(x, levels).to(torch.int64) + which).flatten()
    counts = torch.bincount(at, minlength=n * channels * 256).view(n, channels, 256)
    tables = np.empty((n, channels, 256), np.uint8)
    histogram_tables(code, row, counts.cpu().numpy(), height * width, tables)
    found = torch.from_numpy(tables).to(x.device).flatten()[at].view(x.shape)
    return found.to(torch.float32) * levels.step


def _jitter(x: Tensor, levels: Levels, row: Rows) -> Tensor:
    """Brightness, contrast, saturation and hue, in the order that the last four arguments name.

    Those that change nothing are left out, so that a policy of one of them costs one of them.
    """
    factors = row[:, :4]
    changes = factors != _NEUTRAL
    changes[:, 2:] &= x.shape[3] == 3
    order = row[:, 4:8].astype(np.int64)
    wanted = np.take_along_axis(changes, order, axis=1)
    first = np.argsort(~wanted, axis=1, kind="stable")  # what a sample gets, its own order kept
    order, wanted = (np.take_along_axis(table, first, axis=1) for table in (order, wanted))
    for step in range(4):
        for which, run in enumerate((_brightness, _contrast, _saturation, _hue)):
            rows = np.flatnonzero(wanted[:, step] & (order[:, step] == which))
            if len(rows):
                x = put(x, rows, run(take(x, rows), levels, on(x, factors[rows, which])))
    return x


def _brightness(x: Tensor, levels: Levels, factor: Tensor) -> Tensor:
    return levels.cut(x * wide(factor, x))


def _contrast(x: Tensor, levels: Levels, factor: Tensor) -> Tensor:
    offset = (mean(luma(x, levels), levels) * (1 - factor)).to(torch.float32)
    return levels.cut(x * wide(factor, x) + wide(offset, x))


def _saturation(x: Tensor, levels: Levels, factor: Tensor) -> Tensor:
    f = wide(factor, x)
    gray = luma(x, levels) * (1 - f.to(torch.float64))  # as the loops add: a half must fall to the same side
    return levels.nearest(x * f + gray).to(torch.float32)


def _hue(x: Tensor, levels: Levels, factor: Tensor) -> Tensor:
    none = torch.zeros_like(factor)
    return shift_hsv(x / levels.step, 180 * factor, none, none, whole=levels.whole) * levels.step


def _shift_hsv(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    if x.shape[3] == 1:
        return WHOLE.cut(_in_levels(x, levels) + wide(row[:, 2].trunc(), x)) * levels.step
    return shift_hsv(_in_levels(x, levels), row[:, 0], row[:, 1], row[:, 2], whole=True) * levels.step


def _gray(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    if x.shape[3] == 1:
        return x
    high, low = x.amax(dim=3, keepdim=True), x.amin(dim=3, keepdim=True)
    ways = (luma(x, levels), levels.floor(x.sum(dim=3, keepdim=True) / 3), high, levels.floor((high + low) / 2))
    method = wide(row[:, 0], x)
    gray = sum(torch.where(method == i, way, 0.0) for i, way in enumerate(ways))
    return torch.as_tensor(gray).expand(x.shape).clone()


def _shuffle(x: Tensor, levels: Levels, row: Tensor) -> Tensor:
    order = row[:, : x.shape[3]].to(torch.int64)
    return x.gather(3, wide(order, x).expand(x.shape))


def _in_levels(x: Tensor, levels: Levels) -> Tensor:
    """Whole levels of 255: albumentations does some operations on these whatever the type of the image."""
    return x if levels.whole else (x * 255).round()


def _there(run: Callable[[Tensor, Levels, Tensor], Tensor]) -> Operation:
    """With the arguments on the device of the images."""
    return lambda x, levels, row: run(x, levels, on(x, row))


_OPERATIONS: Mapping[int, Operation] = {
    codes.LINEAR: _there(_linear),
    codes.GAMMA: _there(_gamma),
    codes.SOLARIZE: _there(_solarize),
    codes.POSTERIZE: _there(_posterize),
    codes.LINEAR_OF_MEAN: _there(_linear_of_mean),
    **{code: partial(_by_histogram, code) for code in (codes.EQUALIZE, codes.EQUALIZE_PIL, codes.AUTOCONTRAST)},
    codes.JITTER: _jitter,
    codes.SHIFT_HSV: _there(_shift_hsv),
    codes.GRAY: _there(_gray),
    codes.SHUFFLE: _there(_shuffle),
}
