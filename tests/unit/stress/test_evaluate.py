from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import StoreError, TrainingError
from augment_ops.stress.evaluate import evaluate as run_models
from augment_ops.stress.report import StressReport
from augment_ops.stress.suite import freeze

CLASSES = ("left", "middle", "right")


def evaluate(manifest, objects, models, champion_version=None, seen=None, columns=None) -> StressReport:
    return run_models(
        manifest, objects.get, objects.put, models, champion_version, seen=seen or {}, columns=columns or {}
    )


def by_position(images: np.ndarray) -> np.ndarray:
    """Logits of a model that looks where the brightest third is."""
    thirds = images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4)
    return thirds.mean(axis=(1, 3))


def always_left(images: np.ndarray) -> np.ndarray:
    return np.tile(np.array([1, 0, 0], np.float32), (len(images), 1))


@pytest.fixture
def manifest(spec, stripes, objects):
    images, ids, labels = stripes
    return freeze(spec, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=CLASSES)


def test_accuracy_recall_and_confusion_are_those_of_the_model(manifest, objects):
    models = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, always_left)}
    report = evaluate(manifest, objects, models, None)
    assert report.models == {"candidate": "c" * 64, "control": "d" * 64}
    assert (report.suite_digest, report.snapshot_digest) == (manifest.digest, "5" * 64)
    assert len(report.cells) == 2 * 41
    clean = report.cell("candidate", "clean", 0)
    assert (clean.n, clean.accuracy, clean.class_n, clean.class_recall) == (60, 1.0, (20, 20, 20), (1.0, 1.0, 1.0))
    constant = report.cell("control", "rotation", 3)
    assert constant.accuracy == pytest.approx(1 / 3)
    assert constant.class_recall == (1.0, 0.0, 0.0)
    assert report.confusion["control"] == ((20, 0, 0), (20, 0, 0), (20, 0, 0))
    assert report.confusion["candidate"] == ((20, 0, 0), (0, 20, 0), (0, 0, 20))
    assert from_json(StressReport, canonical_json(report)) == report


def test_rows_and_labels_stay_together(manifest, objects, stripes):
    """A model that knows every sample by heart is right everywhere; a permutation of labels or rows would show."""
    labels = manifest.read_labels(objects.get)
    position = {"at": 0}

    def by_heart(images: np.ndarray) -> np.ndarray:
        start = position["at"] % len(labels)
        position["at"] += len(images)
        return np.eye(3, dtype=np.float32)[labels[start : start + len(images)]]

    report = evaluate(manifest, objects, {"candidate": ("c" * 64, by_heart)}, None)
    assert {cell.accuracy for cell in report.cells} == {1.0}
    assert report.flipped == ()


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_one_logit_that_is_not_finite_makes_its_cell_not_a_number(manifest, objects, poison):
    calls = []

    def poisoned(images: np.ndarray) -> np.ndarray:
        logits = by_position(images).copy()
        calls.append(len(images))
        if len(calls) == 2:
            logits[3, 1] = poison
        return logits

    report = evaluate(manifest, objects, {"candidate": ("c" * 64, poisoned)}, None)
    assert report.cell("candidate", "clean", 0).accuracy == 1.0
    broken = report.cell("candidate", "rotation", 1)
    assert math.isnan(broken.accuracy)
    assert all(math.isnan(r) for r in broken.class_recall)
    assert not math.isnan(report.cell("candidate", "rotation", 2).accuracy)
    again = from_json(StressReport, canonical_json(report))
    assert math.isnan(again.cell("candidate", "rotation", 1).accuracy), "NaN must reach the gate through the store"


def test_a_class_without_samples_has_no_recall(spec, stripes, objects):
    images, ids, labels = stripes
    manifest = freeze(
        spec, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=(*CLASSES, "elsewhere")
    )

    def wider(batch: np.ndarray) -> np.ndarray:
        return np.concatenate([by_position(batch), np.zeros((len(batch), 1), np.float32)], axis=1)

    clean = evaluate(manifest, objects, {"candidate": ("c" * 64, wider)}, None).cell("candidate", "clean", 0)
    assert clean.class_n == (20, 20, 20, 0)
    assert clean.class_recall == (1.0, 1.0, 1.0, None)


def test_flipped_samples_are_bounded_right_when_clean_and_worst_corruption_first(manifest, objects):
    def fails_under_noise_and_in_the_dark(images: np.ndarray) -> np.ndarray:
        speckled = [[60 < np.count_nonzero(image) < 130] for image in images]  # a bar lights 16 to 40 of 144 pixels
        logits = by_position(images)
        dark_right = [[image.max() < 110 and guess == 2] for image, guess in zip(images, logits.argmax(1), strict=True)]
        return np.where(np.logical_or(speckled, dark_right), np.roll(logits, 1, axis=1), logits)

    report = evaluate(manifest, objects, {"candidate": ("c" * 64, fails_under_noise_and_in_the_dark)}, None)
    assert report.flipped
    names = list(dict.fromkeys(f.corruption for f in report.flipped))
    accuracies = [report.cell("candidate", name, 5).accuracy for name in names]
    assert names[0] == "noise"
    assert "brightness_down" in names[1:], "one class of three fails there"
    assert accuracies == sorted(accuracies)
    for name in names:
        chosen = [f for f in report.flipped if f.corruption == name]
        assert 1 <= len(chosen) <= 8
        assert {f.severity for f in chosen} == {5}
    noisy = [f for f in report.flipped if f.corruption == "noise"]
    assert {f.label for f in noisy} == {0, 1, 2}, "every class that fails is shown before one is shown twice"
    labels = dict(zip(manifest.sample_ids, manifest.read_labels(objects.get).tolist(), strict=True))
    assert all(labels[f.sample_id] == f.label != f.predicted for f in report.flipped)


