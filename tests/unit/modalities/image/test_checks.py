"""The checks that only images have: each finds its planted defect, and the others stay silent."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.quality.rules import QualityRules
from support.planting import Planting


def _blank(p: Planting, n: int) -> set[str]:
    rows = p.of("train")[:n]
    for k, i in enumerate(rows):
        # One colour each, so that they are neither duplicates nor constant over the channels.
        p.images[i] = np.array([10 * k, 100, 255 - k], np.uint8)
    return {p.rows[i]["sample_id"] for i in rows}


def _shape(p: Planting, n: int) -> set[str]:
    for i in p.of("train")[:n]:
        p.spoil(i, "shape 32x32x1")
    return {p.rows[i]["sample_id"] for i in p.of("train")[:n]}


def _nearly_leak(p: Planting, n: int) -> set[str]:
    rows = p.of("test", 0)[:n]
    for source, i in zip(p.of("train", 0), rows, strict=False):
        p.images[i] = p.images[source] ^ 3  # up to 3 grey levels everywhere, as re-encoding does
    return {p.rows[i]["sample_id"] for i in rows}


_N = 336  # samples of the clean data set; 120 of them in test

CASES = {
    # name: (plant, how many, check, status, share)
    "one blank image": (_blank, 1, "blank-or-constant", "warn", 1 / _N),
    "many blank images": (_blank, 10, "blank-or-constant", "fail", 10 / _N),
    "one odd size": (_shape, 1, "shape-mismatch", "warn", 1 / _N),
    "many odd sizes": (_shape, 6, "shape-mismatch", "fail", 6 / _N),
    "nearly in train": (_nearly_leak, 3, "near-duplicates-between-splits", "fail", 3 / 120),
}


@pytest.mark.parametrize("case", CASES)
def test_planted_defect_is_found_and_nothing_else(case: str, planting: Planting, rules: QualityRules) -> None:
    plant, count, name, status, measured = CASES[case]
    shown = plant(planting, count)

    results = planting.check(rules)

    result = results[name]
    assert (result.status, result.measured) == (status, pytest.approx(measured)), result
    assert set(result.samples) <= shown
    assert len(result.samples) == min(len(shown), 10)
    assert {c.name for c in results.values() if c.status != "ok"} == {name}


def test_exact_copies_are_not_counted_again_as_near(planting: Planting, rules: QualityRules) -> None:
    for source, i in zip(planting.of("train", 0), planting.of("test", 0)[:5], strict=False):
        planting.images[i] = planting.images[source]
    assert planting.check(rules)["near-duplicates-between-splits"].measured == 0
