"""Shifts of hue, saturation and value on tensors; whole levels by OpenCV's 8-bit conversions (hue of 180)."""

from __future__ import annotations

import torch
from torch import Tensor

from augment_ops.modalities.image.tensors.levels import WHOLE, wide

_PARTS = 1 << 12  # OpenCV's fixed point of 8-bit HSV


def shift_hsv(x: Tensor, hue: Tensor, saturation: Tensor, value: Tensor, *, whole: bool) -> Tensor:
    """Shift colours.

    Args:
        x: float32 (N, H, W, 3) in levels of 255, whole ones where `whole`.
        hue: float32 (N,), of 180; saturation, value: float32 (N,), in levels, fractions dropped.

    Returns:
        float32 (N, H, W, 3).
    """
    h, s, v = _to_hsv(x, whole)
    turn = wide(hue, x)[..., 0]
    turned = (h + turn) % 180
    h = torch.where(turn == 0, h, turned.floor() if whole else turned)
    s = torch.where(s != 0, (s + wide(saturation.trunc(), x)[..., 0]).clamp(0, 255), 0.0)
    v = (v + wide(value.trunc(), x)[..., 0]).clamp(0, 255)
    rgb = _to_rgb(h, s, v)
    return WHOLE.nearest(rgb) if whole else rgb.clamp_(0, 255)


def _to_hsv(x: Tensor, whole: bool) -> tuple[Tensor, Tensor, Tensor]:
    r, g, b = x.unbind(3)
    high, low = x.amax(dim=3), x.amin(dim=3)
    spread = high - low
    turn = torch.where(high == r, g - b, torch.where(high == g, b - r + 2 * spread, r - g + 4 * spread))
    per_spread, per_high = 30 * _PARTS / spread, 255 * _PARTS / high
    if whole:
        per_spread, per_high = per_spread.round(), per_high.round()
    h, s = turn * torch.where(spread > 0, per_spread, 0.0), spread * torch.where(high > 0, per_high, 0.0)
    if whole:
        h, s = ((h + _PARTS // 2) / _PARTS).floor(), ((s + _PARTS // 2) / _PARTS).floor()
    else:
        h, s = h / _PARTS, s / _PARTS
    return torch.where(h < 0, h + 180, h), s, high


def _to_rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """In levels, not rounded."""
    h, s, v = h * (6 / 180), s * (1 / 255), v * (1 / 255)
    sector = h.floor()
    f = h - sector
    sector = torch.where(sector >= 6, sector - 6, sector)
    p, q, t = v * (1 - s), v * (1 - s * f), v * (1 - s * (1 - f))
    # Red, green and blue run through the same six pieces, each two sectors after the one before.
    pieces = torch.stack((v, q, p, p, t, v), dim=3)
    at = sector.to(torch.int64)[..., None] + torch.tensor((0, 4, 2), device=v.device)
    return pieces.gather(3, at % 6) * 255
