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
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.policy.spec import Mixing

_STREAM = 1 << 40  # a transform index that no policy reaches
_DRAWS = 5  # applies, partner, weight, and where CutMix pastes


@dataclass(frozen=True)
class Mixed:
    """Mixed samples.

    Attributes:
        samples: (N, *shape), of the type and range of the augmented samples.
        own: (N, *shape), the samples before they were mixed.
        labels: float32 (N, K), the shares of the classes, summing to 1.
        partners: int64 (N,), the row of the other parent; the sample's own where it was not mixed.
        weights: float64 (N,), the sample's own share, 1 where it was not mixed.
    """

    samples: NDArray[Any]
    own: NDArray[Any]
    labels: NDArray[np.float32]
    partners: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __getitem__(self, rows: slice) -> Mixed:
        """Some of them, as views."""
        return Mixed(self.samples[rows], self.own[rows], self.labels[rows], self.partners[rows], self.weights[rows])


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
        self._modality = modality(augmenter.policy.modality)

    def __len__(self) -> int:
        return len(self._labels)

    def __call__(
        self, rows: NDArray[np.int64], epoch: int, augmented: Callable[[NDArray[np.int64]], NDArray[Any]]
    ) -> Mixed:
        """Mix some samples.

        Args:
            rows: int64 (N,), distinct.
            augmented: gives the augmented samples (M, *shape) of rows, of the same epoch.
        """
        keys = philox.derive(sample_key(self._digest, self._seed, epoch), self._ids[rows].words)
        u = philox.uniforms(keys, _STREAM, philox.PARAMETERS, _DRAWS)
        partners = _partners(u[:, 1], rows, len(self._labels))
        mixed = (u[:, 0] < self._mixing.p) & (partners != rows)
        partners = np.where(mixed, partners, rows)
        # A row may be the partner of several samples; each is augmented once.
        needed, places = np.unique(np.concatenate([rows, partners]), return_inverse=True)
        found = augmented(needed)
        own, other = found[places[: len(rows)]], found[places[len(rows) :]]
        weights = np.where(mixed, _beta(self._mixing.alpha, u[:, 2]), 1.0)
        if self._mixing.kind == "mixup":
            out = _blended(own, other, weights)
        else:
            out, weights = self._modality.pasted(own, other, weights, u[:, 3:5])
        soft = np.zeros((len(rows), self._classes), np.float32)
        np.add.at(soft, (np.arange(len(rows)), self._labels[rows]), weights)
        np.add.at(soft, (np.arange(len(rows)), self._labels[partners]), 1 - weights)
        return Mixed(out, own, soft, partners, weights)


def _blended(own: NDArray[Any], other: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[Any]:
    share = weights.astype(np.float32).reshape(-1, *(1 for _ in own.shape[1:]))
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
