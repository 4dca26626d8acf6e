"""What a corruption leaves of an image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from augment_ops.modalities.image.corruptions import CORRUPTIONS, apply, remains

IN_PLACE = CORRUPTIONS["brightness_down"]


def pictures(count: int = 12, levels: int = 200) -> np.ndarray:
    """Smooth blobs 24×24×1, another one each."""
    seeds = [np.random.default_rng(i).integers(0, levels, (5, 5), np.uint8) for i in range(count)]
    return np.stack([cv2.resize(seed, (24, 24), interpolation=cv2.INTER_LINEAR)[..., None] for seed in seeds])


def causes(corruption, clean, corrupted) -> set[str]:
    codes = remains.destroyed(corruption, clean, corrupted)
    return {("left", *remains.CAUSES)[code] for code in codes}


def test_what_is_dark_throughout_is_blank_and_what_was_blank_before_is_not_the_corruptions_doing():
    dark = (pictures() // 8).astype(np.uint8)
    assert causes(IN_PLACE, dark, apply("brightness_down", 5, dark, [str(i) for i in range(12)])) == {"blank"}
    blank = np.full_like(dark, 90)
    assert causes(IN_PLACE, blank, np.zeros_like(blank)) == {"left"}


def test_a_few_specks_are_no_picture():
    clean = pictures(levels=220)
    clean[:, ::6, ::6] = 250  # 16 of 576 values
    specks = np.where(clean > 240, 150, 0).astype(np.uint8)
    assert remains.contrast(specks).min() > 10
    assert causes(IN_PLACE, clean, specks) == {"clipped"}


def test_a_page_whose_paper_saturates_is_still_read():
    page = np.full((4, 24, 24, 1), 250, np.uint8)
    page[:, 8:11, 4:20] = 20
    page[:, ::2, ::3] -= 3  # the paper's grain
    lit = apply("brightness_up", 5, page, list("abcd"))
    assert remains.newly_clipped(page, lit).min() > remains.MOST_CLIPPED
    assert causes(CORRUPTIONS["brightness_up"], page, lit) == {"left"}


def test_noise_that_drowns_a_faint_picture_leaves_nothing_and_a_veil_leaves_the_details():
    faint = 100 + pictures() // 16
    noise = np.random.default_rng(0).normal(0, 50, faint.shape)
    assert causes(CORRUPTIONS["noise"], faint, np.clip(faint + noise, 0, 255).astype(np.uint8)) == {"unrelated"}
    grain = np.random.default_rng(1).integers(0, 12, faint.shape).astype(np.uint8)
    veiled = (grain + np.linspace(0, 240, 24, dtype=np.uint8)[:, None, None]).astype(np.uint8)
    assert remains.correlation(grain, veiled).max() < remains.RELATED
    assert causes(CORRUPTIONS["fog"], grain, veiled) == {"left"}


def test_content_that_moves_need_not_correlate_with_itself():
    stripes = np.zeros((2, 24, 24, 1), np.uint8)
    stripes[:, :, ::4] = stripes[:, :, 1::4] = 200
    moved = np.roll(stripes, 1, axis=2)
    assert causes(CORRUPTIONS["translation"], stripes, moved) == {"left"}
    assert causes(IN_PLACE, stripes, moved) == {"unrelated"}


def test_a_sample_is_destroyed_or_not_whatever_it_stands_beside():
    dark = (pictures(40) // np.linspace(1, 16, 40)[:, None, None, None]).astype(np.uint8)
    shown = apply("brightness_down", 3, dark, [str(i) for i in range(40)])
    together = remains.destroyed(IN_PLACE, dark, shown)
    alone = [remains.destroyed(IN_PLACE, dark[i : i + 1], shown[i : i + 1])[0] for i in range(40)]
    assert together.tolist() == alone
    assert 0 < (together > 0).sum() < 40


def test_sums_over_millions_of_pixels_do_not_overflow():
    white = np.full((1, 2100, 2100, 1), 255, np.uint8)
    white[:, ::2] = 250
    assert remains.contrast(white)[0] == pytest.approx(2.5)
    assert remains.correlation(white, 255 - white)[0] == pytest.approx(-1)