def test_samples_that_were_wrong_already_are_not_called_flipped(manifest, objects):
    report = evaluate(manifest, objects, {"candidate": ("c" * 64, always_left)}, None)
    assert report.flipped == ()


def test_large_suites_go_in_batches_and_none_is_lost(spec, objects):
    images = np.zeros((1203, 6, 6, 1), np.uint8)
    labels = (np.arange(1203) % 2).astype(np.int64)
    images[labels == 1] = 255
    sizes = []

    def bright(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        level = batch.mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - level, level], axis=1)

    one = spec.model_copy(update={"corruptions": {"brightness_up": spec.corruptions["brightness_up"]}})
    manifest = freeze(
        one,
        ArrayPayload(images),
        [str(i) for i in range(1203)],
        labels,
        objects.put,
        snapshot_digest="5" * 64,
        classes=("0", "1"),
    )
    report = evaluate(manifest, objects, {"candidate": ("c" * 64, bright)}, None)
    assert sizes == 6 * [512, 512, 179]  # whole times what a network computes together, but for the last
    assert {(cell.n, cell.accuracy) for cell in report.cells} == {(1203, 1.0)}


def test_three_models_are_asked_over_one_read_of_each_cell(manifest, objects):
    """Read and verified for one as for three."""

    def reads(roles: tuple[str, ...]) -> list[str]:
        seen: list[str] = []

        def get(digest: str) -> bytes:
            seen.append(digest)
            return objects.get(digest)

        models = {role: (letter * 64, by_position) for role, letter in zip(roles, "cdf", strict=False)}
        run_models(manifest, get, objects.put, models, "3" if "champion" in roles else None, seen={}, columns={})
        return seen

    assert reads(("candidate",)) == reads(("candidate", "control", "champion"))


def test_a_long_question_keeps_nobody_waiting(manifest, objects):
    """One thread waits for a model; the other asks on, through more cells than wait at a time."""
    asked, went_on, enough = [], [], threading.Event()

    def slow_at_first(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        if len(asked) == 1:
            went_on.append(enough.wait(10))
        return by_position(images)

    def quick(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        if len(asked) == 20:
            enough.set()
        return always_left(images)

    models = {"candidate": ("c" * 64, slow_at_first), "control": ("d" * 64, quick)}
    found = run_models(manifest, objects.get, objects.put, models, None, seen={}, columns={}, workers=2)
    assert went_on == [True]
    assert found == evaluate(
        manifest, objects, {"candidate": ("c" * 64, by_position), "control": ("d" * 64, always_left)}
    )


def test_of_two_models_that_fail_the_first_is_named(manifest, objects):
    """Whichever failed first: who runs it again meets the same error."""
    failed = threading.Event()

    def fails_last(images: np.ndarray) -> np.ndarray:
        assert failed.wait(30)
        raise ValueError("the candidate's")

    def fails_first(images: np.ndarray) -> np.ndarray:
        failed.set()
        raise ValueError("the control's")

    models = {"candidate": ("c" * 64, fails_last), "control": ("d" * 64, fails_first)}
    with pytest.raises(TrainingError, match="the candidate's"):
        run_models(manifest, objects.get, objects.put, models, None, seen={}, columns={}, workers=2)


def test_a_model_that_runs_out_of_memory_is_asked_in_smaller_batches(manifest, objects):
    sizes = []

    def short_of_memory(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        if len(images) > 20:
            raise MemoryError("no room")
        return by_position(images)

    usual = evaluate(manifest, objects, {"candidate": ("c" * 64, by_position)})
    assert evaluate(manifest, objects, {"candidate": ("c" * 64, short_of_memory)}) == usual
    assert sizes[:3] == [60, 30, 15]


@pytest.mark.parametrize("shape", [(60, 2), (60, 4), (59, 3), (60,), (60, 3, 1)])
def test_a_model_of_another_shape_is_an_error_not_a_number(manifest, objects, shape):
    with pytest.raises(TrainingError, match="champion model"):
        evaluate(manifest, objects, {"champion": ("c" * 64, lambda images: np.zeros(shape, np.float32))}, "3")


def test_nothing_is_evaluated_on_an_altered_manifest(manifest, objects):
    with pytest.raises(StoreError, match="manifest"):
        evaluate(dataclasses.replace(manifest, cells=manifest.cells[:2]), objects, {})
