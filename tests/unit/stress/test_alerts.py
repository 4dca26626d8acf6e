"""Suites that look for one class: frozen, asked, and asked again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import DataError, PolicyError
from augment_ops.stress import recheck
from augment_ops.stress.asked import Alerts
from augment_ops.stress.definition import AlertsSpec
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import freeze, load

CLASSES = ("left", "middle", "right")
RATE = 0.2  # 12 of 60


def by_position(images: np.ndarray) -> np.ndarray:
    return images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4).mean(axis=(1, 3)) / 25


@pytest.fixture
def looked_for(spec):
    return spec.model_copy(update={"alerts": AlertsSpec(class_name="right", rate=RATE)})


@pytest.fixture
def manifest(looked_for, stripes, objects):
    images, ids, labels = stripes
    return freeze(looked_for, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=CLASSES)


@pytest.fixture
def report(manifest, objects):
    models = {"candidate": ("c" * 64, by_position), "control": ("c" * 64, by_position)}
    return evaluate(manifest, objects.get, objects.put, models, None, seen={}, columns={})


@pytest.fixture
def outcomes(report, objects):
    return from_bytes(objects.get(report.outcomes), report.outcomes)


def test_scores_are_kept_and_the_report_counts_what_an_alert_is_raised_for(report, outcomes):
    assert outcomes.alerts == Alerts(class_name="right", rate=RATE)
    assert (outcomes.scores[0] == outcomes.scores[1]).all()  # one model in two roles
    clean = report.cell("candidate", "clean", 0)
    assert clean.class_recall[2] == 12 / 20  # 12 alerts, all of them for one of the 20 that are looked for
    assert clean.class_recall[0] == 1
    assert report.confusion["candidate"][2] == (8, 0, 12)
    assert report.measures[0].class_precision[2] == 1


def test_a_suite_and_its_digest_say_what_is_looked_for(looked_for, spec, manifest, stripes, objects):
    images, ids, labels = stripes
    plain = freeze(spec, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=CLASSES)
    assert looked_for.digest != spec.digest
    assert manifest.digest != plain.digest
    manifest.check()
    plain.check()


def test_a_class_that_the_data_set_has_not_is_named(spec, stripes, objects):
    images, ids, labels = stripes
    other = spec.model_copy(update={"alerts": AlertsSpec(class_name="fraud", rate=RATE)})
    with pytest.raises(DataError, match="alerts: found class 'fraud'; expected one of the classes left"):
        freeze(other, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=CLASSES)


@pytest.mark.parametrize("wrong", ["{class: right, rate: 1.0}", "{class: right}", "{class: right, rate: 1}", "0.01"])
def test_a_file_with_alerts_that_are_none_is_refused(tmp_path, wrong):
    path = tmp_path / "looking.yaml"
    path.write_text(
        "name: looking\nversion: 1.0.0\ndescription: d\nmax_samples: 9\n"
        f"corruptions: {{noise: null}}\nalerts: {wrong}\n"
    )
    with pytest.raises(PolicyError, match="alerts"):
        load(path)


def test_those_that_are_looked_for_are_asked_again(manifest, outcomes, objects):
    """Of 60 samples, 20 are: without a choice a third of those asked would be."""
    labels = np.where(np.arange(60) < 57, 0, 2)  # of three, hardly one would be asked
    picks = recheck.pick(replace(manifest, shape=(512, 512, 1)), "a", labels)
    assert all(len(picked.rows) < 60 for picked in picks)
    assert all({57, 58, 59} <= set(picked.rows) for picked in picks)


def test_many_more_are_asked_again_where_few_decide(manifest):
    many = replace(manifest, sample_ids=tuple(f"s{i}" for i in range(100_000)))
    labels = np.where(np.arange(100_000) < 99_000, 0, 2)
    genuine = [np.count_nonzero(labels[list(picked.rows)] == 0) for picked in recheck.pick(many, "a", labels)]
    lowered = 50  # scores of others than are looked for, in each cell
    assert (1 - lowered / 99_000) ** sum(genuine) < 0.001
    wide = replace(
        many, shape=(1 << 20,), dtype="<f8"
    )  # 8 MiB a sample: as many bytes as of images, not as many numbers
    assert sum(len(picked.rows) for picked in recheck.pick(wide, "a", labels)) == recheck.CELLS


def test_small_scores_that_were_put_into_another_order_are_found(manifest, outcomes, objects):
    labels = manifest.read_labels(objects.get)
    picks = recheck.pick(manifest, "a", labels)
    logits = by_position(recheck.samples(manifest, picks, objects.get)) * 0
    logits[:, 2] = -12  # a score of 3e-6 for every sample
    low = replace(
        outcomes,
        predicted=np.zeros_like(outcomes.predicted),
        p_true=np.full_like(outcomes.p_true, 0.5),
        p_predicted=np.full_like(outcomes.p_predicted, 0.5),
        scores=np.full_like(outcomes.scores, 3.0721e-06),
    )
    low = replace(low, p_true=np.where(labels == 2, 0, low.p_true).astype(np.float16))
    assert recheck.differing(low, "candidate", picks, logits) == []
    raised = replace(low, scores=np.where(labels == 2, np.float32(5e-6), low.scores).astype(np.float32))
    assert len(recheck.differing(raised, "candidate", picks, logits)) > 20


def test_a_score_that_was_moved_past_its_neighbours_is_found(manifest, outcomes, objects):
    labels = manifest.read_labels(objects.get)
    picks = recheck.pick(manifest, "a", labels)
    logits = by_position(recheck.samples(manifest, picks, objects.get))
    assert recheck.differing(outcomes, "candidate", picks, logits) == []
    moved = replace(outcomes, scores=np.clip(outcomes.scores + np.float32(0.001), 0, 1))  # p_true stays as it was
    assert len(recheck.differing(moved, "candidate", picks, logits)) > len(logits) / 2


def test_outcomes_of_other_labels_or_alerts_than_the_suite_has_are_told(manifest, outcomes, objects):
    labels = manifest.read_labels(objects.get)
    assert recheck.of_another_suite(manifest, outcomes, labels, {}) == ""
    turned = replace(outcomes, labels=outcomes.labels[::-1].copy())
    assert recheck.of_another_suite(manifest, turned, labels, {}) == "other samples or labels"
    more = replace(outcomes, alerts=Alerts(class_name="right", rate=0.9))
    assert recheck.of_another_suite(manifest, more, labels, {}) == "other alerts"
    site: dict[str, list[str | None]] = {"site": ["a", "b"] * 30}
    assert recheck.of_another_suite(manifest, outcomes, labels, site) == "other groups"
