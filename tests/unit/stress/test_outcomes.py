"""Per-sample outcomes, and the measures that follow from them."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import StoreError, TrainingError
from augment_ops.stress import measures, probe
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import Outcomes, from_bytes
from augment_ops.stress.slices import slices
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from augment_ops.stress.suite import freeze

CLASSES = ("left", "middle", "right")


def by_position(images: np.ndarray) -> np.ndarray:
    return images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4).mean(axis=(1, 3)) / 25


@pytest.fixture
def manifest(spec, stripes, objects):
    images, ids, labels = stripes
    few = spec.model_copy(update={"corruptions": {name: spec.corruptions[name] for name in ("rotation", "noise")}})
    return freeze(few, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=CLASSES)


def run(manifest, objects, models, columns=None):
    return evaluate(
        manifest, objects.get, objects.put, models, None, seen={"noise": ("GaussNoise",)}, columns=columns or {}
    )


def tiny(predicted: list[list[list[int]]], labels: list[int], classes: int = 3, confidence: float = 0.8) -> Outcomes:
    guesses = np.array(predicted, np.int16)
    certain = np.full(guesses.shape, confidence, np.float16)
    return Outcomes(
        suite_digest="a" * 64,
        models={"candidate": "c" * 64, "control": "d" * 64} if len(predicted) > 1 else {"candidate": "c" * 64},
        addresses=(("clean", 0), *(("noise", s) for s in range(1, guesses.shape[1]))),
        classes=tuple("xyz"[:classes]),
        sample_ids=tuple(map(str, range(len(labels)))),
        labels=np.array(labels, np.int16),
        predicted=guesses,
        p_true=certain,
        p_predicted=certain,
        groups=np.zeros((0, len(labels)), np.int16),
    )


def test_the_report_follows_from_the_object_that_it_names(manifest, objects):
    report = run(manifest, objects, {"candidate": ("c" * 64, by_position)})
    found = from_bytes(objects.get(report.outcomes), report.outcomes)
    assert measures.cells(found) == report.cells
    assert measures.measures(found) == report.measures
    assert report.seen == {"rotation": (), "noise": ("GaussNoise",)}
    assert report.unseen == ("rotation",)


def test_a_sceptic_reads_it_with_numpy_alone(manifest, objects):
    report = run(manifest, objects, {"candidate": ("c" * 64, by_position)})
    with np.load(io.BytesIO(objects.get(report.outcomes)), allow_pickle=False) as file:
        header = json.loads(file["header"].tobytes())
        cell = header["addresses"].index(["noise", 5])
        accuracy = float((file["predicted"][0, cell] == file["labels"]).mean())
    assert accuracy == report.cell("candidate", "noise", 5).accuracy


def test_confidence_is_the_softmax_of_the_logits(manifest, objects, stripes):
    report = run(manifest, objects, {"candidate": ("c" * 64, by_position)})
    found = from_bytes(objects.get(report.outcomes), report.outcomes)
    images = manifest.samples(manifest.cells[0], objects.get)
    logits = by_position(images).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.p_true[0, 0], shares[np.arange(60), found.labels], atol=5e-4)
    np.testing.assert_allclose(found.p_predicted[0, 0], shares.max(axis=1), atol=5e-4)


def test_one_model_in_two_roles_is_asked_once(manifest, objects):
    asked = []

    def counting(images):
        asked.append(len(images))
        return by_position(images)

    def never(images):
        raise AssertionError

    report = run(manifest, objects, {"candidate": ("c" * 64, counting), "control": ("c" * 64, never)})
    assert sum(asked) == 60 * 11
    for cell in report.cells:
        assert cell.accuracy == report.cell("candidate", cell.corruption, cell.severity).accuracy


def test_a_model_that_crashes_on_one_image_is_an_error_that_names_it(manifest, objects, stripes):
    victim = manifest.samples(manifest.cells[-2], objects.get)[41]  # no two samples have the same noise

    def crashes(images):
        if any(np.array_equal(image, victim) for image in images):
            raise RuntimeError("index out of range")
        return by_position(images)

    with pytest.raises(TrainingError) as caught:
        run(manifest, objects, {"candidate": ("c" * 64, crashes)})
    assert f"sample {manifest.sample_ids[41]} under noise at severity 4" in str(caught.value)
    assert "RuntimeError: index out of range" in str(caught.value)


def by_shade(images: np.ndarray) -> np.ndarray:
    return by_position(images)[:, ::-1] * 0.7


def always_middle(images: np.ndarray) -> np.ndarray:
    return np.tile(np.array([0, 1, np.nan], np.float32), (len(images), 1))


THREE = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, by_shade), "champion": ("e" * 64, always_middle)}


def earlier(manifest, objects, models=None):
    digest = run(manifest, objects, THREE if models is None else models).outcomes
    return from_bytes(objects.get(digest), digest)


def test_predictions_of_before_give_the_same_report_to_the_byte(manifest, objects):
    groups = {"site": ["x", "y"] * 30}
    fresh = run(manifest, objects, THREE, groups)
    # Then the control was the candidate, and the champion the control: what was said does not hang on the role.
    before = earlier(manifest, objects, {"candidate": THREE["control"], "control": THREE["champion"]})
    known = {
        "candidate": THREE["candidate"],
        "control": ("d" * 64, before.predictions("candidate")),
        "champion": ("e" * 64, before.predictions("control")),
    }
    again = run(manifest, objects, known, groups)
    assert canonical_json(again) == canonical_json(fresh)
    assert (again.outcomes, again.probe) == (fresh.outcomes, fresh.probe)


@pytest.mark.parametrize("changes", [{"suite_digest": "f" * 64}, {"model_digest": "f" * 64}, "cells"])
def test_predictions_of_another_suite_or_model_are_refused(manifest, objects, changes):
    said = earlier(manifest, objects).predictions("control")
    if changes == "cells":
        changes = {name: getattr(said, name)[:-1] for name in ("predicted", "p_true", "p_predicted")}
    with pytest.raises(StoreError, match="control model: predictions of before"):
        run(manifest, objects, {**THREE, "control": ("d" * 64, replace(said, **changes))})


def test_a_candidate_is_asked_itself_because_its_logits_are_probed(manifest, objects):
    said = earlier(manifest, objects).predictions("candidate")
    with pytest.raises(StoreError, match="candidate model: predictions of before"):
        run(manifest, objects, {**THREE, "candidate": ("c" * 64, said)})


def test_nobody_has_said_anything_in_a_role_that_was_not_asked(manifest, objects):
    with pytest.raises(StoreError, match="champion"):
        earlier(manifest, objects, {"candidate": THREE["candidate"]}).predictions("champion")


@pytest.mark.parametrize("change", ["bit", "cut", "empty"])
def test_outcomes_that_were_altered_are_refused(change):
    data = tiny([[[0, 1], [0, 0]]], [0, 1]).to_bytes()
    digest = sha256_hex(data)
    broken = {"bit": data[:-30] + bytes([data[-30] ^ 1]) + data[-29:], "cut": data[:-9], "empty": b""}[change]
    with pytest.raises(StoreError, match="sha256"):
        from_bytes(broken, digest)
    if change != "bit":
        with pytest.raises(StoreError, match="outcomes"):
            from_bytes(broken, sha256_hex(broken))


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, 3], np.int16)},
        {"labels": np.array([0, -1], np.int16)},
        {"predicted": np.array([[[0, 1], [0, 3]]], np.int16)},
        {"predicted": np.array([[[0, 1]]], np.int16)},
        {"sample_ids": ("0",)},
        {"addresses": (("noise", 1), ("clean", 0))},
        {"addresses": (("clean", 0), ("clean", 0))},
        {"models": {"candidate": "c" * 64, "control": "d" * 64}},
    ],
)
def test_outcomes_that_contradict_themselves_are_refused(changes):
    data = replace(tiny([[[0, 1], [0, 0]]], [0, 1]), **changes).to_bytes()
    with pytest.raises(StoreError):
        from_bytes(data, sha256_hex(data))


def test_equal_outcomes_are_equal_bytes_and_survive_them():
    made = tiny([[[0, 1], [0, NOT_A_NUMBER]]], [0, 1])
    data = made.to_bytes()
    assert tiny([[[0, 1], [0, NOT_A_NUMBER]]], [0, 1]).to_bytes() == data
    assert from_bytes(data, sha256_hex(data)).to_bytes() == data


def test_precision_balance_and_flips_are_those_of_the_hand():
    found = tiny([[[0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 1, 2]]], [0, 0, 0, 1, 1, 1])
    clean, noisy = measures.measures(found)
    assert clean.class_precision == (1.0, 1.0, 0.0)
    assert clean.balanced_accuracy == pytest.approx((1 + 1 / 3) / 2)  # the class without samples does not count
    assert clean.flip_share == 0.0
    assert noisy.class_precision == (1.0, pytest.approx(2 / 3), 0.0)
    assert noisy.flip_share == pytest.approx(2 / 6)


def test_a_class_that_is_never_predicted_has_no_precision():
    assert measures.measures(tiny([[[0, 0], [0, 1]]], [0, 1]))[0].class_precision == (1 / 2, None, None)


def test_not_a_number_is_not_a_number_in_every_measure():
    noisy = measures.measures(tiny([[[0, 1], [0, NOT_A_NUMBER]]], [0, 1]))[1]
    assert all(np.isnan([noisy.balanced_accuracy, noisy.calibration_error, noisy.flip_share, *noisy.class_precision]))


def test_calibration_error_is_the_weighted_distance_of_confidence_and_accuracy():
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    right = np.array([True, True, True, False, True, True])
    # Bin of 0.9: accuracy 0.75, 0.15 off, 4 samples. Bin of 0.6: accuracy 1, 0.4 off, 2 samples.
    assert measures.calibration_error(confidence, right) == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)
    assert measures.calibration_error(np.ones(5), np.ones(5, bool)) == 0.0
    assert measures.calibration_bins(np.array([0.0, 1 / 15, 0.0667, 1.0])).tolist() == [0, 0, 1, 14]


def test_corruption_error_is_relative_to_the_reference():
    """Candidate errors 1/4 and 2/4, control 2/4 and 4/4; clean 0 and 1/4."""
    labels = [0, 0, 1, 1]
    report_like = tiny(
        [[[0, 0, 1, 1], [0, 0, 1, 0], [0, 1, 1, 0]], [[0, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0]]], labels, classes=2
    )
    report = _Report(measures.cells(report_like))
    assert measures.corruption_error(report, "candidate", "control") == pytest.approx(3 / 6)
    assert measures.corruption_error(report, "candidate", "control", relative=True) == pytest.approx(3 / 4)
    assert measures.corruption_error(report, "candidate", "champion") is None


def test_a_reference_without_errors_gives_no_quotient():
    perfect = tiny([[[0, 1], [0, 0]], [[0, 1], [0, 1]]], [0, 1], classes=2)
    assert measures.corruption_error(_Report(measures.cells(perfect)), "candidate", "control") is None


class _Report:
    """The part of a report that the corruption error reads."""

    corruptions = ("noise",)

    def __init__(self, cells):
        self.cells = cells

    def cell(self, role, corruption, severity):
        return next((c for c in self.cells if (c.role, c.corruption, c.severity) == (role, corruption, severity)), None)


def test_slices_are_the_accuracies_of_the_groups_and_leave_out_who_has_none(manifest, objects):
    site = ["north", "south", None] * 20

    def blind_to_south(images):
        logits = by_position(images)
        return np.where(logits.argmax(1, keepdims=True) == 1, np.roll(logits, 1, axis=1), logits)  # class 1 lies south

    models = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, blind_to_south)}
    order = {f"s{i}": value for i, value in enumerate(site)}
    report = run(manifest, objects, models, {"site": [order[i] for i in manifest.sample_ids]})
    found = {(s.role, s.group): (s.n, s.clean) for s in report.slices}
    assert found == {
        ("candidate", "north"): (20, 1.0),
        ("candidate", "south"): (20, 1.0),
        ("control", "north"): (20, 1.0),
        ("control", "south"): (20, 0.0),
    }
    assert measures.worst_slice(report, "control")[:2] == ("site", "south")


def test_slices_weigh_every_cell_alike():
    made = replace(
        tiny([[[0, 1, 0], [0, 0, 0], [1, 0, 0]]], [0, 1, 1]),
        columns={"site": ("a", "b")},
        groups=np.array([[0, 0, 1]], np.int16),
    )
    assert {s.group: (s.clean, s.stressed) for s in slices(made)} == {"a": (1.0, 0.25), "b": (0.0, 0.0)}


def test_the_probe_recognises_the_model_and_no_other(manifest, objects):
    report = run(manifest, objects, {"candidate": ("c" * 64, by_position)})
    asked = probe.from_bytes(objects.get(report.probe))
    assert asked.addresses == (("clean", 0), ("noise", 5))
    images = probe.samples(asked, manifest, objects.get)
    answers = by_position(images)
    assert probe.difference(asked, answers) == 0.0
    assert probe.difference(asked, answers * (1 + 1e-6)) <= 1
    assert probe.difference(asked, answers * 1.001) > 1
    assert probe.difference(asked, answers[:-1]) == float("inf")
    assert probe.difference(asked, np.full_like(answers, np.nan)) == float("inf")


def test_asking_by_several_threads_changes_no_byte(manifest, objects):
    models = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, lambda images: -by_position(images))}
    one, four = (
        evaluate(manifest, objects.get, objects.put, models, None, seen={}, columns={}, workers=n) for n in (1, 4)
    )
    assert one == four


def test_a_crash_in_a_thread_is_the_same_error(manifest, objects):
    def crashes(images):
        raise RuntimeError("no")

    with pytest.raises(TrainingError, match="RuntimeError: no"):
        evaluate(
            manifest, objects.get, objects.put, {"candidate": ("c" * 64, crashes)}, None, seen={}, columns={}, workers=4
        )
