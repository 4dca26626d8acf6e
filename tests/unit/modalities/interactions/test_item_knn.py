"""The baseline of interactions against its formula, written out."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import TransformError
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.histories import ITEM
from augment_ops.stress.ranking import ranks
from support.interactions import Training

ITEMS, ROOM, N = 15, 6, 400
CATALOGUE = {"items": [f"i{place:02d}" for place in range(ITEMS)]}


def histories(n: int, seed: int) -> np.ndarray:
    """Different items that are a few places apart, never the last of the catalogue, in histories of every length."""
    rng, out = np.random.default_rng(seed), np.zeros((n, ROOM, 2), np.int32)
    for row in range(n):
        size = row % (ROOM + 1)
        steps = np.cumsum(rng.integers(1, 3, size))
        out[row, ROOM - size :, ITEM] = 1 + (rng.integers(ITEMS) + steps) % (ITEMS - 1)
    return out


SAMPLES = histories(N, 0)
NEXTS = (SAMPLES[:, -1, ITEM].astype(np.int64) + np.random.default_rng(2).integers(0, 2, N)) % (ITEMS - 1)
TRAINING = Training(ArrayPayload(SAMPLES), NEXTS, tuple(f"s{row}" for row in range(N)), CATALOGUE)
SCORES = modality("interactions").baselines(TRAINING)["item-kNN"]


def cosines() -> np.ndarray:
    """Of items that came together twice at least, by counting: float64 (K, K)."""
    together, often = np.zeros((ITEMS, ITEMS)), np.bincount(NEXTS, minlength=ITEMS)
    for history, following in zip(SAMPLES[..., ITEM], NEXTS, strict=True):
        for item in history:
            if item and item - 1 != following:
                together[item - 1, following] += 1
                together[following, item - 1] += 1
    together[together < 2] = 0
    return together / np.sqrt(np.outer(np.maximum(often, 1), np.maximum(often, 1)))


def had_of(asked: np.ndarray) -> np.ndarray:
    had = np.zeros((len(asked), ITEMS + 1), bool)
    np.put_along_axis(had, asked[..., ITEM].astype(np.int64), True, axis=1)
    return had[:, 1:]


def test_items_are_scored_by_the_cosines_with_what_the_history_has():
    asked, near = histories(40, 9), cosines()
    wanted = np.array([near[[item - 1 for item in history if item]].sum(axis=0) for history in asked[..., ITEM]])
    wanted[had_of(asked)] = -1
    assert SCORES(asked) == pytest.approx(wanted, abs=2e-6)


def test_what_was_had_comes_last_and_who_is_new_is_named_what_is_popular():
    asked = histories(40, 9)
    place = np.argsort(np.argsort(-SCORES(asked), axis=1, kind="stable"), axis=1)
    had = had_of(asked)
    assert (place[had] >= np.repeat(ITEMS - had.sum(axis=1), had.sum(axis=1))).all()
    often = np.bincount(NEXTS, minlength=ITEMS)
    nobody = np.zeros((ITEMS, ROOM, 2), np.int32)
    by_frequency = np.argsort(np.argsort(-often, kind="stable"), kind="stable") + 1
    assert (ranks(SCORES(nobody), np.arange(ITEMS)) == by_frequency).all()


def test_an_item_that_the_split_never_had_speaks_for_nothing():
    asked = np.zeros((2, ROOM, 2), np.int32)
    asked[0, -1, ITEM], asked[1, -1, ITEM] = ITEMS, 10**6  # the last of the catalogue; one that came later
    alone, beyond = SCORES(asked)
    assert (np.argsort(-alone[:-1], kind="stable") == np.argsort(-beyond[:-1], kind="stable")).all()
    assert alone[-1] == -1 and np.isfinite(beyond).all()


def test_without_a_catalogue_it_is_refused():
    with pytest.raises(TransformError, match="found no catalogue of items"):
        modality("interactions").baselines(Training(TRAINING.payload, NEXTS, TRAINING.ids, None))
