from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.errors import DataError, PolicyError
from augment_ops.monitoring.drift.check import DriftReport, check_drift
from augment_ops.monitoring.drift.evidently_page import render_page
from augment_ops.monitoring.drift.metrics import drift_samples, effects
from augment_ops.monitoring.drift.page import second_opinion
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample

DEFAULT = Path(__file__).resolve().parents[4] / "policies/drift/default.yaml"
RULES = DriftRules.load(DEFAULT)
TRANSACTIONS = DriftRules.load(DEFAULT.with_name("transactions.yaml"))
CLASSES = np.array(list("abcd"), dtype=object)


def pictures(n: int, seed: int, *, gain: float = 1.0, blur: bool = False, labelled: bool = True) -> Sample:
    generator = np.random.Generator(np.random.Philox(key=[seed, 11]))
    level = generator.normal(90, 20, size=(n, 1, 1, 1))
    pixels = level + generator.normal(0, 20, size=(n, 12, 12, 1))
    if blur:
        pixels = (pixels + np.roll(pixels, 1, 1) + np.roll(pixels, 1, 2) + np.roll(pixels, (1, 1), (1, 2))) / 4
    images = np.clip(pixels * gain, 0, 255).astype(np.uint8)
    return Sample.of_payload(f"digest-{seed}", images, CLASSES[generator.integers(0, 4, n)] if labelled else None)


def status_of(report: DriftReport) -> dict[str, str]:
    return {f.name: f.status for f in report.features}


def test_no_window_is_said():
    report = check_drift(pictures(300, 1), None, RULES)
    assert (report.status, report.window_digest, report.n_window) == ("no-window", None, 0)
    assert "No production window yet" in report.message


def test_the_same_source_is_ok_and_every_feature_is_reported():
    report = check_drift(pictures(2000, 1), pictures(400, 2), RULES)
    assert report.status == "ok", report.message
    assert set(status_of(report)) == {*RULES.detect.images, "class-mix"}
    assert (report.n_reference, report.n_window) == (2000, 400)


def test_brighter_pictures_drift_in_mean_and_blurred_ones_in_sharpness():
    reference = pictures(2000, 1)
    bright = check_drift(reference, pictures(400, 2, gain=1.5), RULES)
    assert bright.status == "drift"
    assert status_of(bright)["mean"] == "drift"
    assert status_of(bright)["class-mix"] == "ok"
    blurred = check_drift(reference, pictures(400, 2, blur=True), RULES)
    assert status_of(blurred)["sharpness"] == "drift"
    assert status_of(blurred)["mean"] == "ok"
    assert "sharpness" in blurred.message


def test_too_few_is_insufficient_not_ok():
    report = check_drift(pictures(2000, 1), pictures(60, 2, gain=2.0), RULES)
    assert report.status == "insufficient"
    assert str(RULES.min_n) in report.message


def test_an_effect_beyond_its_limit_that_may_be_chance_is_not_ok():
    """Of 24 samples of a class six are wrong that were right: 25 points of recall, which chance explains too."""
    reference, window = pictures(2000, 1), pictures(240, 2)
    known = [replace(side, predictions=side.labels.copy()) for side in (reference, window)]
    few = np.flatnonzero(known[1].labels == "a")
    kept = np.sort(np.concatenate([few[:24], np.flatnonzero(known[1].labels != "a")]))
    labels = known[1].labels[kept]
    wrong = labels.copy()
    wrong[np.flatnonzero(labels == "a")[:6]] = "b"
    window = Sample.of_payload("w", window.payload.take(kept), labels)
    known[0].predictions[np.flatnonzero(known[0].labels == "a")[::10]] = "b"  # one in ten was wrong before
    asked = {"answers": ("recall",), "labels": (), "predictions": ()}
    rules = RULES.model_copy(update={"detect": RULES.detect.model_copy(update=asked)})
    report = check_drift(known[0], replace(window, predictions=wrong), rules)
    found = next(f for f in report.features if f.name == "recall of a")
    assert found.effect > RULES.limits["recall"].warn
    assert found.corrected > RULES.significance
    assert found.status == "insufficient"
    assert found.message.endswith("is beyond the limit of 0.1, but 24 samples are too few to tell it from chance.")
    assert report.message == "The production window looks like the reference. Too few samples to tell of recall of a."
    assert status_of(report)["mean"] == "ok"


