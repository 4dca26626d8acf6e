from __future__ import annotations

import numpy as np
import pytest

from augment_ops.errors import TransformError
from augment_ops.modalities.image.corruptions import CORRUPTIONS, SEVERITIES, apply
from augment_ops.modalities.image.kernels.light import snow_over


def disc(size: int, channels: int = 1, centre: tuple[float, float] | None = None, radius: float = 0.25) -> np.ndarray:
    """One image with a smooth bright disc on black; `centre` is (x, y) in pixels."""
    x0, y0 = centre or ((size - 1) / 2, (size - 1) / 2)
    y, x = np.mgrid[:size, :size]
    level = np.clip((radius * size - np.hypot(x - x0, y - y0)) + 0.5, 0, 1)
    return np.repeat((220 * level).astype(np.uint8)[None, :, :, None], channels, axis=3)


def centroid(image: np.ndarray) -> tuple[float, float]:
    weight = image[..., 0].astype(float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((x * weight).sum() / weight.sum()), float((y * weight).sum() / weight.sum())


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (33, 3), (224, 3)])
def test_severities_move_an_image_further_and_further_from_itself(spec, size, channels):
    images = np.full((24, size, size, channels), 20, np.uint8)
    images[:, size // 8 : -(size // 8), 3 * size // 8 : -(3 * size // 8)] = 200  # an upright bar
    for name, params in spec.corruptions.items():
        distance = []
        for severity in SEVERITIES:
            out = apply(name, severity, images, [f"i{k}" for k in range(24)], params=params)
            assert out.shape == images.shape
            assert out.dtype == np.uint8
            distance.append(float(np.abs(out.astype(int) - images).mean()))
        assert distance == sorted(distance), (name, distance)
        assert distance[-1] > 1.2 * distance[0], (name, distance)
        assert distance[0] < 64, f"{name} at severity 1 is no mild corruption: {distance}"


def test_rotation_turns_by_the_angle_about_the_centre_in_both_directions():
    size = 65
    image = disc(size, centre=(32 + 20, 32), radius=0.06)
    params = {"angle_deg": (5, 10, 15, 20, 25)}
    out = apply("rotation", 5, np.repeat(image, 24, axis=0), [f"r{i}" for i in range(24)], params=params)
    angles = []
    for turned in out:
        x, y = centroid(turned)
        assert np.hypot(x - 32, y - 32) == pytest.approx(20, abs=0.2)
        angles.append(np.degrees(np.arctan2(y - 32, x - 32)))
    assert np.abs(angles) == pytest.approx([25] * 24, abs=0.5)
    assert min(angles) < 0 < max(angles)


def test_translation_moves_by_its_share_of_each_side():
    image = np.zeros((1, 60, 100, 1), np.uint8)
    image[:, 28:32, 48:52] = 200
    params = {"shift_share": (0.02, 0.04, 0.06, 0.08, 0.1)}
    out = apply("translation", 5, np.repeat(image, 40, axis=0), [f"t{i}" for i in range(40)], params=params)
    moved = np.array([centroid(o) for o in out]) - centroid(image[0])
    assert np.hypot(moved[:, 0] / 100, moved[:, 1] / 60) == pytest.approx(np.full(40, 0.1), abs=0.002)
    assert {(x > 0, y > 0) for x, y in moved} == {(a, b) for a in (False, True) for b in (False, True)}


def test_scaling_changes_the_area_and_leaves_the_centre():
    image = disc(64, radius=0.2)
    area = image.astype(float).sum()
    params = {"scale_share": (0.05, 0.1, 0.15, 0.2, 0.25)}
    for name, factor in (("scale_up", 1.25), ("scale_down", 0.75)):
        out = apply(name, 5, image, ["a"], params=params)
        assert out.astype(float).sum() / area == pytest.approx(factor**2, rel=0.03)
        assert centroid(out[0]) == pytest.approx((31.5, 31.5), abs=0.05)


def test_brightness_adds_or_takes_away_and_saturates_without_wrapping():
    image = np.array([0, 40, 200, 255], np.uint8).reshape(1, 2, 2, 1)
    params = {"shift_share": (0.1, 0.2, 0.3, 0.35, 0.4)}
    assert apply("brightness_up", 5, image, ["a"], params=params).ravel().tolist() == [102, 142, 255, 255]
    assert apply("brightness_down", 5, image, ["a"], params=params).ravel().tolist() == [0, 0, 98, 153]


def test_noise_has_the_standard_deviation_and_no_bias():
    grey = np.full((20, 32, 32, 3), 128, np.uint8)
    out = apply("noise", 3, grey, [f"n{i}" for i in range(20)], params={"std_share": (0.02, 0.04, 0.1, 0.2, 0.3)})
    difference = out.astype(float) - 128
    assert difference.std() / 255 == pytest.approx(0.1, rel=0.02)
    assert abs(difference.mean()) < 0.3
    channels = difference.reshape(-1, 3)
    assert abs(np.corrcoef(channels[:, 0], channels[:, 1])[0, 1]) < 0.03, "channels must not share their noise"
    assert np.ptp([image.mean() for image in out]) > 0, "samples must not share their noise"


def test_blur_spreads_by_sigma_and_keeps_the_light():
    image = np.zeros((1, 101, 101, 1), np.uint8)
    image[0, 48:53, 48:53] = 255
    out = apply("blur", 5, image, ["b"], params={"sigma_share": (0.01, 0.02, 0.03, 0.04, 0.05)})[0].astype(float)
    assert out.sum() == pytest.approx(255 * 25, rel=0.03)
    x = np.arange(101) - 50
    variance = (out[..., 0].sum(axis=0) * x**2).sum() / out.sum()
    assert variance == pytest.approx(5.05**2 + (5**2) / 12, rel=0.08)


def test_what_comes_in_from_outside_takes_the_colour_of_the_border():
    paper = np.full((1, 32, 32, 3), (250, 240, 230), np.uint8)
    paper[0, 12:20, 12:20] = 10
    for name in ("rotation", "scale_down", "translation"):
        params = dict.fromkeys(CORRUPTIONS[name].parameters, (0.05, 0.1, 0.15, 0.2, 0.25))
        out = apply(name, 5, paper, ["p"], params=params)
        corners = out[0][[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == (250, 240, 230)).all(), f"{name} draws an edge"


GOOD = {"angle_deg": (5, 10, 15, 20, 25)}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": "rotatoin"}, "Did you mean rotation"),
        ({"severity": 0}, "severity"),
        ({"severity": 6}, "severity"),
        ({"severity": -1}, "severity"),
        ({"params": {"angle_deg": (5, 10)}}, "five strengths"),
        ({"params": {"degrees": (5, 10, 15, 20, 25)}}, "angle_deg"),
        ({"params": {"angle_deg": (0, 10, 15, 20, 25)}}, "from 0.001"),
        ({"params": {"angle_deg": (float("nan"), 10, 15, 20, 25)}}, "from 0.001"),
        ({"params": {"angle_deg": (46, 47, 48, 49, 50)}}, "to 45"),
        ({"images": np.zeros((2, 8, 8), np.uint8)}, "images"),
        ({"images": np.zeros((2, 8, 8, 1), np.float32)}, "float32"),
        ({"images": np.zeros((2, 8, 8, 5), np.uint8)}, "5 channels"),
        ({"images": [[1]]}, "list"),
        ({"ids": ["only one"]}, "1 ids for 2 images"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(change, where):
    call = {
        "name": "rotation",
        "severity": 1,
        "images": np.zeros((2, 8, 8, 1), np.uint8),
        "ids": ["a", "b"],
        "params": GOOD,
    }
    call |= change
    with pytest.raises(TransformError, match=where):
        apply(call["name"], call["severity"], call["images"], call["ids"], params=call["params"])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_snow_lies_twice_over_a_whitened_image(channels):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (2, 5, 7, channels)).astype(np.uint8)
    flakes = draw.integers(0, 90, (2, 5, 7)).astype(np.uint8)
    levels = images.astype(np.float64)
    weights = (0.299, 0.587, 0.114) if channels == 3 else (1 / channels,) * channels
    white = 1.5 * levels @ np.array(weights) + 127.5
    expected = 0.7 * levels + 0.3 * np.maximum(levels, white[..., None])
    expected += (flakes.astype(np.float64) + flakes[:, ::-1, ::-1])[..., None]
    out = np.empty_like(images)
    snow_over(images, flakes, 0.7, out)
    assert np.abs(out - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-4
