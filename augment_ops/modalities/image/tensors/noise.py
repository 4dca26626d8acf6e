"""Noise on tensors: the numbers of the compiled loops, from the same key."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augment_ops.engine import philox
from augment_ops.modalities.image.kernels.fused import salt_marks
from augment_ops.modalities.image.kernels.noise import RUN, run_length
from augment_ops.modalities.image.kernels.operations import ISO, MULTIPLY, SALT
from augment_ops.modalities.image.parameters import Keys, Noises
from augment_ops.modalities.image.tensors.levels import WHOLE, Levels, on
from augment_ops.modalities.image.transforms.noise import POOL_SCALE, pool

_INT16 = 1 << 16
_MOST = 50  # of a Poisson number: the rate is below 1


def add_noise(x: Tensor, levels: Levels, noise: Noises, rows: NDArray[np.int64], keys: Keys) -> Tensor:
    """Add noise to some samples.

    Args:
        x: float32 (R, H, W, C), the samples `rows` of the batch; may be modified.
        noise: of the whole batch.
        keys: uint64 (N, 2), of the whole batch.
    """
    scale, keys = noise.scale[rows], keys[rows]
    if noise.kind == SALT:
        return _salt(x, levels, scale, keys, noise.transform)
    if noise.kind == ISO:
        return _iso(x, levels, scale, keys, noise.transform)
    if noise.kind == MULTIPLY:
        return _multiply(x, levels, scale, keys, noise)
    return _gauss(x, levels, scale, keys, noise)


def _gauss(x: Tensor, levels: Levels, scale: NDArray[np.float64], keys: Keys, noise: Noises) -> Tensor:
    n, height, width, channels = x.shape
    length = height * width * (1 if noise.shared else channels)
    run = run_length.py_func(length)
    starts = philox.words(keys, noise.transform, philox.VALUES, -(-length // run)) >> np.uint64(48)
    normal = _from_pool(starts, run, length, x)
    if levels.whole:  # the fixed point of the loops
        gain, mean, back = (torch.from_numpy(scale[:, i : i + 1].astype(np.int64)).to(x.device) for i in range(3))
        added = ((((normal * gain) >> 16) + mean) * back >> 16).to(torch.float32)
    else:
        gain, mean, back = (on(x, scale[:, i : i + 1]) for i in range(3))
        added = (normal * (gain / _INT16) + mean) * (back / _INT16 * levels.step)
    added = added.view(n, height, width, -1)
    return (x + added).clamp_(0, levels.top)


def _from_pool(starts: NDArray[np.uint64], run: int, length: int, x: Tensor) -> Tensor:
    """Runs of the pool, int64 (N, length)."""
    at = torch.from_numpy(starts.astype(np.int64)).to(x.device)[:, :, None] + torch.arange(run, device=x.device)
    return torch.from_numpy(pool()).to(x.device)[at].flatten(1)[:, :length].to(torch.int64)


def _salt(x: Tensor, levels: Levels, scale: NDArray[np.float64], keys: Keys, transform: int) -> Tensor:
    """Which pixels is decided one after the other, so the CPU's loops do it."""
    n, height, width, _ = x.shape
    marks = np.empty((n, height * width, 1), np.uint8)
    salt_marks(scale, keys, transform, marks)
    found = torch.from_numpy(marks).to(x.device).view(n, height, width, 1)
    x = torch.where(found == 0, 0.0, x)
    return torch.where(found == 255, levels.top, x)


def _multiply(x: Tensor, levels: Levels, scale: NDArray[np.float64], keys: Keys, noise: Noises) -> Tensor:
    n, height, width, channels = x.shape
    count = height * width * (1 if noise.shared else channels)
    words = philox.torch_words(_signed(keys, x), noise.transform, philox.VALUES, -(-count // 16) * 4)
    parts = torch.stack([(words >> (16 * i)) & 0xFFFF for i in range(4)], dim=2)
    share = parts.flatten(1)[:, :count].to(torch.float32) + 0.5
    low, step = on(x, scale[:, :1]), on(x, (scale[:, 1:2] - scale[:, :1]) / _INT16)
    return levels.cut(x * (low + share * step).view(n, height, width, -1))


def _iso(x: Tensor, levels: Levels, scale: NDArray[np.float64], keys: Keys, transform: int) -> Tensor:
    """On levels of 255 whatever the type of the images, as albumentations does."""
    n, height, width, _ = x.shape
    whole = x if levels.whole else (x * 255).round()
    shift, intensity = (torch.from_numpy(scale[:, i : i + 1]).to(x.device) for i in range(2))
    light = (whole.amax(dim=3) + whole.amin(dim=3)).flatten(1).to(torch.int64)  # of 510
    area = height * width
    mean, squares = (part.sum(dim=1).to(torch.float64) / area for part in (light, light * light))
    rate = (squares - mean * mean).clamp_min(0).sqrt()[:, None] / 510 * intensity
    uniform = philox.torch_uniforms(_signed(keys, x), transform, philox.VALUES, area)
    lighter = _poisson(uniform, rate) * intensity
    counters = np.zeros((n, -(-area // RUN), 4), np.uint64)
    counters[..., 0], counters[..., 1] = np.arange(1, counters.shape[1] + 1), 1
    counters[..., 2], counters[..., 3] = transform, philox.VALUES
    starts = philox.blocks(counters, keys[:, None])[..., 0] >> np.uint64(48)
    turn = _from_pool(starts, RUN, area, x) / POOL_SCALE * shift * intensity / 60
    return _hls(whole.to(torch.float64), lighter.view(n, height, width), turn.view(n, height, width)) * levels.step


def _poisson(uniform: Tensor, rate: Tensor) -> Tensor:
    """By inversion: Devroye 1986, chapter X."""
    chance = (-rate).exp().expand(uniform.shape)
    left, number = uniform.clone(), torch.zeros_like(uniform)
    for more in range(1, _MOST + 1):
        goes_on = (left > chance) & (number == more - 1)
        if not goes_on.any():
            break
        left = torch.where(goes_on, left - chance, left)
        number = torch.where(goes_on, float(more), number)
        chance = chance * (rate / more)
    return number


def _hls(x: Tensor, lighter: Tensor, turn: Tensor) -> Tensor:
    """Move lightness by `lighter` of what is missing to white and hue by `turn` sixths of a circle; whole levels."""
    r, g, b = (x / 255).unbind(3)
    high, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    light, spread = (high + low) / 2, high - low
    some = spread > 0
    saturation = torch.where(light < 0.5, spread / (high + low), spread / (2 - high - low))
    hue = torch.where(high == r, (g - b) / spread, torch.where(high == g, 2 + (b - r) / spread, 4 + (r - g) / spread))
    saturation, hue = torch.where(some, saturation, 0.0), torch.where(some, hue, 0.0)
    light = (light + lighter * (1 - light)).clamp_max(1.0)
    top = torch.where(light < 0.5, light * (1 + saturation), light + saturation - light * saturation)
    bottom = 2 * light - top
    planes = []
    for c in range(3):
        at = (hue + turn + 2 - 2 * c) % 6
        rising, falling = bottom + (top - bottom) * at, bottom + (top - bottom) * (4 - at)
        planes.append(torch.where(at < 1, rising, torch.where(at < 3, top, torch.where(at < 4, falling, bottom))))
    return WHOLE.cut(torch.stack(planes, dim=3) * 255 + 0.5).to(torch.float32)


def _signed(keys: Keys, x: Tensor) -> Tensor:
    """The bits of the keys as int64: torch computes with no uint64."""
    return torch.from_numpy(keys.view(np.int64)).to(x.device)
