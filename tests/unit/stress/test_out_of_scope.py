"""Samples of no class: chosen, frozen, asked about, kept, measured, and asked about again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from augment_ops.content import canonical_json, from_json, sha256_hex
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import PolicyError, StoreError, TrainingError
from augment_ops.stress import recheck
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.out_of_scope import accepting, area, levels
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import SuiteManifest, freeze, load

CLASSES = ("left", "middle", "right")
STRANGE = np.full((90, 12, 12, 1), 50, np.uint8)  # grey all over: no bar anywhere
STRANGE[:, 0, 0, 0] = np.arange(90)
ASKED = 70


def by_contrast(images: np.ndarray) -> np.ndarray:
    """Sure of a bar, and the surer of what has none, the brighter one of its corners is."""
    columns = images[..., 0].astype(np.float32).mean(axis=1)
    found = np.stack([columns[:, 1 + 4 * k : 3 + 4 * k].mean(axis=1) for k in range(3)], axis=1) / 20
    found[:, 0] += images[:, 0, 0, 0] / 100
    return found


def by_nothing(images: np.ndarray) -> np.ndarray:
    return np.full((len(images), 3), np.nan, np.float32)


@pytest.fixture
def asked(spec):
    return spec.model_copy(update={"out_of_scope": ASKED})


@pytest.fixture
def outside():
    return [f"strange-{row}" for row in range(90)], ArrayPayload(STRANGE)


@pytest.fixture
def manifest(asked, stripes, outside, objects) -> SuiteManifest:
    images, ids, labels = stripes
    given_by = {"snapshot_digest": "5" * 64, "classes": CLASSES, "outside": outside}
    return freeze(asked, ArrayPayload(images), ids, labels, objects.put, **given_by)


@pytest.fixture
def report(manifest, objects):
    models = {"candidate": ("c" * 64, by_contrast), "control": ("d" * 64, by_nothing)}
    return evaluate(manifest, objects.get, objects.put, models, None, seen={}, columns={}, workers=2)


@pytest.fixture
def outcomes(report, objects):
    return from_bytes(objects.get(report.outcomes), report.outcomes)


def test_a_suite_takes_some_of_them_by_a_key_and_others_know_nothing_of_them(
    manifest, asked, spec, stripes, outside, objects
):
    images, ids, labels = stripes
    manifest.check()
    assert from_json(SuiteManifest, canonical_json(manifest)) == manifest
    taken = manifest.out_of_scope.sample_ids
    assert len(set(taken)) == ASKED and set(taken) < set(outside[0]) and list(taken) != outside[0][:ASKED]
    (frozen,) = manifest.outside(objects.get)
    assert ("samples out of scope", manifest.out_of_scope.objects[0]) in list(manifest.objects())
    assert [f"strange-{row}" for row in frozen[:, 0, 0, 0]] == list(taken)
    back = [outside[0][::-1], ArrayPayload(STRANGE[::-1])]
    put = {"snapshot_digest": "5" * 64, "classes": CLASSES}
    assert freeze(asked, ArrayPayload(images), ids, labels, objects.put, outside=back, **put) == manifest
    plain = freeze(spec, ArrayPayload(images), ids, labels, objects.put, outside=outside, **put)
    none = freeze(asked, ArrayPayload(images), ids, labels, objects.put, outside=([], ArrayPayload(STRANGE[:0])), **put)
    for without in (plain, none):
        assert b"out_of_scope" not in canonical_json(without) and list(without.outside(objects.get)) == []
    assert spec.digest != asked.digest and "out_of_scope" not in spec.model_dump(exclude_defaults=True)


def test_models_are_asked_how_sure_they_are_and_what_they_say_is_kept(manifest, report, outcomes, objects):
    (frozen,) = manifest.outside(objects.get)
    logits = by_contrast(frozen).astype(np.float64)
    sure = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).max(axis=1)
    assert outcomes.out_of_scope[0] == pytest.approx(sure, abs=5e-4) and np.isnan(outcomes.out_of_scope[1]).all()
    candidate, control = report.separations
    assert (candidate.role, candidate.n, control.n) == ("candidate", ASKED, ASKED)
    wanted = np.concatenate([np.ones(60), np.zeros(ASKED)])
    scores = np.concatenate([outcomes.p_predicted[0, 0], outcomes.out_of_scope[0]])
    assert candidate.area == pytest.approx(roc_auc_score(wanted, scores))
    assert candidate.accepted.value == (outcomes.out_of_scope[0] >= np.float16(candidate.threshold)).mean()
    assert np.isnan(control.area) and control.threshold is None and control.accepted is None


def test_what_was_said_before_is_not_asked_again(manifest, outcomes, objects):
    known = {"candidate": ("e" * 64, by_nothing), "control": ("c" * 64, outcomes.predictions("candidate"))}
    again = evaluate(manifest, objects.get, objects.put, known, None, seen={}, columns={})
    found = from_bytes(objects.get(again.outcomes), again.outcomes)
    assert (found.out_of_scope[1] == outcomes.out_of_scope[0]).all()


def test_a_model_that_fails_on_one_of_them_is_told_which(manifest, objects):
    strange = int(manifest.out_of_scope.sample_ids[33].removeprefix("strange-"))

    def fails(images: np.ndarray) -> np.ndarray:
        if ((images[:, 5, 5, 0] == 50) & (images[:, 0, 0, 0] == strange)).any():
            raise ValueError("no bar")
        return by_contrast(images)

    with pytest.raises(TrainingError, match=f"no bar on sample strange-{strange} out of scope"):
        evaluate(manifest, objects.get, objects.put, {"candidate": ("c" * 64, fails)}, None, seen={}, columns={})


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_the_area_is_that_of_the_roc_curve_ties_and_all(inside, outside):
    both = [np.array(part, np.float16) / 7 for part in (inside, outside)]
    truth = roc_auc_score(np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate(both))
    assert area(*levels(*both)) == pytest.approx(truth)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80))
def test_the_threshold_is_the_largest_that_accepts_95_of_100(inside):
    sure = np.array(inside, np.float16) / 31
    threshold = accepting(sure)
    assert (sure >= threshold).mean() >= 0.95 and (sure > threshold).mean() < 0.95 + 1 / len(sure)
    above = sure[sure > threshold]
    assert not len(above) or (sure >= above.min()).mean() < 0.95


def test_what_is_stored_of_them_has_to_be_probabilities_of_every_model(outcomes):
    for found, said in (
        (outcomes.out_of_scope[:1], "float16"),
        (outcomes.out_of_scope[:, :0], "float16"),
        (outcomes.out_of_scope + np.float16(1), "beyond 0 to 1"),
    ):
        forged = replace(outcomes, out_of_scope=found).to_bytes()
        with pytest.raises(StoreError, match=said):
            from_bytes(forged, sha256_hex(forged))


def test_samples_that_are_not_those_that_were_frozen_are_refused(manifest, objects):
    (digest,) = manifest.out_of_scope.objects
    objects.held[digest] = bytes(len(objects.held[digest]))
    with pytest.raises(StoreError, match="samples out of scope"):
        evaluate(manifest, objects.get, objects.put, {"candidate": ("c" * 64, by_contrast)}, None, seen={}, columns={})


def test_answers_that_nobody_gave_show_up(manifest, outcomes, objects):
    labels = manifest.read_labels(objects.get)
    assert recheck.of_another_suite(manifest, outcomes, labels, {}) == ""
    picks = recheck.pick(manifest, "key", labels)
    assert picks[-1].cell == recheck.OUTSIDE and len(picks[-1].rows) > 30
    logits = by_contrast(recheck.samples(manifest, picks, objects.get))
    assert recheck.differing(outcomes, "candidate", picks, logits) == []
    assert recheck.differing(outcomes, "control", picks, by_nothing(logits)) == []
    shy = outcomes.out_of_scope.copy()
    shy[0] /= 2
    found = recheck.differing(replace(outcomes, out_of_scope=shy), "candidate", picks, logits)
    assert len(found) == len(picks[-1].rows) and all("out of scope" in one for one in found)
    fewer = replace(outcomes, out_of_scope=outcomes.out_of_scope[:, 1:])
    for other in (fewer, replace(outcomes, out_of_scope=None)):
        assert recheck.of_another_suite(manifest, other, labels, {}) == "other samples of no class"


def test_it_is_asked_for_only_where_every_class_counts_alike(tmp_path):
    path = tmp_path / "odd.yaml"
    head = "name: odd\nversion: 1.0.0\ndescription: d\nmax_samples: 9\nout_of_scope: 5\ncorruptions: {noise: null}\n"
    path.write_text(f"{head}alerts: {{class: a, rate: 0.1}}\n")
    with pytest.raises(PolicyError, match="out_of_scope only where every class counts alike"):
        load(path)