def test_a_window_without_labels_says_that_the_class_mix_was_not_measured():
    report = check_drift(pictures(2000, 1), pictures(400, 2, labelled=False), RULES)
    assert report.status == "ok"
    assert "labels: the window has none" in report.not_measured


def test_another_image_shape_is_drift():
    window = pictures(400, 2)
    smaller = Sample.of_payload("small", window.payload.take(np.arange(400))[:, :6, :6], window.labels)
    report = check_drift(pictures(2000, 1), smaller, RULES)
    assert report.status == "drift"
    shape = next(f for f in report.features if f.name == "image-shape")
    assert "12 × 12 × 1" in shape.message


def test_labels_that_do_not_match_the_images_are_refused():
    side = pictures(300, 1)
    with pytest.raises(DataError, match="299 values for 300 samples"):
        Sample.of_payload("x", side.payload, side.labels[:-1])


def test_false_alarms_of_the_whole_check_at_200_are_rare():
    reference = pictures(1000, 1)
    alarms = [check_drift(reference, pictures(RULES.min_n, 100 + i), RULES).status for i in range(60)]
    assert alarms.count("ok") >= 59, alarms


def test_the_report_survives_a_round_trip():
    report = check_drift(pictures(2000, 1), pictures(400, 2, gain=1.5), RULES)
    assert from_json(DriftReport, canonical_json(report)) == report


def test_features_do_not_depend_on_blocks(monkeypatch):
    side = pictures(40, 5)
    whole = side.kind.features(side.payload.take(np.arange(40)))
    monkeypatch.setattr("augment_ops.data.payload._CHUNK_BYTES", 7 * 144)
    assert list(side.features) == list(whole) == list(side.kind.properties)
    for name, values in side.features.items():
        assert np.array_equal(values, whole[name])


def test_a_window_of_no_sample_has_features_without_values():
    nothing = Sample.of_payload("none", np.zeros((0, 12, 12, 1), np.uint8))
    assert {name: len(values) for name, values in nothing.features.items()} == dict.fromkeys(nothing.kind.properties, 0)
    assert check_drift(pictures(300, 1), nothing, RULES).status == "insufficient"


