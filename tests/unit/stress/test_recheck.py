"""What is asked again before a promotion, and which answers count as others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.stress import recheck
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from augment_ops.stress.suite import freeze

CLASSES = ("left", "middle", "right")
LABELS = np.arange(60) % 3  # as the suite has them where every class counts alike


def by_position(images: np.ndarray) -> np.ndarray:
    return images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4).mean(axis=(1, 3)) / 25


@pytest.fixture
def manifest(spec, stripes, objects):
    images, ids, labels = stripes
    return freeze(spec, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=CLASSES)


@pytest.fixture
def outcomes(manifest, objects):
    models = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, by_position)}
    report = evaluate(manifest, objects.get, objects.put, models, None, seen={}, columns={})
    return from_bytes(objects.get(report.outcomes), report.outcomes)


def test_the_key_decides_what_is_asked_and_each_key_asks_something_else(manifest):
    picks = recheck.pick(manifest, "a", LABELS)
    assert picks == recheck.pick(manifest, "a", LABELS)
    assert picks != recheck.pick(manifest, "b", LABELS)
    assert len(picks) == recheck.CELLS
    assert len({p.cell for p in picks}) == recheck.CELLS
    assert all(list(p.rows) == sorted(set(p.rows)) and p.rows[-1] < 60 for p in picks)
    asked = {p.cell for key in "abcdefghijklmnop" for p in recheck.pick(manifest, key, LABELS)}
    assert len(asked) > len(manifest.cells) / 2  # the clean cell and the last are not all that is ever looked at


def test_large_images_are_fewer(manifest):
    large = replace(manifest, shape=(4096, 4096, 3))
    assert [len(p.rows) for p in recheck.pick(large, "a", LABELS)] == [1] * recheck.CELLS


def test_the_same_model_gives_the_same_answers_and_another_does_not(manifest, outcomes, objects):
    picks = recheck.pick(manifest, "a", LABELS)
    images = recheck.samples(manifest, picks, objects.get)
    assert images.shape == (sum(len(p.rows) for p in picks), 12, 12, 1)
    assert recheck.differing(outcomes, "candidate", picks, by_position(images)) == []
    for other in (by_position(images)[:, ::-1], 1.05 * by_position(images)):
        assert len(recheck.differing(outcomes, "control", picks, other)) > len(images) / 4


def test_one_rewritten_answer_among_those_asked_is_named(manifest, outcomes, objects):
    picks = recheck.pick(manifest, "a", LABELS)
    logits = by_position(recheck.samples(manifest, picks, objects.get))
    cell, row = picks[3].cell, picks[3].rows[5]
    corruption, severity = outcomes.addresses[cell]
    named = f"{outcomes.sample_ids[row]} under {corruption} at severity {severity}"
    another = (outcomes.predicted[1, cell, row] + 1) % 3
    for array, value in (("predicted", another), ("p_true", 0.5), ("p_predicted", 0)):
        altered = getattr(outcomes, array).copy()
        altered[1, cell, row] = value
        forged = replace(outcomes, **{array: altered})
        assert recheck.differing(forged, "control", picks, logits) == [named]
        assert recheck.differing(forged, "candidate", picks, logits) == []


def test_numbers_that_are_none_have_to_be_none_again(manifest, outcomes, objects):
    picks = recheck.pick(manifest, "a", LABELS)
    logits = by_position(recheck.samples(manifest, picks, objects.get))
    nothing = np.full_like(logits, np.nan)
    assert len(recheck.differing(outcomes, "candidate", picks, nothing)) == len(logits)
    broken = replace(outcomes, predicted=np.full_like(outcomes.predicted, NOT_A_NUMBER))
    assert recheck.differing(broken, "candidate", picks, nothing) == []
    assert len(recheck.differing(broken, "candidate", picks, logits)) == len(logits)


def test_rounding_of_another_processor_is_no_other_answer(manifest, outcomes, objects):
    picks = recheck.pick(manifest, "a", LABELS)
    logits = by_position(recheck.samples(manifest, picks, objects.get))
    assert recheck.differing(outcomes, "candidate", picks, logits * np.float32(1 + 1e-4)) == []


def test_the_right_answer_in_place_of_the_models_is_found_though_its_probability_is_true(manifest, outcomes, objects):
    """Somebody who has the model rewrites what it said, and nothing else."""
    picks = recheck.pick(manifest, "a", LABELS)
    logits = by_position(recheck.samples(manifest, picks, objects.get))
    cells, rows = np.array([(p.cell, row) for p in picks for row in p.rows]).T
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    second = np.argsort(shares, axis=1)[:, 1]
    forged = replace(
        outcomes,
        predicted=outcomes.predicted.copy(),
        p_predicted=outcomes.p_predicted.copy(),
    )
    forged.predicted[0, cells, rows] = second
    forged.p_predicted[0, cells, rows] = shares[np.arange(len(rows)), second]
    apart = np.sort(shares, axis=1)
    clear = int((apart[:, -1] - apart[:, -2] > 2 * recheck.TOLERANCE).sum())
    assert clear > len(rows) / 2
    assert len(recheck.differing(forged, "candidate", picks, logits)) >= clear
