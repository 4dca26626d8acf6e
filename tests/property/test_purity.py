"""Law 1: a sample's bytes depend on its key, and on nothing else that happens."""

from __future__ import annotations

import itertools
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.engine import philox
from augment_ops.engine.key import KeyedStream
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Policy
from support.epochs import check_epochs_of_each
from support.policies import HEAD

# Between them: NumPy and `random` draws, OpenCV's generator, cached Gaussians, containers, a varying number of draws.
POLICIES = {
    "geometry and noise": """
      - Affine: {rotate: [-30, 30], scale: [0.75, 1.3], translate_percent: [-0.1, 0.1], p: 0.8}
      - RandomBrightnessContrast: {brightness_limit: 0.4, contrast_limit: 0.3, p: 0.8}
      - GaussNoise: {std_range: [0.02, 0.2], p: 0.6}
    """,
    "cached gaussians": "\n      - PlanckianJitter: {sampling_method: gaussian, p: 0.7}\n      - ShotNoise: {p: 0.5}",
    "containers": """
      - OneOf:
          transforms: [{HorizontalFlip: {p: 0.2}}, {CoarseDropout: {p: 0.8}}, {GridDistortion: {p: 0.5}}]
          p: 0.9
      - SomeOf: {n: 2, transforms: [{GaussianBlur: {p: 0.5}}, {RandomGamma: {p: 0.5}}, {ShotNoise: {p: 0.5}}]}
      - Sequential: {p: 0.7, transforms: [{Rotate: {limit: 20}}, {MultiplicativeNoise: {elementwise: true}}]}
    """,
}
N = 13
Y, X, C = np.mgrid[0:9, 0:11, 0:3]
IMAGES = np.stack([(20 * Y + 15 * X + 40 * C + 19 * n) % 256 for n in range(N)]).astype(np.uint8)
IDS = [f"sample/{n}.png" for n in range(N)]


@cache
def policy(name: str) -> Policy:
    return Policy.from_text(HEAD + POLICIES[name])


@cache
def one_by_one(name: str, epoch: int) -> np.ndarray:
    augment = Augmenter(policy(name), 7)
    return np.concatenate([augment(IMAGES[i : i + 1], IDS[i : i + 1], epoch) for i in range(N)])


def in_batches(augment: Augmenter, batches: list[list[int]], epoch: int) -> np.ndarray:
    out = np.empty_like(IMAGES)
    for rows in batches:
        out[rows] = augment(IMAGES[rows], [IDS[row] for row in rows], epoch)
    return out


@st.composite
def partitions(draw) -> list[list[int]]:
    """The samples in any order, cut into any batches."""
    order = draw(st.permutations(range(N)))
    cuts = sorted(draw(st.sets(st.integers(1, N - 1), max_size=6)))
    return [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, N], strict=True)]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(POLICIES)), partitions(), st.integers(0, 2), st.integers(0, 2))
def test_no_batch_order_or_history_changes_a_sample(name, batches, epoch, earlier):
    augment = Augmenter(policy(name), 7)
    augment(IMAGES[:earlier], IDS[:earlier], 99) if earlier else None  # whatever ran before on these objects
    assert (in_batches(augment, batches, epoch) == one_by_one(name, epoch)).all()


@pytest.mark.parametrize("name", POLICIES)
def test_the_property_fails_without_keys(name, monkeypatch):
    """Takes the keying out: what the tests above assert must then be false, or they assert nothing."""
    expected = one_by_one(name, 0)
    # Compiled transforms get their keys here, albumentations' its streams there.
    keys = itertools.count()
    monkeypatch.setattr(philox, "derive", lambda key, ids: np.full_like(ids, next(keys)))
    monkeypatch.setattr(KeyedStream, "seat", lambda self, key, transform=0: None)
    batches = [list(range(N))[::-1]]
    assert (in_batches(Augmenter(policy(name), 7), batches, 0) != expected).any()
    again = Augmenter(policy(name), 7)
    assert (in_batches(again, batches, 0) != in_batches(again, batches, 0)).any()


@pytest.mark.parametrize("size", [1, 7, 64, 256])
def test_sizes_of_batches(size):
    n = 256
    images = np.repeat(IMAGES, 20, 0)[:n]
    ids = list(range(n))
    augment = Augmenter(policy("geometry and noise"), 7)
    whole = augment(images, ids, 1)
    parts = [augment(images[i : i + size], ids[i : i + size], 1) for i in range(0, n, size)]
    assert (np.concatenate(parts) == whole).all()
    assert len({image.tobytes() for image in whole}) > 0.9 * n  # and the samples are augmented each in its own way


@pytest.mark.parametrize("name", POLICIES)
def test_global_random_state_is_neither_read_nor_changed(name):
    import torch

    outputs = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = random.getstate(), np.random.get_state(), torch.get_rng_state()
        outputs.append(Augmenter(policy(name), 7)(IMAGES, IDS, 1))  # its construction included
        after = random.getstate(), np.random.get_state(), torch.get_rng_state()
        assert after[0] == before[0]
        assert all(np.array_equal(a, b) for a, b in zip(after[1], before[1], strict=True))
        assert torch.equal(after[2], before[2])
    assert (outputs[0] == outputs[1]).all()


def test_epochs_never_repeat_a_sample():
    image = np.full((1, 16, 16, 1), 128, np.uint8)
    noise = Policy.from_text(HEAD + "  - GaussNoise: {std_range: [0.1, 0.2], p: 1.0}\n")
    augment = Augmenter(noise, 7)
    seen = {augment(image, [i], epoch).tobytes() for i in range(40) for epoch in range(25)}
    assert len(seen) == 40 * 25


@pytest.mark.parametrize("name", POLICIES)
def test_epochs_of_each_sample_in_one_batch_are_those_of_batches_of_their_own(name):
    check_epochs_of_each(Augmenter(policy(name), 7), IMAGES, IDS)
