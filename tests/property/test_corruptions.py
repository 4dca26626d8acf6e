"""Corruptions are pure functions of (corruption, severity, sample id): no batch, order or neighbour can change one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from augment_ops.modalities.image.corruptions import CORRUPTIONS, apply

NAMES = st.sampled_from(sorted(CORRUPTIONS))
SEVERITY = st.integers(1, 5)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """A corruption and a batch that it works on: any size from its smallest, grey, colour, or with other channels."""
    name = draw(NAMES)
    least = CORRUPTIONS[name].smallest
    channels = 3 if CORRUPTIONS[name].needs_colour else draw(st.integers(1, 4))
    sides = st.integers(least, 40)
    return name, draw(arrays(np.uint8, (draw(st.integers(1, 5)), draw(sides), draw(sides), channels)))


def ids_of(images: np.ndarray) -> list[str]:
    return [f"id{i}" for i in range(len(images))]


@settings(max_examples=150, deadline=None)
@given(cases(), SEVERITY)
def test_shape_dtype_and_input_are_kept(case, severity):
    name, images = case
    before = images.copy()
    out = apply(name, severity, images, ids_of(images))
    assert out.shape == images.shape
    assert out.dtype == np.uint8
    assert (images == before).all()
    assert not np.shares_memory(out, images)


@settings(max_examples=150, deadline=None)
@given(cases(), SEVERITY, st.randoms(use_true_random=False))
def test_a_sample_is_corrupted_alike_in_every_batch(case, severity, random):
    name, images = case
    ids = ids_of(images)
    whole = apply(name, severity, images, ids)
    order = list(range(len(images)))
    random.shuffle(order)
    shuffled = apply(name, severity, np.asfortranarray(images[order]), [ids[i] for i in order])
    assert (shuffled == whole[order]).all()
    row = order[0]
    alone = apply(name, severity, images[row : row + 1], [ids[row]])
    assert (alone[0] == whole[row]).all()


@settings(max_examples=40, deadline=None)
@given(SEVERITY, st.text(min_size=1), st.text(min_size=1))
def test_other_ids_draw_other_noise(severity, one, other):
    images = np.full((2, 8, 8, 1), 128, np.uint8)
    for name in ("noise", "gaussian_noise", "shot_noise"):
        out = apply(name, severity, images, [one, other])
        assert (out[0] == out[1]).all() == (one == other)


FLAT = ("rotation", "scale_up", "scale_down", "translation", "shear", "tilt", "blur", "gaussian_blur", "defocus_blur",
        "glass_blur", "motion_blur", "zoom_blur", "contrast", "contrast_up", "contrast_down", "elastic_transform",
        "pixelate", "thin_strokes", "thick_strokes")  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FLAT), SEVERITY, st.integers(0, 255), st.integers(8, 24))
def test_geometry_blur_and_contrast_leave_a_flat_image_flat(name, severity, level, size):
    flat = np.full((1, size, size, 3), level, np.uint8)
    out = apply(name, severity, flat, ["a"])
    assert np.ptp(out) == 0, name
    assert abs(int(out[0, 0, 0, 0]) - level) <= 1, f"{name} may round, no more"