def test_a_property_that_no_modality_knows_is_refused_with_the_nearest(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(DEFAULT.read_text().replace("[mean, contrast,", "[mean, contrats,"))
    with pytest.raises(
        PolicyError, match=r"one of mean, contrast, sharpness, colour, .*, size\. Did you mean contrast"
    ):
        DriftRules.load(path)


def test_a_faulty_file_lists_all_its_faults(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(DEFAULT.read_text().replace("min_n: 200", "min_n: 1").replace("bins: 10", "bin: 10"))
    with pytest.raises(PolicyError) as caught:
        DriftRules.load(path)
    assert {f.where for f in caught.value.faults} >= {"min_n", "bins", "bin"}


def test_limits_in_the_wrong_order_are_refused(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(DEFAULT.read_text().replace("psi: {warn: 0.10", "psi: {warn: 0.9"))
    with pytest.raises(PolicyError, match="must not lie above"):
        DriftRules.load(path)


def test_the_digest_ignores_comments_and_nothing_else(tmp_path):
    path = tmp_path / "default.yaml"
    path.write_text(DEFAULT.read_text() + "\n# a remark\n")
    assert DriftRules.load(path).digest == RULES.digest
    path.write_text(DEFAULT.read_text().replace("min_n: 200", "min_n: 201"))
    assert DriftRules.load(path).digest != RULES.digest


def test_evidently_gives_a_page_where_its_own_checks_would_end(tmp_path):
    reference, window = ({**side.features} for side in (pictures(300, 1), pictures(300, 2, gain=1.5)))
    window["mean"][:50] = np.inf
    window["contrast"][:] = np.nan  # left out
    reference["class-mix"] = window["class-mix"] = np.array(list("abc") * 100)
    page = render_page(reference, window)
    assert "sharpness" in page
    assert "class-mix" in page
    assert 'src="http' not in page
    with pytest.raises(DataError, match="columns mean"):
        render_page({"mean": np.full(5, np.nan)}, {"mean": np.ones(5)})


def test_what_evidently_raises_on_odd_columns_is_said_and_ends_nothing():
    """Values that differ in the last bit, or that are huge: NumPy raises inside Evidently."""
    generator = np.random.default_rng(0)
    huge = generator.normal(size=300) * 4e307
    for before, after in ((np.full(300, 0.3), np.full(300, 0.1 + 0.2)), (huge, huge)):
        sides = [Sample(digest=d, size=300, columns={"odd": odd}) for d, odd in (("a" * 64, before), ("b" * 64, after))]
        said: list[str] = []
        assert second_opinion(*sides, said.append) is None
        assert [line.partition(":")[0] for line in said] == ["no second opinion"]


def test_a_window_without_a_record_lacks_no_column():
    """An outage is for people to look at, and no reason to train."""
    values = np.random.default_rng(0).normal(size=300)
    before = Sample(digest="a" * 64, size=300, columns={"x": values})
    nothing = check_drift(before, Sample(digest="b" * 64, size=0), RULES, blind=True)
    assert (nothing.status, nothing.blind, nothing.features) == ("insufficient", True, ())
    without = check_drift(before, Sample(digest="c" * 64, size=300, columns={"y": values}), RULES)
    assert without.status == "drift"


def test_windows_of_part_of_an_hour_are_of_whole_seconds(tmp_path):
    path, text = tmp_path / "r.yaml", DEFAULT.read_text().replace("default", "r")
    for hours, seconds in (("0.333", 1199), ("0.5", 1800), ("24", 86_400)):
        path.write_text(re.sub(r"(?m)^window_h: .*$", f"window_h: {hours}", text))
        assert DriftRules.load(path).window.total_seconds() == seconds
    path.write_text(re.sub(r"(?m)^window_h: .*$", "window_h: 0.0001", text))
    with pytest.raises(PolicyError, match="window_h"):
        DriftRules.load(path)


TABLE = RULES.model_copy(
    update={"detect": RULES.detect.model_copy(update={"embeddings": (), "answers": ("accuracy",)})}
)


def test_columns_that_are_called_like_measurements_of_ours_are_told_from_them() -> None:
    """Alone they are what they are; beside pictures and predictions `size` means the pictures' size."""
    generator = np.random.default_rng(0)
    names = [
        "size",
        "column size",
        "predictions",
        "class-mix",
        "accuracy",
        "recall of a",
        "a\nb",
        "a b",
        "psi",
        "__index__",
    ]
    values = {name: generator.normal(size=600) for name in names}
    side = pictures(600, 1)
    reference = Sample(
        digest="r", size=600, columns=values, payload=side.payload, predictions=side.labels, labels=side.labels
    )
    moved = {name: found + (name == "predictions") for name, found in values.items()}
    window = Sample(
        digest="w", size=600, columns=moved, payload=side.payload, predictions=side.labels, labels=side.labels
    )
    report = check_drift(reference, window, TABLE)
    assert len({(f.name, f.detector) for f in report.features}) == len(report.features)
    columns = {f.name for f in report.features if f.kind == "columns"}
    ours = {"size", "column size", "predictions", "class-mix", "accuracy", "recall of a"}
    assert columns == {f"column {name}" if name in ours else name for name in names}
    assert {f.name for f in report.features if f.status == "drift"} == {"column predictions"}
    assert all(f.corrected >= f.p_value for f in report.features if f.p_value == f.p_value)
    assert len(effects(report)) == len(report.features)
    series = [sample.labels for sample in drift_samples("d", report) if sample.family.name.endswith("drift_status")]
    assert len(set(series)) == len(report.features) + 1
    alone = check_drift(
        Sample(digest="r", size=600, columns=values), Sample(digest="w", size=600, columns=moved), TRANSACTIONS
    )
    assert {f.name for f in alone.features} >= {"size", "a\nb", "__index__"}


def test_a_column_may_be_called_predictions_and_is_still_counted() -> None:
    with pytest.raises(DataError, match="1 values for 2 samples"):
        Sample(digest="x", size=2, columns={"predictions": np.zeros(2)}, predictions=np.array(["a"], dtype=object))
