"""What corruptions leave of samples, and who is asked about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augment_ops.content import sha256_hex
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import StoreError
from augment_ops.modalities.image.corruptions import remains
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import Outcomes, from_bytes
from augment_ops.stress.recheck import differing_remains
from augment_ops.stress.suite import freeze


@pytest.fixture
def suite(spec, stripes, objects):
    """Stripes of falling brightness, and one corruption that eats the darker ones."""
    images, ids, labels = stripes
    dimmed = (images * np.linspace(1, 0.1, len(images))[:, None, None, None]).astype(np.uint8)
    few = spec.model_copy(update={"corruptions": {"brightness_down": spec.corruptions["brightness_down"]}})
    return freeze(
        few, ArrayPayload(dimmed), ids, labels, objects.put, snapshot_digest="5" * 64, classes=("a", "b", "c")
    )


def run(suite, objects, models):
    report = evaluate(suite, objects.get, objects.put, models, None, seen={}, columns={"site": ["x", "y"] * 30})
    return report, from_bytes(objects.get(report.outcomes), report.outcomes)


def by_position(images: np.ndarray) -> np.ndarray:
    return images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4).mean(axis=(1, 3)) / 25


def always_a(images: np.ndarray) -> np.ndarray:
    return np.tile(np.array([9, 0, 0], np.float32), (len(images), 1))


def test_no_model_has_a_say_in_what_is_left_out(suite, objects):
    _, one = run(suite, objects, {"candidate": ("c" * 64, by_position)})
    _, other = run(suite, objects, {"candidate": ("d" * 64, always_a), "control": ("c" * 64, by_position)})
    assert one.destroyed is not None
    assert np.array_equal(one.destroyed, other.destroyed)
    assert not one.destroyed[0].any()
    gone = (one.destroyed > 0).sum(axis=1)
    assert (np.diff(gone) >= 0).all()
    assert 0 < gone[3] < 60


def test_the_numbers_are_of_what_is_left_and_of_the_same_samples_when_clean(suite, objects):
    report, outcomes = run(suite, objects, {"candidate": ("c" * 64, by_position)})
    cell = report.cell("candidate", "brightness_down", 3)
    left = outcomes.left[outcomes.addresses.index(("brightness_down", 3))]
    assert 0 < left.sum() < 60
    assert (cell.n, sum(cell.class_n), cell.remains.count) == (left.sum(), left.sum(), 60 - left.sum())
    assert cell.accuracy == outcomes.right[0, outcomes.addresses.index(("brightness_down", 3))][left].mean()
    assert cell.before(report.cell("candidate", "clean", 0)) == outcomes.right[0, 0][left].mean()
    hits = (outcomes.right[0][1:] & outcomes.left[1:])[:, 0::2].sum()
    assert next(s for s in report.slices if s.group == "x").stressed == hits / outcomes.left[1:, 0::2].sum()


def test_a_model_that_answers_a_black_image_with_no_number_is_not_excused(suite, objects):
    def divides(images):
        with np.errstate(invalid="ignore", divide="ignore"):
            return by_position(images) / images.std(axis=(1, 2)).astype(np.float32)

    report, outcomes = run(suite, objects, {"candidate": ("c" * 64, divides)})
    place = outcomes.addresses.index(("brightness_down", 5))
    assert (outcomes.predicted[0, place][~outcomes.left[place]] == -1).any()
    assert np.isnan(report.cell("candidate", "brightness_down", 5).accuracy)


def test_a_sample_that_was_left_out_by_hand_is_found_from_the_frozen_images(suite, objects):
    _, outcomes = run(suite, objects, {"candidate": ("c" * 64, by_position)})
    assert differing_remains(suite, outcomes, objects.get) == ""
    codes = outcomes.destroyed.copy()
    codes[2, 7] = 0 if codes[2, 7] else 1
    found = differing_remains(suite, replace(outcomes, destroyed=codes), objects.get)
    assert found == f"1 samples under brightness_down at severity 2, such as {suite.sample_ids[7]}"


def test_outcomes_keep_what_was_left_and_refuse_what_cannot_be(suite, objects):
    _, outcomes = run(suite, objects, {"candidate": ("c" * 64, by_position)})
    again = read(outcomes)
    assert again.causes == remains.CAUSES
    assert np.array_equal(again.destroyed, outcomes.destroyed)
    clean_gone, no_cause = outcomes.destroyed.copy(), outcomes.destroyed.copy()
    clean_gone[0, 0], no_cause[1, 0] = 1, 9
    for codes in (clean_gone, no_cause, outcomes.destroyed[:, :-1]):
        with pytest.raises(StoreError, match="destroyed"):
            read(replace(outcomes, destroyed=codes))


def read(outcomes: Outcomes) -> Outcomes:
    data = outcomes.to_bytes()
    return from_bytes(data, sha256_hex(data))


def test_outcomes_of_a_newer_version_are_not_half_read(suite, objects):
    _, outcomes = run(suite, objects, {"candidate": ("c" * 64, by_position)})
    data = outcomes.to_bytes().replace(b"augment-ops outcomes 2", b"augment-ops outcomes 3")
    with pytest.raises(StoreError, match="outcomes"):
        from_bytes(data, sha256_hex(data))
