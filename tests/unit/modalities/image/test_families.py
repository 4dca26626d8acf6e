"""AutoAugment, RandAugment and TrivialAugment: what they spell out, and that limits see through them."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import pytest

from augment_ops.engine.decisions import Decisions
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.engine.philox import derive
from augment_ops.errors import PolicyError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.bounds import ImageLimits
from augment_ops.modalities.image.catalogue import CATALOGUE
from augment_ops.modalities.image.families import _TABLES
from augment_ops.modalities.image.plan import compile_policy
from augment_ops.modalities.image.strength import EFFECTS
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.limits import limit_faults
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform
from augment_ops.policy.strength import strength
from augment_ops.policy.trial import trial_faults
from support.policies import HEAD

KEYS = derive(sample_key("families"), SampleIds.of(range(14_000)).words)


def policy(step: str) -> Policy:
    return Policy.from_text(f"{HEAD}  - {step}\n")


def leaves(transform: Transform) -> list[Transform]:
    found = [leaf for child in transform.children for leaf in leaves(child)]
    return found or [transform]


def applied(step: str) -> np.ndarray:
    """How many transforms every sample gets, but for those that do nothing."""
    plan = compile_policy(policy(step))
    masks = Decisions(plan.nodes)(KEYS)
    return sum(masks[leaf.index].astype(int) for segment in plan.segments for leaf in segment.leaves)


@pytest.mark.parametrize("num_ops", [1, 2, 3])
def test_rand_augment_applies_so_many_of_fourteen(num_ops):
    """Identity is one of the fourteen: it counts, but is not seen here."""
    counts = applied(f"RandAugment: {{num_ops: {num_ops}}}")
    assert counts.max() == num_ops
    assert (counts == num_ops).mean() == pytest.approx((13 / 14) ** num_ops, abs=0.015)


def test_rand_augment_has_one_magnitude_in_both_directions():
    (transform,) = policy("RandAugment: {num_ops: 1, magnitude: 15}").transforms
    angles = [tuple(t.params["limit"]) for t in leaves(transform) if t.name == "Rotate"]
    assert angles == [(15.0, 15.0), (-15.0, -15.0)]
    factors = [t.params["brightness"] for t in leaves(transform) if t.name == "ColorJitter"]
    assert [1.45, 1.45] in factors
    assert [0.55, 0.55] in factors
    assert [t.params["num_bits"] for t in leaves(transform) if t.name == "Posterize"] == [6]
    assert [t.params["threshold_range"] for t in leaves(transform) if t.name == "Solarize"] == [[0.5, 0.5]]


def test_magnitude_zero_changes_nothing_but_what_has_no_magnitude():
    (transform,) = policy("RandAugment: {num_ops: 1, magnitude: 0}").transforms
    names = collections.Counter(t.name for t in leaves(transform))
    assert names == {"NoOp": 11, "Solarize": 1, "AutoContrast": 1, "Equalize": 1}


def test_trivial_augment_applies_one_of_fourteen_at_any_magnitude():
    counts = applied("TrivialAugment: {}")
    assert counts.max() == 1
    assert counts.mean() == pytest.approx(13 / 14 - 1 / 98, abs=0.01)  # a seventh of Posterize keeps all bits
    (transform,) = policy("TrivialAugment: {}").transforms
    assert [t.params["limit"] for t in leaves(transform) if t.name == "Rotate"] == [(-135.0, 135.0)] or [
        [-135.0, 135.0]
    ]


@pytest.mark.parametrize("table", ["cifar10", "imagenet", "svhn"])
def test_auto_augment_takes_one_of_25_pairs(table):
    assert len(_TABLES[table]) == 25
    assert all(len(row.split(", ")) == 2 for row in _TABLES[table])
    counts = applied(f"AutoAugment: {{policy: {table}}}")
    assert counts.max() == 2
    expected = np.mean([sum(float(part.split()[1]) for part in row.split(", ")) for row in _TABLES[table]])
    assert counts.mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    "step", ["RandAugment: {}", "TrivialAugment: {}", "AutoAugment: {policy: cifar10}", "AugMix: {}"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_families_run_compiled_and_change_images(step, channels):
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, channels), dtype=np.uint8)
    augment = Augmenter(policy(step), 7)
    out = augment(images, range(64))
    assert not augment.plan.uses_albumentations
    assert out.shape == images.shape
    assert (out != images).any(axis=(1, 2, 3)).mean() > 0.5


def test_aug_mix_is_a_mixture_of_chains_and_the_image():
    """On a grey image without colour every chain gives the image back: so must any mixture of weights that sum to 1."""
    flat = np.full((64, 16, 16, 3), 77, np.uint8)
    out = Augmenter(policy("AugMix: {severity: 1, fill: 77}"), 7)(flat, range(64))
    kept = np.abs(out.astype(int) - 77).max(axis=(1, 2, 3))
    assert set(kept.tolist()) - set(range(14)) == set()  # Posterize to 4 bits takes 13 grey levels at most
    assert (kept == 0).any()


@pytest.mark.parametrize("width", [1, 3])
def test_chains_of_aug_mix_are_one_to_three_long_each_as_often(width):
    plan = compile_policy(policy(f"AugMix: {{width: {width}}}"))
    masks = Decisions(plan.nodes)(KEYS)
    ((mix,),) = (segment.leaves for segment in plan.segments)
    for chain in mix.operation.chains:
        lengths = sum(masks[leaf.index].astype(int) for segment in chain for leaf in segment.leaves)
        shares = np.bincount(lengths, minlength=4) / len(KEYS)
        assert shares[0] == 0
        assert shares[1:] == pytest.approx([1 / 3] * 3, abs=0.02)


def test_aug_mix_stays_between_the_image_and_its_chains():
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    out = Augmenter(policy("AugMix: {severity: 3, width: 2}"), 7)(images, range(64))
    distance = np.abs(out.astype(int) - images).mean(axis=(1, 2, 3))
    assert (distance > 0.5).mean() > 0.9
    assert np.quantile(distance, 0.1) < 0.3 * np.quantile(distance, 0.9)  # the share of the image is uniform


def test_limits_see_through_families():
    """Two rotations by 30° can follow each other: together they are 60°."""
    (transform,) = policy("RandAugment: {num_ops: 2, magnitude: 30}").transforms
    (turning,) = (effect for effect in EFFECTS if effect.name == "max_rotation_deg")
    assert strength(transform, turning, CATALOGUE) == pytest.approx(60)
    limits = ImageLimits(domain="general", description="d", max_rotation_deg=45)
    (fault,) = limit_faults(policy("RandAugment: {num_ops: 2, magnitude: 30}"), limits)
    assert "max_rotation_deg" in str(fault)
    assert limit_faults(policy("RandAugment: {num_ops: 2, magnitude: 9}"), limits) == []


def test_what_a_family_spells_out_may_be_forbidden():
    limits = ImageLimits(domain="general", description="d", forbidden={"Solarize": "negatives mean something else"})
    (fault,) = limit_faults(policy("TrivialAugment: {}"), limits)
    assert "negatives mean something else" in str(fault)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("RandAugment: {magnitude: 31}", "RandAugment.magnitude"),
        ("RandAugment: {num_ops: 0}", "RandAugment.num_ops"),
        ("RandAugment: {n: 2}", "unknown parameter 'n'"),
        ("AutoAugment: {policy: mnist}", "AutoAugment.policy"),
        ("RandAugmnt: {}", "Did you mean RandAugment?"),
        ("Sharpness: {factor_range: [-1, 1]}", "Sharpness.factor_range"),
    ],
)
def test_faults(step, says):
    with pytest.raises(PolicyError) as caught:
        policy(step)
    assert says in str(caught.value)


PUBLISHED = (
    "TrivialAugment: {}",
    "RandAugment: {num_ops: 2, magnitude: 9}",  # ResNet-50 on ImageNet
    "RandAugment: {num_ops: 2, magnitude: 28}",  # EfficientNet-B7
    "RandAugment: {num_ops: 3, magnitude: 5}",  # Wide-ResNet-28-10 on CIFAR-10
    "AutoAugment: {policy: cifar10}",
    "AutoAugment: {policy: imagenet}",
    "AutoAugment: {policy: svhn}",
    "AugMix: {severity: 3, width: 3}",
    "AugMix: {severity: 10}",
)


@pytest.mark.parametrize("step", PUBLISHED)
def test_natural_images_admit_what_was_published(step):
    """And it runs on small images, grey and coloured."""
    limits = load_limits(Path(__file__).parents[4] / "policies", "natural-images")
    assert limit_faults(policy(step), limits) == []
    for shape in ((28, 28, 1), (32, 32, 3)):
        assert trial_faults(policy(step), shape) == []
    assert limit_faults(policy("Rotate: {limit: 136}"), limits)
    assert limit_faults(policy("RandAugment: {num_ops: 3, magnitude: 30}"), limits)
