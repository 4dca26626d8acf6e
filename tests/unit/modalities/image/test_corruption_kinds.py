"""What single corruptions do, in numbers that their definitions give."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from augment_ops.modalities.image.corruptions import CORRUPTIONS, apply
from augment_ops.modalities.image.corruptions.exposure import GAMMA
from augment_ops.modalities.image.corruptions.medical import _STAINS


def grey(level: int, size: int = 64, count: int = 8, channels: int = 3) -> np.ndarray:
    return np.full((count, size, size, channels), level, np.uint8)


def corrupt(name: str, images: np.ndarray, severity: int = 5, **params: float) -> np.ndarray:
    """With one strength for all severities but for what makes them differ."""
    steps = np.array([0.9996, 0.9997, 0.9998, 0.9999, 1.0])
    if params:
        falls = {key: CORRUPTIONS[name].parameters[key].falls for key in params}
        given = {key: (value * (2 - steps if falls[key] else steps)).tolist() for key, value in params.items()}
    return apply(name, severity, images, [f"k{i}" for i in range(len(images))], params=given if params else None)


def test_gaussian_noise_has_its_standard_deviation_and_independent_channels():
    difference = corrupt("gaussian_noise", grey(128), std_share=0.1).astype(float) - 128
    assert difference.std() / 255 == pytest.approx(0.1, rel=0.01)
    assert abs(difference.mean()) < 0.3
    channels = difference.reshape(-1, 3)
    neighbours = (difference[:, :, 1:] * difference[:, :, :-1]).mean() / difference.var()
    assert abs(np.corrcoef(channels[:, 0], channels[:, 1])[0, 1]) < 0.02
    assert abs(neighbours) < 0.02
    assert len({image.tobytes() for image in difference}) == 8


def test_speckle_noise_grows_with_the_level_and_leaves_black_alone():
    stds = [corrupt("speckle_noise", grey(level), std_share=0.1).std() for level in (0, 50, 100)]
    assert stds[0] == 0
    assert stds[2] / stds[1] == pytest.approx(2, rel=0.05)


def test_shot_noise_counts_photons():
    out = corrupt("shot_noise", grey(51), photons=20).astype(float) / 255  # a fifth of white: 4 photons on average
    counts = out * 20
    assert counts.mean() == pytest.approx(4, rel=0.01)
    assert counts.var() == pytest.approx(4, rel=0.03)
    assert np.allclose(counts, np.rint(counts), atol=0.05)


def test_impulse_noise_sets_its_share_of_the_values_half_of_them_white():
    out = corrupt("impulse_noise", grey(90), amount_share=0.2)
    assert (out == 0).mean() == pytest.approx(0.1, abs=0.004)
    assert (out == 255).mean() == pytest.approx(0.1, abs=0.004)
    assert ((out == 0) | (out == 255) | (out == 90)).all()


def test_sensor_noise_has_variance_of_light_over_a_floor():
    for level in (0, 100, 200):
        out = corrupt("sensor_noise", grey(level), electrons=400, reading_share=0.03).astype(float)
        expected = 255 * np.sqrt(level / 255 / 400 + 0.03**2)
        found = out.std() if level else np.sqrt(2 * (out**2).mean())  # black shows half of its noise
        assert found == pytest.approx(expected, rel=0.03)


def test_defocus_spreads_a_point_over_a_disc_and_keeps_the_light():
    point = np.zeros((1, 41, 41, 1), np.uint8)
    point[0, 20, 20] = 255
    out = corrupt("defocus_blur", point, radius_px=3.0, alias_px=0.1)[0, ..., 0]
    y, x = np.mgrid[-20:21, -20:21]
    disc = x**2 + y**2 <= 9
    assert (out[disc] == round(255 / disc.sum())).all()
    assert not out[~disc].any()


def test_motion_blur_smears_along_a_line_within_45_degrees():
    point = np.zeros((40, 65, 65, 1), np.uint8)
    point[:, 32, 32] = 255
    out = corrupt("motion_blur", point, radius_px=8, sigma_px=20)[..., 0].astype(float)
    y, x = np.mgrid[-32:33, -32:33]
    angles = []
    for one in out:
        assert one.sum() == pytest.approx(255, rel=0.05)
        moments = np.array([[(one * a * b).sum() for a in (x, y)] for b in (x, y)])
        values, vectors = np.linalg.eigh(moments)
        assert values[0] < 0.06 * values[1], "a line, not a spot"
        angles.append(np.degrees(np.arctan(vectors[1, 1] / vectors[0, 1])))
    assert max(np.abs(angles)) <= 46
    assert min(angles) < -15 < 15 < max(angles)


def test_glass_blur_only_moves_colours_about():
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    out = corrupt("glass_blur", image, sigma_px=0.05, reach_px=2, times=2)
    colours = {tuple(colour) for colour in image.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in out.reshape(-1, 3).tolist()} <= colours
    assert (out != image).any(axis=3).mean() > 0.6


def test_zoom_blur_keeps_the_centre():
    image = np.zeros((1, 65, 65, 1), np.uint8)
    image[0, 30:35, 30:35] = 200
    out = corrupt("zoom_blur", image)[0, ..., 0]
    assert out[32, 32] == 200
    out = out.astype(int)
    assert max(np.abs(out - out[::-1]).max(), np.abs(out - out[:, ::-1]).max()) <= 6, "OpenCV places pixels to 1/32"


def test_contrast_draws_to_the_mean_of_each_channel():
    image = np.zeros((1, 10, 10, 3), np.uint8)
    image[0, :5] = (200, 100, 40)
    low = corrupt("contrast", image, factor=0.5)[0]
    assert low[0, 0].tolist() == [150, 75, 30]
    assert low[9, 9].tolist() == [50, 25, 10]
    high = corrupt("contrast_up", image, contrast_share=0.2)[0]
    assert high[0, 0].tolist() == [220, 110, 44]
    assert high[9, 9].tolist() == [0, 0, 0]


def test_brightness_keeps_hue_and_saturation():
    image = np.array([[[[100, 50, 20], [0, 0, 0]]]], np.uint8)
    out = corrupt("brightness", image, added_share=40 / 255)[0, 0]
    assert out.tolist() == [[140, 70, 28], [40, 40, 40]]
    alone = corrupt("brightness", image[..., :1], added_share=40 / 255)[0, 0, :, 0]
    assert alone.tolist() == [140, 40]


def test_saturate_takes_colour_away_and_adds_it():
    image = np.array([[[[200, 100, 150], [80, 80, 80]]]], np.uint8)
    half = corrupt("saturate", image, factor=0.5, added_share=0)[0, 0]
    assert half.tolist() == [[200, 150, 175], [80, 80, 80]]
    full = corrupt("saturate", image, factor=5, added_share=0)[0, 0]
    assert full.tolist() == [[200, 0, 100], [80, 80, 80]]


def test_exposure_shifts_light_by_stops_to_either_side():
    out = corrupt("exposure_shift", grey(100, 4, 40), stops=1.0)[:, 0, 0, 0]
    assert set(out.tolist()) == {round(100 * 2 ** (1 / GAMMA)), round(100 * 2 ** (-1 / GAMMA))}


def test_night_leaves_the_light_that_its_stops_leave():
    out = corrupt("night", grey(200, 128, 2, 1), stops=2.0).astype(float)
    assert out.mean() == pytest.approx(200 * 0.25 ** (1 / GAMMA), abs=1)
    assert out.std() > 2, "a dark sensor is noisy"


def test_pixelate_makes_blocks_of_their_mean():
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 1), np.uint8)
    out = corrupt("pixelate", image, size_share=0.25)[0, ..., 0].reshape(8, 4, 8, 4)
    means = image[0, ..., 0].reshape(8, 4, 8, 4).mean(axis=(1, 3))
    assert (out == out[:, :1, :, :1]).all()
    assert np.abs(out[:, 0, :, 0] - means).max() <= 0.5


def test_jpeg_is_that_of_any_other_writer():
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8), (48, 48))[None]
    buffer = io.BytesIO()
    Image.fromarray(image[0]).save(buffer, "JPEG", quality=20)
    theirs = np.asarray(Image.open(buffer)).astype(int)
    ours = corrupt("jpeg_compression", image, quality=20)[0].astype(int)
    assert np.abs(ours - theirs).mean() < 1
    assert np.abs(ours - image[0]).mean() > 2


def test_fog_never_exceeds_the_brightest_value_and_is_lighter_on_black():
    image = grey(0, 64, 4)
    image[:, 20:40, 20:40] = 180
    out = corrupt("fog", image)
    assert out.max() <= 181
    assert out[:, :20].mean() > 20


def test_stains_follow_the_law_of_absorption():
    amount = 0.6
    stained = 256 * np.exp(-amount * _STAINS) - 1  # three pixels of one pure stain each
    image = np.rint(stained).astype(np.uint8).reshape(1, 1, 3, 3)
    out = np.concatenate([corrupt("stain_shift", image, amount_share=0.3) for _ in range(1)])
    density = -np.log((out[0, 0] + 1.0) / 256)
    for row in range(3):
        found = density[row] @ np.linalg.inv(_STAINS)
        assert found[row] == pytest.approx(0.6 * 1.3, abs=0.03) or found[row] == pytest.approx(0.6 * 0.7, abs=0.03)
        assert np.abs(np.delete(found, row)).max() < 0.03, "a pure stain stays pure"
    assert (corrupt("stain_shift", grey(255)) == 255).all(), "white has no stain"


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255)])
def test_strokes_grow_and_shrink_whichever_is_the_ink(paper, ink):
    page = np.full((1, 60, 60, 1), paper, np.uint8)
    page[0, 10:50, 27:33] = ink

    def inked(image: np.ndarray) -> float:
        return float(np.abs(image[0, 30, :, 0].astype(float) - paper).sum() / 255)

    assert inked(corrupt("thick_strokes", page, reach_share=1.5 / 60)) == pytest.approx(6 + 3, abs=0.1)
    assert inked(corrupt("thin_strokes", page, reach_share=1.5 / 60)) == pytest.approx(6 - 3, abs=0.1)


def test_tilt_keeps_the_centre_and_brings_one_side_nearer():
    page = np.full((30, 81, 81, 1), 250, np.uint8)
    page[:, 38:43, 38:43] = 0
    page[:, 10:71, 10] = page[:, 10:71, 70] = page[:, 10, 10:71] = page[:, 70, 10:71] = 0
    out = corrupt("tilt", page, angle_deg=30.0)
    assert (out[:, 40, 40] < 30).all()
    ink = (out[..., 0] < 128).sum(axis=(1, 2))
    assert (ink < (page[0] < 128).sum()).all(), "what leans away is seen smaller"


def test_shear_slants_by_its_angle():
    bar = np.zeros((30, 61, 61, 1), np.uint8)
    bar[:, :, 29:32] = 255
    out = corrupt("shear", bar, angle_deg=20.0)[..., 0].astype(float)
    x = np.arange(61)
    slopes = {
        round(float(((one[50] * x).sum() / one[50].sum() - (one[10] * x).sum() / one[10].sum()) / 40), 2) for one in out
    }
    tangent = round(np.tan(np.radians(20)), 2)
    assert slopes == {tangent, -tangent, 0.0}, "along x to either side; along y an upright bar stays upright"


def test_a_shadow_darkens_one_side_by_its_share():
    out = corrupt("shadow", grey(200, 96, 6, 1), dark_share=0.5)
    for one in out:
        assert one.min() == 100
        assert one.max() == 200
        assert 0.05 < (one < 150).mean() < 0.95


def test_sun_glare_is_brightest_in_the_upper_half():
    out = corrupt("sun_glare", grey(60, 64, 12), light_share=0.8)
    assert (out >= 60).all()
    for one in out:
        assert np.unravel_index(one.sum(axis=2).argmax(), (64, 64))[0] <= 32


def test_rain_falls_nearly_upright():
    out = corrupt("rain", grey(20, 96, 6, 1), dense_share=0.5, length_share=0.2).astype(float)[..., 0]
    down = np.abs(np.diff(out, axis=1)).mean()
    across = np.abs(np.diff(out, axis=2)).mean()
    assert across > 2.5 * down
    assert out.max() > 120


def test_elastic_transform_without_reach_is_an_affine_map():
    image = np.zeros((6, 64, 64, 1), np.uint8)
    image[:, 16:48, 16:48] = 200
    moved = corrupt("elastic_transform", image, reach_share=0.0, sigma_share=0.0, moved_share=0.05)
    assert (moved != image).any()
    still = corrupt("elastic_transform", image, reach_share=0.0001, sigma_share=0.02, moved_share=0.0)
    assert np.abs(still.astype(int) - image).max() <= 1


def test_snow_and_frost_lighten_and_spatter_darkens_with_mud():
    image = grey(60, 64, 6)
    assert corrupt("snow", image).mean() > 90
    assert corrupt("frost", image).mean() > 60
    mud = corrupt("spatter", grey(200, 64, 6), severity=5)
    assert ((mud < 100).any(axis=3)).mean() > 0.02
    water = corrupt("spatter", grey(60, 64, 6), severity=3)
    assert (water >= 59).all() and (water > 100).any()
