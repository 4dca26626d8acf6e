"""Each check of a snapshot passes on clean data, finds its planted defect, and leaves the other checks alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import yaml

from augment_ops.modalities.image import near
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import QualityRules
from support.places import POLICIES
from support.planting import Planting


def _truncate(p: Planting, n: int) -> set[str]:
    for i in p.of("train")[:n]:
        p.spoil(i, "truncated: image file is truncated (3 bytes not processed)")
    return {p.rows[i]["sample_id"] for i in p.of("train")[:n]}


def _unlabelled(p: Planting, n: int) -> set[str]:
    rows = p.of("train")[:n]
    for i in rows:
        p.rows[i]["label"] = -1
    return {p.rows[i]["sample_id"] for i in rows}


def _out_of_range(p: Planting, n: int) -> set[str]:
    rows = p.of("train")[:n]
    for i in rows:
        p.rows[i]["label"] = 3
    return {p.rows[i]["sample_id"] for i in rows}


def _conflict(p: Planting, n: int) -> set[str]:
    pairs = list(zip(p.of("train", 0)[:n], p.of("train", 1)[:n], strict=True))
    for a, b in pairs:
        p.images[b] = p.images[a]
    return {p.rows[i]["sample_id"] for pair in pairs for i in pair}


def _repeat(p: Planting, n: int) -> set[str]:
    rows = p.of("train", 0)
    for i in rows[1 : n + 1]:
        p.images[i] = p.images[rows[0]]
    return {p.rows[i]["sample_id"] for i in rows[1 : n + 1]}


def _leak(held_out: str, seen: str) -> Callable[[Planting, int], set[str]]:
    def plant(p: Planting, n: int) -> set[str]:
        rows = p.of(held_out, 0)[:n]
        for source, i in zip(p.of(seen, 0), rows, strict=False):
            p.images[i] = p.images[source]
        return {p.rows[i]["sample_id"] for i in rows}

    return plant


def _share_subject(p: Planting, n: int) -> set[str]:
    for i, row in enumerate(p.rows):
        row["subject"] = f"person-{row['split']}-{i}"
    for train, test in zip(p.of("train")[:n], p.of("test")[:n], strict=True):
        p.rows[test]["subject"] = p.rows[train]["subject"]
    return {p.rows[i]["sample_id"] for i in p.of("test")[:n]}


def _drop(split: str, label: int, keep: int) -> Callable[[Planting, int], set[str]]:
    def plant(p: Planting, _: int) -> set[str]:
        for i in p.of(split, label)[keep:]:
            p.rows[i] = None
        p.rows = [r for r in p.rows if r is not None]
        return set()

    return plant


_N = 336  # samples of the clean data set; 120 of them in test, 36 in validation

CASES = {
    # name: (plant, how many, check, status, measured, other checks that may speak up)
    "one truncated file": (_truncate, 1, "unreadable", "fail", 1 / _N, set()),
    "no label": (_unlabelled, 1, "label-range", "fail", 1 / _N, set()),
    "label too large": (_out_of_range, 2, "label-range", "fail", 2 / _N, set()),
    "one conflict": (_conflict, 1, "label-conflict", "warn", 2 / _N, {"exact-duplicates-within-split"}),
    "conflicts": (_conflict, 3, "label-conflict", "fail", 6 / _N, {"exact-duplicates-within-split"}),
    "repeated": (_repeat, 4, "exact-duplicates-within-split", "warn", 4 / _N, set()),
    "export gone wrong": (_repeat, 40, "exact-duplicates-within-split", "fail", 40 / _N, set()),
    "test in train": (_leak("test", "train"), 2, "exact-duplicates-between-splits", "fail", 2 / 120, set()),
    "validation in train": (_leak("validation", "train"), 1, "exact-duplicates-between-splits", "fail", 1 / 36, set()),
    "test in validation": (_leak("test", "validation"), 1, "exact-duplicates-between-splits", "fail", 1 / 120, set()),
    "subjects shared": (_share_subject, 2, "subject-leakage", "fail", 2, set()),
    "class gone from test": (_drop("test", 1, 0), 0, "missing-class", "fail", 1, {"test-samples-per-class"}),
    "class gone from train": (_drop("train", 2, 0), 0, "missing-class", "fail", 1, {"train-samples-per-class"}),
    "long tail": (_drop("train", 2, 5), 0, "class-balance", "warn", 12, {"train-samples-per-class"}),
    "few to train on": (_drop("train", 2, 49), 0, "train-samples-per-class", "warn", 49, set()),
    "hardly any to train on": (_drop("train", 2, 9), 0, "train-samples-per-class", "fail", 9, set()),
    "few to test on": (_drop("test", 0, 29), 0, "test-samples-per-class", "warn", 29, set()),
    "hardly any to test on": (_drop("test", 0, 9), 0, "test-samples-per-class", "fail", 9, set()),
}


def test_clean_data_passes_every_check_in_the_order_of_the_file(planting: Planting, rules: QualityRules) -> None:
    results = planting.check(rules)
    assert [c for c in results.values() if c.status != "ok"] == []
    file = yaml.safe_load((POLICIES / "quality" / "default.yaml").read_text(encoding="utf-8"))
    assert list(results) == list(file["check_data"])


@pytest.mark.parametrize("case", CASES)
def test_planted_defect_is_found_and_nothing_else(case: str, planting: Planting, rules: QualityRules) -> None:
    plant, count, name, status, measured, others = CASES[case]
    shown = plant(planting, count)

    results = planting.check(rules)

    result = results[name]
    assert (result.status, result.measured) == (status, pytest.approx(measured)), result
    assert set(result.samples) <= shown
    assert len(result.samples) == min(len(shown), 10)
    assert {c.name for c in results.values() if c.status != "ok"} - {name} == others


def test_exactly_at_a_threshold_is_not_above_it(planting: Planting, rules: QualityRules) -> None:
    _drop("train", 2, 50)(planting, 0)
    assert planting.check(rules)["train-samples-per-class"].status == "ok"


def test_a_defect_of_unknown_kind_does_not_pass_unseen(planting: Planting, rules: QualityRules) -> None:
    planting.spoil(0, "colour profile missing")
    assert planting.check(rules)["unreadable"].status == "fail"


def test_messages_name_place_and_remedy(planting: Planting, rules: QualityRules) -> None:
    _drop("test", 1, 0)(planting, 0)
    _leak("test", "train")(planting, 2)
    results = planting.check(rules)
    assert "bee in test" in results["missing-class"].message
    assert "2 of 80 test samples" in results["exact-duplicates-between-splits"].message
    assert "take them out" in results["exact-duplicates-between-splits"].message
    assert "take them out" not in results["near-duplicates-between-splits"].message


def test_no_subjects_is_said(planting: Planting, rules: QualityRules) -> None:
    assert "names no subjects" in planting.check(rules)["subject-leakage"].message


def test_nothing_to_measure_fails(planting: Planting, rules: QualityRules) -> None:
    """A snapshot without one usable sample: shares are NaN, and NaN has not passed."""
    for i in range(len(planting.rows)):
        planting.spoil(i, "unreadable: not an image")
    results: dict[str, CheckResult] = planting.check(rules)
    for name in ("blank-or-constant", "label-conflict", "near-duplicates-between-splits", "class-balance"):
        assert math.isnan(results[name].measured), name
        assert results[name].status == "fail", name
    assert results["missing-class"].measured == 3 * len(planting.classes)


def test_a_copy_without_a_label_is_in_no_split_and_leaks_nothing(planting: Planting, rules: QualityRules) -> None:
    test = planting.of("test")[0]
    planting.images[test] = planting.images[planting.of("train")[0]]
    planting.rows[test]["label"] = -1
    assert {c.name for c in planting.check(rules).values() if c.status != "ok"} == {"label-range"}


def _set_apart(p: Planting, split: str, label: int) -> list[int]:
    """Every third training image is of another split."""
    apart = p.of("train")[::3]
    for i in apart:
        p.rows[i] |= {"split": split, "label": label}
    return apart


def test_what_is_of_no_class_and_repeats_or_nearly_repeats_a_class_is_found(
    planting: Planting, rules: QualityRules
) -> None:
    apart = _set_apart(planting, "out-of-scope", -1)
    assert planting.check(rules)["out-of-scope-conflict"].measured == 0
    learnt, tested = planting.of("train", 1)[5], planting.of("test", 2)[5]
    planting.images[apart[4]] = planting.images[learnt]
    planting.images[apart[7]] = planting.images[tested] ^ 1  # a level up or down
    results = planting.check(rules)
    check = results["out-of-scope-conflict"]
    assert (check.status, check.measured) == ("fail", pytest.approx(2 / len(apart)))
    assert set(check.samples) == {planting.rows[i]["sample_id"] for i in (apart[4], apart[7])}
    assert "repeat or nearly repeat one of a class: bee, cow; decide" in check.message
    assert {c.name for c in results.values() if c.status == "fail"} == {"out-of-scope-conflict"}


def test_of_what_is_of_no_class_it_is_said_where_only_the_closest_were_compared(
    planting: Planting, rules: QualityRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "_MAX_CANDIDATES", 1)
    apart, learnt = _set_apart(planting, "out-of-scope", -1)[4], planting.of("train", 1)
    for i, other in ((learnt[4], 1), (learnt[5], 2)):
        planting.images[i] = planting.images[apart] ^ other
    message = planting.check(rules)["out-of-scope-conflict"].message
    assert "(1 samples had so many look-alikes that only the closest were compared): bee" in message


def test_near_copies_are_named_by_what_they_are_where_some_images_are_unused(
    planting: Planting, rules: QualityRules
) -> None:
    _set_apart(planting, "unused", 0)
    copied, test = planting.of("train")[0], planting.of("test")[0]
    planting.images[test] = planting.images[copied] ^ 1
    check = planting.check(rules)["near-duplicates-between-splits"]
    assert check.status == "fail" and check.samples == (planting.rows[test]["sample_id"],)
