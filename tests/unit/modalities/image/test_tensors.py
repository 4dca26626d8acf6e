"""The same plan on torch tensors: the bytes of the compiled loops, float images, and a GPU where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from support.compiled import COLOURS, FAR, STEPS

N = 12


def grey(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images[..., :1])


@pytest.mark.parametrize("step", STEPS + COLOURS)
def test_a_tensor_gets_the_bytes_of_the_array(policy, images, step):
    augment = Augmenter(policy(step), 7)
    for pictures in (images,) if step in COLOURS else (images, grey(images)):
        before = pictures.copy()
        for epoch in range(3):
            found = augment.tensors(torch.from_numpy(pictures), range(N), epoch)
            np.testing.assert_array_equal(found.numpy(), augment(pictures, range(N), epoch))
        np.testing.assert_array_equal(pictures, before)


def test_what_one_operation_rounds_the_next_one_sees(policy, images):
    augment = Augmenter(policy("RandomGamma: {p: 1}", "InvertImg: {p: 1}"), 7)
    np.testing.assert_array_equal(augment.tensors(torch.from_numpy(images), range(N)), augment(images, range(N)))


def test_many_channels(policy):
    images = np.random.default_rng(0).integers(0, 256, (N, 12, 10, 6), dtype=np.uint8)
    augment = Augmenter(policy("Rotate: {p: 1}", "RandomBrightnessContrast: {p: 1}", "GaussNoise: {p: 1}"), 7)
    np.testing.assert_array_equal(augment.tensors(torch.from_numpy(images), range(N)), augment(images, range(N)))


@pytest.mark.parametrize("step", STEPS + COLOURS)
def test_float_images_get_the_same_picture(policy, images, step):
    augment = Augmenter(policy(step), 7)
    floats = (images / np.float32(255)).astype(np.float32)
    found, whole = augment(floats, range(N)), augment(images, range(N))
    assert found.dtype == np.float32
    scale = 1 if step.startswith("Normalize") else 255
    assert np.abs(found * scale - whole).max() <= FAR.get(step.split(":")[0], 1.01)


@pytest.mark.parametrize("step", STEPS + COLOURS)
def test_a_float_sample_does_not_depend_on_its_batch(policy, images, step):
    augment = Augmenter(policy(step), 7)
    floats = (images / np.float32(255)).astype(np.float32)
    alone = np.concatenate([augment(floats[i : i + 1], [i]) for i in range(N)])
    np.testing.assert_array_equal(augment(floats, range(N)), alone)


def test_what_a_policy_leaves_alone_stays_to_the_bit(policy, images):
    floats = np.random.default_rng(0).random(images.shape, np.float32)
    augment = Augmenter(policy("RandomGamma: {p: 0.0001}", "AugMix: {p: 0.0001}"), 7)
    np.testing.assert_array_equal(augment(floats, range(N)), floats)


def test_masks_of_float_images(policy, images):
    from augment_ops.modalities.image.targets import Targets

    augment, masks = Augmenter(policy("Rotate: {p: 1}"), 7), grey(images)
    floats = (images / np.float32(255)).astype(np.float32)
    both = augment.annotated(floats, range(N), Targets(masks=masks))
    assert both.images.dtype == np.float32
    np.testing.assert_array_equal(
        both.targets.masks, augment.annotated(images, range(N), Targets(masks=masks)).targets.masks
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
def test_float_images_out_of_range_name_the_sample(policy, images, value, make):
    floats = (images / np.float32(255)).astype(np.float32)
    floats[3, 2, 1, 0] = value
    augment = Augmenter(policy("InvertImg: {p: 1}"), 7)
    call = augment if make is np.asarray else augment.tensors
    with pytest.raises(TransformError, match=r"sample row-3.*numbers from 0 to 1"):
        call(make(floats), [f"row-{i}" for i in range(N)])


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.float16])
def test_tensors_of_another_type(policy, images, dtype):
    with pytest.raises(TransformError, match="a uint8 or float32 array"):
        Augmenter(policy(), 7).tensors(torch.from_numpy(images).to(dtype), range(N))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("step", STEPS + COLOURS)
def test_a_gpu_is_at_most_a_level_away(policy, images, step):
    augment = Augmenter(policy(step), 7)
    found = augment.tensors(torch.from_numpy(images).cuda(), range(N))
    assert found.is_cuda
    away = np.abs(found.cpu().numpy().astype(float) - augment(images, range(N)))
    assert away.max() <= FAR.get(step.split(":")[0], 1)
    assert (away > 1e-3).mean() <= 0.01
