"""Confusion, calibration, class counts, pictures of corruptions and the model card: true, bounded, and left out where
a run kept nothing of them."""

from __future__ import annotations

import html as entities
import re
from dataclasses import replace

import numpy as np
import pytest

from augment_ops.report.calibration import reliability
from augment_ops.report.class_counts import class_table
from augment_ops.report.confusion import confused, matrices
from augment_ops.report.inputs import CorruptedLevel, CorruptedSample, ReportInputs
from augment_ops.report.page import render
from augment_ops.stress.cell_detail import CellDetail, cell_detail
from augment_ops.stress.measures import cells, confusion, measures
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import CLEAN, Cell
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from support.report_page import BRIEF, CLASSES, CORRUPTIONS, HOSTILE, Page, inputs, stress


def outcomes(classes: int = 3, n: int = 600, seed: int = 5) -> Outcomes:
    """Of a candidate that is right nine times out of ten when clean, and six times under rotation."""
    draw = np.random.Generator(np.random.Philox(seed))
    labels = draw.integers(0, classes, n).astype(np.int16)
    predicted = np.stack([labels, labels])
    for cell, wrong in enumerate((0.1, 0.4)):
        rows = draw.random(n) < wrong
        predicted[cell, rows] = (labels[rows] + 1) % classes
    sure = draw.uniform(0.4, 1.0, (1, 2, n)).astype(np.float16)
    return Outcomes(
        suite_digest="5" * 64,
        models={"candidate": "c" * 64},
        addresses=((CLEAN, 0), ("rotation", 5)),
        classes=tuple(f"class-{k}" for k in range(classes)) if classes > 3 else CLASSES,
        sample_ids=tuple(map(str, range(n))),
        labels=labels,
        predicted=predicted[None].astype(np.int16),
        p_true=sure,
        p_predicted=sure,
    )


def details(of: Outcomes) -> tuple[CellDetail, CellDetail]:
    clean, stressed = cell_detail(of, "candidate"), cell_detail(of, "candidate", "rotation", 5)
    assert clean is not None
    assert stressed is not None
    return clean, stressed


def test_a_cell_in_detail_says_what_its_numbers_say() -> None:
    of = outcomes()
    clean, stressed = details(of)
    taken = {(actual, answered): n for actual, answered, n in clean.taken}
    assert tuple(tuple(taken.get((i, j), 0) for j in range(3)) for i in range(3)) == confusion(of, "candidate")
    for detail, measured, cell in zip((clean, stressed), measures(of), cells(of), strict=True):
        assert detail.calibration_error == measured.calibration_error
        assert (detail.n, detail.class_n) == (cell.n, cell.class_n)
        assert sum(one.n for one in detail.bins) == cell.n
        assert sum(one.right for one in detail.bins) == round(cell.accuracy * cell.n)
        assert all(one.low < one.confidence <= one.high for one in detail.bins)
        by_hand = sum(abs(one.right - one.n * one.confidence) for one in detail.bins) / cell.n
        assert by_hand == pytest.approx(detail.calibration_error)


def test_what_a_corruption_destroyed_is_in_neither() -> None:
    destroyed = np.zeros((2, 600), np.uint8)
    destroyed[1, :200] = 1
    _, stressed = details(replace(outcomes(), causes=("blank",), destroyed=destroyed))
    assert stressed.n == sum(one.n for one in stressed.bins) == sum(n for *_, n in stressed.taken) == 400


def test_there_is_no_detail_where_a_prediction_is_not_finite_or_nothing_is_left() -> None:
    of = outcomes()
    broken = of.predicted.copy()
    broken[0, 1, 7] = NOT_A_NUMBER
    assert cell_detail(replace(of, predicted=broken), "candidate", "rotation", 5) is None
    gone = np.zeros((2, 600), np.uint8)
    gone[1] = 1
    assert cell_detail(replace(of, causes=("blank",), destroyed=gone), "candidate", "rotation", 5) is None
    assert cell_detail(of, "candidate", "rotation", 4) is None
    assert cell_detail(of, "champion") is None


def test_the_largest_confusions_are_named_clean_beside_stressed() -> None:
    of = outcomes()
    page = render(inputs(details=details(of)))
    first = confused(of.classes, *details(of), most=1)[0]
    assert first.stressed > first.clean > 0
    row = next(r for r in Page(page).rows if f"({first.stressed})" in "".join(r))
    assert [cell.strip() for cell in row[:2]] == [first.actual, first.taken_for]
    assert "The candidate clean, and under rotation, severity 5, where it loses most." in page


