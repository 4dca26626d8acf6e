from __future__ import annotations

import pytest
import yaml

from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.corruptions import CORRUPTIONS
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.spec import Policy
from augment_ops.stress.seen import seen_by

HEAD = {
    "name": "some",
    "version": "1.0.0",
    "modality": "image",
    "domain": "general",
    "owner": "tests",
    "description": "for tests",
    "budget": {"p95_ms": 1.0, "at": [8, 8, 1]},
}


def policy(*transforms: dict[str, object], **more: object) -> Policy:
    return Policy.from_text(yaml.safe_dump(HEAD | {"transforms": list(transforms)} | more))


def test_the_parameters_that_are_declared_are_those_of_the_catalogue():
    for name, one in declarations().items():
        named = {rule.parameter for rule in one.trains} | {strength.parameter for strength in one.strengths}
        assert named - {None} <= catalogue.parameters(name), name


def test_whatever_is_trained_on_is_a_corruption():
    known = {*CORRUPTIONS}
    assert {c for one in declarations().values() for rule in one.trains for c in rule.corruptions} <= known


@pytest.mark.parametrize(
    ("transform", "seen"),
    [
        ({"Affine": {"rotate": [-5, 5]}}, {"rotation"}),
        ({"Affine": {"rotate": 0}}, set()),
        ({"Affine": {"scale": [0.8, 1.0]}}, {"scale_down"}),
        ({"Affine": {"scale": [1.0, 1.2]}}, {"scale_up"}),
        ({"Affine": {"scale": {"x": [1.0, 1.0], "y": [0.9, 1.1]}}}, {"scale_up", "scale_down"}),
        ({"Affine": {"translate_percent": [-0.1, 0.1]}}, {"translation"}),
        ({"Affine": {"shear": [-3, 3]}}, {"shear"}),
        ({"Rotate": {"limit": 10}}, {"rotation"}),
        ({"RandomRotate90": {}}, set()),
        ({"HorizontalFlip": {}}, set()),
        ({"CoarseDropout": {}}, set()),
        (
            {"RandomBrightnessContrast": {"brightness_limit": [0, 0.3], "contrast_limit": 0}},
            {"brightness", "brightness_up", "exposure_shift"},
        ),
        (
            {"RandomBrightnessContrast": {"brightness_limit": 0, "contrast_limit": [-0.3, 0]}},
            {"contrast", "contrast_down"},
        ),
        (
            {"ColorJitter": {"brightness": [1, 1], "contrast": [1, 1.5], "saturation": [1, 1], "hue": 0}},
            {"contrast_up"},
        ),
        ({"GaussNoise": {}}, {"noise", "gaussian_noise", "shot_noise", "speckle_noise", "sensor_noise"}),
        ({"SaltAndPepper": {}}, {"impulse_noise"}),
        ({"GaussianBlur": {}}, {"blur", "gaussian_blur", "defocus_blur"}),
        ({"MotionBlur": {}}, {"motion_blur"}),
        ({"Sharpness": {"factor_range": [1.0, 2.0]}}, set()),
        ({"CropAndPad": {"percent": -0.1}}, {"scale_up", "translation"}),
        ({"ImageCompression": {"quality_range": [40, 90]}}, {"jpeg_compression"}),
    ],
)
def test_parameters_decide_what_a_transform_trains_on(transform, seen):
    assert set(seen_by(policy(transform))) == seen


def test_transforms_are_named_in_order_and_once():
    found = seen_by(
        policy(
            {"Rotate": {"limit": 10}},
            {"Affine": {"rotate": [-5, 5]}},
            {"Rotate": {"limit": 20}},
        )
    )
    assert found == {"rotation": ("Rotate", "Affine")}


def test_containers_are_looked_into_and_what_cannot_come_up_trains_on_nothing():
    inner = [{"MotionBlur": {"p": 1.0}}, {"GlassBlur": {"p": 0.0}}]
    assert set(seen_by(policy({"OneOf": {"transforms": inner, "p": 0.5}}))) == {"motion_blur"}
    assert seen_by(policy({"OneOf": {"transforms": inner, "p": 0.0}})) == {}
    nested = {"Sequential": {"transforms": [{"SomeOf": {"n": 1, "transforms": inner}}], "p": 1.0}}
    assert seen_by(policy(nested)) == {"motion_blur": ("MotionBlur",)}


def test_families_name_themselves():
    found = seen_by(policy({"RandAugment": {"magnitude": 9}}))
    assert found["rotation"] == ("RandAugment.Rotate",)
    assert found["translation"] == ("RandAugment.Affine",)
    assert "gaussian_noise" not in found
    assert seen_by(policy({"RandAugment": {"p": 0.0}})) == {}
    mild = seen_by(policy({"AugMix": {}}))
    assert set(mild) == {"rotation", "shear", "translation", "contrast_up"}, "AugMix leaves out what suites test"
    assert {names[0].split(".")[0] for names in mild.values()} == {"AugMix"}


def test_mixing_and_the_identity_train_on_no_corruption():
    assert seen_by(policy()) == {}
    assert seen_by(policy(mixing={"kind": "mixup"})) == {}
