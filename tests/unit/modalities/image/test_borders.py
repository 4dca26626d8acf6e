"""What belongs to one transform of a pass belongs to no other: border, fill, interpolation, those of masks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.targets import Targets
from augment_ops.policy.spec import Policy
from support.policies import HEAD

# Without anything to draw, so that the bytes do not depend on the policy's digest.
NEVER = (
    "Affine: {rotate: [30, 30], fill: 9, fill_mask: 3, p: 0}",
    "Affine: {rotate: [30, 30], border_mode: 4, interpolation: 0, p: 0}",
    "Rotate: {limit: [30, 30], mask_interpolation: 1, p: 0}",
    "Perspective: {border_mode: 1, fill_mask: 7, p: 0}",
    "HorizontalFlip: {p: 0}",
)
ALWAYS = (
    "RandomResizedCrop: {size: [64, 64], scale: [1, 1], ratio: [1, 1], p: 1}",
    "RandomResizedCrop: {size: [64, 64], scale: [1, 1], ratio: [1, 1], mask_interpolation: 1, p: 1}",
    "Resize: {height: 40, width: 24, p: 1}",
    "PadIfNeeded: {min_height: 30, min_width: 30, fill: 200, fill_mask: 5, p: 1}",
    "Affine: {scale: [0.5, 0.5], fill: 100, fill_mask: 2, p: 1}",
    "Rotate: {limit: [45, 45], border_mode: 3, p: 1}",
)


def augmenter(*steps: str) -> Augmenter:
    return Augmenter(Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps)), 3)


@pytest.mark.parametrize(("never", "always"), list(product(NEVER, ALWAYS)))
def test_a_transform_that_does_not_apply_lends_the_others_nothing(never, always):
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1), dtype=np.uint8)
    masks = (images // 64) * 60
    alone = augmenter(always).annotated(images, range(4), Targets(masks=masks))
    for steps in ((never, always), (always, never)):
        found = augmenter(*steps).annotated(images, range(4), Targets(masks=masks))
        np.testing.assert_array_equal(found.images, alone.images)
        np.testing.assert_array_equal(np.asarray(found.targets.masks), np.asarray(alone.targets.masks))


@pytest.mark.parametrize(
    "step", ["Resize: {height: 16, width: 16", "RandomResizedCrop: {size: [16, 16], scale: [1, 1], ratio: [1, 1]"]
)
def test_masks_are_resized_as_the_policy_says(step):
    mask = np.zeros((1, 4, 4, 1), np.uint8)
    mask[:, :2] = 255
    images = np.repeat(mask, 3, axis=3)
    levels = {}
    for interpolation in (0, 1):
        augment = augmenter(f"{step}, mask_interpolation: {interpolation}, p: 1}}")
        levels[interpolation] = np.unique(np.asarray(augment.annotated(images, [0], Targets(masks=mask)).targets.masks))
    assert levels[0].tolist() == [0, 255]
    assert len(levels[1]) > 2
    with pytest.raises(
        TransformError, match=r"mask_interpolation, sample 0: found 2; expected 0 \(nearest\) or 1 \(linear\)"
    ):
        augmenter(f"{step}, mask_interpolation: 2, p: 1}}").annotated(images, [0], Targets(masks=mask))
