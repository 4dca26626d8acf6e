"""Item-kNN: what is most often had together with what somebody had. Nothing is learnt; a trained model has to beat it.

Source: Deshpande & Karypis 2004, "Item-based top-N recommendation algorithms", doi 10.1145/963770.963776, section 4:
the sum of the cosines of each item with those of the history, over the nearest neighbours of each. It is the baseline
that many published networks do not reach: Ferrari Dacrema et al. 2019, doi 10.1145/3298689.3347058.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Population, Scores
from augment_ops.modalities.interactions.augmenter import catalogue_of, known_of
from augment_ops.modalities.interactions.histories import ITEM, Histories

_NEIGHBOURS = 100  # of each item: of ml-latest-small, 4.5% are among the first ten; with 20, as transforms have, 3.9%
_LEAST = 1e-6  # of what popularity adds at most: below any cosine of items that were had together twice in a split


def item_knn(population: Population) -> Scores:
    """What scores every item of the catalogue for histories: float32 (N, K).

    What a history has already comes last, as in the source. Items that nothing speaks for are in the order of their
    frequency, so that who is new is named what is popular.

    Args:
        population: the training split.

    Raises:
        TransformError: a data set without a catalogue.
    """
    items = len(catalogue_of(population).names)
    known = known_of(population, neighbours=_NEIGHBOURS, together=population.payload.shape[0])()
    frequency = np.zeros(items + 1)
    frequency[: len(known.counts)] = known.counts
    popular = _LEAST * frequency / max(frequency.max(), 1)

    def scores(histories: Histories) -> NDArray[np.float32]:
        had = histories[..., ITEM]
        there = np.where(had < len(known.counts), had, 0)  # a code that the split never had has no neighbours
        found = np.tile(popular, (len(had), 1))
        who = np.broadcast_to(np.arange(len(had))[:, None, None], (*had.shape, known.near.shape[1]))
        np.add.at(found, (who, known.near[there]), known.cosines[there])
        rows, places = np.nonzero((had > 0) & (had <= items))
        found[rows, had[rows, places]] = -1
        return found[:, 1:].astype(np.float32)

    return scores
