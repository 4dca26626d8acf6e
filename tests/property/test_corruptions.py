"""Corruptions are pure functions of (corruption, severity, sample id): no batch, order or neighbour can change one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from augment_ops.stress.corruptions import CORRUPTIONS, apply

NAMES = st.sampled_from(sorted(CORRUPTIONS))
SEVERITY = st.integers(1, 5)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 20), st.integers(1, 20), st.integers(1, 4))
BATCHES = SHAPES.flatmap(lambda shape: arrays(np.uint8, shape))


def params(name: str) -> dict[str, tuple[float, ...]]:
    limit = CORRUPTIONS[name].limit
    return {CORRUPTIONS[name].parameter: tuple(limit * k / 5 for k in range(1, 6))}


def ids_of(images: np.ndarray) -> list[str]:
    return [f"id{i}" for i in range(len(images))]


@settings(max_examples=100, deadline=None)
@given(NAMES, SEVERITY, BATCHES)
def test_shape_dtype_and_input_are_kept(name, severity, images):
    before = images.copy()
    out = apply(name, severity, images, ids_of(images), params=params(name))
    assert out.shape == images.shape
    assert out.dtype == np.uint8
    assert (images == before).all()
    assert not np.shares_memory(out, images)


@settings(max_examples=100, deadline=None)
@given(NAMES, SEVERITY, BATCHES, st.randoms(use_true_random=False))
def test_a_sample_is_corrupted_alike_in_every_batch(name, severity, images, random):
    ids = ids_of(images)
    whole = apply(name, severity, images, ids, params=params(name))
    order = list(range(len(images)))
    random.shuffle(order)
    shuffled = apply(name, severity, images[order], [ids[i] for i in order], params=params(name))
    assert (shuffled == whole[order]).all()
    row = order[0]
    alone = apply(name, severity, images[row : row + 1], [ids[row]], params=params(name))
    assert (alone[0] == whole[row]).all()


@settings(max_examples=40, deadline=None)
@given(SEVERITY, st.text(min_size=1), st.text(min_size=1))
def test_other_ids_draw_other_noise(severity, one, other):
    images = np.full((2, 8, 8, 1), 128, np.uint8)
    out = apply("noise", severity, images, [one, other], params=params("noise"))
    assert (out[0] == out[1]).all() == (one == other)


@settings(max_examples=40, deadline=None)
@given(NAMES, SEVERITY, st.integers(0, 255), st.integers(1, 16))
def test_geometry_and_blur_leave_a_flat_image_flat(name, severity, level, size):
    if name in {"noise", "brightness_up", "brightness_down"}:
        return
    flat = np.full((1, size, size, 3), level, np.uint8)
    assert (apply(name, severity, flat, ["a"], params=params(name)) == flat).all()
