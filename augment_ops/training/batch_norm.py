"""Batch normalisation over the samples of all processes that train together, where torch would take those of one.

torch's own `SyncBatchNorm` computes on GPUs alone, and takes a share of no sample for one. Here no layer is replaced:
every call of `torch.nn.functional.batch_norm` is made so while a network trains, whatever layer makes it (timm's have
an activation within).

Source: Ioffe & Szegedy 2015, arXiv:1502.03167, section 3; sums over processes as in torch's `SyncBatchNorm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from augment_ops.training.ranks import Ranks


class OverRanks(TorchFunctionMode):
    """While it holds, batches are normalised by the statistics of all processes.

    Args:
        counts: whether the samples of this process count; they do not where they stand in for a share of none.
    """

    def __init__(self, ranks: Ranks, *, counts: bool) -> None:
        super().__init__()
        self._ranks, self._counts = ranks, counts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See `torch.overrides.TorchFunctionMode`."""
        if func is functional.batch_norm:
            return self._normalised(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _normalised(
        self,
        input: torch.Tensor,
        running_mean: torch.Tensor | None,
        running_var: torch.Tensor | None,
        weight: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> torch.Tensor:
        """As `torch.nn.functional.batch_norm`, of input (N, C, …)."""
        if not training:  # a frozen layer, say
            return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        found = _statistics(self._ranks, input.detach(), self._counts)
        with torch.no_grad():
            for running, now in ((running_mean, found.mean), (running_var, found.var * found.n / (found.n - 1))):
                if running is not None:
                    running.mul_(1 - momentum).add_(now.to(running.dtype), alpha=momentum)
        return _Normalised.apply(input, weight, bias, found, eps)  # type: ignore[no-any-return, no-untyped-call]


@dataclass(frozen=True)
class _Statistics:
    """Of all samples: float32 (C,) each, n values a feature; `ranks` and `counts` as `OverRanks` has them."""

    mean: torch.Tensor
    var: torch.Tensor
    n: float
    ranks: Ranks
    counts: bool


def _statistics(ranks: Ranks, input: torch.Tensor, counts: bool) -> _Statistics:
    var, mean = torch.var_mean(input.float(), _all_but_features(input), correction=0)
    n = input.numel() / input.shape[1] * counts
    # Sums of squares lose what is small beside the mean; in float64 there is enough left of it.
    mean, var = mean.double(), var.double()
    together = torch.cat([n * mean, n * (var + mean**2), mean.new_tensor([n])])
    ranks.add(together)
    *sums, whole = torch.split(together, [len(mean), len(mean), 1])
    n = float(whole)
    if n <= 1:
        raise ValueError(f"batch normalisation over {n:.0f} values a feature: expected more than 1 to train on")
    mean = sums[0] / n
    var = (sums[1] / n - mean**2).clamp(min=0)
    return _Statistics(mean.float(), var.float(), n, ranks, counts)


class _Normalised(Function):
    """The normalised values, whose gradient goes through the statistics to the samples of all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        input: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        found: _Statistics,
        eps: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(input, weight)
        ctx.found, ctx.eps = found, eps
        return functional.batch_norm(input, found.mean, found.var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *outputs: Any) -> Any:
        (input, weight), found = ctx.saved_tensors, ctx.found
        along = (1, -1, *(1 for _ in input.shape[2:]))
        scale = (found.var + ctx.eps).rsqrt().view(along)
        normal, upward = (input.float() - found.mean.view(along)) * scale, outputs[0].float()
        axes = _all_but_features(input)
        shift, tilt = upward.sum(axes), (upward * normal).sum(axes)
        together = torch.cat([shift, tilt])
        found.ranks.add(together)
        of_all = together / found.n * found.counts  # what stands in for no sample moves no statistics
        pulled = sum(part.view(along) * by for part, by in zip(of_all.chunk(2), (1.0, normal), strict=True))
        slope = scale if weight is None else scale * weight.float().view(along)
        return (slope * (upward - pulled)).to(input.dtype), *_of_parameters(ctx, tilt, shift), None, None


def _of_parameters(ctx: Any, tilt: torch.Tensor, shift: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """Gradients of weight and bias by the samples of this process; all gradients are added up later."""
    return tuple(
        found if needed else None for found, needed in zip((tilt, shift), ctx.needs_input_grad[1:3], strict=True)
    )


def _all_but_features(input: torch.Tensor) -> tuple[int, ...]:
    return (0, *range(2, input.dim()))