@pytest.mark.parametrize(("classes", "shown"), [(20, 20), (62, 12), (200, 12)])
def test_a_matrix_of_many_classes_is_that_of_the_ones_with_the_most_mistakes(classes: int, shown: int) -> None:
    of = outcomes(classes, 2000)
    first, last = matrices(of.classes, *details(of))
    assert len(first.rows) == len(last.rows) == shown
    assert len(last.columns) == shown + (shown < classes)
    assert (last.columns[-1] == "others") == (shown < classes)
    _, stressed = details(of)
    for name, row in last.rows:  # what is not shown is in `others`
        assert sum(n for n, _ in row) == stressed.class_n[of.classes.index(name)]
    mistakes = dict.fromkeys(range(classes), 0)
    for actual, taken, n in stressed.taken:
        if actual != taken:
            mistakes[actual] += n
            mistakes[taken] += n
    left_out = [mistakes[of.classes.index(name)] for name in of.classes if name not in dict(last.rows)]
    assert max(left_out, default=0) <= min(mistakes[of.classes.index(name)] for name, _ in last.rows)


def test_calibration_has_error_counts_and_intervals() -> None:
    of = outcomes()
    clean, stressed = details(of)
    html = render(inputs(details=(clean, stressed)))
    for cell in (clean, stressed):
        assert f"<b>{100 * cell.calibration_error:.1f} points</b> (n = 600)" in html
    rows = reliability(clean, stressed)
    page = Page(html)
    for row in rows:
        found = page.row_with(f"{row.low:.0%} to {row.high:.0%}")
        assert [f"n = {one.n}" in cell for one, cell in zip(row.cells, found[1:], strict=True) if one] == [True] * 2
    chart = next(a for t, a in page.tags if t == "svg" and "by confidence" in str(a.get("aria-label")))
    assert "rotation, severity 5" in str(chart["aria-label"])


def test_classes_are_counted_in_every_split_before_augmentation_and_after() -> None:
    counts = {"train": {"0": 900, HOSTILE: 30}, "validation": {"0": 90, HOSTILE: 3}, "test": {"0": 100}}
    snapshot = inputs().snapshot | {"counts": counts}
    page = Page(render(inputs(snapshot=snapshot, epochs=4)))
    row = page.row_with("96.8%")
    assert row == ["0", "96.8%", "900", "90", "100", "3\u202f600"]
    assert page.row_with("3.2%") == [HOSTILE, "3.2%", "30", "3", "0", "120"]
    html = render(inputs(snapshot=snapshot, epochs=4))
    assert "has 30.0 times as many training samples as the rarest" in html
    assert "training saw 4 copies of every one" in html
    nothing = Page(render(inputs(snapshot=snapshot, epochs=None)))
    assert nothing.row_with("96.8%") == ["0", "96.8%", "900", "90", "100"]


def test_of_many_classes_both_ends_are_shown_and_how_many_lie_between() -> None:
    names = tuple(f"class-{k:03d}" for k in range(200))
    table = class_table(names, {"train": {name: 1000 - 4 * k for k, name in enumerate(names)}}, None)
    assert table is not None
    assert (len(table.first), len(table.last), table.hidden) == (12, 12, 176)
    assert (table.first[0].name, table.last[-1].name) == ("class-000", "class-199")
    assert (table.most, table.fewest, round(table.imbalance, 2)) == ("class-000", "class-199", 4.9)
    assert class_table(names, {"train": {}}, None) is None


def corrupted(shape: tuple[int, ...] = (8, 8, 1), names: tuple[str, ...] = CORRUPTIONS, samples: int = 1) -> tuple:
    draw = np.random.Generator(np.random.Philox(3))
    return tuple(
        CorruptedSample(
            corruption=name,
            sample_id=f"s{place}",
            label="0",
            clean=draw.integers(0, 256, shape, dtype=np.uint8),
            levels=tuple(
                CorruptedLevel(
                    severity=severity,
                    sample=draw.integers(0, 256, shape, dtype=np.uint8),
                    predicted="0" if severity < 4 else HOSTILE,
                )
                for severity in range(1, 6)
            ),
        )
        for place in range(samples)
        for name in names
    )


def test_what_each_corruption_looks_like_stands_beside_its_curve() -> None:
    html = render(inputs(corrupted=corrupted(), failing=(), augmented=None))
    page = Page(html)
    alts = [str(a["alt"]) for t, a in page.tags if t == "img"]
    assert len(alts) == len(CORRUPTIONS) * 6
    for name in CORRUPTIONS:
        assert [f"{name}, severity {s}" in alt for alt in alts for s in range(1, 6) if name in alt].count(True) == 5
        figure = next(part for part in html.split("<figure>") if f"<span>{name}" in part)
        assert figure.index("<svg") < figure.index("<img")
        assert figure[: figure.index("</figure>")].count("<img") == 6
    assert html.count('class="wrong"') == len(CORRUPTIONS) * 2
    assert HOSTILE not in html


