"""MixUp and CutMix: every sample with a partner of its own, a function of its key and not of its batch.

The partner is a row of the whole split, drawn from the sample's key, and comes augmented under its own key of the same
epoch. So the mixture of a sample is the same in any batch, and both parents are known.

Sources: MixUp, Zhang et al. 2017, arXiv:1710.09412; CutMix, Yun et al. 2019, arXiv:1905.04899.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.arguments import check_counts, whole_labels
from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.base import BatchAugmenter
from augment_ops.policy.spec import Mixing

_STREAM = 1 << 40  # a transform index that no policy reaches
_DRAWS = 5  # applies, partner, weight, and the centre of CutMix's box


@dataclass(frozen=True)
class Mixed:
    """Mixed samples.

    Attributes:
        images: (N, H, W, C), of the type and range of the augmented samples.
        own: (N, H, W, C), the samples before they were mixed.
        labels: float32 (N, K), the shares of the classes, summing to 1.
        partners: int64 (N,), the row of the other parent; the sample's own where it was not mixed.
        weights: float64 (N,), the sample's own share, 1 where it was not mixed.
    """

    images: NDArray[Any]
    own: NDArray[Any]
    labels: NDArray[np.float32]
    partners: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __getitem__(self, rows: slice) -> Mixed:
        """Some of them, as views."""
        return Mixed(self.images[rows], self.own[rows], self.labels[rows], self.partners[rows], self.weights[rows])


class Mixer:
    """Mixes the samples of a split as a policy says.

    Args:
        mixing: how.
        augmenter: the policy and seed that give the keys.
        ids: of the N samples of the split.
        labels: int64 (N,), 0 to K - 1.
        classes: K, of the soft labels.

    Raises:
        InputError: not as many ids as labels, or labels that are no classes.
    """

    def __init__(
        self, mixing: Mixing, augmenter: BatchAugmenter, ids: SampleIds, labels: NDArray[np.int64], classes: int
    ) -> None:
        check_counts("Mixer", {"ids": ids, "labels": labels})
        self._labels = whole_labels("Mixer", labels, classes)
        self._mixing, self._ids, self._classes = mixing, ids, classes
        self._digest, self._seed = augmenter.policy.digest, augmenter.seed

    def __len__(self) -> int:
        return len(self._labels)

    def __call__(
        self, rows: NDArray[np.int64], epoch: int, augmented: Callable[[NDArray[np.int64]], NDArray[Any]]
    ) -> Mixed:
        """Mix some samples.

        Args:
            rows: int64 (N,), distinct.
            augmented: gives the augmented images of rows, uint8 or float32 (M, H, W, C), of the same epoch.
        """
        keys = philox.derive(sample_key(self._digest, self._seed, epoch), self._ids[rows].words)
        u = philox.uniforms(keys, _STREAM, philox.PARAMETERS, _DRAWS)
        partners = _partners(u[:, 1], rows, len(self._labels))
        mixed = (u[:, 0] < self._mixing.p) & (partners != rows)
        partners = np.where(mixed, partners, rows)
        # A row may be the partner of several samples; each is augmented once.
        needed, places = np.unique(np.concatenate([rows, partners]), return_inverse=True)
        pictures = augmented(needed)
        own, other = pictures[places[: len(rows)]], pictures[places[len(rows) :]]
        weights = np.where(mixed, _beta(self._mixing.alpha, u[:, 2]), 1.0)
        if self._mixing.kind == "mixup":
            out = _blended(own, other, weights)
        else:
            out, weights = _pasted(own, other, weights, u[:, 3:5])
        soft = np.zeros((len(rows), self._classes), np.float32)
        np.add.at(soft, (np.arange(len(rows)), self._labels[rows]), weights)
        np.add.at(soft, (np.arange(len(rows)), self._labels[partners]), 1 - weights)
        return Mixed(out, own, soft, partners, weights)


def _blended(own: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[Any]:
    share = weights.astype(np.float32)[:, None, None, None]
    blend = share * own + (1 - share) * other
    return np.asarray(np.rint(blend) if own.dtype.kind in "iu" else blend).astype(own.dtype)


def _partners(u: NDArray[np.float64], rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Any other row of n, all with the same probability."""
    if n == 1:
        return rows
    chosen = (u * (n - 1)).astype(np.int64)
    return chosen + (chosen >= rows)


def _beta(alpha: float, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beta(alpha, alpha) by inversion."""
    from scipy.special import betaincinv

    return np.asarray(betaincinv(alpha, alpha, u), np.float64)


def _pasted(
    own: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64], u: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """A box of `other` in `own`, of the area 1 - weight before the frame cuts it; the weights after."""
    height, width = own.shape[1:3]
    half = np.sqrt(1 - weights)[:, None] * [height, width] / 2
    centre = u * [height, width]
    low = np.clip(np.rint(centre - half), 0, [height, width]).astype(int)
    high = np.clip(np.rint(centre + half), 0, [height, width]).astype(int)
    out = own.copy()
    for i, ((top, left), (bottom, right)) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        out[i, top:bottom, left:right] = other[i, top:bottom, left:right]
    return out, 1 - (high - low).prod(axis=1) / (height * width)
