"""Keys and augmented bytes as they were when this was written.

A change here means that no earlier augmented sample can be replayed and that every cached shard is wrong. Where that is
meant, the engine's `REVISION`, part of the lineage, has to change with it.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from augment_ops.delivery.batches import epoch_order
from augment_ops.engine.key import generator, sample_key
from augment_ops.modalities.image.augmenter import REVISION, Augmenter
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.spec import Policy

HEAD = """\
name: golden
version: 1.0.0
modality: image
domain: general
owner: tests
description: For tests.
budget: {p95_ms: 1.0, at: [8, 8, 1]}
transforms:
"""
DIGEST = "b1" * 32

KEYS = {
    ("a",): "6de0ee85df410219 aee5d8765459b9bf",
    ("", "a"): "86eec86ea3d7679d 20c52351f7b96ff8",
    (DIGEST, 7, 0, "0001"): "5faedcb24fa3869d 1c987b324e6fd4f5",
    (DIGEST, 7, 1, "0001"): "0b7184afa3c0f3f5 ae1730dc64d36d39",
    (DIGEST, 7, 0, "ß/日本.png"): "3c778567dd0cf620 77dc02f096662df9",
    ("epoch order", 7, 3): "f0a375a4593ee391 2d39847ed51b0242",
}
POLICIES = {
    # Whole numbers only: the same on every processor.
    "flips and holes": (
        "[HorizontalFlip: {}, CoarseDropout: {p: 0.7}, RandomRotate90: {}, Posterize: {num_bits: [3, 5]}]",
        "82182def50d04ed517dc37516a469f6a838cbb88a9a7e3c170faff54dba52d43",
        "eadeb0d2d93972ba74375c661d718b776748db55dac9b9c34a2b4c091dce0406",
    ),
    # The kind of policy that is used.
    "robust": (
        "[Affine: {rotate: [-30, 30], scale: [0.75, 1.3], p: 1.0}, RandomBrightnessContrast: {p: 0.8}, "
        "GaussianBlur: {blur_limit: 0, sigma_limit: [0.1, 0.6], p: 0.3}, GaussNoise: {std_range: [0.02, 0.2], p: 0.6}]",
        "c61071c3a06ee087c8b6b51c9ea53f85716e56ed8cb9eb786e23d5f10c5aaf37",
        "b8132f617647506761b326e05145458e79128d61561739b4d38de1a5bb59e138",
    ),
    "containers": (
        "[OneOf: {transforms: [Transpose: {p: 0.3}, VerticalFlip: {}], p: 0.8}, "
        "SomeOf: {n: 2, transforms: [InvertImg: {}, ChannelShuffle: {}, D4: {}]}]",
        "55a1188f54e85be6a4ea1ba6a3a2eb5cf46732c109da62b2944076019a5ab21b",
        "fa9ccc9751a04f2c3c405b58f9e59f6aa9ff0ff5de3a69b159fe6a437b7d6533",
    ),
}

# Compiled when the engine's third revision was. Any other was run by albumentations then, with other bytes.
COMPILED_SINCE_3 = {
    "Affine", "AutoContrast", "CenterCrop", "ChannelDropout", "ChannelShuffle", "CoarseDropout", "ColorJitter",
    "D4", "Equalize", "Erasing", "GaussNoise", "GaussianBlur", "GridDropout", "HorizontalFlip",
    "HueSaturationValue", "ISONoise", "InvertImg", "MotionBlur", "MultiplicativeNoise", "Normalize",
    "PadIfNeeded", "Perspective", "Posterize", "RGBShift", "RandomBrightnessContrast", "RandomCrop",
    "RandomGamma", "RandomResizedCrop", "RandomRotate90", "Resize", "Rotate", "SaltAndPepper", "Sharpen",
    "Sharpness", "ShiftScaleRotate", "Solarize", "ToGray", "Transpose", "VerticalFlip",
}  # fmt: skip


def images() -> np.ndarray:
    y, x, c = np.mgrid[0:16, 0:16, 0:3]
    return np.stack([(9 * y + 7 * x + 40 * c + 31 * n + (y * x) % 11 * 5) % 256 for n in range(8)]).astype(np.uint8)


@pytest.mark.parametrize("parts", KEYS)
def test_keys(parts):
    assert "{:016x} {:016x}".format(*sample_key(*parts)) == KEYS[parts]


def test_draws():
    draws = generator(sample_key(DIGEST, 7, 0, "0001"), 2)
    assert draws.integers(0, 2**32, 4).tolist() == [3631232572, 3996044493, 2382005116, 1154494609]
    assert draws.random(2).tolist() == [0.2140910586145035, 0.16992518676634194]


def test_the_order_of_an_epoch():
    assert epoch_order(7, 3, 12).tolist() == [9, 6, 1, 11, 7, 3, 2, 5, 10, 8, 4, 0]


@pytest.mark.parametrize("name", POLICIES)
def test_augmented_bytes(name):
    steps, policy_digest, expected = POLICIES[name]
    policy = Policy.from_text(f"{HEAD}  {steps}\n")
    assert policy.digest == policy_digest
    out = [Augmenter(policy, 7)(images(), [f"{i:04d}" for i in range(8)], epoch).tobytes() for epoch in (0, 3)]
    assert hashlib.sha256(b"".join(out)).hexdigest() == expected, REVISION


def test_what_is_compiled_later_says_since_when():
    compiled = {name: one.since for name, one in declarations().items() if one.compile is not None}
    assert {name for name, since in compiled.items() if since <= 3} <= COMPILED_SINCE_3, "raise its `since`"