def many_classes() -> ReportInputs:
    """A large data set of many classes in colour, every picture of noise, which compresses worst."""
    k, names = 200, tuple(f"corruption-{i}" for i in range(19))
    of = outcomes(k, 4000)
    base = [
        Cell(
            role="candidate",
            corruption=CLEAN if s == 0 else name,
            severity=s,
            n=4000,
            accuracy=0.9 - 0.05 * s,
            class_n=(20,) * k,
            class_recall=tuple((i % 19) / 19 for i in range(k)),
        )
        for name in names
        for s in ((0,) if name == names[0] else ()) + tuple(range(1, 6))
    ]
    report = replace(stress(), classes=of.classes, cells=tuple(base), confusion={}, measures=(), slices=())
    report = replace(report, models={"candidate": "c" * 64}, champion_version=None)
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 256, (12, 224, 224, 3), dtype=np.uint8)
    one = inputs().failing[0]
    failing = tuple(
        replace(one, corruption=names[i % 8], clean=noise[i % 12], stressed=noise[i % 11]) for i in range(64)
    )
    sheet = inputs().augmented
    assert sheet is not None
    return inputs(
        stress=report,
        details=details(of),
        snapshot=inputs().snapshot
        | {
            "classes": of.classes,
            "counts": {"train": dict.fromkeys(of.classes, 500)},
            "image_shape": (224, 224, 3),
        },
        corrupted=corrupted((224, 224, 3), names, samples=2),
        failing=failing,
        pictures=failing,
        augmented=replace(sheet, originals=noise, copies=np.stack([noise] * 4, axis=1), labels=("a",) * 12),
        epochs=40,
    )


def test_a_large_data_set_of_many_classes_stays_one_file_below_two_megabytes() -> None:
    html = render(many_classes())
    assert len(html.encode()) < 2_000_000
    assert "the page stays below 2 MB" in html
    outside = re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', html)
    assert all(address.startswith("http://127.0.0.1:") for address in outside)
    assert len(re.findall("<tr>", html)) < 600


@pytest.mark.parametrize("left_out", ["details", "corrupted"])
def test_what_a_run_did_not_keep_is_left_out_and_said_to_be(left_out: str) -> None:
    html = render(inputs(**{left_out: ()}))
    said = {"details": "This run kept nothing of it.", "corrupted": "kept no images under the corruptions"}[left_out]
    assert said in html


def card_of(**changes: object) -> Page:
    return Page(render(inputs(**changes)))


def code_of(html: str) -> str:
    return entities.unescape(html.split('id="code">')[1].split("</pre>", maxsplit=1)[0])


@pytest.mark.parametrize("version", ["", "4"])
def test_the_card_has_code_for_this_very_model(version: str) -> None:
    html = render(inputs(brief=replace(BRIEF, version=version)))
    code = code_of(html)
    compile(code, "card", "exec")
    assert "f" * 64 in code
    assert "(1, 8, 8, 1)" in code
    assert ("load_model('digits', '4'" in code) == bool(version)
    assert ("not registered" in html) == (not version)


def test_the_card_says_what_nobody_has_stated() -> None:
    html = render(inputs())
    said = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]*)</dd>", html[html.index('<section id="card">') :]))
    assert said["Licence of the data"] == said["Licence of the model"] == said["Responsible"] == "not stated"
    assert "CC BY 4.0" in render(inputs(snapshot=inputs().snapshot | {"licence": "CC BY 4.0"}))
    assert "policy: not for" in html
    assert "accuracy 96.0% (89.7% to 98.5%) was measured on 90 images of the held-out split" in html


def test_every_entry_of_the_contents_leads_to_a_section() -> None:
    page = Page(render(inputs()))
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    leads = [str(a["href"])[1:] for t, a in page.tags if t == "a" and str(a["href"]).startswith("#")]
    assert len(leads) == len(set(leads)) >= 12
    assert set(leads) <= set(ids)
    assert len(ids) == len(set(ids))
    sections = {a["id"] for t, a in page.tags if t == "section" and a.get("id")} - {"brief", "conclusions"}
    assert set(leads) == sections
    # A frame without an origin follows no link to a place: a label over it brings the focus to a field there.
    fields = {a["id"] for t, a in page.tags if t == "input"}
    assert {a["for"] for t, a in page.tags if t == "label"} == fields == {f"at-{place}" for place in leads}


def test_addresses_can_be_copied_where_a_frame_lets_no_link_out() -> None:
    html = render(inputs())
    assert re.findall(r'<code class="address">([^<]+)</code>', html) == [
        "http://127.0.0.1:8080/dags/a/runs/1?x=1&amp;y=2",
        "http://127.0.0.1:5000/#/experiments/1/runs/2",
    ]
    assert "addresses to copy" not in render(inputs(airflow_url=None, mlflow_url="mlflow:abc"))
