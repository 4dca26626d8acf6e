"""What every registered corruption keeps, whatever it does; and the bytes that it gave when this was written."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from augment_ops.modalities.image.corruptions import COMMON, CORRUPTIONS, SEVERITIES, VALIDATION, apply, shape_fault
from augment_ops.modalities.image.transforms import declarations

SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (20, 44, 3), (224, 224, 3))
# The authors' tables trade one parameter against another, or (saturate) go one way and then the other.
NOT_RISING = {"saturate", "glass_blur", "motion_blur", "frost", "spatter", "elastic_transform", "pixelate"}


def pictures(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Smooth random colours, another picture each."""
    seeds = (np.random.default_rng(i).integers(0, 256, (7, 7, shape[2]), np.uint8) for i in range(count))
    return np.stack([cv2.resize(s, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape) for s in seeds])


def ids(images: np.ndarray) -> list[str]:
    return [f"p{i}" for i in range(len(images))]


def works_on(shape: tuple[int, int, int]) -> list[str]:
    return [name for name in CORRUPTIONS if not shape_fault(name, shape)]


CASES = [
    pytest.param(name, shape, id=f"{name}-{'x'.join(map(str, shape))}") for shape in SHAPES for name in works_on(shape)
]


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_images_of_any_content_come_out_of_the_same_shape_and_alike_in_any_batch(name, shape):
    black, white, grey = (np.full((1, *shape), level, np.uint8) for level in (0, 255, 119))
    images = np.concatenate([pictures(1, shape), black, white, grey])
    before = images.copy()
    for severity in (1, 5):
        out = apply(name, severity, images, ids(images))
        assert out.shape == images.shape
        assert out.dtype == np.uint8
        assert (images == before).all()
        back = apply(name, severity, images[::-1], ids(images)[::-1])[::-1]
        assert (back == out).all()
        assert (apply(name, severity, images[2:3], ["p2"])[0] == out[2]).all()


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_a_higher_severity_is_further_from_the_clean_picture(shape):
    images = pictures(40, shape)
    for name in works_on(shape):
        distance = [
            float(np.abs(apply(name, severity, images, ids(images)).astype(int) - images).mean())
            for severity in SEVERITIES
        ]
        assert min(distance) > 0.3, f"{name} changes next to nothing: {distance}"
        if name not in NOT_RISING:
            assert distance == sorted(distance), (name, distance)
            assert distance[-1] > 1.2 * distance[0], (name, distance)


def test_the_benchmark_is_whole_and_every_corruption_can_be_seen_but_frost():
    assert len(COMMON) == 15
    assert len(VALIDATION) == 4
    assert set(COMMON + VALIDATION) <= set(CORRUPTIONS)
    trained = {name for one in declarations().values() for rule in one.trains for name in rule.corruptions}
    assert trained | {"frost"} == set(CORRUPTIONS), (
        "a corruption that no transform declares would always count as unseen"
    )


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_strengths_are_those_of_the_nearer_table_and_lie_between_them(name):
    corruption = CORRUPTIONS[name]
    for severity in SEVERITIES:
        small, large = corruption.small[severity - 1], corruption.large[severity - 1]
        assert corruption.published(severity, 8) == corruption.published(severity, 32) == small
        assert corruption.published(severity, 224) == pytest.approx(large)
        for value, a, b in zip(corruption.published(severity, 64), small, large, strict=True):
            assert min(a, b) - 1e-9 <= value <= max(a, b) + 1e-9
        for value, b, parameter in zip(
            corruption.published(severity, 448), large, corruption.parameters.values(), strict=True
        ):
            assert value == pytest.approx(2 * b if parameter.is_length else b)
    for rows in (corruption.small, corruption.large):
        named = dict(zip(corruption.parameters, map(list, zip(*rows, strict=True)), strict=True))
        assert corruption.fault(named) == "", "published strengths have to be such as a suite's file may give"


# Compiled loops, tables, whole numbers: the same bytes on every processor. sha256 of all severities, 28×28×1, 32×32×3.
BYTES = {
    "brightness": "244ed30b31c35816",
    "brightness_down": "b787a0de2fff3328",
    "brightness_up": "2a20a53cd2969519",
    "contrast": "d40eb66e9238489d",
    "contrast_down": "3098ed9ed709a425",
    "contrast_up": "a403ab3af356b5ed",
    "exposure_shift": "fc67a128df0f1533",
    "fog": "cf6c921948997c1e",
    "gaussian_noise": "0b7ab7931c49b463",
    "impulse_noise": "3512b8e9928a08e9",
    "motion_blur": "5e1b89271f3e1819",
    "night": "82e276bc134bfc3f",
    "noise": "c3750976b2c6ff8b",
    "saturate": "572a363a00cda391",
    "sensor_noise": "56a70b9f4d9222e6",
    "shot_noise": "eb4e38eadbfd31d1",
    "speckle_noise": "7b49ce503ca9a4a0",
}


@pytest.mark.parametrize("name", sorted(BYTES))
def test_bytes_are_as_they_were(name):
    content = hashlib.sha256()
    for shape in ((28, 28, 1), (32, 32, 3)):
        if not shape_fault(name, shape):
            images = np.random.default_rng(7).integers(0, 256, (3, *shape), np.uint8)
            for severity in SEVERITIES:
                content.update(apply(name, severity, images, ids(images)).tobytes())
    assert content.hexdigest()[:16] == BYTES[name], f"{name} makes other images: frozen suites cannot be rebuilt"


# OpenCV and LAPACK may round otherwise on other processors: mean and standard deviation of severity 3 on one picture.
LEVELS = {
    "blur": (125.6, 59.6),
    "defocus_blur": (125.6, 63.6),
    "elastic_transform": (125.5, 63.5),
    "frost": (175.6, 57.4),
    "gaussian_blur": (125.6, 62.7),
    "glass_blur": (126.1, 64.7),
    "jpeg_compression": (125.6, 62.0),
    "pixelate": (125.6, 64.2),
    "rain": (140.1, 54.9),
    "rotation": (124.6, 59.0),
    "scale_down": (123.5, 57.8),
    "scale_up": (125.6, 60.7),
    "shadow": (97.1, 61.5),
    "shear": (125.4, 62.4),
    "snow": (150.4, 62.6),
    "spatter": (132.3, 67.0),
    "stain_shift": (123.6, 67.6),
    "sun_glare": (158.5, 48.7),
    "thick_strokes": (137.1, 67.4),
    "thin_strokes": (118.7, 64.3),
    "tilt": (123.9, 60.8),
    "translation": (124.8, 61.7),
    "zoom_blur": (125.6, 62.1),
}


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_levels_are_as_they_were(name):
    images = pictures(4, (32, 32, 3))
    out = apply(name, 3, images, ids(images)).astype(float)
    assert (out.mean(), out.std()) == pytest.approx(LEVELS[name], abs=0.3)
