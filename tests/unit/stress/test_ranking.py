"""Suites whose classes are items that are ranked: frozen, asked, kept, and asked again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augment_ops.content import canonical_json, from_json, sha256_hex
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import DataError, PolicyError, StoreError
from augment_ops.report.inputs import judged_of
from augment_ops.report.recommends import baseline
from augment_ops.stress import recheck
from augment_ops.stress.definition import RankingSpec
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.ranking import MISSED, UNRANKED, Ranking, first_of, gains, gini, ranks
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from augment_ops.stress.suite import SuiteManifest, freeze, load

ITEMS = tuple(f"item {number}" for number in range(8))
FREQUENCY = (90, 70, 50, 20, 12, 3, 1, 0)
AT = 3


def by_popularity(images: np.ndarray) -> np.ndarray:
    """The same order of items for every sample."""
    return np.tile(np.array(FREQUENCY, np.float32) / 40, (len(images), 1))


def by_nothing(images: np.ndarray) -> np.ndarray:
    return np.full((len(images), len(ITEMS)), np.nan, np.float32)


@pytest.fixture
def ranked(spec):
    return spec.model_copy(update={"ranking": RankingSpec(at=AT, bands={"tail": 0, "middle": 10, "head": 50})})


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(60, dtype=np.int64) % 8


@pytest.fixture
def manifest(ranked, stripes, labels, objects) -> SuiteManifest:
    images, ids, _ = stripes
    given = {"snapshot_digest": "5" * 64, "classes": ITEMS, "frequency": FREQUENCY}
    return freeze(ranked, ArrayPayload(images), ids, labels, objects.put, **given)


@pytest.fixture
def report(manifest, objects):
    models = {"candidate": ("c" * 64, by_popularity), "control": ("d" * 64, by_nothing)}
    return evaluate(manifest, objects.get, objects.put, models, None, seen={}, columns={})


@pytest.fixture
def outcomes(report, objects):
    return from_bytes(objects.get(report.outcomes), report.outcomes)


def test_a_sample_is_right_where_its_item_is_among_the_first_and_classes_are_bands(report, outcomes, manifest):
    assert report.classes == ("tail", "middle", "head", MISSED) == outcomes.classes
    clean, order = report.cell("candidate", "clean", 0), manifest.judged_labels(np.arange(8))
    assert order.tolist() == [2, 2, 2, 1, 1, 0, 0, 0]
    assert clean.class_recall == (0.0, 0.0, 1.0, None)
    at = outcomes.judged()
    assert at.classes == ("tail", "middle", "head") and (at.right == outcomes.right).all()
    assert outcomes.asked == manifest.asked and outcomes.asked.measure == "recall at 3"


def test_ranks_are_kept_and_what_is_recommended_is_counted(outcomes, manifest, objects, labels):
    position = {sample: place for place, sample in enumerate(manifest.sample_ids)}
    items = manifest.read_labels(objects.get)
    assert len(position) == 60 and outcomes.ranked.ranks[0, 0].tolist() == (items + 1).tolist()
    assert (outcomes.ranked.ranks[1] == UNRANKED).all() and (outcomes.predicted[1] == NOT_A_NUMBER).all()
    assert outcomes.ranked.recommended.tolist() == [[60, 60, 60, 0, 0, 0, 0, 0], [0] * 8]
    assert outcomes.p_predicted[0, 0, 0] == pytest.approx(
        np.sort(np.exp(by_popularity(np.zeros(1))))[0, -3:].sum() / np.exp(by_popularity(np.zeros(1))).sum(), abs=1e-3
    )


def test_what_was_said_before_is_not_asked_again(manifest, outcomes, objects):
    known = {"candidate": ("e" * 64, by_nothing), "control": ("c" * 64, outcomes.predictions("candidate"))}
    again = evaluate(manifest, objects.get, objects.put, known, None, seen={}, columns={})
    found = from_bytes(objects.get(again.outcomes), again.outcomes)
    assert (found.ranked.ranks[1] == outcomes.ranked.ranks[0]).all()
    assert (found.ranked.recommended[1] == outcomes.ranked.recommended[0]).all()


def test_a_manifest_says_what_is_asked_and_older_ones_are_what_they_were(manifest, spec, stripes, labels, objects):
    images, ids, _ = stripes
    manifest.check()
    assert from_json(SuiteManifest, canonical_json(manifest)) == manifest
    plain = freeze(spec, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=ITEMS)
    assert b"ranking" not in canonical_json(plain) and b"frequency" not in canonical_json(plain)
    assert "ranking" not in spec.model_dump_json(exclude_none=True)


def test_a_ranking_needs_to_know_how_often_items_are(ranked, stripes, labels, objects):
    images, ids, _ = stripes
    with pytest.raises(DataError, match="0 numbers for 8 classes"):
        freeze(ranked, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=ITEMS)


@pytest.mark.parametrize(
    "wrong",
    [
        "{at: 0, bands: {a: 0}}",
        "{at: 10, bands: {a: 1}}",
        "{at: 10, bands: {a: 0, b: 0}}",
        "{at: 10}",
        "{at: 10, bands: {}}",
        f"{{at: 1, bands: {{{MISSED}: 0}}}}",
    ],
)
def test_a_file_with_a_ranking_that_is_none_is_refused(tmp_path, wrong):
    path = tmp_path / "ranked.yaml"
    head = "name: ranked\nversion: 1.0.0\ndescription: d\nmax_samples: 9\ncorruptions: {noise: null}\n"
    path.write_text(f"{head}ranking: {wrong}\n")
    with pytest.raises(PolicyError, match="ranking"):
        load(path)


def test_outcomes_whose_hits_are_not_those_of_their_ranks_are_damaged(outcomes):
    missed = len(outcomes.classes) - 1
    predicted = outcomes.predicted.copy()
    predicted[0, 0, np.flatnonzero(predicted[0, 0] == missed)[0]] = 0
    forged = replace(outcomes, predicted=predicted).to_bytes()
    with pytest.raises(StoreError, match="ranks that give other hits"):
        from_bytes(forged, sha256_hex(forged))


def test_ranks_that_nobodys_answers_stand_behind_show_up(outcomes, manifest, objects, labels):
    items = manifest.read_labels(objects.get)
    assert recheck.of_another_suite(manifest, outcomes, items, {}) == ""
    picks = recheck.pick(manifest, "key", items)
    logits = by_popularity(recheck.samples(manifest, picks, objects.get))
    assert recheck.differing(outcomes, "candidate", picks, logits) == []
    assert recheck.differing(outcomes, "candidate", picks, logits * np.float32(1 + 1e-5)) == []
    better = replace(outcomes, ranked=replace(outcomes.ranked, ranks=np.maximum(outcomes.ranked.ranks - 1, 1)))
    assert len(recheck.differing(better, "candidate", picks, logits)) > len(logits) / 2
    assert recheck.differing(outcomes, "control", picks, by_nothing(logits)) == []
    other = replace(manifest, ranking=Ranking(at=4, bands=manifest.ranking.bands))
    assert recheck.of_another_suite(other, outcomes, items, {}) == "another ranking"
    often = replace(manifest, frequency=(91, *FREQUENCY[1:]))
    assert recheck.of_another_suite(often, outcomes, items, {}) == "other items, or other frequencies of them"


def test_of_equal_items_the_first_in_the_catalogue_comes_first():
    logits = np.array([[1, 3, 3, 2]] * 4, np.float32)
    assert ranks(logits, np.arange(4)).tolist() == [4, 1, 2, 3]
    assert sorted(first_of(logits[:1], 3).tolist()) == [1, 2, 3] and len(first_of(logits[:1], 9)) == 4


def test_gains_and_unevenness_are_those_of_the_textbook():
    assert gains(np.array([1, 3, 10, 11, UNRANKED], np.int32), 10).tolist() == pytest.approx(
        [1, 0.5, 1 / np.log2(11), 0, 0]
    )
    assert gini(np.array([5, 5, 5, 5])) == pytest.approx(0) and gini(np.array([0, 0, 0, 9])) == pytest.approx(0.75)
    assert np.isnan(gini(np.zeros(3, np.int64)))


def test_a_report_shows_what_is_recommended_beside_popularity_alone(report, outcomes):
    found = judged_of(report, outcomes, ())
    assert found.measure == "recall at 3" and found.stress.classes == ("tail", "middle", "head")
    candidate, control, alone = found.ranking
    assert (candidate.recall, candidate.popularity, candidate.coverage) == (alone.recall, alone.popularity, 3 / 8)
    assert candidate.bands == {"tail": 0.0, "middle": 0.0, "head": 1.0} and candidate.popularity == 70
    assert candidate.ndcg == alone.ndcg == pytest.approx(candidate.recall * (1 + 1 / np.log2(3) + 0.5) / 3, rel=0.02)
    assert control.recall == 0 and np.isnan(control.popularity)


def test_a_report_shows_what_ranks_untrained_beside_the_models(manifest, report, outcomes, objects):
    def by_name(images: np.ndarray) -> np.ndarray:
        return np.tile(-np.arange(len(ITEMS), dtype=np.float32), (len(images), 1))

    (clean,) = manifest.batches(manifest.cells[0], objects.get)
    batches = np.split(clean, [7, 30])  # any, in the order of the samples
    untrained = baseline("by name", outcomes.ranked, batches, by_name)
    assert untrained.places.tolist() == [1 + item for item in outcomes.ranked.items]
    assert untrained.recommended.tolist() == [60, 60, 60, 0, 0, 0, 0, 0]
    *models, last = judged_of(report, outcomes, (), [untrained]).ranking
    assert [one.name for one in models] == ["candidate", "control", "popularity alone"]
    candidate = models[0]  # which names the same three, as the most frequent come first
    assert (last.name, last.recall, last.ndcg) == ("by name", candidate.recall, candidate.ndcg)
    assert (last.popularity, last.coverage) == (70, 3 / 8)
