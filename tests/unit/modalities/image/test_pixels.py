"""Measurements of pixels against hand-made pictures and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.data import payload
from augment_ops.modalities.image.pixels import best_correlation, clipped_share, contrast, features


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (30, 20, 24, 3), np.uint8)


def test_chunking_changes_nothing(pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (contrast(pictures), clipped_share(pictures), *features(pictures).values())
    monkeypatch.setattr(payload, "_CHUNK_BYTES", 7 * 20 * 24 * 3)  # 30 is not a multiple of 7
    parts = (contrast(pictures), clipped_share(pictures), *features(pictures).values())
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_contrast_is_within_a_channel_and_of_the_rows_asked_for(pictures: np.ndarray) -> None:
    pictures[3] = (200, 10, 90)
    pictures[4] = (200, 10, 90)
    pictures[4, :, :12, 1] = 14
    assert contrast(pictures, np.array([4, 3])).tolist() == [2.0, 0.0]


def test_features_of_a_picture_worked_out_by_hand() -> None:
    step = np.zeros((1, 4, 4, 1), np.uint8)
    step[:, :, 2:] = 100
    found = {name: float(value[0]) for name, value in features(step).items()}
    assert found == {"brightness": 50.0, "contrast": 50.0, "sharpness": 100.0}
    assert features(np.full((1, 2, 2, 1), 9, np.uint8))["sharpness"].tolist() == [0.0]


def test_clipped_counts_both_ends() -> None:
    picture = np.array([0, 255, 1, 254], np.uint8).reshape(1, 2, 2, 1)
    assert clipped_share(picture).tolist() == [0.5]


def test_correlation_ignores_exposure_shift_and_mirroring_within_its_reach(pictures: np.ndarray) -> None:
    framed = np.zeros_like(pictures)
    framed[:, 4:-4, 4:-4] = pictures[:, 4:-4, 4:-4]
    assert best_correlation(framed, framed, 0.0) == pytest.approx(np.ones(30), abs=1e-4)
    assert best_correlation(framed, framed // 2 + 60, 0.0) == pytest.approx(np.ones(30), abs=1e-3)
    assert best_correlation(framed, framed[:, :, ::-1], 0.0) == pytest.approx(np.ones(30), abs=1e-4)
    moved = np.roll(framed, (2, -2), axis=(1, 2))
    assert best_correlation(framed, moved, 0.1).min() > 0.85  # less the border that left
    assert best_correlation(framed, moved, 0.0).max() < 0.8
    assert best_correlation(framed, np.roll(framed, 4, axis=2), 0.1).max() < 0.8  # reach: a tenth of 20


def test_what_leaves_on_one_side_is_not_found_on_the_other() -> None:
    bar = np.zeros((1, 20, 20, 1), np.uint8)
    bar[:, :, 0] = bar[:, 3, :1] = 255
    wrapped = np.roll(bar, -2, axis=2)
    wrapped[:, :10] = 0  # not symmetric, so that its mirror image does not help
    assert best_correlation(bar, wrapped, 0.1)[0] < 0.8


def test_blank_images_correlate_with_nothing(pictures: np.ndarray) -> None:
    assert best_correlation(pictures, np.full_like(pictures, 77), 0.1).tolist() == [0.0] * 30
