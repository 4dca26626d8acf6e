"""Thresholds: chosen on the validation split by one rule, and what they give on samples that were not looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from augment_ops.content import sha256_hex
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import PolicyError, StoreError
from augment_ops.statistics import wilson
from augment_ops.stress.asked import Alerts
from augment_ops.stress.definition import AlertsSpec
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.operating import HeldBack, threshold_of
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import freeze, load

BY_RATE = Alerts(class_name="right", rate=0.2, threshold="rate")
BY_PRECISION = Alerts(class_name="right", rate=0.2, precision=0.75, threshold="precision")
CLASSES = ("left", "middle", "right")


def scores_of(seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wanted = rng.random(400) < 0.1
    return wanted, np.clip(rng.normal(0.3 + 0.3 * wanted, 0.1), 0, 1).round(decimals).astype(np.float32)


@pytest.mark.parametrize("decimals", [1, 2, 7])
def test_by_rate_no_more_alerts_are_raised_and_one_lower_score_would_raise_more(decimals: int) -> None:
    wanted, scores = scores_of(1, decimals)
    threshold = threshold_of(BY_RATE, wanted, scores)
    assert threshold is not None and (scores >= np.float32(threshold)).mean() <= 0.2
    lower = scores[scores < np.float32(threshold)].max()
    assert (scores >= lower).mean() > 0.2
    assert threshold_of(BY_RATE, wanted, np.full(400, 0.5, np.float32)) == 0.5  # one alert at least, so all of them


@pytest.mark.parametrize("decimals", [2, 7])
def test_by_precision_it_is_the_lowest_that_is_as_precise(decimals: int) -> None:
    wanted, scores = scores_of(2, decimals)
    precision, _, thresholds = precision_recall_curve(wanted, scores)
    least = thresholds[precision[:-1] >= 0.75].min()
    found = threshold_of(BY_PRECISION, wanted, scores)
    assert found is not None and wanted[scores >= np.float32(found)].mean() >= 0.75
    assert wanted[scores >= np.float32(found)].sum() == wanted[scores >= least].sum()


def test_where_none_is_precise_or_there_is_nothing_to_choose_it_on_there_is_none() -> None:
    wanted = np.arange(100) < 10
    assert threshold_of(BY_PRECISION, wanted, np.where(wanted, 0.1, 0.9).astype(np.float32)) is None
    assert threshold_of(BY_PRECISION, np.zeros(100, bool), np.ones(100, np.float32)) is None
    assert threshold_of(BY_RATE, wanted[:0], np.empty(0, np.float32)) is None
    assert threshold_of(Alerts(class_name="right", rate=0.2), wanted, np.ones(100, np.float32)) is None


def by_position(images: np.ndarray) -> np.ndarray:
    return images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4).mean(axis=(1, 3)) / 25


@pytest.fixture
def asked(spec, stripes, objects):
    """Suite, and the report of a model and a worse one, with thresholds of other samples than are tested."""
    looked_for = spec.model_copy(update={"alerts": AlertsSpec(class_name="right", rate=0.2, threshold="rate")})
    images, ids, labels = stripes
    tested, kept = slice(0, None, 2), slice(1, None, 2)
    manifest = freeze(
        looked_for,
        ArrayPayload(images[tested]),
        [ids[row] for row in range(0, len(ids), 2)],
        labels[tested],
        objects.put,
        snapshot_digest="5" * 64,
        classes=CLASSES,
    )
    held_back = HeldBack(ArrayPayload(images[kept]), labels[kept])
    models = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, lambda images: by_position(images) / 9)}

    def evaluated(models=models, held_back=held_back):
        return evaluate(manifest, objects.get, objects.put, models, None, seen={}, columns={}, held_back=held_back)

    return manifest, evaluated


def test_every_model_has_its_own_and_what_it_gives_is_told_with_intervals(asked, objects):
    _, evaluated = asked
    report = evaluated()
    outcomes = from_bytes(objects.get(report.outcomes), report.outcomes)
    ours, theirs = report.operating
    assert ours.role == "candidate" and ours.threshold != theirs.threshold
    raised = outcomes.scores[0, 0] >= np.float32(ours.threshold)
    assert (ours.alerts.value, ours.alerts.n) == (raised.mean(), len(raised))
    assert (ours.recall.low, ours.recall.high) == wilson(int(raised[outcomes.wanted].sum()), ours.recall.n)
    assert ours.precision.n == raised.sum()
    again = outcomes.to_bytes()
    assert from_bytes(again, sha256_hex(again)).thresholds == outcomes.thresholds


def test_what_was_heard_before_brings_its_threshold(asked, objects):
    _, evaluated = asked
    report = evaluated()
    outcomes = from_bytes(objects.get(report.outcomes), report.outcomes)
    models = {"candidate": ("c" * 64, by_position), "control": ("d" * 64, outcomes.predictions("control"))}
    assert evaluated(models=models) == report


def test_without_samples_held_back_there_is_no_threshold_and_outcomes_with_others_are_refused(asked, objects):
    _, evaluated = asked
    report = evaluated(held_back=None)
    assert [point.threshold for point in report.operating] == [None, None]
    outcomes = from_bytes(objects.get(report.outcomes), report.outcomes)
    for wrong in ({"candidate": 0.5}, {"candidate": 0.5, "control": 1.5}, {}):
        data = replace(outcomes, thresholds=wrong).to_bytes()
        with pytest.raises(StoreError, match="thresholds"):
            from_bytes(data, sha256_hex(data))


def test_a_model_that_gives_no_number_on_them_has_none(asked):
    _, evaluated = asked

    def silent(images):
        logits = by_position(images)
        return np.where(images[..., 0].max(axis=(1, 2))[:, None] >= 0, np.nan, logits)

    report = evaluated(models={"candidate": ("c" * 64, by_position), "control": ("d" * 64, silent)})
    assert report.operating[1].threshold is None and report.operating[1].alerts is None


def test_a_threshold_by_a_precision_that_is_not_named_is_refused(tmp_path):
    path = tmp_path / "looking.yaml"
    path.write_text(
        "name: looking\nversion: 1.0.0\ndescription: d\nmax_samples: 9\ncorruptions: {noise: null}\n"
        "alerts: {class: right, rate: 0.1, threshold: precision}\n"
    )
    with pytest.raises(PolicyError, match="name the precision beside it"):
        load(path)
